"""Batches of stamps for training, in an order that only the seed and the epoch decide."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from realbogus.dataset import Part
from realbogus.models.backend import keras

__all__ = ["Feed"]

_Batch = tuple[NDArray[np.float32], NDArray[np.float32]]


class Feed(keras.utils.PyDataset):  # type: ignore[misc]
    """The batches of an epoch; every epoch has another order.

    Parameters
    ----------
    part : Part
        Normalised stamps.
    batch : int
        Stamps a step; the last batch of an epoch may be smaller.
    seed : int
        Of the order.
    epoch : int
        The first epoch to give, from 0, so that a training can be taken up again.
    """

    def __init__(self, part: Part, *, batch: int, seed: int, epoch: int = 0) -> None:
        super().__init__()
        self._stamps = part.stamps[..., np.newaxis]  # (n, ny, nx, 1)
        self._targets = np.eye(2, dtype=np.float32)[part.targets]  # (n, 2)
        self._batch, self._seed, self._epoch = batch, seed, epoch
        self._shuffle()

    def __len__(self) -> int:
        """Return the number of batches in an epoch."""
        return -(-len(self._targets) // self._batch)

    def __getitem__(self, index: int) -> _Batch:
        """Give a batch: stamps of shape (n, ny, nx, 1) and targets of shape (n, 2)."""
        rows = self._order[index * self._batch : (index + 1) * self._batch]
        return self._stamps[rows], self._targets[rows]

    def on_epoch_end(self) -> None:
        """Go on to the order of the next epoch."""
        self._epoch += 1
        self._shuffle()

    def _shuffle(self) -> None:
        rng: Any = np.random.default_rng([self._seed, self._epoch])
        self._order = rng.permutation(len(self._targets))
