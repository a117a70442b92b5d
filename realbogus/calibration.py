"""Scores that mean something: from a network's output to the probability of being real.

Arrays in, arrays out. A calibration never changes the order of scores.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from realbogus.errors import DatasetError, FormatError
from realbogus.splits import split_by_object

__all__ = [
    "CALIBRATIONS",
    "Calibration",
    "calibration_error",
    "choose_calibration",
    "fit_isotonic",
    "fit_none",
    "fit_temperature",
    "log_loss",
]

_SMALLEST = 1e-7
# Part of the score that stays, so that a step of the isotonic function keeps the order.
_KEPT = 1e-3
_WARMEST = 5.0

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Calibration:
    """A monotonic function from raw to calibrated scores, both from 0 to 1.

    Attributes
    ----------
    method : str
        One of `CALIBRATIONS`.
    temperature : float
        The logit is divided by it.
    raw, calibrated : tuple of float
        Knots of the function between which it is straight, after the temperature; none for the
        identity.
    """

    method: str = "none"
    temperature: float = 1.0
    raw: tuple[float, ...] = ()
    calibrated: tuple[float, ...] = ()

    def apply(self, scores: NDArray[np.floating]) -> Floats:
        """Calibrate scores of shape (n,)."""
        values = np.asarray(scores, np.float64)
        if self.temperature != 1:
            values = _expit(_logit(values) / self.temperature)
        if not self.raw:
            return values
        steps = np.interp(values, self.raw, self.calibrated)
        return (1 - _KEPT) * steps + _KEPT * values

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> "Calibration":
        """Read what ``dataclasses.asdict`` gave, from a recipe.

        Raises
        ------
        FormatError
            If it is something else.
        """
        try:
            found = cls(
                str(record["method"]),
                float(record["temperature"]),
                tuple(map(float, record["raw"])),
                tuple(map(float, record["calibrated"])),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise FormatError("the calibration in the recipe is damaged") from error
        if not found._is_valid():
            raise FormatError("the calibration in the recipe is not a rising function of scores")
        return found

    def _is_valid(self) -> bool:
        knots = np.array([self.raw, self.calibrated]) if self._is_paired() else None
        if knots is None or not self.temperature > 0 or not np.isfinite(self.temperature):
            return False
        inside = np.isfinite(knots).all() and (knots >= 0).all() and (knots <= 1).all()
        return bool(inside and (np.diff(knots, axis=1) >= 0).all())

    def _is_paired(self) -> bool:
        return len(self.raw) == len(self.calibrated)


def fit_none(targets: NDArray[np.integer], scores: NDArray[np.floating]) -> Calibration:
    """Leave the scores as they are."""
    return Calibration()


def fit_temperature(targets: NDArray[np.integer], scores: NDArray[np.floating]) -> Calibration:
    """Find the one number that divides the logits best (Guo et al. 2017, PMLR 70, 1321).

    Parameters
    ----------
    targets, scores : ndarray of shape (n,)
        1 for real and 0 for bogus; raw scores.
    """
    logits = _logit(np.asarray(scores, np.float64))

    def loss(log_temperature: float) -> float:
        return log_loss(targets, _expit(logits / np.exp(log_temperature)))

    best = minimize_scalar(loss, bounds=(-np.log(_WARMEST), np.log(_WARMEST)), method="bounded")
    return Calibration("temperature", float(np.exp(best.x)))


def fit_isotonic(targets: NDArray[np.integer], scores: NDArray[np.floating]) -> Calibration:
    """Find the rising step function that fits best (Zadrozny & Elkan 2002, KDD, 694)."""
    from sklearn.isotonic import IsotonicRegression

    fitted = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip").fit(
        np.asarray(scores, np.float64), targets
    )
    return Calibration(
        "isotonic",
        raw=tuple(fitted.X_thresholds_.tolist()),
        calibrated=tuple(fitted.y_thresholds_.tolist()),
    )


CALIBRATIONS: dict[str, Callable[[NDArray[np.integer], NDArray[np.floating]], Calibration]] = {
    "none": fit_none,
    "temperature": fit_temperature,
    "isotonic": fit_isotonic,
}
"""Ways to calibrate, by name."""


def choose_calibration(
    targets: NDArray[np.integer],
    scores: NDArray[np.floating],
    objects: NDArray[Any],
    *,
    rng: np.random.Generator,
) -> tuple[Calibration, dict[str, float]]:
    """Fit the way that does best on detections that it was not fitted to.

    Each way is fitted to one half of the objects and judged on the other by its logarithmic loss,
    both ways round; the best is then fitted to all.

    Parameters
    ----------
    targets, scores, objects : ndarray of shape (n,)
        Of detections that the network was not trained on.
    rng : numpy.random.Generator
        The source of the halves.

    Returns
    -------
    tuple of Calibration and dict of str to float
        The calibration, and the loss of each way.
    """
    try:
        half = split_by_object(objects, targets, fraction=0.5, rng=rng)
    except DatasetError:
        return Calibration(), {}
    losses = {name: 0.0 for name in CALIBRATIONS}
    for name, fit in CALIBRATIONS.items():
        for chosen in (half, ~half):
            fitted = fit(targets[chosen], scores[chosen])
            losses[name] += log_loss(targets[~chosen], fitted.apply(scores[~chosen])) / 2
    best = min(losses, key=lambda name: losses[name])
    return CALIBRATIONS[best](targets, scores), losses


def log_loss(targets: NDArray[np.integer], scores: NDArray[np.floating]) -> float:
    """Return the mean of -ln of the probability given to what is true."""
    clipped = np.clip(scores, _SMALLEST, 1 - _SMALLEST)
    return float(-np.mean(np.where(targets == 1, np.log(clipped), np.log1p(-clipped))))


def calibration_error(
    targets: NDArray[np.integer], scores: NDArray[np.floating], *, bins: int = 15
) -> float:
    """Return the expected calibration error.

    The mean over the detections of the difference, in their bin, between the mean score and the
    fraction of reals; bins of equal width (Naeini et al. 2015, AAAI 29, 2901).
    """
    places = np.minimum((np.asarray(scores) * bins).astype(int), bins - 1)
    surplus = np.bincount(places, weights=np.asarray(scores) - targets, minlength=bins)
    return float(np.abs(surplus).sum() / len(targets))


def _logit(scores: Floats) -> Floats:
    clipped = np.clip(scores, _SMALLEST, 1 - _SMALLEST)
    logits: Floats = np.log(clipped) - np.log1p(-clipped)
    return logits


def _expit(logits: Floats) -> Floats:
    probabilities: Floats = 1 / (1 + np.exp(-logits))
    return probabilities
