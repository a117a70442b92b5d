"""Rates of real/bogus scores: arrays in, numbers out.

A *real* detection has target 1, a *bogus* one 0, and a detection is called real when its score is
at or above the threshold. The missed detection rate (MDR) is the fraction of reals called bogus,
the false positive rate (FPR) that of bogus called real.
"""

from collections import defaultdict
from dataclasses import dataclass
from math import floor, log10
from typing import Any

import numpy as np
from numpy.typing import NDArray

from realbogus.errors import DatasetError

__all__ = [
    "Interval",
    "OperatingPoint",
    "Rates",
    "area_under",
    "bootstrap",
    "fpr_at_mdr",
    "mdr_at_fpr",
    "median_scores",
    "number_objects",
    "object_targets",
    "rates",
]

# Rates are quotients: a rate that is allowed exactly stays allowed.
_ROUNDING = 1e-12


@dataclass(frozen=True)
class Rates:
    """The two rates at every threshold, from the strictest to the loosest; each of shape (k,)."""

    threshold: NDArray[np.float64]
    fpr: NDArray[np.float64]
    mdr: NDArray[np.float64]


@dataclass(frozen=True)
class OperatingPoint:
    """A threshold and its two rates."""

    threshold: float
    fpr: float
    mdr: float


@dataclass(frozen=True)
class Interval:
    """A value and the interval that holds the truth with the stated confidence."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        """Show the value and the interval."""
        return f"{self.value:.4f} [{self.low:.4f}, {self.high:.4f}]"

    def as_percent(self) -> str:
        """Show both as percentages, with the digits that the interval's width leaves."""
        width = 100 * (self.high - self.low)
        digits = min(max(1 - floor(log10(width)), 0), 4) if width > 0 else 1
        value, low, high = (f"{100 * x:.{digits}f}" for x in (self.value, self.low, self.high))
        return f"{value}% ({low} to {high}%)"


def rates(targets: NDArray[np.integer], scores: NDArray[np.floating]) -> Rates:
    """Return the rates at every distinct score, for arrays of shape (n,).

    Raises
    ------
    DatasetError
        If there are no reals, or no bogus, or a score is not finite.
    """
    return _ranked(targets, scores).rates(np.ones(len(targets)))


def area_under(curve: Rates) -> float:
    """Return the area under the ROC curve, by the trapezoidal rule."""
    return float(np.trapezoid(1 - curve.mdr, curve.fpr))


def fpr_at_mdr(curve: Rates, mdr: float) -> OperatingPoint:
    """Return the strictest threshold that misses at most ``mdr`` of the reals.

    If none misses so few, it is the loosest.
    """
    allowed = np.searchsorted(curve.mdr[::-1], mdr + _ROUNDING, "right")
    return _operating_point(curve, max(len(curve.mdr) - max(int(allowed), 1), 0))


def mdr_at_fpr(curve: Rates, fpr: float) -> OperatingPoint:
    """Return the loosest threshold at which at most ``fpr`` of the bogus pass.

    If none lets so few pass, it is the strictest, which lets nothing pass.
    """
    allowed = np.searchsorted(curve.fpr, fpr + _ROUNDING, "right")
    return _operating_point(curve, max(int(allowed) - 1, 0))


def number_objects(objects: NDArray[Any]) -> NDArray[np.intp]:
    """Give objects numbers from 0 in the order in which they come, for arrays of shape (n,)."""
    numbers: defaultdict[Any, int] = defaultdict()
    numbers.default_factory = numbers.__len__
    return np.fromiter(map(numbers.__getitem__, objects.tolist()), np.intp, len(objects))


def object_targets(numbers: NDArray[np.intp], targets: NDArray[np.integer]) -> NDArray[np.int8]:
    """Give the target of each object, 1 if that of any detection is, by their numbers from 0."""
    found = np.zeros(int(numbers.max(initial=-1)) + 1, np.int8)
    np.maximum.at(found, numbers, targets.astype(np.int8))
    return found


