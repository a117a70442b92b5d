"""Scores of normalised stamps."""

import numpy as np
from numpy.typing import NDArray

from realbogus.models.backend import keras

__all__ = ["predict"]

_BATCH = 1024


def predict(model: keras.Model, stamps: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the probability that each stamp is real.

    Parameters
    ----------
    model : keras.Model
        From (n, side, side, 1) to (n, 2), or to (n, 1) for the probability of real alone.
    stamps : ndarray of shape (n, side, side)
        Normalised as the model's recipe says.

    Returns
    -------
    ndarray of shape (n,)
        From 0 (bogus) to 1 (real).
    """
    probabilities = model.predict(stamps[..., np.newaxis], batch_size=_BATCH, verbose=0)
    real: NDArray[np.float64] = probabilities[:, -1].astype(np.float64)
    return real
