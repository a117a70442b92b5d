"""Scores of objects, out of the scores of their images, and the file that holds them.

The file is ECSV as score files are: a row an object, the most likely real first, and those without
a score at the end. Beside it lies a list of the images that could not be scored, if there are any.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from pathlib import Path

import numpy as np

from realbogus.exposures import read_exposure_name
from realbogus.pooling import Pool, pool_images
from realbogus.recipes import Recipe
from realbogus.scores import Column, write_ecsv

__all__ = [
    "COMBINATIONS",
    "FALLBACK",
    "FAULTS",
    "HELD",
    "ImageScore",
    "ObjectScore",
    "combine",
    "faults_path",
    "median_of_most",
    "write_faults",
    "write_verdicts",
]

FAULTS: Mapping[str, str] = {
    "missing": "has no file",
    "unreadable": "is truncated, damaged or not an image",
    "size": "is smaller than a feature, or not of the survey's size",
    "masked": "has no unmasked pixel",
    "refused": "has a name of another form than the survey's stamps have",
}
"""Why an image has no score."""

FALLBACK = "fallback"
"""The flag of images scored by the classifier of no camera."""

HELD = "held"
"""The flag of images whose exposure is held back, and what becomes of that exposure."""

_NO_IMAGES = "no_images"
_UNKNOWN = "unknown"
_NAN = float("nan")

_Scores = Mapping[str, Sequence[float]]


@dataclass(frozen=True, slots=True)
class ImageScore:
    """What came of an image.

    Attributes
    ----------
    object, image, camera : str
        Whose it is, its file, and what took it; the latter two are empty where there is none.
    score : float
        From 0 (bogus) to 1 (real); NaN if it has none.
    by_fallback : bool
        The camera has no classifier of its own.
    fault : str
        Why the image has no score, one of `FAULTS`; empty if it has one, or there is no image.
    reason : str
        The same in words that name the file.
    exposure : str
        What it is cut from; empty if nothing says.
    is_held : bool
        It has a score, which does not count, since its exposure is held back.
    prominence : float
        How far its middle stands out of the noise around it; NaN if nobody knows.
    """

    object: str
    image: str = ""
    camera: str = ""
    score: float = _NAN
    by_fallback: bool = False
    fault: str = ""
    reason: str = ""
    exposure: str = ""
    is_held: bool = False
    prominence: float = _NAN

    @property
    def is_scored(self) -> bool:
        """Whether there is a score that counts."""
        return self.score == self.score and not self.is_held

    @property
    def night(self) -> int:
        """The MJD that the exposure's name says, or else the file's; -1 if neither does."""
        return max(read_exposure_name(name).night for name in (self.exposure, self.image))


@dataclass(frozen=True, slots=True)
class ObjectScore:
    """What came of an object.

    Attributes
    ----------
    object : str
        Its name.
    score : float or None
        From 0 (bogus) to 1 (real).
    images : int
        How many of its images have a score.
    spread : float or None
        The standard deviation of the scores that the object's score comes from.
    cameras : mapping of str to float
        The median of each camera.
    flags : str
        Faults and fallbacks with the number of their images: ``missing=2 fallback=1``.
    """

    object: str
    score: float | None
    images: int
    spread: float | None
    cameras: Mapping[str, float]
    flags: str


def combine(
    images: Iterable[ImageScore], *, rule: str = "median", pools: Mapping[str, Pool] | None = None
) -> Iterator[ObjectScore]:
    """Give the score of each object out of those of its images, which come together.

    Parameters
    ----------
    images : iterable of ImageScore
        Those of an object one after the other.
    rule : str
        One of `COMBINATIONS`.
    pools : mapping of str to Pool, optional
        For each camera, how the rule ``calibrated`` pools its scores.
    """
    for name, some in groupby(images, key=attrgetter("object")):
        yield _combine_one(name, list(some), rule, pools or {})


def median_of_most(scores: Mapping[str, Sequence[float]]) -> Sequence[float]:
    """Choose the scores of the camera with most; of several with as many, the first by name."""
    most = max(sorted(scores), key=lambda camera: len(scores[camera]))
    return scores[most]


def _median(scores: _Scores, pools: Mapping[str, Pool]) -> tuple[float, Sequence[float]]:
    chosen = median_of_most(scores)
    return float(np.median(chosen)), chosen


def _calibrated(scores: _Scores, pools: Mapping[str, Pool]) -> tuple[float, Sequence[float]]:
    return pool_images(scores, pools), [score for some in scores.values() for score in some]


COMBINATIONS: Mapping[
    str, Callable[[_Scores, Mapping[str, Pool]], tuple[float, Sequence[float]]]
] = {"median": _median, "calibrated": _calibrated}
"""An object's score, and the scores that it comes from, out of all of its scores by camera."""


