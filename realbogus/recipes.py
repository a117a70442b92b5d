"""What made a file: the record that every list, data set, classifier and score file carries.

A recipe is kept as JSON in the file itself. It holds the options by the names that users give
them, the inputs by digest together with their own recipes, and what came of it.
"""

import hashlib
import json
import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NoReturn

from realbogus import __version__
from realbogus.errors import FormatError, RecipeError

__all__ = ["Input", "Recipe", "already_made", "find_difference", "versions"]

log = logging.getLogger(__name__)

_PACKAGES = (
    "numpy",
    "astropy",
    "h5py",
    "keras",
    "tensorflow",
    "onnxruntime",
    "scikit-learn",
    "SQLAlchemy",
)


@cache
def versions() -> dict[str, str]:
    """Return the versions of this project and of the packages that shape its results."""
    found = {"psat-ml": __version__}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


@dataclass(frozen=True)
class Input:
    """A file that went into another: its name, its digest and its own recipe, if it has one."""

    name: str
    digest: str
    recipe: "Recipe | None" = None


@dataclass(frozen=True)
class Recipe:
    """The record of how a file was made.

    Attributes
    ----------
    stage : str
        What made it: ``cut``, ``build``, ``train`` or ``plot``.
    options : mapping
        Everything that decides the content, by the names that users give the options.
    inputs : mapping of str to Input
        The files that went in, by option name.
    results : mapping
        What came of it: counts, losses, what was missing.
    versions : mapping of str to str
        Of this project and of the packages that matter.
    """

    stage: str
    options: Mapping[str, Any]
    inputs: Mapping[str, Input] = field(default_factory=dict)
    results: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=versions)

    def to_json(self) -> str:
        """Write the recipe as one line of JSON."""
        return json.dumps(asdict(self), sort_keys=True, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> "Recipe":
        """Read what `to_json` wrote.

        Raises
        ------
        FormatError
            If the text is something else.
        """
        try:
            return _recipe(json.loads(text, parse_constant=_refuse))
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise FormatError("the recipe in the file is damaged") from error

    @property
    def digest(self) -> str:
        """Sixty-four hexadecimal digits that stand for this recipe and its results."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()


def find_difference(
    recorded: Recipe,
    *,
    options: Mapping[str, Any],
    inputs: Mapping[str, Input | None],
    is_whole: bool = True,
) -> str | None:
    """Say in words where a recorded recipe differs from what is asked for.

    Parameters
    ----------
    recorded : Recipe
        What the file says of itself.
    options : mapping
        The options asked for. One that the record does not know counts as different.
    inputs : mapping of str to Input or None
        The inputs that are given, by option name; None for one that is not there to be compared.
    is_whole : bool
        These are all of them: one that is recorded and not given counts as different.

    Returns
    -------
    str or None
        For example ``"e = 8, not 10"``; None if they agree.
    """
    for name, wanted in options.items():
        made = recorded.options.get(name)
        if made != json.loads(json.dumps(wanted)):
            return f"{name} = {_show(made)}, not {_show(wanted)}"
    for name, given in inputs.items():
        made_from = recorded.inputs.get(name)
        if made_from is None:
            return f"{name} = None, not {'another' if given is None else given.name}"
        if given is not None and made_from.digest != given.digest:
            return f"another {name} ({made_from.name}, before it changed, or one elsewhere)"
    left = recorded.inputs.keys() - inputs.keys() if is_whole else ()
    for name in sorted(left):
        return f"{name} = {recorded.inputs[name].name}, not None"
    return None


def already_made(target: Path, recorded: Recipe | None, wanted: Recipe) -> bool:
    """Say whether ``target`` exists and is what ``wanted`` would make.

    Parameters
    ----------
    target : Path
        The file to be made.
    recorded : Recipe or None
        The recipe found in it, if it exists and has one.
    wanted : Recipe
        The recipe about to be followed.

    Raises
    ------
    RecipeError
        If it exists and was made in another way, or does not say how.
    """
    if not target.exists():
        return False
    if recorded is None:
        raise RecipeError(
            f"{target} exists and does not say what made it: remove it, or name another file"
        )
    difference = find_difference(recorded, options=wanted.options, inputs=wanted.inputs)
    if difference is not None:
        raise RecipeError(
            f"{target} exists and was made with {difference}: remove it, or name another file"
        )
    log.info("%s is there already, made by the same recipe", target)
    return True


def _refuse(constant: str) -> NoReturn:
    """Refuse NaN and the infinities, which Python's JSON reads but `to_json` does not write."""
    raise ValueError(constant)


def _recipe(content: Mapping[str, Any]) -> Recipe:
    return Recipe(
        stage=str(content["stage"]),
        options=dict(content["options"]),
        inputs={str(name): _input(item) for name, item in content["inputs"].items()},
        results=dict(content["results"]),
        versions=dict(content["versions"]),
    )


def _input(content: Mapping[str, Any]) -> Input:
    recipe = content["recipe"]
    return Input(
        name=str(content["name"]),
        digest=str(content["digest"]),
        recipe=None if recipe is None else _recipe(recipe),
    )


def _show(value: object) -> str:
    if isinstance(value, list | tuple):
        return ",".join(str(item) for item in value)
    return str(value)
