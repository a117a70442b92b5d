"""Counts that scatter more than chance alone, and how unlikely another is: arrays in and out.

Of a unit, such as an exposure, so many trials are hits. The rates of units differ, which makes two
trials of one alike; their number of hits is beta-binomial (Skellam 1948, J. R. Stat. Soc. B 10,
257).
"""

import math
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaln, gammaln, stdtr

__all__ = ["Scatter", "Tail", "fit_scatter"]

_CORRELATIONS = np.geomspace(1e-5, 0.5, 80)
# One standard deviation above the middle.
_QUANTILE = 0.84
_LARGEST = 0.9
# Below it the beta-binomial law is the binomial one, and its logarithms lose what tells them apart.
_NO_CORRELATION = 1e-9
_SMALLEST = 1e-300
# The units that are far out, at most; and as how many the belief counts that the law is right.
_OUTER = 0.2
_MOST = 200
_BELIEF = 3
# From an end of the terms that are summed up: each at first, then 2% farther off than the last.
_OFFSETS = np.unique(np.append(np.arange(1024), np.geomspace(1024, 1e10, 820).astype(np.int64)))

Floats = NDArray[np.float64]
Integers = NDArray[np.integer]


@dataclass(frozen=True)
class Tail:
    """How often units are as far out as a law says that few are.

    Of units that follow a law, minus the logarithms of their probabilities are exponential. Of
    others those beyond a start are taken to be exponential with another scale; since that is known
    from few units, one more is so far out by a Pareto law (Davison & Smith 1990, J. R. Stat. Soc.
    B 52, 393).

    Attributes
    ----------
    start : float
        The minus logarithm of a probability, beyond which …
    share : float
        … this share of the units lies, …
    scale : float
        … with this mean excess, …
    weight : float
        … known as well as from so many independent ones.
    """

    start: float = 0.0
    share: float = 0.0
    scale: float = 1.0
    weight: float = 1.0

    def correct(self, probability: float) -> float:
        """Give the probability by what units have, if it is the larger."""
        beyond = max(-math.log(max(probability, _SMALLEST)) - self.start, 0.0)
        seen: float = self.share * (1 + beyond / (self.weight * self.scale)) ** -self.weight
        return max(probability, seen)


@dataclass(frozen=True)
class Scatter:
    """How counts of units scatter.

    Attributes
    ----------
    mean : float
        The rate of hits.
    correlation : float
        Of two trials of a unit, at the upper end of what the counts allow; what is not known of
        the mean is in it, too.
    units : int
        How many it was fitted to.
    few, many : Tail
        How often these had as few hits, or as many, as the law says that few have.
    """

    mean: float
    correlation: float
    units: int
    few: Tail = Tail()
    many: Tail = Tail()

    def tails(self, hits: int, trials: int) -> tuple[float, float]:
        """Give the probabilities of so few hits, and of so many, in another unit.

        Each is the largest of three: that of the beta-binomial distribution; that of Student's t,
        since the scatter is known from few units only; and what these units have themselves.
        """
        few, many = self._by_law(hits, trials)
        return self.few.correct(few), self.many.correct(many)

    def limits(self, trials: int, probability: float) -> tuple[int, int]:
        """Give the fewest and the most hits whose tails have more than this probability."""
        hits = range(trials + 1)
        fewest = bisect_right(hits, probability, key=lambda few: self.tails(few, trials)[0])
        most = bisect_left(hits, -probability, key=lambda many: -self.tails(many, trials)[1])
        return fewest, most - 1

    def _by_law(self, hits: int, trials: int) -> tuple[float, float]:
        if trials == 0:
            return 1.0, 1.0
        spread = trials * self.mean * (1 - self.mean) * (1 + (trials - 1) * self.correlation)
        off = (hits - trials * self.mean) / spread**0.5
        freedom = max(self.units - 1, 1)
        few = _chance_of_more(trials - hits, trials, 1 - self.mean, self.correlation)
        many = _chance_of_more(hits, trials, self.mean, self.correlation)
        return max(few, float(stdtr(freedom, off))), max(many, float(stdtr(freedom, -off)))


