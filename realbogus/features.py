"""Features out of stamps: cropped, turned and normalised, block by block, in a random order."""

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from realbogus.blocks import Crops, Cut, read_crops
from realbogus.groups import number_values
from realbogus.normalisation import normalise
from realbogus.seeing import describe_seeing

__all__ = [
    "ROTATIONS",
    "Features",
    "Job",
    "Taken",
    "Treatment",
    "Window",
    "make_features",
    "reading_order",
    "treat_crops",
]

ROTATIONS: dict[int, tuple[int, ...]] = {90: (1, 2, 3), 180: (2,)}
"""The quarter turns of the copies that a rotation step in degrees adds."""

# Neighbours in a cube, or in a list, that stay together when the order of reading is drawn.
_RUN = 128
# Stamps that are normalised at one go: as many as a core's cache holds, since each step takes all.
_CACHED = 512


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
class Job:
    """Stamps that one worker reads; the arrays have shape (n,).

    Attributes
    ----------
    folder, files, planes
        As `realbogus.blocks.read_crops` takes them.
    is_train : ndarray
        True where turned copies are wanted.
    """

    folder: Path
    files: NDArray[np.bytes_]
    planes: NDArray[np.int32]
    is_train: NDArray[np.bool_]


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


def make_features(job: Job, treatment: Treatment) -> Features:
    """Read the stamps of a job, and make their features.

    Raises
    ------
    StampError
        If a stamp can't be read, or is smaller than the feature.
    """
    crops = read_crops(job.folder, job.files, job.planes, treatment.cut)
    return treat_crops(crops, treatment, is_train=job.is_train)


def treat_crops(crops: Crops, treatment: Treatment, *, is_train: NDArray[np.bool_]) -> Features:
    """Make the features of the middles of n stamps.

    Parameters
    ----------
    crops : Crops
        As the treatment's cut gives them.
    treatment : Treatment
        How to.
    is_train : ndarray of shape (n,)
        True where turned copies are wanted.
    """
    masked = _masked_fraction(crops.pixels)
    kept = np.flatnonzero(masked < 1)
    turned = kept[is_train[kept]]
    rows = np.concatenate([kept, *(turned for _ in treatment.turns)])
    lengths = [len(kept), *(len(turned) for _ in treatment.turns)]
    copies = np.repeat(np.arange(len(lengths)), lengths)
    turns = np.array([0, *treatment.turns])[copies]
    pixels = _normalised(crops.pixels, rows, turns, treatment.normalisation)
    if treatment.psf:
        pixels[:, 0, 0] = describe_seeing(crops.seeing[rows])
    return Features(pixels, rows, copies, masked, crops.seeing)


class Window:
    """The features of some stamps, those that train in a random order, and then all others.

    Threads may put in features of different stamps at the same time.

    Parameters
    ----------
    stamps, is_train : ndarray of shape (n,)
        What stands for each stamp; True for those that train.
    treatment : Treatment
        How features are made.
    rng : numpy.random.Generator
        The source of the order.
    """

    def __init__(
        self,
        stamps: NDArray[np.int64],
        is_train: NDArray[np.bool_],
        treatment: Treatment,
        rng: np.random.Generator,
    ) -> None:
        is_wanted = np.zeros((len(stamps), 1 + len(treatment.turns)), np.bool_)
        is_wanted[:, 0], is_wanted[is_train] = True, True
        train, other = (np.flatnonzero(is_wanted & (is_train == of)[:, None]) for of in (1, 0))
        order = np.concatenate([rng.permutation(train), other])
        self._stamps, self._train_count = stamps, len(train)
        self._rows, copies = np.divmod(order, is_wanted.shape[1])
        self._places = np.empty(is_wanted.shape, np.int64)
        self._places[self._rows, copies] = np.arange(len(order))
        self._is_there = np.zeros(len(order), np.bool_)
        self._pixels = np.empty((len(order), *[2 * treatment.cut.extent] * 2), np.float32)
        self.masked, self.seeing = (np.empty(len(stamps), np.float32) for _ in range(2))

    def put(self, first: int, features: Features) -> None:
        """Put in the features of a job, whose stamps begin with that of number ``first``."""
        stop = first + len(features.masked)
        self.masked[first:stop], self.seeing[first:stop] = features.masked, features.seeing
        places = self._places[first + features.rows, features.copies]
        self._pixels[places] = features.pixels
        self._is_there[places] = True

    def take(self, *, train: bool) -> Taken:
        """Give the features that were put in and that train, or those that do not."""
        side = slice(self._train_count) if train else slice(self._train_count, None)
        rows, pixels, is_there = self._rows[side], self._pixels[side], self._is_there[side]
        if not is_there.all():
            rows, pixels = rows[is_there], pixels[is_there]
        return Taken(pixels, self._stamps[rows], self.masked[rows], self.seeing[rows])


def reading_order(
    files: NDArray[np.bytes_], planes: NDArray[np.int32], rng: np.random.Generator
) -> NDArray[np.int64]:
    """Draw an order in which stamps are read, that the disk likes.

    Runs of neighbours, in a cube or in the list, stay together; the runs are shuffled.

    Parameters
    ----------
    files, planes : ndarray of shape (n,)
        As `realbogus.blocks.read_crops` takes them.

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


def _normalised(
    crops: NDArray[np.float32], rows: NDArray[np.int64], turns: NDArray[np.int64], name: str
) -> NDArray[np.float32]:
    """Turn crops about their middle pixel, which holds the source, and normalise the features."""
    features = np.empty((len(rows), crops.shape[1] - 1, crops.shape[2] - 1), np.float32)
    bounds = [0, *(np.flatnonzero(np.diff(turns)) + 1).tolist(), len(rows)]
    for first, last in pairwise(bounds):
        for start in range(first, last, _CACHED):
            some = slice(start, min(start + _CACHED, last))
            turned = np.rot90(_rows(crops, rows[some]), turns[first], axes=(1, 2))
            features[some] = normalise(_feature(turned), name)
    return features


def _rows(values: NDArray[np.float32], rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """Give ascending rows, without a copy if none is left out."""
    first, stop = int(rows[0]), int(rows[-1]) + 1
    return values[first:stop] if stop - first == len(rows) else values[rows]
