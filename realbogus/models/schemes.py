"""Ways to train, by name; without loading Keras."""

from dataclasses import dataclass, replace

from realbogus.options import require_choice

__all__ = ["CONTINUED", "SCHEMES", "Scheme", "require_scheme"]

CONTINUED = 0.25
"""Share of the rate at which a network that has learned already is changed."""

# A batch of a small training part: so many an epoch, but not fewer stamps than these.
_BATCHES = 16
_SMALLEST_BATCH = 32


@dataclass(frozen=True)
class Scheme:
    """How the weights are found.

    Attributes
    ----------
    epochs, batch : int
        Passes over the training part, and stamps a step.
    steps : int
        A small training part gets more epochs, and smaller batches, to make so many steps.
    rate : float
        The learning rate, or its peak.
    decay : float
        Weight decay of AdamW.
    warm : float
        Share of the steps in which the rate rises to its peak, before it falls along a cosine;
        0 for a rate that stays.
    """

    epochs: int
    batch: int
    rate: float
    steps: int = 0
    decay: float = 0.0
    warm: float = 0.0

    def fit_to(self, count: int) -> tuple[int, int]:
        """Give the epochs and the batch for so many training stamps."""
        if not self.steps:
            return self.epochs, self.batch
        batch = min(self.batch, max(_SMALLEST_BATCH, count // _BATCHES))
        return max(self.epochs, -(-self.steps // -(-count // batch))), batch

    def rate_at(self, batch: int) -> float:
        """Give the rate for another batch: in a cycle it goes with the square root of the size.

        So that the noise of the steps stays the same (Malladi et al. 2022, NeurIPS 35, 7697).
        """
        return self.rate * (min(batch / self.batch, 1) ** 0.5 if self.warm else 1)


_CYCLE = Scheme(epochs=10, batch=512, rate=5e-3, steps=600, decay=1e-3, warm=0.25)

SCHEMES: dict[str, Scheme] = {
    "plain": Scheme(epochs=20, batch=128, rate=1e-3),
    "cycle": _CYCLE,
    "long": replace(_CYCLE, epochs=20),
}
"""``plain`` is Adam as Keras has it; ``cycle`` is one cycle (Smith & Topin 2019, SPIE 11006).

``long`` is a cycle of twice as many epochs, for the best network instead of the fastest.
"""


def require_scheme(name: str) -> Scheme:
    """Give the scheme of that name.

    Raises
    ------
    ConfigError
        If there is none.
    """
    require_choice("scheme", name, SCHEMES)
    return SCHEMES[name]
