"""Intervals of rates and areas, by object: arrays in, intervals out.

Detections of one object are alike, so that a thousand of them tell less than a thousand objects
would. Every interval takes the detections for as many independent ones as tell as much (Rao &
Scott 1992, Biometrics 48, 577). How often the intervals hold the truth is in
``tests/test_coverage.py``.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from realbogus.metrics import (
    Interval,
    OperatingPoint,
    Rates,
    area_under,
    fpr_at_mdr,
    mdr_at_fpr,
    number_objects,
    rates,
)

__all__ = [
    "Point",
    "Sample",
    "area",
    "clopper_pearson",
    "operating_points",
    "point",
    "rate",
    "wilson",
]

_CONFIDENCE = 0.95


@dataclass(frozen=True)
class Sample:
    """Scored detections of both kinds, and their rates at every threshold.

    Attributes
    ----------
    targets, scores : ndarray of shape (n,)
        1 for real and 0 for bogus; higher for more real.
    objects : ndarray of shape (n,)
        Numbers from 0 that stand for the objects.
    curve : Rates
        Of all detections.
    """

    targets: NDArray[np.integer]
    scores: NDArray[np.floating]
    objects: NDArray[np.intp]
    curve: Rates

    @classmethod
    def of(
        cls,
        targets: NDArray[np.integer],
        scores: NDArray[np.floating],
        objects: NDArray[np.generic],
    ) -> "Sample":
        """Take detections, with their objects as texts or numbers.

        Raises
        ------
        DatasetError
            If there are no reals, or no bogus, or a score is not finite.
        """
        return cls(targets, scores, number_objects(objects), rates(targets, scores))


@dataclass(frozen=True)
class Point:
    """An operating point: where both rates are, and within what.

    Attributes
    ----------
    threshold : Interval
        Its interval holds the threshold at which the survey itself has the rate asked for; it is
        that threshold alone where a threshold was asked for.
    fpr, mdr : Interval
        Of the rate asked for, what the threshold gives; of the other one, the interval that holds
        what the survey itself has at the rate asked for.
    """

    threshold: Interval
    fpr: Interval
    mdr: Interval


def rate(is_hit: NDArray[np.bool_], objects: NDArray[np.intp]) -> Interval:
    """Return the fraction of hits, for arrays of shape (n,), with Wilson's interval by object."""
    return wilson(float(np.mean(is_hit)), _effective_count(is_hit, objects))


def wilson(value: float, count: float, *, confidence: float = _CONFIDENCE) -> Interval:
    """Return the interval of a rate seen in ``count`` independent trials.

    Wilson 1927, JASA 22, 209; ``count`` need not be whole.
    """
    z = float(special.ndtri(0.5 + confidence / 2))
    centre = (value + z**2 / (2 * count)) / (1 + z**2 / count)
    half = z / (1 + z**2 / count) * (value * (1 - value) / count + (z / count) ** 2 / 4) ** 0.5
    low, high = min(max(centre - half, 0), value), max(min(centre + half, 1), value)
    return Interval(value, low if value > 0 else 0.0, high if value < 1 else 1.0)


def clopper_pearson(hits: int, count: int, *, confidence: float = _CONFIDENCE) -> Interval:
    """Return the interval that holds a rate at least as often as stated, however few trials.

    Clopper & Pearson 1934, Biometrika 26, 404.
    """
    tail = (1 - confidence) / 2
    low = special.betaincinv(hits, count - hits + 1, tail) if hits else 0.0
    high = special.betaincinv(hits + 1, count - hits, 1 - tail) if hits < count else 1.0
    return Interval(hits / count, float(low), float(high))


def area(sample: Sample) -> Interval:
    """Return the area under the ROC curve.

    The variance is that of detections in clusters (Obuchowski 1997, Biometrics 53, 567), which
    without clusters is that of DeLong et al. (1988); the interval is symmetric in the logit (Pepe
    2003, *The Statistical Evaluation of Medical Tests*, 5.2). Where all reals are above all bogus
    there is no variance: then as many independent pairs as there are objects were in order.
    """
    value = area_under(sample.curve)
    is_real = sample.targets == 1
    objects = min(len(np.unique(sample.objects[kind])) for kind in (is_real, ~is_real))
    tail = (1 - _CONFIDENCE) / 2
    if value in (0, 1):
        rest = 1 - tail ** (1 / objects)
        return Interval(value, 1 - rest, 1.0) if value else Interval(value, 0.0, rest)
    if objects < 2:
        return Interval(value, 0.0, 1.0)
    error = _area_variance(sample, is_real, value) ** 0.5 / (value * (1 - value))
    half = float(special.stdtrit(objects - 1, 1 - tail)) * error
    logit = float(special.logit(value))
    return Interval(value, float(special.expit(logit - half)), float(special.expit(logit + half)))


