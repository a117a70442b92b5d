"""Features out of stamps: cropped, turned and normalised, block by block, in a random order."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from realbogus.blocks import Crops, Cut
from realbogus.groups import number_values
from realbogus.normalisation import normalise
from realbogus.seeing import describe_seeing

__all__ = [
    "ROTATIONS",
    "Features",
    "Taken",
    "Treatment",
    "Window",
    "count_features",
    "reading_order",
    "treat_crops",
]

ROTATIONS: dict[int, tuple[int, ...]] = {90: (1, 2, 3), 180: (2,)}
"""The quarter turns of the copies that a rotation step in degrees adds."""

# Neighbours in a cube, or in a list, that stay together when the order of reading is drawn.
_RUN = 128
# Stamps that are normalised at one go: as many as a core's cache holds, since each step takes all.
_CACHED = 512
_NOWHERE = -1


@dataclass(frozen=True)
class Treatment:
    """How features are made of stamps.

    Attributes
    ----------
    cut : Cut
        What is read of a stamp.
    normalisation : str
        One of the normalisations.
    turns : tuple of int
        Quarter turns of the copies that a training stamp gets.
    psf : bool
        Whether the first pixel of a feature says how wide the exposure's PSF is, instead of its
        own value.
    """

    cut: Cut
    normalisation: str
    turns: tuple[int, ...] = ()
    psf: bool = False


@dataclass(frozen=True)
class Taken:
    """Features out of a `Window`.

    Attributes
    ----------
    pixels : ndarray of shape (m, 2 * extent, 2 * extent)
        Normalised.
    stamps : ndarray of shape (m,)
        What stands for the stamp that each is of.
    masked, seeing : ndarray of shape (m,)
        As of `Features`.
    """

    pixels: NDArray[np.float32]
    stamps: NDArray[np.int64]
    masked: NDArray[np.float32]
    seeing: NDArray[np.float32]


@dataclass(frozen=True)
class Features:
    """What comes of a job of n stamps.

    Attributes
    ----------
    pixels : ndarray of shape (m, 2 * extent, 2 * extent)
        Normalised. Stamps without a single pixel have none, turned stamps have several.
    rows, copies : ndarray of shape (m,)
        The stamp in the job that each is of; which of its copies, 0 for the stamp as it is.
    masked, seeing : ndarray of shape (n,)
        The masked fraction of the feature's pixels; the FWHM in the stamp's header.
    """

    pixels: NDArray[np.float32]
    rows: NDArray[np.int64]
    copies: NDArray[np.int64]
    masked: NDArray[np.float32]
    seeing: NDArray[np.float32]


def treat_crops(
    crops: Crops,
    treatment: Treatment,
    *,
    is_train: NDArray[np.bool_],
    room: NDArray[np.float32] | None = None,
) -> Features:
    """Make the features of the middles of n stamps.

    Parameters
    ----------
    crops : Crops
        As the treatment's cut gives them.
    treatment : Treatment
        How to.
    is_train : ndarray of shape (n,)
        True where turned copies are wanted.
    room : ndarray of shape (at least m, 2 * extent, 2 * extent), optional
        Where to put the pixels; by default in memory of their own.
    """
    masked = _masked_fraction(crops.pixels)
    kept = np.flatnonzero(masked < 1)
    turned = kept[is_train[kept]]
    rows = np.concatenate([kept, *(turned for _ in treatment.turns)])
    lengths = [len(kept), *(len(turned) for _ in treatment.turns)]
    copies = np.repeat(np.arange(len(lengths)), lengths)
    turns = np.array([0, *treatment.turns])[copies]
    if room is None:
        room = np.empty((len(rows), *[2 * treatment.cut.extent] * 2), np.float32)
    pixels = room[: len(rows)]
    _normalise(crops.pixels, rows, turns, treatment.normalisation, pixels)
    if treatment.psf:
        pixels[:, 0, 0] = describe_seeing(crops.seeing[rows])
    return Features(pixels, rows, copies, masked, crops.seeing)


def count_features(is_train: NDArray[np.bool_], treatment: Treatment) -> int:
    """Return the number of features that stamps have, if each has a pixel."""
    return len(is_train) + len(treatment.turns) * int(np.count_nonzero(is_train))


class Window:
    """The features of some stamps, those that train in a random order, and then all others.

    Threads may put in different stamps at the same time.

    Parameters
    ----------
    stamps, is_train : ndarray of shape (n,)
        What stands for each stamp; True for those that train.
    treatment : Treatment
        How features are made.
    rng : numpy.random.Generator
        The source of the order.
    room : ndarray of shape (m, 2 * extent, 2 * extent)
        Where the m features are kept.
    """

    def __init__(
        self,
        stamps: NDArray[np.int64],
        is_train: NDArray[np.bool_],
        treatment: Treatment,
        rng: np.random.Generator,
        room: NDArray[np.float32],
    ) -> None:
        is_wanted = np.zeros((len(stamps), 1 + len(treatment.turns)), np.bool_)
        is_wanted[:, 0], is_wanted[is_train] = True, True
        train, other = (np.flatnonzero(is_wanted & (is_train == of)[:, None]) for of in (1, 0))
        self._order = np.concatenate([rng.permutation(train), other])
        self._stamps, self._is_train, self._train_count = stamps, is_train, len(train)
        self._treatment = treatment
        # The features are kept as they come, and put in order when they are taken.
        self._begins = np.concatenate([[0], is_wanted.sum(axis=1).cumsum()])
        self._places = np.full(is_wanted.shape, _NOWHERE)
        self._pixels = room
        self.masked, self.seeing = (np.empty(len(stamps), np.float32) for _ in range(2))

    def put(self, first: int, crops: Crops) -> None:
        """Make the features of crops, and keep those; the first is of stamp number ``first``."""
        some = slice(first, first + len(crops.seeing))
        begin, end = self._begins[some.start], self._begins[some.stop]
        features = treat_crops(
            crops, self._treatment, is_train=self._is_train[some], room=self._pixels[begin:end]
        )
        self.masked[some], self.seeing[some] = features.masked, features.seeing
        places = np.arange(begin, begin + len(features.rows))
        self._places[first + features.rows, features.copies] = places

    def take(self, *, train: bool) -> Taken:
        """Give the features that were put in and that train, or those that do not."""
        side = slice(self._train_count) if train else slice(self._train_count, None)
        order = self._order[side]
        places = self._places.ravel()[order]
        is_there = places != _NOWHERE
        if not is_there.all():
            order, places = order[is_there], places[is_there]
        rows = order // self._places.shape[1]
        # To take lets other threads go on, which to put in place does not.
        pixels = self._pixels.take(places, axis=0)
        return Taken(pixels, self._stamps[rows], self.masked[rows], self.seeing[rows])


def reading_order(
    files: NDArray[np.intp], planes: NDArray[np.int32], rng: np.random.Generator
) -> NDArray[np.int64]:
    """Draw an order in which stamps are read, that the disk likes.

    Runs of neighbours, in a cube or in the list, stay together; the runs are shuffled.

    Parameters
    ----------
    files, planes : ndarray of shape (n,)
        What stands for the file of each, in their order; its plane, -1 in a file of its own.

    Returns
    -------
    ndarray of shape (n,)
        Every row once.
    """
    alone = np.flatnonzero(planes < 0)
    together = np.flatnonzero(planes >= 0)
    _, cube = number_values(files[together])
    order = np.lexsort((planes[together], cube))
    together, cube = together[order], cube[order]
    neighbours = np.concatenate([alone, together])
    starts = set(range(0, len(neighbours), _RUN))
    starts |= set((len(alone) + np.flatnonzero(np.diff(cube, prepend=-1))).tolist())
    runs = np.split(neighbours, sorted(starts - {0}))
    shuffled = [runs[index] for index in rng.permutation(len(runs))]
    return np.concatenate(shuffled)


def _feature(crops: NDArray[np.float32]) -> NDArray[np.float32]:
    return crops[:, :-1, :-1]  # (n, 2 * extent, 2 * extent)


def _masked_fraction(crops: NDArray[np.float32]) -> NDArray[np.float32]:
    if np.isfinite(crops).all():
        return np.zeros(len(crops), np.float32)
    known: NDArray[np.float32] = np.isfinite(_feature(crops)).mean(axis=(1, 2), dtype=np.float32)
    return 1 - known


def _normalise(
    crops: NDArray[np.float32],
    rows: NDArray[np.int64],
    turns: NDArray[np.int64],
    name: str,
    target: NDArray[np.float32],
) -> None:
    """Turn crops about their middle pixel, which holds the source, and normalise the features."""
    bounds = [0, *(np.flatnonzero(np.diff(turns)) + 1).tolist(), len(rows)]
    for first, last in pairwise(bounds):
        for start in range(first, last, _CACHED):
            some = slice(start, min(start + _CACHED, last))
            turned = np.rot90(_rows(crops, rows[some]), turns[first], axes=(1, 2))
            target[some] = normalise(_feature(turned), name)


def _rows(values: NDArray[np.float32], rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """Give ascending rows, without a copy if none is left out."""
    first, stop = int(rows[0]), int(rows[-1]) + 1
    return values[first:stop] if stop - first == len(rows) else values[rows]
