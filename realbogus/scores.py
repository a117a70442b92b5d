"""Score files: name, object, target and score of every detection that was classified.

They are ECSV (Enhanced CSV of astropy), so any reader of CSV that skips ``#`` reads them; the
recipe is in the header. Columns are found by their names, and there may be more of them.

What earlier versions wrote is read too: name, target and score, with or without a header, where
the object is what the name begins with; and objects with their scores, without a header, whose
targets are in a file of their own.
"""

import csv
import json
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from realbogus.errors import FormatError
from realbogus.files import atomic_path, read_lines
from realbogus.lists import object_of
from realbogus.recipes import Recipe

__all__ = [
    "Column",
    "Scores",
    "label_files",
    "read_object_scores",
    "read_score_recipe",
    "read_scores",
    "read_table",
    "write_ecsv",
    "write_scores",
]

log = logging.getLogger(__name__)

_Columns = Mapping[str, NDArray[Any]]
_Lines = Sequence[tuple[int, str]]

_OWN = ("name", "object", "target", "score")
_EARLIER = ("name", "target", "score")
_OF_OBJECTS = ("object", "score")
_LABELS = ("object", "target")
_CHUNK = 8192
_META = "# meta: "
_BEGIN = "# %ECSV 1.0\n# ---\n# delimiter: ','\n# datatype:\n"


@dataclass(frozen=True)
class Column:
    """A column of a table: its name, its type as ECSV calls it, and what it holds."""

    name: str
    datatype: str
    description: str


_SCORE_COLUMNS = (
    Column("name", "string", "file name of the stamp"),
    Column("object", "string", "what it is a detection of"),
    Column("target", "int8", "1 for real and 0 for bogus"),
    Column("score", "float64", "from 0 (bogus) to 1 (real)"),
)


@dataclass(frozen=True)
class Scores:
    """Scored detections; every array has shape (n,), and names and objects are texts."""

    names: NDArray[Any]
    objects: NDArray[Any]
    targets: NDArray[np.int8]
    scores: NDArray[np.float64]

    def __len__(self) -> int:
        """Return the number of detections."""
        return len(self.scores)


def write_scores(path: Path, scores: Scores, recipe: Recipe) -> None:
    """Write a score file."""
    columns = (scores.names, scores.objects, scores.targets, scores.scores)
    rows = zip(*(column.tolist() for column in columns), strict=True)
    write_ecsv(path, _SCORE_COLUMNS, rows, recipe)


def write_ecsv(
    path: Path, columns: Sequence[Column], rows: Iterable[Sequence[object]], recipe: Recipe
) -> None:
    """Write a table with its recipe, whole or not at all.

    Parameters
    ----------
    path : Path
        The file.
    columns : sequence of Column
        What the values of a row are.
    rows : iterable of sequences
        Texts and numbers; None where there is no value.
    recipe : Recipe
        What made it.
    """
    described = "".join(
        f"# - {{name: {item.name}, datatype: {item.datatype}, description: {item.description}}}\n"
        for item in columns
    )
    meta = json.dumps({"recipe": recipe.to_json()})
    with atomic_path(path) as part, part.open("w", encoding="utf-8", newline="") as stream:
        stream.write(f"{_BEGIN}{described}{_META}{meta}\n# schema: astropy-2.0\n")
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow([item.name for item in columns])
        writer.writerows(map(_words, rows))


def read_scores(path: Path, *, labels: Path | None = None, all_real: bool = False) -> Scores:
    """Read a score file.

    Parameters
    ----------
    path : Path
        The score file.
    labels : Path, optional
        Objects and their targets, if the score file has objects and scores alone.
    all_real : bool
        Such a file needs no targets: all are real.

    Raises
    ------
    FormatError
        If a file holds something else, in which case the message names the line; or if a
        detection is there as real and as bogus, or an object has no target.
    """
    if labels is not None:
        return _labelled(path, labels)
    columns = _read(path, _OWN, _EARLIER, *([_OF_OBJECTS] if all_real else []))
    if "name" not in columns:
        columns = _scored(columns, path)
        objects = columns["object"]
        return Scores(objects, objects, np.ones(len(objects), np.int8), columns["score"])
    names = columns["name"]
    begun = None if "object" in columns else _texts([_begin(name) for name in names.tolist()])
    objects = columns["object"] if begun is None else begun
    scores = Scores(names, objects, columns["target"], columns["score"])
    _require_one_target(path, scores)
    return scores


