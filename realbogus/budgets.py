"""Eyeballs a night: which threshold so many allow, and how many a threshold needs.

A threshold comes from one kind of objects alone, as a split conformal quantile (Vovk, Gammerman &
Shafer 2005, *Algorithmic Learning in a Random World*; Lei et al. 2018, JASA 113, 1094): the next
object of that kind is on the wrong side with no more than the probability asked for, whatever the
distribution and however few the objects. Since the other kind had no say in it, the rate of the
other kind at that threshold is binomial, and its interval that of Clopper & Pearson (1934).
"""

from dataclasses import dataclass
from math import ceil, floor

import numpy as np
from numpy.typing import NDArray

from realbogus.errors import ConfigError, DatasetError
from realbogus.intervals import clopper_pearson
from realbogus.metrics import Interval

__all__ = ["Budget", "Night", "budget_of_eyeballs", "budget_of_mdr"]

# Scores are kept to so many steps.
_STEP = 1e7
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Night:
    """What a night brings to the classifier.

    Attributes
    ----------
    candidates : float
        Objects that are scored.
    ratio : float
        Bogus for every real among them.
    """

    candidates: float
    ratio: float

    @property
    def real(self) -> float:
        """The real objects."""
        return self.candidates / (1 + self.ratio)

    @property
    def bogus(self) -> float:
        """The bogus objects."""
        return self.candidates - self.real


@dataclass(frozen=True)
class Budget:
    """What a threshold asks of the eyeballers, and what it misses.

    Attributes
    ----------
    threshold : float
        Objects at or above it are looked at.
    eyeballs : Interval
        Objects a night to look at, on average; at the ends of the intervals of both rates.
    fpr, mdr : Interval
        Rates of objects, with intervals of 95%.
    n_real, n_bogus : int
        Objects that this was learnt from.
    """

    threshold: float
    eyeballs: Interval
    fpr: Interval
    mdr: Interval
    n_real: int
    n_bogus: int


def budget_of_eyeballs(
    targets: NDArray[np.integer], scores: NDArray[np.floating], night: Night, *, eyeballs: float
) -> Budget:
    """Return the lowest threshold at which a night has no more than ``eyeballs`` to look at.

    All reals are taken to pass, so that only the bogus decide; the bound is on the mean.

    Parameters
    ----------
    targets, scores : ndarray of shape (n,)
        Of objects, not of detections.
    night : Night
        What a night brings.
    eyeballs : float
        Objects a night.

    Raises
    ------
    ConfigError
        If the night has more real objects than that.
    DatasetError
        If the bogus are too few to tell so low a false positive rate.
    """
    bogus = np.sort(scores[targets == 0])[::-1]
    if eyeballs <= night.real:
        raise ConfigError(
            f"eyeballs must be above {night.real:.0f}, a night's real objects; got {eyeballs:g}"
        )
    fpr = (eyeballs - night.real) / night.bogus
    if fpr >= 1:
        return _budget(targets, scores, night, 0.0)
    passing = _allowed(len(bogus), fpr, kind="bogus", rate_of="false positive rate")
    threshold = (floor(float(bogus[passing]) * _STEP) + 1) / _STEP  # the next score above
    return _budget(targets, scores, night, threshold)


def budget_of_mdr(
    targets: NDArray[np.integer], scores: NDArray[np.floating], night: Night, *, mdr: float
) -> Budget:
    """Return the highest threshold that misses no more than ``mdr`` of the real objects.

    Raises
    ------
    DatasetError
        If the reals are too few to tell so low a rate.
    """
    real = np.sort(scores[targets == 1])
    missed = _allowed(len(real), mdr, kind="real", rate_of="missed detection rate")
    return _budget(targets, scores, night, float(real[missed]))


def _allowed(count: int, rate: float, *, kind: str, rate_of: str) -> int:
    """Return how many of ``count`` may be on the wrong side, so that the next is with ``rate``."""
    allowed = floor(rate * (count + 1) + _ROUNDING) - 1
    if allowed < 0:
        raise DatasetError(
            f"{count} {kind} objects can't tell a {rate_of} of {rate:.2g}: "
            f"at least {ceil(1 / rate - 1 - _ROUNDING)} are needed"
        )
    return allowed


def _budget(
    targets: NDArray[np.integer], scores: NDArray[np.floating], night: Night, threshold: float
) -> Budget:
    is_real, passes = targets == 1, scores >= threshold
    n_real = int(is_real.sum())
    n_bogus = len(targets) - n_real
    fpr = clopper_pearson(int(passes[~is_real].sum()), n_bogus)
    mdr = clopper_pearson(int((~passes)[is_real].sum()), n_real)
    eyeballs = Interval(
        night.real * (1 - mdr.value) + night.bogus * fpr.value,
        night.real * (1 - mdr.high) + night.bogus * fpr.low,
        night.real * (1 - mdr.low) + night.bogus * fpr.high,
    )
    return Budget(threshold, eyeballs, fpr, mdr, n_real, n_bogus)