def write_verdicts(path: Path, objects: Sequence[ObjectScore], recipe: Recipe) -> None:
    """Write the scores of objects, the highest first.

    Parameters
    ----------
    path : Path
        The file.
    objects : sequence of ObjectScore
        In any order.
    recipe : Recipe
        What made it.
    """
    cameras = sorted({camera for item in objects for camera in item.cameras})
    of_cameras = [
        Column(f"score_{camera or _UNKNOWN}", "float64", "median of this camera's images")
        for camera in cameras
    ]
    ordered = sorted(objects, key=_rank)
    rows = (
        (
            item.object,
            item.score,
            item.images,
            item.spread,
            *(item.cameras.get(camera) for camera in cameras),
            item.flags,
        )
        for item in ordered
    )
    write_ecsv(path, (*_COLUMNS, *of_cameras, _FLAGS), rows, recipe)


def faults_path(path: Path) -> Path:
    """Name the list of images without a score that belongs to a file of scores."""
    return path.with_name(f"{path.stem}.faults.csv")


def write_faults(path: Path, faults: Sequence[ImageScore], recipe: Recipe) -> None:
    """Write the images that could not be scored; without any, no list is left."""
    if not faults:
        path.unlink(missing_ok=True)
        return
    rows = ((item.object, item.image, item.fault, item.reason) for item in faults)
    write_ecsv(path, _FAULT_COLUMNS, rows, recipe)


_COLUMNS = (
    Column("object", "string", "its name"),
    Column("score", "float64", "from 0 (bogus) to 1 (real)"),
    Column("images", "int64", "that have a score"),
    Column("spread", "float64", "standard deviation of the scores that it comes from"),
)
_FLAGS = Column("flags", "string", "what kept images from a score and which are of a fallback")
_FAULT_COLUMNS = (
    Column("object", "string", "its name"),
    Column("image", "string", "its file"),
    Column("fault", "string", "what kept it from a score"),
    Column("reason", "string", "in words"),
)


def _combine_one(
    name: str, images: Sequence[ImageScore], rule: str, pools: Mapping[str, Pool]
) -> ObjectScore:
    scored: dict[str, list[float]] = {}
    for image in images:
        if image.is_scored:
            scored.setdefault(image.camera, []).append(image.score)
    flags = Counter(image.fault for image in images if image.fault)
    flags[HELD] = sum(image.is_held for image in images)
    flags[FALLBACK] = sum(image.by_fallback for image in images if image.is_scored)
    counted = [f"{flag}={flags[flag]}" for flag in (*FAULTS, FALLBACK, HELD) if flags[flag]]
    if not scored:
        return ObjectScore(name, None, 0, None, {}, " ".join([_NO_IMAGES, *counted]))
    score, chosen = COMBINATIONS[rule](scored, pools)
    return ObjectScore(
        name,
        score,
        sum(map(len, scored.values())),
        float(np.std(chosen, ddof=1)) if len(chosen) > 1 else None,
        {camera: float(np.median(values)) for camera, values in scored.items()},
        " ".join(counted),
    )


def _rank(item: ObjectScore) -> tuple[bool, float, str]:
    return item.score is None, -(item.score or 0.0), item.object