def median_scores(
    objects: NDArray[Any], scores: NDArray[np.float64]
) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """Return each object once, and the median of its scores; all arrays have one dimension."""
    numbers = number_objects(objects)
    order = np.lexsort((scores, numbers))
    ordered, sizes = scores[order], np.bincount(numbers)
    first = np.cumsum(sizes) - sizes
    medians = (ordered[first + (sizes - 1) // 2] + ordered[first + sizes // 2]) / 2
    _, places = np.unique(numbers, return_index=True)
    return objects[places], medians


def bootstrap(
    targets: NDArray[np.integer],
    scores: NDArray[np.floating],
    objects: NDArray[np.str_],
    *,
    mdrs: tuple[float, ...] = (0.01, 0.04),
    resamples: int = 500,
    confidence: float = 0.95,
    rng: np.random.Generator,
) -> dict[str, Interval]:
    """Return the AUC and the FPR at given MDRs with percentile intervals.

    Whole objects are drawn with replacement, since detections of one object are not independent
    (Efron & Tibshirani 1993, *An Introduction to the Bootstrap*, ch. 8 and 13).

    Parameters
    ----------
    targets, scores, objects : ndarray of shape (n,)
        1 for real and 0 for bogus; higher for more real; the object of each detection.
    mdrs : tuple of float
        The missed detection rates at which to give the false positive rate.
    resamples : int
        Number of draws.
    confidence : float
        Of the intervals.
    rng : numpy.random.Generator
        The source of the draws.

    Returns
    -------
    dict of str to Interval
        ``auc`` and, for each MDR, for example ``fpr_at_mdr_0.01``.
    """
    ranked = _ranked(targets, scores)
    group = number_objects(objects)
    count = int(group.max()) + 1
    draws: list[list[float]] = []
    while len(draws) < resamples:
        weights = rng.multinomial(count, np.full(count, 1 / count))[group].astype(np.float64)
        if ranked.has_both(weights):
            draws.append(_statistics(ranked.rates(weights), mdrs))
    tail = 50 * (1 - confidence)
    low, high = np.percentile(draws, [tail, 100 - tail], axis=0)
    names = ["auc", *(f"fpr_at_mdr_{mdr:g}" for mdr in mdrs)]
    values = _statistics(rates(targets, scores), mdrs)
    return {
        name: Interval(value, float(first), float(last))
        for name, value, first, last in zip(names, values, low, high, strict=True)
    }


def _operating_point(curve: Rates, place: int) -> OperatingPoint:
    return OperatingPoint(
        float(curve.threshold[place]), float(curve.fpr[place]), float(curve.mdr[place])
    )


@dataclass(frozen=True)
class _Ranked:
    """Detections sorted once by falling score, so that each reweighting is two sums.

    ``order`` sorts the detections, ``is_real`` is in that order, and ``ends`` are the places of
    the last detection of each distinct score.
    """

    order: NDArray[np.intp]
    is_real: NDArray[np.bool_]
    ends: NDArray[np.intp]
    threshold: NDArray[np.float64]

    def has_both(self, weights: NDArray[np.float64]) -> bool:
        real = weights[self.order][self.is_real].sum()
        return bool(0 < real < weights.sum())

    def rates(self, weights: NDArray[np.float64]) -> Rates:
        sorted_weights = weights[self.order]
        real = np.cumsum(np.where(self.is_real, sorted_weights, 0))
        bogus = np.cumsum(np.where(self.is_real, 0, sorted_weights))
        return Rates(
            threshold=np.append(np.inf, self.threshold),
            fpr=np.append(0, bogus[self.ends]) / bogus[-1],
            mdr=1 - np.append(0, real[self.ends]) / real[-1],
        )


def _ranked(targets: NDArray[np.integer], scores: NDArray[np.floating]) -> _Ranked:
    is_real = targets == 1
    if is_real.all() or not is_real.any():
        only = "real" if is_real.any() else "bogus"
        raise DatasetError(f"only {only} detections: rates need both kinds")
    unusable = np.count_nonzero(~np.isfinite(scores))
    if unusable:
        raise DatasetError(f"{unusable} of {len(scores)} scores are not finite")
    order = np.argsort(-scores, kind="stable")
    ordered = scores[order].astype(np.float64)
    ends = np.append(np.flatnonzero(np.diff(ordered)), len(ordered) - 1)
    return _Ranked(order, is_real[order], ends, ordered[ends])


def _statistics(curve: Rates, mdrs: tuple[float, ...]) -> list[float]:
    return [area_under(curve), *(fpr_at_mdr(curve, mdr).fpr for mdr in mdrs)]
