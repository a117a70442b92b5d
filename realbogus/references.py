"""The exposures of accepted nights, which say what a good one is like."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from realbogus.breaker import is_enough
from realbogus.counts import HELD, Counts, counts_path, is_counts, read_counts
from realbogus.errors import ConfigError
from realbogus.files import require_readable_file
from realbogus.recipes import Recipe
from realbogus.scores import read_score_recipe

__all__ = ["collect_accepted", "find_accepted", "find_tables", "require_own_table", "shipped_path"]

log = logging.getLogger(__name__)

_SELECTION = ("survey", "database", "listid")
_LIST = "listid"
_ALL = "detections"


def find_accepted(
    exposures: Sequence[Counts],
    reference: Sequence[Path],
    recipe: Recipe,
    *,
    output: Path,
    classifiers: Sequence[Path] = (),
) -> dict[str, list[Counts]]:
    """Find the exposures of accepted nights by camera, each once, and none of the newest night.

    What waits for long is scored again and again, so that older exposures of the run may be among
    them; its newest night never speaks for itself.
    Those that the same classifier has scored come first; if they are too few, those of another do.

    Parameters
    ----------
    exposures : sequence of Counts
        Of the run.
    reference : sequence of Path
        Files of scores, their tables, or folders of these. Without any, those of the same list,
        or of all detections, beside the output.
    recipe : Recipe
        Of the run.
    output : Path
        Its scores.
    classifiers : sequence of Path
        Those that it uses, beside which there may be tables, too, as `shipped_path` names them.

    Raises
    ------
    FormatError
        If a table is none.
    """
    newest: dict[str, int] = {}
    for item in exposures:
        newest[item.camera] = max(item.night, newest.get(item.camera, item.night))
    same: dict[tuple[str, str], Counts] = {}
    others: dict[tuple[str, str], Counts] = {}
    for path in _tables_for(reference, recipe, output, classifiers):
        made_by = read_score_recipe(path)
        for item in read_counts(path):
            key = item.camera, item.name
            if item.status == HELD or item.night == newest.get(item.camera):
                continue
            is_same = made_by is not None and _same_classifier(made_by, recipe, item.camera)
            found = same if is_same else others
            if key not in found or found[key].images <= item.images:
                found[key] = item
    return {camera: _of_camera(camera, same, {**others, **same}) for camera in newest}


def shipped_path(classifier: Path, options: Mapping[str, Any]) -> Path:
    """Name the table beside a classifier for scores of these options: of a list, or detections."""
    named = f"{classifier.stem}.{_kind(options)}{classifier.suffix}"
    return counts_path(classifier.with_name(named))


def collect_accepted(
    scores: Sequence[Path], digest: str
) -> tuple[Mapping[str, Any], Sequence[Counts]]:
    """Collect the exposures of tables that were not held back, each once, and their selection.

    Parameters
    ----------
    scores : sequence of Path
        Files of scores, their tables, or folders of these.
    digest : str
        Of the classifier that gave them.

    Raises
    ------
    ConfigError, FormatError
        If a file is not there or none, another classifier gave it, or it is of another selection
        than the first.
    """
    found: dict[tuple[str, str], Counts] = {}
    first: Mapping[str, Any] | None = None
    for table in [table for path in scores for table in find_tables(path)]:
        made = read_score_recipe(table)
        options = {} if made is None else made.options
        wanted = {name: options[name] for name in (*_SELECTION, _ALL) if name in options}
        if made is None or _kind(options) is None:
            raise ConfigError(f"reference: {table} is neither of a list nor of all detections")
        first = wanted if first is None else first
        if any(given(first) != given(wanted) for given in (_kind, _survey)):
            raise ConfigError(f"reference: {table} is of another survey or list than the first")
        for item in read_counts(table):
            if _classifier(made, item.camera) != digest:
                raise ConfigError(f"reference: {table} is of another classifier")
            if item.status != HELD:
                found[item.camera, item.name] = item
    if first is None:
        raise ConfigError("reference: give scores of accepted nights")
    return first, [found[key] for key in sorted(found)]


def require_own_table(output: Path, recipe: Recipe) -> None:
    """Check that the table of exposures beside an output is not of scores of another kind.

    Raises
    ------
    ConfigError
        If the table is there and of detections, and the output is not, or the other way round.
    """
    table = counts_path(output)
    made = read_score_recipe(table) if table.exists() else None
    if made is not None and (_ALL in made.options) != (_ALL in recipe.options):
        what = "detections" if _ALL in made.options else "objects"
        raise ConfigError(f"{output}: {table} beside it is of {what}; take another name")


def find_tables(path: Path) -> list[Path]:
    """Give the tables that a file of scores, a table or a folder of tables stands for.

    Raises
    ------
    ConfigError
        If there is none.
    """
    if path.is_dir():
        found = sorted(item for item in path.iterdir() if is_counts(item))
        if not found:
            raise ConfigError(f"reference: the folder {path} holds no table of exposures")
        return found
    table = path if is_counts(path) else counts_path(path)
    require_readable_file(table, name="reference")
    return [table]


def _of_camera(
    camera: str, same: Mapping[tuple[str, str], Counts], all_of: Mapping[tuple[str, str], Counts]
) -> list[Counts]:
    """Prefer what the same classifier has scored, if that is enough to compare with."""
    own, every = (
        [item for item in some.values() if item.camera == camera] for some in (same, all_of)
    )
    if is_enough(own) or not is_enough(every):
        return own
    log.info("camera %s is compared with the nights of another classifier", camera)
    return every


def _tables_for(
    reference: Sequence[Path], recipe: Recipe, output: Path, classifiers: Sequence[Path]
) -> Iterator[Path]:
    """Give the tables to compare with, but never that of the run itself."""
    own = counts_path(output).absolute()
    given = [table for path in reference for table in find_tables(path)]
    for table in given or [*_shipped(classifiers, recipe), *_beside(output, recipe)]:
        if table.absolute() != own:
            yield table


def _beside(output: Path, recipe: Recipe) -> Iterator[Path]:
    """Give the tables beside a file of scores that are of the same list, or of all detections."""
    if _kind(recipe.options) is None:
        return
    for table in sorted(output.parent.iterdir()):
        if not is_counts(table):
            continue
        made = read_score_recipe(table)
        if made is not None and _selection(made) == _selection(recipe):
            yield table


def _shipped(classifiers: Sequence[Path], recipe: Recipe) -> Iterator[Path]:
    """Give the tables beside classifiers that are of the same survey and list, of any database."""
    if _kind(recipe.options) is None:
        return
    for table in {shipped_path(path, recipe.options) for path in classifiers}:
        made = read_score_recipe(table) if table.exists() else None
        if made is not None and _survey(made.options) == _survey(recipe.options):
            yield table


def _survey(options: Mapping[str, Any]) -> object:
    return options.get("survey")


def _kind(options: Mapping[str, Any]) -> str | None:
    """Name what was scored: a list, or all detections; None if nobody knows what else is alike."""
    if _ALL in options:
        return _ALL
    return f"list{options[_LIST]}" if _LIST in options else None


def _selection(recipe: Recipe) -> list[Any]:
    return [*(recipe.options.get(name) for name in _SELECTION), _ALL in recipe.options]


def _same_classifier(one: Recipe, other: Recipe, camera: str) -> bool:
    return _classifier(one, camera) == _classifier(other, camera)


def _classifier(recipe: Recipe, camera: str) -> str | None:
    """Give the digest of the classifier of a camera."""
    names = (f"classifier[{camera}]", "classifier", "fallback")
    return next((recipe.inputs[name].digest for name in names if name in recipe.inputs), None)
