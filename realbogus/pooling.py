"""One score of an object out of those of its images: arrays in, arrays out.

The scores are pooled logarithmically, each image with the same weight and all weights adding up to
one (Genest & Zidek 1986, Stat. Sci. 1, 114), and what comes out is calibrated by two numbers, a
weight and a prior (Satopää et al. 2014, Int. J. Forecast. 30, 344). Images of one object are not
independent: what looks real on one does on the next, so that a sum of log-odds is far too sure.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, logit

from realbogus.errors import FormatError
from realbogus.metrics import number_objects, object_targets

__all__ = ["Pool", "fit_pool", "pool_images", "pool_objects"]

# Log-odds end here, so that no image outvotes the others.
_SMALLEST = 1e-4
_STEEPEST = 10.0
_LARGEST = 50.0

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Pool:
    """How the images of an object are pooled: log-odds are ``offset + slope * mean``.

    Attributes
    ----------
    offset, slope : float
        The mean is that of the log-odds of the images' calibrated scores.
    prior : float
        The fraction of reals among the objects that it was fitted to, which a score takes for
        granted.
    objects : int
        How many they were.
    """

    offset: float = 0.0
    slope: float = 1.0
    prior: float = 0.5
    objects: int = 0

    def log_odds(self, scores: NDArray[np.floating]) -> Floats:
        """Give what each image adds to the mean, for scores of shape (n,)."""
        clipped = np.clip(np.asarray(scores, np.float64), _SMALLEST, 1 - _SMALLEST)
        found: Floats = self.offset + self.slope * logit(clipped)
        return found

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> "Pool":
        """Read what ``dataclasses.asdict`` gave, from a recipe.

        Raises
        ------
        FormatError
            If it is something else.
        """
        try:
            offset, slope, prior = (float(record[name]) for name in ("offset", "slope", "prior"))
            found = cls(offset, slope, prior, int(record["objects"]))
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise FormatError("the combination in the recipe is damaged") from error
        bounded = abs(found.offset) <= _LARGEST and 0 < found.slope <= _STEEPEST
        if not (bounded and 0 <= found.prior <= 1):
            raise FormatError("the combination in the recipe is not a rising function of scores")
        return found


def fit_pool(
    targets: NDArray[np.integer], scores: NDArray[np.floating], objects: NDArray[Any]
) -> Pool:
    """Fit the weight and the prior to objects, by the likelihood of their kinds.

    The targets are drawn in a little from 0 and 1, so that kinds without overlap leave the numbers
    finite (Platt 1999, *Advances in Large Margin Classifiers*, 61).

    Parameters
    ----------
    targets, scores, objects : ndarray of shape (n,)
        Of detections that the network was not trained on: 1 for real and 0 for bogus; calibrated
        scores; their objects.
    """
    kinds, means = _by_object(targets, Pool().log_odds(scores), objects)
    real = int(kinds.sum())
    high, low = (real + 1) / (real + 2), 1 / (len(kinds) - real + 2)
    wanted = np.where(kinds == 1, high, low)

    def loss(numbers: Floats) -> float:
        sums = numbers[0] + numbers[1] * means
        return float(np.mean(np.logaddexp(0, sums) - wanted * sums))

    bounds = ((-_LARGEST, _LARGEST), (1 / _STEEPEST, _STEEPEST))
    best = minimize(loss, (0.0, 1.0), bounds=bounds, method="L-BFGS-B").x
    return Pool(float(best[0]), float(best[1]), real / len(kinds), len(kinds))


def pool_images(scores: Mapping[str, Sequence[float]], pools: Mapping[str, Pool]) -> float:
    """Give the score of an object, from the scores of its images and the pools of their cameras."""
    each = [pools[camera].log_odds(np.array(scores[camera])) for camera in sorted(scores)]
    return float(expit(np.mean(np.concatenate(each))))


def pool_objects(
    pool: Pool, targets: NDArray[np.integer], scores: NDArray[np.floating], objects: NDArray[Any]
) -> tuple[NDArray[np.int8], Floats]:
    """Give the target and the score of each object, in the order in which they come.

    Returns
    -------
    tuple of two ndarray of shape (m,)
    """
    kinds, means = _by_object(targets, pool.log_odds(scores), objects)
    return kinds, np.asarray(expit(means))


def _by_object(
    targets: NDArray[np.integer], log_odds: Floats, objects: NDArray[Any]
) -> tuple[NDArray[np.int8], Floats]:
    """Give the kind, real if any detection is, and the mean of each object."""
    numbers = number_objects(objects)
    return object_targets(numbers, targets), np.bincount(numbers, log_odds) / np.bincount(numbers)