def point(
    sample: Sample,
    *,
    mdr: float | None = None,
    fpr: float | None = None,
    threshold: float | None = None,
) -> Point:
    """Return an operating point.

    The interval of the rate that was not asked for joins two, by the recovery of variance estimates
    (Zou & Donner 2008, Stat. Med. 27, 1693): Wilson's at a given threshold, and what the threshold
    adds, which is set on the same sample (Woodruff 1952, JASA 47, 635).

    Parameters
    ----------
    sample : Sample
        The detections.
    mdr, fpr, threshold : float
        One of them: for the strictest threshold that misses at most ``mdr`` of the reals, the
        loosest at which at most ``fpr`` of the bogus pass, or the threshold itself.
    """
    if threshold is not None:
        return Point(Interval(threshold, threshold, threshold), *_rates_at(sample, threshold))
    if mdr is not None:
        own, less, more = _around(sample, mdr, kind=1, find=fpr_at_mdr)
        fixed = Interval(own.threshold, less.threshold, more.threshold)
        rate_fpr, rate_mdr = _rates_at(sample, own.threshold)
        return Point(fixed, _joined(rate_fpr, less.fpr, more.fpr), rate_mdr)
    if fpr is not None:
        own, less, more = _around(sample, fpr, kind=0, find=mdr_at_fpr)
        fixed = Interval(own.threshold, more.threshold, less.threshold)
        rate_fpr, rate_mdr = _rates_at(sample, own.threshold)
        return Point(fixed, rate_fpr, _joined(rate_mdr, less.mdr, more.mdr))
    raise TypeError("point needs mdr, fpr or threshold")


def operating_points(
    sample: Sample, *, mdrs: Sequence[float] = (), fprs: Sequence[float] = ()
) -> dict[str, Point]:
    """Return the operating points of some rates by what they are asked for, as ``mdr 0.01``."""
    return {
        **{f"mdr {rate:g}": point(sample, mdr=rate) for rate in mdrs},
        **{f"fpr {rate:g}": point(sample, fpr=rate) for rate in fprs},
    }


def _rates_at(sample: Sample, threshold: float) -> tuple[Interval, Interval]:
    """Return the FPR and the MDR at a threshold, each with its interval."""
    is_real, passes = sample.targets == 1, sample.scores >= threshold
    return (
        rate(passes[~is_real], sample.objects[~is_real]),
        rate(~passes[is_real], sample.objects[is_real]),
    )


def _around(
    sample: Sample,
    level: float,
    *,
    kind: int,
    find: Callable[[Rates, float], OperatingPoint],
) -> tuple[OperatingPoint, OperatingPoint, OperatingPoint]:
    """Find where a rate of one kind is ``level``, and where it is as far off as chance allows."""
    own = find(sample.curve, level)
    chosen = sample.targets == kind
    passes = sample.scores[chosen] >= own.threshold
    count = _effective_count(passes, sample.objects[chosen])
    half = float(special.ndtri(0.5 + _CONFIDENCE / 2)) * (level * (1 - level) / count) ** 0.5
    return own, find(sample.curve, level - half), find(sample.curve, level + half)


def _joined(own: Interval, less: float, more: float) -> Interval:
    """Join the interval at a given threshold with the rates at the ends of the threshold's."""
    value = own.value
    low = value - float(np.hypot(value - own.low, value - more))
    high = value + float(np.hypot(own.high - value, less - value))
    return Interval(value, max(low, 0.0), min(high, 1.0))


def _effective_count(is_hit: NDArray[np.bool_], objects: NDArray[np.intp]) -> float:
    """Return how many independent detections tell as much of a rate as these.

    With hits and misses, by the variance between objects; else as if detections of one object were
    all alike. Fewer still if the objects are so few that their variance is uncertain (Korn &
    Graubard 1998, Survey Methodology 24, 193).
    """
    sizes = np.bincount(objects).astype(np.float64)
    hits = np.bincount(objects, weights=is_hit)
    count, clusters = len(objects), int(np.count_nonzero(sizes))
    if clusters < 2:
        return 1.0
    value = float(hits.sum() / count)
    variance = clusters / (clusters - 1) * np.sum((hits - value * sizes) ** 2) / count**2
    if variance > 0:
        effective = min(value * (1 - value) / variance, count)
    else:
        effective = count**2 / np.sum(sizes**2)
    quantile = 0.5 + _CONFIDENCE / 2
    return float(
        effective * (special.ndtri(quantile) / special.stdtrit(clusters - 1, quantile)) ** 2
    )


def _area_variance(sample: Sample, is_real: NDArray[np.bool_], value: float) -> float:
    """Return the variance of the area, from how each object departs from it."""
    parts = []
    for kind, sign in ((is_real, 1), (~is_real, -1)):
        others = np.sort(sample.scores[~kind])
        own = sample.scores[kind]
        below = np.searchsorted(others, own, "left") + np.searchsorted(others, own, "right")
        share = below / 2 / len(others)  # of the other kind that is below, ties half
        departure = (share - value) if sign > 0 else (1 - share - value)
        total = np.bincount(
            sample.objects[kind], departure, minlength=int(sample.objects.max()) + 1
        )
        parts.append(total / len(own))
    real, bogus = parts
    n_real, n_bogus = (len(np.unique(sample.objects[kind])) for kind in (is_real, ~is_real))
    return float(
        n_real / (n_real - 1) * np.sum(real**2)
        + n_bogus / (n_bogus - 1) * np.sum(bogus**2)
        + 2 * np.sum(real * bogus)
    )
