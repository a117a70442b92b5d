"""The optimiser of a scheme."""

import math
from typing import Any

from realbogus.models.backend import keras
from realbogus.models.schemes import Scheme

__all__ = ["make_optimiser"]


def make_optimiser(scheme: Scheme, *, steps: int, rate: float) -> keras.optimizers.Optimizer:
    """Make the optimiser for a training of so many steps in all, with this (peak) rate."""
    if not scheme.warm:
        return keras.optimizers.Adam(rate)
    return keras.optimizers.AdamW(_Cycle(rate, steps, scheme.warm), weight_decay=scheme.decay)


class _Cycle(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]
    """A rate that rises in a straight line and falls to nothing along a cosine."""

    def __init__(self, peak: float, steps: int, warm: float) -> None:
        self._peak, self._steps, self._warm = peak, steps, warm

    def get_config(self) -> dict[str, float]:
        """Give what the schedule was made with."""
        return {"peak": self._peak, "steps": self._steps, "warm": self._warm}

    def __call__(self, step: Any) -> Any:
        """Give the rate of a step, from 0."""
        done = (keras.ops.cast(step, "float32") + 0.5) / self._steps
        rise = done / self._warm
        angle = math.pi * (done - self._warm) / (1 - self._warm)
        fall = 0.5 * (1 + keras.ops.cos(angle))
        return self._peak * keras.ops.where(done < self._warm, rise, fall)
