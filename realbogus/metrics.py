"""Rates of real/bogus scores: arrays in, numbers out.

A *real* detection has target 1, a *bogus* one 0, and a detection is called real when its score is
at or above the threshold. The missed detection rate (MDR) is the fraction of reals called bogus,
the false positive rate (FPR) that of bogus called real.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score, roc_curve

__all__ = ["Interval", "OperatingPoint", "Rates", "auc", "bootstrap", "fpr_at_mdr", "rates"]

Weights = NDArray[np.float64]


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
        return f"{self.value:.4f} [{self.low:.4f}, {self.high:.4f}]"


def rates(
    targets: NDArray[np.integer], scores: NDArray[np.floating], weights: Weights | None = None
) -> Rates:
    """Return the rates at every distinct score, for arrays of shape (n,)."""
    fpr, recall, threshold = roc_curve(
        targets, scores, sample_weight=weights, drop_intermediate=False
    )
    return Rates(threshold=threshold, fpr=fpr, mdr=1 - recall)


def auc(
    targets: NDArray[np.integer], scores: NDArray[np.floating], weights: Weights | None = None
) -> float:
    """Return the area under the ROC curve, for arrays of shape (n,)."""
    return float(roc_auc_score(targets, scores, sample_weight=weights))


def fpr_at_mdr(curve: Rates, mdr: float) -> OperatingPoint:
    """Return the strictest threshold that misses at most ``mdr`` of the reals."""
    first = int(np.argmax(curve.mdr <= mdr + 1e-12))
    return OperatingPoint(
        float(curve.threshold[first]), float(curve.fpr[first]), float(curve.mdr[first])
    )


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
    names = ["auc", *(f"fpr_at_mdr_{mdr:g}" for mdr in mdrs)]
    _, group = np.unique(objects, return_inverse=True)
    count = int(group.max()) + 1
    draws = []
    while len(draws) < resamples:
        weights = rng.multinomial(count, np.full(count, 1 / count))[group].astype(np.float64)
        if weights[targets == 1].any() and weights[targets == 0].any():
            draws.append(_statistics(targets, scores, weights, mdrs))
    tail = 50 * (1 - confidence)
    low, high = np.percentile(draws, [tail, 100 - tail], axis=0)
    values = _statistics(targets, scores, None, mdrs)
    return {
        name: Interval(float(value), float(first), float(last))
        for name, value, first, last in zip(names, values, low, high, strict=True)
    }


def _statistics(
    targets: NDArray[np.integer],
    scores: NDArray[np.floating],
    weights: Weights | None,
    mdrs: tuple[float, ...],
) -> list[float]:
    curve = rates(targets, scores, weights)
    area = float(np.trapezoid(1 - curve.mdr, curve.fpr))
    return [area, *(fpr_at_mdr(curve, mdr).fpr for mdr in mdrs)]
