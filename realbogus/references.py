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

__all__ = ["find_accepted", "find_tables"]

log = logging.getLogger(__name__)

_SELECTION = ("survey", "database", "listid")


def find_accepted(
    exposures: Sequence[Counts], reference: Sequence[Path], recipe: Recipe, *, output_csv: Path
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
        Files of scores, their tables, or folders of these. Without any, those of the same list
        beside the output.
    recipe : Recipe
        Of the run.
    output_csv : Path
        Its scores.

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
    for path in _tables_for(reference, recipe, output_csv):
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


def _tables_for(reference: Sequence[Path], recipe: Recipe, output_csv: Path) -> Iterator[Path]:
    """Give the tables to compare with, but never that of the run itself."""
    own = counts_path(output_csv).absolute()
    given = [table for path in reference for table in find_tables(path)]
    for table in given or _beside(output_csv, recipe):
        if table.absolute() != own:
            yield table


def _beside(output_csv: Path, recipe: Recipe) -> Iterator[Path]:
    """Give the tables beside a file of scores that are of the same list."""
    if "listid" not in recipe.options:
        return
    for table in sorted(output_csv.parent.iterdir()):
        if not is_counts(table):
            continue
        made = read_score_recipe(table)
        if made is not None and _selection(made) == _selection(recipe):
            yield table


def _selection(recipe: Recipe) -> list[Any]:
    return [recipe.options.get(name) for name in _SELECTION]


def _same_classifier(one: Recipe, other: Recipe, camera: str) -> bool:
    return _classifier(one, camera) == _classifier(other, camera)


def _classifier(recipe: Recipe, camera: str) -> str | None:
    """Give the digest of the classifier of a camera."""
    names = (f"classifier[{camera}]", "classifier", "fallback")
    return next((recipe.inputs[name].digest for name in names if name in recipe.inputs), None)