def fit_scatter(hits: Integers, trials: Integers, groups: Integers) -> Scatter:
    """Fit the scatter of the counts of some units.

    Before them, any order of magnitude of the correlation from 1e-5 to 0.5 is as likely as another;
    after them, it is smaller than what is given with a probability of 84%.

    Parameters
    ----------
    hits, trials : ndarray of shape (n,)
        Of each unit.
    groups : ndarray of shape (n,)
        Numbers of what units belong together, such as nights, so that they say less of another.
    """
    mean = float((hits.sum() + 0.5) / (trials.sum() + 1))
    pairs, copies = np.unique(np.stack([hits, trials]), axis=1, return_counts=True)
    fits = np.array(
        [_log_chance(pairs[0], pairs[1], mean, value) @ copies for value in _CORRELATIONS]
    )
    shares = np.cumsum(np.exp(fits - fits.max()))
    correlation = float(_CORRELATIONS[np.searchsorted(shares, _QUANTILE * shares[-1])])
    independent = float(np.sum(trials / (1 + (trials - 1) * correlation)))
    law = Scatter(mean, min(correlation + 1 / independent, _LARGEST), len(trials))
    few, many = (_fit_tail(law, hits, trials, groups, side) for side in (0, 1))
    return replace(law, few=few, many=many)


def _fit_tail(law: Scatter, hits: Integers, trials: Integers, groups: Integers, side: int) -> Tail:
    """Fit how often units are far out on a side: 0 for few hits, 1 for many."""
    spread = trials * (1 + (trials - 1) * law.correlation)
    off = (hits - trials * law.mean) / np.sqrt(np.maximum(spread, 1))
    count = min(max(int(_OUTER * len(hits)), 1), _MOST)
    outer = np.argsort(off if side == 0 else -off, kind="stable")[: count + 1]
    found = [law._by_law(int(hits[unit]), int(trials[unit]))[side] for unit in outer]
    out = -np.log(np.maximum(found, _SMALLEST))
    start = float(out.min())
    beyond = out > start
    independent = len(np.unique(groups[outer[beyond]]))
    weight = independent + _BELIEF
    excess = float(np.mean(out[beyond] - start)) if independent else 1.0
    scale = (independent * excess + _BELIEF) / weight
    return Tail(start, int(np.count_nonzero(beyond)) / len(hits), scale, weight)


def _log_chance(hits: Integers, trials: Integers, mean: float, correlation: float) -> Floats:
    """Give the logarithm of the beta-binomial probability; binomial without correlation."""
    misses = trials - hits
    ways = gammaln(trials + 1) - gammaln(hits + 1) - gammaln(misses + 1)
    if correlation < _NO_CORRELATION:
        found: Floats = ways + hits * np.log(mean) + misses * np.log1p(-mean)
        return found
    size = (1 - correlation) / correlation
    real, bogus = mean * size, (1 - mean) * size
    return np.asarray(ways + betaln(hits + real, misses + bogus) - betaln(real, bogus))


def _chance_of_more(hits: int, trials: int, mean: float, correlation: float) -> float:
    """Give the probability of so many hits or more.

    Of many trials only some of the terms are computed, all at both ends and ever fewer between, and
    what lies between two of them is taken as straight.
    """
    steps = _OFFSETS[: np.searchsorted(_OFFSETS, trials - hits, side="right")]
    some = np.unique(np.concatenate([hits + steps, trials - steps]))
    chances = np.exp(_log_chance(some, np.full(len(some), trials), mean, correlation))
    gaps, (first, last) = np.diff(some), (chances[:-1], chances[1:])
    total = chances[0] + np.sum(gaps * (first + last) + last - first) / 2
    return float(np.clip(total, 0, 1))
