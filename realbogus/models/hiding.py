"""What a network is not told in training, so that it can do without."""

from typing import Any

import numpy as np

from realbogus.models.backend import keras, layers
from realbogus.seeing import UNKNOWN

__all__ = ["HidePsf"]


class HidePsf(layers.Layer):  # type: ignore[misc]
    """In training, some stamps do not say how wide the PSF is; which, every step draws anew.

    Parameters
    ----------
    share : float
        Of the stamps.
    """

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share
        self._seeds = keras.random.SeedGenerator()

    def build(self, shape: tuple[int | None, ...]) -> None:
        """Take the sides from an input of shape (n, side, side, 1)."""
        rows, columns = (np.arange(side or 0) == 0 for side in shape[1:3])
        self._first = (rows[:, np.newaxis] & columns)[np.newaxis, ..., np.newaxis]
        super().build(shape)

    def call(self, stamps: Any, training: bool = False) -> Any:
        """Give stamps of shape (n, side, side, 1), as they are but for some in training."""
        if not training:
            return stamps
        drawn = keras.random.uniform((keras.ops.shape(stamps)[0], 1, 1, 1), seed=self._seeds)
        is_hidden = keras.ops.logical_and(drawn < self.share, self._first)
        return keras.ops.where(is_hidden, keras.ops.cast(UNKNOWN, stamps.dtype), stamps)

    def compute_output_shape(self, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Give the shape of the output, which is that of the input."""
        return shape
