"""A new classifier against the one it would replace: the release gate."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from realbogus.comparison import Difference, Pair, compare
from realbogus.errors import ConfigError, FormatError, ReleaseError
from realbogus.files import require_readable_file, require_writable_folder
from realbogus.metrics import Interval, number_objects
from realbogus.plots.comparison import draw_comparison
from realbogus.plots.figures import save_figure
from realbogus.plots.formats import read_figure_recipe, require_figure_suffix
from realbogus.provenance import identify
from realbogus.recipes import Recipe, already_made
from realbogus.scores import Scores, read_scores
from realbogus.traits import groups_of, match, read_traits

__all__ = [
    "compare_scores",
    "read_differences",
    "recorded_differences",
    "require_release",
    "tabulate",
]

log = logging.getLogger(__name__)

_GROUPING = ("camera", "mag", "night")


def compare_scores(
    old: Path,
    new: Path,
    output: Path,
    *,
    dataset: Path | None = None,
    mdrs: Sequence[float] = (0.01, 0.04),
    margin: float = 0.0,
    least: int = 30,
    resamples: int = 1000,
    seed: int = 0,
) -> list[Difference]:
    """Compare the scores of two classifiers, overall and by camera, magnitude and night.

    Parameters
    ----------
    old, new : Path
        Score files of the same detections.
    output : Path
        The figure to make: ``.png``, ``.pdf`` or ``.svg``. Its recipe has all the differences.
    dataset : Path, optional
        The data set whose test part was scored, for magnitudes; cameras and nights are read from
        the names of stamps without it.
    mdrs, margin, least, resamples
        As of `realbogus.comparison.compare`.
    seed : int
        Of the draws.

    Returns
    -------
    list of Difference
        What `require_release` judges.

    Raises
    ------
    ConfigError, FormatError, DatasetError, RecipeError
        If an option is not allowed, the files are not of the same detections, or the figure exists
        and was made in another way.
    """
    require_figure_suffix(output)
    _check(mdrs, margin, least, resamples)
    files = {"old": old, "new": new} | ({} if dataset is None else {"dataset": dataset})
    for name, path in files.items():
        require_readable_file(path, name=name)
    options = {
        "mdr": list(mdrs),
        "margin": margin,
        "least": least,
        "resamples": resamples,
        "seed": seed,
    }
    recipe = Recipe("compare", options, {name: identify(path) for name, path in files.items()})
    recorded = read_figure_recipe(output) if output.exists() else None
    if already_made(output, recorded, recipe) and recorded is not None:
        return recorded_differences(recorded)
    require_writable_folder(output.parent)
    scores = read_scores(old)
    pair = _pair(scores, read_scores(new), names=(old.name, new.name))
    found = compare(
        pair,
        _groups(scores, dataset),
        mdrs=mdrs,
        margin=margin,
        least=least,
        resamples=resamples,
        rng=np.random.default_rng(seed),
    )
    results = {"differences": [asdict(item) for item in found]}
    complete = Recipe("compare", options, recipe.inputs, results)
    save_figure(draw_comparison(found, names=(old.stem, new.stem)), output, complete)
    log.info("the picture is %s", output)
    return found


def recorded_differences(recipe: Recipe) -> list[Difference]:
    """Return the differences that the recipe of a comparison has.

    Raises
    ------
    FormatError
        If it has none.
    """
    try:
        items = [dict(item) for item in recipe.results["differences"]]
        return [Difference(**{**item, "change": Interval(**item["change"])}) for item in items]
    except (KeyError, TypeError, ValueError) as error:
        raise FormatError("the recipe in the file is not that of a comparison") from error


def read_differences(path: Path) -> list[Difference]:
    """Read the differences that the figure of a comparison has in its recipe.

    Raises
    ------
    FormatError
        If it has none.
    """
    recipe = read_figure_recipe(path)
    if recipe is None:
        raise FormatError(f"{path}: does not say what made it, so nothing can be released by it")
    return recorded_differences(recipe)


def require_release(differences: Sequence[Difference]) -> None:
    """Check that the new classifier is significantly worse nowhere.

    Raises
    ------
    ReleaseError
        If it is somewhere; it says where.
    """
    worse = [item for item in differences if item.is_worse]
    if worse:
        places = ", ".join(_said(item) for item in worse[:3])
        more = f" and {len(worse) - 3} more" if len(worse) > 3 else ""
        raise ReleaseError(f"the new classifier is significantly worse: {places}{more}")


def tabulate(differences: Sequence[Difference]) -> list[list[str]]:
    """Write the differences as a table, whose first row names its columns."""
    header = ["group", "rate", "at mdr", "objects", "old", "new", "change", "p", "verdict"]
    return [header, *(_row(item) for item in differences)]


def _row(item: Difference) -> list[str]:
    verdict = "worse" if item.is_worse else "" if item.decides else "too few to decide"
    rates = [f"{rate:.2%}" for rate in (item.old, item.new)]
    place = [item.group, item.rate, f"{item.mdr:g}", f"{item.objects:,}"]
    return [*place, *rates, item.change.as_percent(), f"{item.p_value:.2g}", verdict]


def _said(item: Difference) -> str:
    return (
        f"{item.rate} of {item.group} at mdr {item.mdr:g} is {item.new:.2%} and was {item.old:.2%}"
    )


def _check(mdrs: Sequence[float], margin: float, least: int, resamples: int) -> None:
    if not mdrs:
        raise ConfigError("mdr: give at least one missed detection rate")
    if not 0 <= margin < 1:
        raise ConfigError(f"margin must be from 0 to 1; got {margin}")
    if least < 2:
        raise ConfigError(f"least must be at least 2 objects; got {least}")
    if resamples < 100:
        raise ConfigError(f"resamples must be at least 100; got {resamples}")


def _pair(old: Scores, new: Scores, *, names: tuple[str, str]) -> Pair:
    """Put the detections of the new file in the order of the old one."""
    if len(old) != len(new):
        raise FormatError(
            f"{names[1]}: has {len(new)} detections and {names[0]} has {len(old)}: "
            "both must have the same ones"
        )
    try:
        rows = match(old, new)
    except KeyError as error:
        raise FormatError(
            f"{names[1]}: has no {error.args[0]!r}, which {names[0]} has: both must have the same"
        ) from error
    other = np.flatnonzero(old.targets != new.targets[rows])
    if len(other):
        name = old.names[other[0]]
        raise FormatError(f"{names[1]}: {name!r} has another target than in {names[0]}")
    return Pair(old.targets, number_objects(old.objects), old.scores, new.scores[rows])


def _groups(scores: Scores, dataset: Path | None) -> Mapping[str, NDArray[Any]]:
    values = read_traits(scores, dataset).values
    groups = {name: groups_of(name, values[name]) for name in _GROUPING if name in values}
    return {
        f"{name} {label}": mask
        for name, masks in groups.items()
        if len(masks) > 1  # one group is all of them
        for label, mask in masks.items()
    }
