"""Counts that scatter more than chance alone, and how unlikely another is: arrays in and out.

Of a unit, such as an exposure, so many trials are hits. The rates of units differ, which makes two
trials of one alike; their number of hits is beta-binomial (Skellam 1948, J. R. Stat. Soc. B 10,
257).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaln, gammaln, stdtr

__all__ = ["Scatter", "fit_scatter"]

_CORRELATIONS = np.geomspace(1e-5, 0.5, 80)
# One standard deviation above the middle.
_QUANTILE = 0.84
_LARGEST = 0.9

Floats = NDArray[np.float64]
Integers = NDArray[np.integer]


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
    """

    mean: float
    correlation: float
    units: int

    def tails(self, hits: int, trials: int) -> tuple[float, float]:
        """Give the probabilities of so few hits, and of so many, in another unit.

        Each is the larger of two: that of the beta-binomial distribution, and that of Student's t,
        since the scatter is known from few units only.
        """
        few, many = self._tails(trials)
        return float(few[hits]), float(many[hits])

    def limits(self, trials: int, probability: float) -> tuple[int, int]:
        """Give the fewest and the most hits whose tails have more than this probability."""
        few, many = self._tails(trials)
        usual = np.flatnonzero((few > probability) & (many > probability))
        return int(usual[0]), int(usual[-1])

    def _tails(self, trials: int) -> tuple[Floats, Floats]:
        """Give both tails for each number of hits."""
        if trials == 0:
            return np.ones(1), np.ones(1)
        hits = np.arange(trials + 1)
        whole = np.full(trials + 1, trials)
        chances = np.exp(_log_chance(hits, whole, self.mean, self.correlation))
        few, many = np.cumsum(chances), np.cumsum(chances[::-1])[::-1]
        spread = trials * self.mean * (1 - self.mean) * (1 + (trials - 1) * self.correlation)
        off = (hits - trials * self.mean) / np.sqrt(spread)
        freedom = max(self.units - 1, 1)
        below, above = stdtr(freedom, off), stdtr(freedom, -off)
        return np.clip(np.maximum(few, below), 0, 1), np.clip(np.maximum(many, above), 0, 1)


def fit_scatter(hits: Integers, trials: Integers) -> Scatter:
    """Fit the scatter of the counts of some units.

    Before them, any order of magnitude of the correlation from 1e-5 to 0.5 is as likely as another;
    after them, it is smaller than what is given with a probability of 84%.

    Parameters
    ----------
    hits, trials : ndarray of shape (n,)
        Of each unit.
    """
    mean = float((hits.sum() + 0.5) / (trials.sum() + 1))
    pairs, copies = np.unique(np.stack([hits, trials]), axis=1, return_counts=True)
    fits = np.array(
        [_log_chance(pairs[0], pairs[1], mean, value) @ copies for value in _CORRELATIONS]
    )
    shares = np.cumsum(np.exp(fits - fits.max()))
    correlation = float(_CORRELATIONS[np.searchsorted(shares, _QUANTILE * shares[-1])])
    independent = float(np.sum(trials / (1 + (trials - 1) * correlation)))
    return Scatter(mean, min(correlation + 1 / independent, _LARGEST), len(trials))


def _log_chance(hits: Integers, trials: Integers, mean: float, correlation: float) -> Floats:
    """Give the logarithm of the beta-binomial probability; binomial without correlation."""
    misses = trials - hits
    ways = gammaln(trials + 1) - gammaln(hits + 1) - gammaln(misses + 1)
    if correlation == 0:
        found: Floats = ways + hits * np.log(mean) + misses * np.log1p(-mean)
        return found
    size = (1 - correlation) / correlation
    real, bogus = mean * size, (1 - mean) * size
    return np.asarray(ways + betaln(hits + real, misses + bogus) - betaln(real, bogus))
