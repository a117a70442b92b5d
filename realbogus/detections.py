"""The detections of an exposure: cut out of its image, treated and scored in one pass.

No stamp is written. What is masked, and what lies outside the image, is as in training stamps.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from realbogus.bench import Scorer
from realbogus.blocks import crop_stamps
from realbogus.cutouts import has_core
from realbogus.errors import ImageError
from realbogus.features import Treatment, treat_crops
from realbogus.images import CORE, DifferenceImage, cut_stamps, read_image_around
from realbogus.surveys.atlas import Positions

__all__ = [
    "DETECTION_FAULTS",
    "ExposureScores",
    "ScoreJob",
    "features_at",
    "score_exposure",
]

DETECTION_FAULTS: Mapping[str, str] = {
    "image": "the difference image is missing or damaged",
    "position": "the database gives no position",
    "masked": "more than half of the middle 5 x 5 pixels is masked, or outside the image",
}
"""Why a detection has no score."""

_FAULT_TYPE = f"U{max(map(len, DETECTION_FAULTS))}"
# Pixels of stamps at a time: some megabytes, whatever the extent and the number of detections.
_AT_ONCE = 2**20


@dataclass(frozen=True)
class ScoreJob:
    """What a worker needs to know to score an exposure."""

    obs: str
    image: Path
    scorer: Scorer
    positions: Positions


@dataclass(frozen=True)
class ExposureScores:
    """What came of an exposure of n detections.

    Attributes
    ----------
    scores : ndarray of shape (n,)
        From 0 (bogus) to 1 (real); NaN where there is none.
    faults : ndarray of shape (n,)
        Why there is none, one of `DETECTION_FAULTS`; empty where there is one.
    problem : str or None
        Why the whole exposure has none.
    """

    scores: NDArray[np.float64]
    faults: NDArray[np.str_]
    problem: str | None = None

    @classmethod
    def none(cls, job: ScoreJob, problem: str) -> "ExposureScores":
        """Say that an exposure has no scores."""
        count = len(job.positions)
        return cls(np.full(count, np.nan), np.full(count, "image"), problem)


def score_exposure(job: ScoreJob) -> ExposureScores:
    """Score all detections of an exposure. A bad image is no error; it is told.

    Raises
    ------
    ModelError
        If the classifier can't be loaded.
    """
    x, y = job.positions.x, job.positions.y
    scores = np.full(len(x), np.nan)
    is_known = np.isfinite(x) & np.isfinite(y)
    faults = np.where(is_known, "masked", "position").astype(_FAULT_TYPE)
    known = np.flatnonzero(is_known)
    if not len(known):
        return ExposureScores(scores, faults)
    side = max(job.scorer.treatment.cut.side, CORE)
    try:
        image = read_image_around(job.image, x[known], y[known], size=side)
    except ImageError as error:
        return ExposureScores.none(job, str(error))
    for some in np.array_split(known, -(-len(known) * side**2 // _AT_ONCE)):
        usable, pixels = features_at(image, x[some], y[some], job.scorer.treatment)
        scores[some[usable]] = job.scorer.load().score(pixels)
        faults[some[usable]] = ""
    return ExposureScores(scores, faults)


def features_at(
    image: DifferenceImage,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    treatment: Treatment,
) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Make features of the stamps around positions, but of those that training would drop.

    Parameters
    ----------
    image : DifferenceImage
        The image.
    x, y : ndarray of shape (n,)
        As `realbogus.images.cut_stamps` takes them.
    treatment : Treatment
        Of the classifier.

    Returns
    -------
    ndarray of shape (m,)
        The places of the positions that have features.
    ndarray of shape (m, 2 * extent, 2 * extent)
        These, normalised.
    """
    usable = np.flatnonzero(has_core(image, x, y))
    stamps = cut_stamps(image, x[usable], y[usable], size=treatment.cut.side)
    cut = replace(treatment.cut, stamp_side=None)
    crops = crop_stamps(stamps, cut, header=image.header)
    features = treat_crops(crops, treatment, is_train=np.zeros(len(usable), np.bool_))
    return usable[features.rows], features.pixels
