"""Score files: a name, the target and the score of every detection that was classified.

They are ECSV (Enhanced CSV of astropy), so any reader of CSV that skips ``#`` reads them; the
recipe is in the header. The three columns without a header, as earlier versions wrote them, are
read too.
"""

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from realbogus.errors import FormatError
from realbogus.files import atomic_path, read_lines
from realbogus.lists import object_of
from realbogus.recipes import Recipe

__all__ = ["Scores", "read_score_recipe", "read_scores", "write_scores"]

_COLUMNS = ["name", "target", "score"]
_META = "# meta: "
_HEADER = """\
# %ECSV 1.0
# ---
# delimiter: ','
# datatype:
# - {name: name, datatype: string, description: file name of the stamp}
# - {name: target, datatype: int8, description: 1 for real and 0 for bogus}
# - {name: score, datatype: float64, description: from 0 (bogus) to 1 (real)}
"""


@dataclass(frozen=True)
class Scores:
    """Scored detections; every array has shape (n,)."""

    names: NDArray[np.str_]
    targets: NDArray[np.int8]
    scores: NDArray[np.float64]

    @property
    def objects(self) -> NDArray[np.str_]:
        """The object of each detection, from its stamp's name."""
        return np.array([object_of(name) for name in self.names], dtype=str)


def write_scores(path: Path, scores: Scores, recipe: Recipe) -> None:
    """Write a score file."""
    meta = json.dumps({"recipe": recipe.to_json()})
    with atomic_path(path) as part, part.open("w", encoding="utf-8", newline="") as stream:
        stream.write(f"{_HEADER}{_META}{meta}\n# schema: astropy-2.0\n")
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(_COLUMNS)
        writer.writerows(
            (name, int(target), format(score, ".7g"))
            for name, target, score in zip(scores.names, scores.targets, scores.scores, strict=True)
        )


def read_scores(path: Path) -> Scores:
    """Read a score file.

    Raises
    ------
    FormatError
        If the file holds something else; the message names the line.
    """
    rows = list(_rows(path))
    if not rows:
        raise FormatError(f"{path}: holds no scores")
    names, targets, scores = zip(*rows, strict=True)
    return Scores(np.array(names), np.array(targets, np.int8), np.array(scores, np.float64))


def read_score_recipe(path: Path) -> Recipe | None:
    """Read the recipe of a score file; None if it has none."""
    for _, line in read_lines(path):
        if not line.startswith("#"):
            return None
        if line.startswith(_META):
            return _recipe(line.removeprefix(_META), path)
    return None


def _recipe(text: str, path: Path) -> Recipe | None:
    try:
        recipe = json.loads(text).get("recipe")
    except (ValueError, AttributeError) as error:
        raise FormatError(f"{path}: the header is damaged") from error
    return None if recipe is None else Recipe.from_json(recipe)


def _rows(path: Path) -> Iterator[tuple[str, int, float]]:
    is_first = True
    for number, line in read_lines(path):
        if line.startswith("#") or not line.strip():
            continue
        words = _split(line)
        if not (is_first and words == _COLUMNS):
            yield _row(words, where=f"{path}, line {number}")
        is_first = False


def _split(line: str) -> list[str]:
    try:
        return next(csv.reader([line]))
    except csv.Error:
        return [line]


def _row(words: list[str], *, where: str) -> tuple[str, int, float]:
    try:
        name, target, score = words
        is_valid = float(target) in (0, 1) and 0 <= float(score) <= 1
    except ValueError:
        is_valid = False
    if not is_valid:
        raise FormatError(
            f"{where}: not a name, a target (0 or 1) and a score (0 to 1): {','.join(words)[:80]!r}"
        )
    return name, int(float(target)), float(score)
