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
from realbogus.counts import HELD, Counts
from realbogus.cutouts import has_core
from realbogus.errors import ImageError
from realbogus.exposures import read_exposure_name
from realbogus.features import Treatment, treat_crops
from realbogus.images import CORE, DifferenceImage, cut_stamps, read_image_around
from realbogus.prominence import measure_prominence
from realbogus.surveys.atlas import Positions

__all__ = [
    "DETECTION_FAULTS",
    "ExposureScores",
    "FoundFeatures",
    "ScoreJob",
    "features_at",
    "score_exposure",
]

_MASKED = "masked"
DETECTION_FAULTS: Mapping[str, str] = {
    "image": "the difference image is missing or damaged",
    "position": "the database gives no position",
    _MASKED: "more than half of the middle 5 x 5 pixels is masked, or outside the image",
    HELD: "its exposure is held back, so that it does not count",
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
    prominence : ndarray of shape (n,)
        How far the middles of stamps stand out of the noise; NaN where there is no score.
    problem : str or None
        Why the whole exposure has none.
    """

    scores: NDArray[np.float64]
    faults: NDArray[np.str_]
    prominence: NDArray[np.float32]
    problem: str | None = None

    @classmethod
    def none(cls, job: ScoreJob, problem: str) -> "ExposureScores":
        """Say that an exposure has no scores."""
        count = len(job.positions)
        nothing = np.full(count, np.nan)
        return cls(nothing, np.full(count, "image"), nothing.astype(np.float32), problem)

    def count(self, obs: str) -> Counts:
        """Count them, of an exposure of this name."""
        name = read_exposure_name(obs)
        masked = int(np.count_nonzero(self.faults == _MASKED))
        found = self.faults == ""
        scores, prominence = self.scores[found], self.prominence[found]
        return Counts.of(obs, name.camera, name.night, scores, prominence, masked)


def score_exposure(job: ScoreJob) -> ExposureScores:
    """Score all detections of an exposure. A bad image is no error; it is told.

    Raises
    ------
    ModelError
        If the classifier can't be loaded.
    """
    x, y = job.positions.x, job.positions.y
    scores, prominence = np.full(len(x), np.nan), np.full(len(x), np.nan, np.float32)
    is_known = np.isfinite(x) & np.isfinite(y)
    faults = np.where(is_known, _MASKED, "position").astype(_FAULT_TYPE)
    known = np.flatnonzero(is_known)
    if not len(known):
        return ExposureScores(scores, faults, prominence)
    side = max(job.scorer.treatment.cut.side, CORE)
    try:
        image = read_image_around(job.image, x[known], y[known], size=side)
    except ImageError as error:
        return ExposureScores.none(job, str(error))
    for some in np.array_split(known, -(-len(known) * side**2 // _AT_ONCE)):
        found = features_at(image, x[some], y[some], job.scorer.treatment)
        usable = some[found.places]
        scores[usable] = job.scorer.load().score(found.pixels)
        prominence[usable] = found.prominence
        faults[usable] = ""
    return ExposureScores(scores, faults, prominence)


@dataclass(frozen=True)
class FoundFeatures:
    """What is found at positions.

    Attributes
    ----------
    places : ndarray of shape (m,)
        The places of the positions that have features.
    pixels : ndarray of shape (m, 2 * extent, 2 * extent)
        These, normalised.
    prominence : ndarray of shape (m,)
        How far their middles stand out of the noise.
    """

    places: NDArray[np.intp]
    pixels: NDArray[np.float32]
    prominence: NDArray[np.float32]


def features_at(
    image: DifferenceImage,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    treatment: Treatment,
) -> FoundFeatures:
    """Make features of the stamps around positions, but of those that training would drop.

    Parameters
    ----------
    image : DifferenceImage
        The image.
    x, y : ndarray of shape (n,)
        As `realbogus.images.cut_stamps` takes them.
    treatment : Treatment
        Of the classifier.
    """
    usable = np.flatnonzero(has_core(image, x, y))
    stamps = cut_stamps(image, x[usable], y[usable], size=treatment.cut.side)
    cut = replace(treatment.cut, stamp_side=None)
    crops = crop_stamps(stamps, cut, header=image.header)
    features = treat_crops(crops, treatment, is_train=np.zeros(len(usable), np.bool_))
    prominence = measure_prominence(crops.pixels)[features.rows]
    return FoundFeatures(usable[features.rows], features.pixels, prominence)
