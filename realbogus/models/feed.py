"""Batches of stamps for training, in an order that only the seed and the epoch decide."""

import numpy as np
from numpy.typing import NDArray

from realbogus.dataset import Part
from realbogus.models.backend import keras

__all__ = ["Feed"]

# Neighbours in the file that stay together: about as many as HDF5 reads at one go.
_RUN = 128

_Batch = tuple[NDArray[np.float32], NDArray[np.float32]]


class Feed(keras.utils.PyDataset):  # type: ignore[misc]
    """The batches of an epoch; every epoch has another order.

    Stamps that are in memory are shuffled one by one. Those that stay in their file are read batch
    by batch, and only runs of neighbours are shuffled, which the file has in a random order.

    Parameters
    ----------
    part : Part
        Normalised stamps.
    batch : int
        Stamps a step; the last batch of an epoch may be smaller.
    seed : int or None
        Of the order; None for that of the part.
    epoch : int
        The first epoch to give, from 0, so that a training can be taken up again.
    """

    def __init__(self, part: Part, *, batch: int, seed: int | None, epoch: int = 0) -> None:
        super().__init__()
        self._stamps = part.stamps
        self._targets = np.eye(2, dtype=np.float32)[part.targets]  # (n, 2)
        self._run = 1 if isinstance(part.stamps, np.ndarray) else _RUN
        self._batch, self._seed, self._epoch = batch, seed, epoch
        self._shuffle()

    def __len__(self) -> int:
        """Return the number of batches in an epoch."""
        return -(-len(self._targets) // self._batch)

    def __getitem__(self, index: int) -> _Batch:
        """Give a batch: stamps of shape (n, ny, nx, 1) and targets of shape (n, 2)."""
        rows = self._order[index * self._batch : (index + 1) * self._batch]
        return np.asarray(self._stamps[rows])[..., np.newaxis], self._targets[rows]

    def on_epoch_end(self) -> None:
        """Go on to the order of the next epoch."""
        self._epoch += 1
        self._shuffle()

    def _shuffle(self) -> None:
        count = len(self._targets)
        if self._seed is None:
            self._order = np.arange(count)
            return
        rng = np.random.default_rng([self._seed, self._epoch])
        starts = np.arange(0, count, self._run)
        rng.shuffle(starts)
        order = (starts[:, np.newaxis] + np.arange(self._run)).ravel()
        self._order = order[order < count]
