"""The architectures by name."""

from collections.abc import Callable

from realbogus.models.backend import keras
from realbogus.models.psat import build_psat
from realbogus.options import require_choice

__all__ = ["ARCHITECTURES", "build_model", "require_architecture"]

ARCHITECTURES: dict[str, Callable[[int], keras.Model]] = {"psat": build_psat}
"""Functions from the side of a feature in pixels to an untrained network."""


def require_architecture(name: str) -> None:
    """Check that there is an architecture of that name.

    Raises
    ------
    ConfigError
        If there is not.
    """
    require_choice("model", name, ARCHITECTURES)


def build_model(name: str, side: int) -> keras.Model:
    """Make an untrained network for features of shape (side, side)."""
    require_architecture(name)
    return ARCHITECTURES[name](side)
