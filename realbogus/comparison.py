"""Two classifiers on the same objects: where is the new one worse? Arrays in, numbers out."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse, special

from realbogus.metrics import Interval

__all__ = ["Difference", "Pair", "compare"]

_CONFIDENCE = 0.95
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Pair:
    """Detections scored by two classifiers; every array has shape (n,).

    Attributes
    ----------
    targets : ndarray
        1 for real and 0 for bogus.
    objects : ndarray
        Numbers from 0 that stand for the objects.
    old, new : ndarray
        The scores of both.
    """

    targets: NDArray[np.integer]
    objects: NDArray[np.intp]
    old: NDArray[np.floating]
    new: NDArray[np.floating]


@dataclass(frozen=True)
class Difference:
    """How much the new classifier differs from the old one in one rate of one group.

    Attributes
    ----------
    group : str
        Of detections; ``all`` for all of them.
    rate : str
        ``fpr`` or ``mdr``.
    mdr : float
        The missed detection rate that sets the threshold of each classifier, on all detections.
    objects : int
        That the rate is of.
    old, new : float
        The rate of each classifier.
    change : Interval
        ``new - old``.
    p_value : float
        How probable so much worse a rate is by chance alone.
    decides : bool
        Whether there are enough objects for the release to depend on it.
    is_worse : bool
        Whether the new classifier is significantly worse, all comparisons considered.
    """

    group: str
    rate: str
    mdr: float
    objects: int
    old: float
    new: float
    change: Interval
    p_value: float
    decides: bool
    is_worse: bool = False


def compare(
    pair: Pair,
    groups: Mapping[str, NDArray[np.bool_]],
    *,
    mdrs: Sequence[float] = (0.01, 0.04),
    margin: float = 0.0,
    least: int = 30,
    significance: float = 0.05,
    resamples: int = 1000,
    rng: np.random.Generator,
) -> list[Difference]:
    """Compare two classifiers at operating points that each sets itself.

    Whole objects are drawn with replacement, and both classifiers see the same draw (Efron &
    Tibshirani 1993, ch. 8); each sets its threshold anew in every draw, so that the spread is that
    of the whole procedure. To the variance of a difference comes that of one object more that
    changes sides (after Agresti & Min 2005, Stat. Med. 24, 729), without which a few objects would
    look too sure, and its distribution is Student's with one degree of freedom fewer than objects.

    Among all the differences that decide, so many are tested that some look bad by chance. Holm's
    (1979, Scand. J. Stat. 6, 65) procedure keeps the probability of even one false alarm below
    ``significance``.

    Parameters
    ----------
    pair : Pair
        The detections.
    groups : mapping of str to ndarray of shape (n,)
        Which detections each group has, besides all of them.
    mdrs : sequence of float
        Missed detection rates that set the thresholds.
    margin : float
        By how much the new one may be worse in any rate without being called so.
    least : int
        Objects of a kind that a group needs for the release to depend on its rate.
    significance : float
        Of the whole comparison.
    resamples : int
        Number of draws.
    rng : numpy.random.Generator
        The source of the draws.

    Returns
    -------
    list of Difference
        For every rate that sets thresholds: the other rate of all, then both of each group.
    """
    cells = _Cells(pair, {"all": np.ones(len(pair.targets), bool), **groups})
    values = cells.rates(np.ones(len(pair.targets)), mdrs)  # (mdrs, 2, cells)
    draws = np.array([cells.rates(weights, mdrs) for weights in _weights(pair, resamples, rng)])
    spread = np.nanstd(draws[:, :, 1] - draws[:, :, 0], axis=0, ddof=1)  # (mdrs, cells)
    found = [
        _difference(cells, place, mdr, values[level, :, place], spread[level, place], margin, least)
        for level, mdr in enumerate(mdrs)
        for place in range(len(cells.names))
    ]
    return _holm(found, significance)


class _Cells:
    """Every group's bogus and reals, and the sums over them in one step."""

    def __init__(self, pair: Pair, groups: Mapping[str, NDArray[np.bool_]]) -> None:
        is_real = pair.targets == 1
        members = {
            (name, rate): mask & kind
            for name, mask in groups.items()
            for rate, kind in (("fpr", ~is_real), ("mdr", is_real))
            if (name, rate) != ("all", "mdr") and (mask & kind).any()
        }
        self.names = list(members)
        self.objects = [len(np.unique(pair.objects[mask])) for mask in members.values()]
        self._is_real = is_real
        self._members = _stacked(list(members.values()))
        self._sides = [_Side.of(scores, is_real) for scores in (pair.old, pair.new)]

    def rates(self, weights: NDArray[np.float64], mdrs: Sequence[float]) -> NDArray[np.float64]:
        """Return the rates of both classifiers, of shape (mdrs, 2, cells); NaN of nothing."""
        found = []
        whole = self._members @ weights
        for mdr in mdrs:
            for side in self._sides:
                passes = side.scores >= side.threshold(weights, mdr)
                found.append(self._members @ (weights * (passes != self._is_real)))
        with np.errstate(invalid="ignore"):
            shares: NDArray[np.float64] = np.array(found) / whole
        return shares.reshape(len(mdrs), 2, -1)