def read_object_scores(path: Path) -> dict[str, float | None]:
    """Read objects and their scores, None where there is none.

    Raises
    ------
    FormatError
        If the file holds something else, or an object twice.
    """
    columns = _read(path, _OF_OBJECTS)
    objects, scores = columns["object"].tolist(), columns["score"].tolist()
    found = {
        item: None if score != score else score for item, score in zip(objects, scores, strict=True)
    }
    if len(found) != len(objects):
        raise FormatError(f"{path}: {len(objects) - len(found)} rows repeat an object")
    return found


def read_score_recipe(path: Path) -> Recipe | None:
    """Read the recipe of a score file; None if it has none."""
    for _, line in read_lines(path):
        if not line.startswith("#"):
            return None
        if line.startswith(_META):
            return _recipe(line.removeprefix(_META), path)
    return None


def read_table(path: Path, names: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Read columns of a table with a header, and give the number and the texts of each line.

    Raises
    ------
    FormatError
        If a column is missing, or a line has more or fewer.
    """
    lines = ((n, line) for n, line in read_lines(path) if line.strip() and line[0] != "#")
    header = _split(next(lines, (0, ""))[1])
    missing = set(names) - set(header)
    if missing:
        raise FormatError(f"{path}: has no column {min(missing)!r}")
    for number, line in lines:
        row = _split(line)
        if len(row) != len(header):
            raise FormatError(f"{path}, line {number}: has {len(row)} columns, not {len(header)}")
        yield number, dict(zip(header, row, strict=True))


def label_files(paths: Sequence[Path]) -> list[str]:
    """Name each file as shortly as tells it from the others."""
    stems = [path.stem for path in paths]
    if len(set(stems)) == len(stems):
        return stems
    return [f"{path.parent.name}/{path.stem}" for path in paths]


def _words(row: Sequence[object]) -> list[object]:
    return [format(value, ".7g") if isinstance(value, float) else value for value in row]


def _recipe(text: str, path: Path) -> Recipe | None:
    try:
        recipe = json.loads(text).get("recipe")
    except (ValueError, AttributeError) as error:
        raise FormatError(f"{path}: the header is damaged") from error
    return None if recipe is None else Recipe.from_json(recipe)


def _begin(name: str) -> str:
    """Return what `object_of` does, ten times as fast for most names."""
    first, underscore, _ = name.rpartition("/")[2].partition("_")
    return first if underscore and "." not in first else object_of(name)


def _labelled(path: Path, labels: Path) -> Scores:
    """Read the scores of objects, and their targets from another file."""
    scored, labelled = _scored(_read(path, _OF_OBJECTS), path), _read(labels, _LABELS)
    targets: dict[str, int] = {}
    for name, target in zip(labelled["object"].tolist(), labelled["target"].tolist(), strict=True):
        if targets.setdefault(name, target) != target:
            raise FormatError(f"{labels}: object {name!r} is there as real and as bogus")
    objects = scored["object"]
    unknown = [name for name in objects.tolist() if name not in targets]
    if unknown:
        raise FormatError(
            f"{labels}: has no target of {len(unknown)} objects of {path}, such as {unknown[0]!r}"
        )
    found = np.array([targets[name] for name in objects.tolist()], np.int8)
    return Scores(objects, objects, found, scored["score"])


def _scored(columns: _Columns, path: Path) -> _Columns:
    """Leave out the objects that have no score, as those without a usable image have none."""
    has_score = np.isfinite(columns["score"])
    if not has_score.all():
        log.warning("%s: %d objects without a score are left out", path, (~has_score).sum())
    return {name: column[has_score] for name, column in columns.items()}


def _require_one_target(path: Path, scores: Scores) -> None:
    names = scores.names.tolist()
    if len(set(names)) == len(names):
        return
    targets: dict[tuple[str, str], int] = {}
    rows = zip(names, scores.objects.tolist(), scores.targets.tolist(), strict=True)
    for name, item, target in rows:
        if targets.setdefault((name, item), target) != target:
            raise FormatError(f"{path}: {name!r} is there as real and as bogus")
    repeated = len(names) - len(targets)
    if repeated:
        log.warning("%s: %d of %d rows repeat a name; each counts", path, repeated, len(names))


def _read(path: Path, *forms: tuple[str, ...]) -> _Columns:
    """Read the columns of the first form whose names a header has, or that is as wide as the file.

    Only the last forms are read without a header: the own one has always had one.
    """
    lines: Iterator[tuple[int, str]] = (
        (n, line) for n, line in read_lines(path) if line.strip() and line[0] != "#"
    )
    first = next(lines, (0, ""))
    header = _split(first[1])
    form = next((form for form in forms if set(form) <= set(header)), None)
    if form is None:
        bare = [form for form in forms if form != _OWN]
        form = next((form for form in bare if len(form) == len(header)), bare[0])
        lines, header = chain([first], lines), list(form)
    parts = [_columns(chunk, header, form, path) for chunk in _chunks(lines) if chunk[0][0]]
    if not parts:
        raise FormatError(f"{path}: holds no scores")
    return {name: np.concatenate([part[name] for part in parts]) for name in form}


def _chunks(lines: Iterable[tuple[int, str]]) -> Iterator[_Lines]:
    iterator = iter(lines)
    while chunk := list(islice(iterator, _CHUNK)):
        yield chunk


def _columns(chunk: _Lines, header: Sequence[str], form: Sequence[str], path: Path) -> _Columns:
    """Take a chunk of lines apart: all at once, or one by one to say which is wrong."""
    try:
        rows = list(csv.reader(line for _, line in chunk))
        if len(rows) != len(chunk):  # a quotation mark that is not closed
            raise ValueError
        return _converted(rows, header, form)
    except (ValueError, csv.Error):
        rows = [_split(line) for _, line in chunk]
    for (number, line), row in zip(chunk, rows, strict=True):
        try:
            _converted([row], header, form)
        except ValueError as error:
            where = f"{path}, line {number}"
            raise FormatError(f"{where}: not {_said(form)}: {line.strip()[:80]!r}") from error
    return _converted(rows, header, form)


def _converted(
    rows: Sequence[Sequence[str]], header: Sequence[str], form: Sequence[str]
) -> _Columns:
    """Turn words into arrays; ValueError if some can't be."""
    words = dict(zip(header, zip(*rows, strict=True), strict=True))
    kinds = {**_KINDS, **_OBJECT_KINDS} if form == _OF_OBJECTS else _KINDS
    return {name: kinds[name][1](words[name]) for name in form}


def _split(line: str) -> list[str]:
    try:
        return next(csv.reader([line]), [])
    except csv.Error:
        return [line]


def _said(form: Sequence[str]) -> str:
    *others, last = (_KINDS[name][0] for name in form)
    return f"{', '.join(others)} and {last}"


def _texts(words: Sequence[str]) -> NDArray[Any]:
    """Keep texts in the memory that they need, however long one of them is."""
    return np.array(words, np.dtypes.StringDType())


def _names(words: Sequence[str]) -> NDArray[Any]:
    if "" in words:
        raise ValueError
    return _texts(words)


def _targets(words: Sequence[str]) -> NDArray[np.int8]:
    values = np.array(words, np.float64)
    if not ((values == 0) | (values == 1)).all():
        raise ValueError
    return values.astype(np.int8)


def _values(words: Sequence[str]) -> NDArray[np.float64]:
    values = np.array(words, np.float64)
    if not ((values >= 0) & (values <= 1)).all():
        raise ValueError
    return values


def _values_if_any(words: Sequence[str]) -> NDArray[np.float64]:
    """Read scores, NaN where there is none."""
    values = np.full(len(words), np.nan)
    given = np.array([word != "" for word in words])
    values[given] = _values([word for word in words if word != ""])
    return values


_KINDS: Mapping[str, tuple[str, Callable[[Sequence[str]], NDArray[Any]]]] = {
    "name": ("a name", _names),
    "object": ("an object", _names),
    "target": ("a target (0 or 1)", _targets),
    "score": ("a score (0 to 1)", _values),
}
"""What a column holds, in words, and how to read it."""

_OBJECT_KINDS = {"score": (_KINDS["score"][0], _values_if_any)}
"""The columns that are read otherwise in a file of objects."""
