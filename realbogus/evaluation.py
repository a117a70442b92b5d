"""What a report says of a scored test set: counts, rates by group, calibration, and the worst."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from realbogus.intervals import Point, Sample, rate
from realbogus.metrics import Interval
from realbogus.traits import groups_of

__all__ = [
    "Bin",
    "Confusion",
    "Group",
    "brier_score",
    "calibrate",
    "confuse",
    "group_rates",
    "worst",
]


@dataclass(frozen=True)
class Confusion:
    """How many detections of each kind pass at a threshold, and how many do not."""

    found: int
    missed: int
    passed: int
    rejected: int


@dataclass(frozen=True)
class Bin:
    """Detections of like scores: how many, their mean score, and the fraction that is real."""

    count: int
    score: float
    real: Interval


@dataclass(frozen=True)
class Group:
    """Rates of a group of detections at some operating points.

    Attributes
    ----------
    label : str
        Of the group.
    n_real, n_bogus : int
        Detections of each kind.
    recall, fpr : sequence of Interval
        One a point; none where the group has no detections of the kind.
    """

    label: str
    n_real: int
    n_bogus: int
    recall: Sequence[Interval | None]
    fpr: Sequence[Interval | None]


def confuse(sample: Sample, threshold: float) -> Confusion:
    """Count what passes at a threshold and what does not."""
    is_real, passes = sample.targets == 1, sample.scores >= threshold
    counts = (is_real & passes, is_real & ~passes, ~is_real & passes, ~is_real & ~passes)
    return Confusion(*(int(np.count_nonzero(chosen)) for chosen in counts))


def brier_score(sample: Sample) -> float:
    """Return the mean squared error of the scores as probabilities (Brier 1950)."""
    return float(np.mean((sample.scores - sample.targets) ** 2))


def calibrate(sample: Sample, *, bins: int = 10) -> list[Bin]:
    """Return bins of scores of equal width from 0 to 1, without those that are empty."""
    edges = np.linspace(0, 1, bins + 1)
    places = np.searchsorted(edges[1:-1], sample.scores, "left")
    is_real = sample.targets == 1
    return [
        Bin(
            int(np.count_nonzero(chosen)),
            float(sample.scores[chosen].mean()),
            rate(is_real[chosen], sample.objects[chosen]),
        )
        for chosen in (places == number for number in range(bins))
        if chosen.any()
    ]


def group_rates(
    sample: Sample, points: Sequence[Point], traits: Mapping[str, NDArray[Any]]
) -> dict[str, list[Group]]:
    """Return the rates of every group that each trait makes, at the points' thresholds."""
    passes = [sample.scores >= point.threshold.value for point in points]
    return {
        name: [_group(sample, passes, *item) for item in groups_of(name, values).items()]
        for name, values in traits.items()
    }


def worst(sample: Sample, *, kind: int, count: int) -> NDArray[np.intp]:
    """Return the rows of the lowest reals (``kind`` 1) or of the highest bogus (0)."""
    rows = np.flatnonzero(sample.targets == kind)
    scores = sample.scores[rows] if kind else -sample.scores[rows]
    return rows[np.argsort(scores, kind="stable")[:count]]


def _group(
    sample: Sample, passes: Sequence[NDArray[np.bool_]], label: str, mask: NDArray[np.bool_]
) -> Group:
    kinds = [mask & (sample.targets == kind) for kind in (1, 0)]
    n_real, n_bogus = (int(np.count_nonzero(kind)) for kind in kinds)
    recall, fpr = ([_rate(sample, chosen, passing) for passing in passes] for chosen in kinds)
    return Group(label, n_real, n_bogus, recall, fpr)


def _rate(sample: Sample, chosen: NDArray[np.bool_], passes: NDArray[np.bool_]) -> Interval | None:
    return rate(passes[chosen], sample.objects[chosen]) if chosen.any() else None