def _stacked(members: Sequence[NDArray[np.bool_]]) -> Any:
    """Give masks as the rows of a sparse matrix."""
    places = [np.flatnonzero(member) for member in members]
    starts = np.append(0, np.cumsum([len(row) for row in places]))
    columns = np.concatenate(places)
    shape = (len(members), len(members[0]))
    return sparse.csr_array((np.ones(len(columns)), columns, starts), shape)


@dataclass(frozen=True)
class _Side:
    """The scores of one classifier, and its reals from the lowest score on."""

    scores: NDArray[np.floating]
    order: NDArray[np.intp]
    ranked: NDArray[np.floating]

    @classmethod
    def of(cls, scores: NDArray[np.floating], is_real: NDArray[np.bool_]) -> "_Side":
        reals = np.flatnonzero(is_real)
        order = reals[np.argsort(scores[reals], kind="stable")]
        return cls(scores, order, scores[order])

    def threshold(self, weights: NDArray[np.float64], mdr: float) -> float:
        """Return the strictest threshold that misses at most ``mdr`` of the weighted reals."""
        missed = np.cumsum(weights[self.order])
        place = np.searchsorted(missed, mdr * missed[-1] + _ROUNDING, "right")
        return float(self.ranked[min(int(place), len(self.ranked) - 1)])


def _weights(pair: Pair, resamples: int, rng: np.random.Generator) -> Iterator[NDArray[np.float64]]:
    """Draw whole objects with replacement; give how often each detection is drawn."""
    count = int(pair.objects.max()) + 1
    is_real = pair.targets == 1
    drawn = 0
    while drawn < resamples:
        times = np.bincount(rng.integers(0, count, count), minlength=count)
        weights = times[pair.objects].astype(np.float64)
        if weights[is_real].any() and weights[~is_real].any():
            drawn += 1
            yield weights


def _difference(
    cells: _Cells,
    place: int,
    mdr: float,
    values: NDArray[np.float64],
    spread: float,
    margin: float,
    least: int,
) -> Difference:
    (group, rate), objects = cells.names[place], cells.objects[place]
    old, new = map(float, values)
    error = float(np.hypot(spread, 1 / objects))
    freedom = max(objects - 1, 1)
    half = float(special.stdtrit(freedom, 0.5 + _CONFIDENCE / 2)) * error
    change = Interval(new - old, max(new - old - half, -1.0), min(new - old + half, 1.0))
    p_value = float(special.stdtr(freedom, -(new - old - margin) / error))
    return Difference(group, rate, mdr, objects, old, new, change, p_value, objects >= least)


def _holm(found: Sequence[Difference], significance: float) -> list[Difference]:
    """Mark what is significantly worse: the smallest p-value first, until one is not."""
    deciding = sorted((item.p_value, n) for n, item in enumerate(found) if item.decides)
    worse = set()
    for place, (p_value, number) in enumerate(deciding):
        if p_value > significance / (len(deciding) - place):
            break
        worse.add(number)
    return [replace(item, is_worse=number in worse) for number, item in enumerate(found)]
