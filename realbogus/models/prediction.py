"""Scores of normalised stamps."""

import numpy as np
from numpy.typing import NDArray

from realbogus.models.backend import keras

__all__ = ["predict"]

_BATCH = 1024
# Stamps that are in memory at once, if they stay in their file.
_AT_ONCE = 64 * _BATCH


def predict(model: keras.Model, stamps: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the probability that each stamp is real.

    Parameters
    ----------
    model : keras.Model
        From (n, side, side, 1) to (n, 2), or to (n, 1) for the probability of real alone.
    stamps : ndarray of shape (n, side, side)
        Normalised as the model's recipe says; they may be stored ones.

    Returns
    -------
    ndarray of shape (n,)
        From 0 (bogus) to 1 (real).
    """
    scores = np.empty(len(stamps))
    for start in range(0, len(stamps), _AT_ONCE):
        block = np.asarray(stamps[start : start + _AT_ONCE])[..., np.newaxis]  # (n, ny, nx, 1)
        probabilities = model.predict(block, batch_size=_BATCH, verbose=0)
        scores[start : start + _AT_ONCE] = probabilities[:, -1]
    return scores
