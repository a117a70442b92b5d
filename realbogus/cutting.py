"""What the stages that make good.txt and bad.txt share."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TypeVar

from realbogus.errors import ConfigError
from realbogus.lists import read_list_recipe
from realbogus.recipes import Recipe, already_made

__all__ = ["Tally", "list_is_made", "require_fraction", "take_thresholds", "too_many_missing"]

Rules = TypeVar("Rules")
_SHOWN = 5
_LONGEST_SHOWN = 60


@dataclass
class Tally:
    """A number of names, of which only the first few are kept, to be shown.

    Attributes
    ----------
    count : int
        The number.
    first : list of str
        The first names.
    """

    count: int = 0
    first: list[str] = field(default_factory=list)

    def add(self, name: str) -> None:
        """Count a name."""
        self.count += 1
        if len(self.first) < _SHOWN:
            self.first.append(name)

    def add_hostile(self, name: str) -> None:
        """Count a name that may hold anything, and is shown in quotes and not in full."""
        self.add(repr(name[:_LONGEST_SHOWN]))

    @classmethod
    def sum(cls, tallies: "Iterable[Tally]") -> "Tally":
        """Put several together."""
        parts = list(tallies)
        first = [name for part in parts for name in part.first]
        return cls(sum(part.count for part in parts), first[:_SHOWN])

    def __str__(self) -> str:
        """Show the first names."""
        return ", ".join(self.first) + (" …" if self.count > len(self.first) else "")


def take_thresholds(kind: type[Rules], labels: Mapping[str, float]) -> Rules:
    """Take the label thresholds of a survey from the ``labels`` block of the configuration.

    Parameters
    ----------
    kind : type
        The survey's dataclass of thresholds.
    labels : mapping
        The block.

    Raises
    ------
    ConfigError
        If the block has a key that is no threshold.
    """
    known = [field.name for field in fields(kind)]  # type: ignore[arg-type]
    for key in labels:
        if key not in known:
            raise ConfigError(f"labels.{key} must be one of {', '.join(known)}")
    return kind(**labels)


def require_fraction(max_missing: float) -> None:
    """Check the value of ``maxMissing``.

    Raises
    ------
    ConfigError
        If it is not a fraction.
    """
    if not 0 <= max_missing <= 1:
        raise ConfigError(f"maxMissing must be a fraction from 0 to 1; got {max_missing}")


def too_many_missing(missing: int, total: int, *, max_missing: float, things: str) -> str | None:
    """Say in words that more is missing than ``maxMissing`` allows; None if it is not."""
    if missing <= max_missing * total:
        return None
    return (
        f"{missing} of {total} {things} are missing or unreadable, more than "
        f"maxMissing = {max_missing:g}"
    )


def list_is_made(path: Path, recipe: Recipe) -> bool:
    """Say whether a list exists and was made by this recipe.

    Raises
    ------
    RecipeError
        If it exists and was made by another one.
    """
    return already_made(path, read_list_recipe(path) if path.exists() else None, recipe)
