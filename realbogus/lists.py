"""Lists of positions: ``good.txt``, ``bad.txt`` and one file an exposure.

A position, an object and a stamp travel as one row of a table with a commented header, readable by
``astropy.table`` (``ascii.commented_header``) and by eye. A bare list of stamp names is read too.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from realbogus.errors import FormatError
from realbogus.files import Spool, atomic_path, read_blocks, read_lines
from realbogus.recipes import Recipe
from realbogus.words import WordTable

__all__ = [
    "Columns",
    "ListSpool",
    "Row",
    "object_of",
    "read_columns",
    "read_list",
    "read_list_lines",
    "read_list_recipe",
    "write_list",
]

_COLUMNS = "# x y mag dmag ra dec obs object stamp"
_RECIPE = "# recipe: "
_NUMBERS = 6
# Places in a row. Positions, which columns leave out, are neither read nor checked.
_MAGNITUDES, _TEXTS = (2, 3), (6, 7, 8)
_NUMBERS_FORM = " ".join(["%.10g"] * _NUMBERS)
# Lines that are looked at for comments before the first row.
_LONGEST_HEAD = 100
_NAN = float("nan")


@dataclass(frozen=True, slots=True)
class Row:
    """One source: where it is, what it is, and where its stamp is.

    Attributes
    ----------
    x, y : float
        Pixels, with pixel centres at half-integers.
    mag, dmag : float
        Magnitude and its error.
    ra, dec : float
        Degrees, J2000.
    obs : str
        The exposure.
    object : str
        The object that it is a detection of.
    stamp : str
        The stamp's file, relative to the folder of the list; ``-`` for none. ``cube.fits[7]`` is
        plane 7, counted from 0, of a cube.
    """

    x: float
    y: float
    mag: float
    dmag: float
    ra: float
    dec: float
    obs: str
    object: str
    stamp: str


@dataclass(frozen=True)
class Columns:
    """A list as columns of shape (n,), a tenth of the memory of its rows; texts are UTF-8.

    Attributes
    ----------
    mag, dmag : ndarray
        Magnitude and its error, NaN where unknown.
    obs, objects, stamps : ndarray
        As of a `Row`.
    """

    mag: NDArray[np.float64]
    dmag: NDArray[np.float64]
    obs: NDArray[np.bytes_]
    objects: NDArray[np.bytes_]
    stamps: NDArray[np.bytes_]

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.stamps)


def write_list(path: Path, rows: Iterable[Row | str], recipe: Recipe) -> None:
    """Write a list of rows, or of lines of another list, with the recipe in its header.

    Raises
    ------
    FormatError
        If a name is empty or has white space, and so can't be a word of a row.
    """
    with atomic_path(path) as part, part.open("w", encoding="utf-8") as stream:
        stream.write(_head(recipe))
        stream.writelines(f"{_line(row, where=path)}\n" for row in rows)


class ListSpool(Spool):
    """Rows on their way into a list whose recipe is known only after the last of them."""

    def add(self, row: Row) -> None:
        """Add a row.

        Raises
        ------
        FormatError
            If a name is empty or has white space, and so can't be a word of a row.
        """
        self.add_line(_line(row, where=self.target))

    def save_list(self, recipe: Recipe) -> None:
        """Write the list with the recipe in its header."""
        self.save(_head(recipe))


def read_list(path: Path) -> list[Row]:
    """Read a list of rows, or a bare list of stamp names.

    Of a bare name only the stamp and the object are known, the object being what stands before the
    first underscore of the file's name; the numbers are NaN.

    Raises
    ------
    FormatError
        If the file is not such a list; the message names the line.
    """
    return list(_rows(read_lines(path), path, has_header=False))


def read_list_lines(path: Path) -> list[str]:
    """Read the rows of a list as the lines that they are.

    Raises
    ------
    FormatError
        If the file is missing, or is not text.
    """
    lines = (line.strip() for _, line in read_lines(path))
    return [line for line in lines if line and not line.startswith("#")]


def read_columns(path: Path) -> Columns:
    """Read the same lists as `read_list`, as columns; of positions nothing is read or checked.

    Raises
    ------
    FormatError
        If the file is not such a list; the message names the line.
    """
    names = ("mag", "dmag", "obs", "objects", "stamps")
    parts = list(_chunks(path)) or [_columns_of([])]
    return Columns(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def read_list_recipe(path: Path) -> Recipe | None:
    """Read the recipe of a list; None if it has none."""
    for _, line in read_lines(path):
        if not line.startswith("#"):
            return None
        if line.startswith(_RECIPE):
            return Recipe.from_json(line.removeprefix(_RECIPE))
    return None


def object_of(stamp: str) -> str:
    """Return the object that a stamp's file name begins with."""
    return Path(stamp).stem.split("_")[0]


def _head(recipe: Recipe) -> str:
    return f"{_COLUMNS}\n{_RECIPE}{recipe.to_json()}\n"


def _line(row: Row | str, *, where: Path) -> str:
    if isinstance(row, str):
        return row
    for name in (row.obs, row.object, row.stamp):
        if name.split() != [name]:
            raise FormatError(f"{where}: {name!r} can't be a word of a row")
    numbers = (row.x, row.y, row.mag, row.dmag, row.ra, row.dec)
    return f"{_NUMBERS_FORM % numbers} {row.obs} {row.object} {row.stamp}"


def _rows(lines: Iterable[tuple[int, str]], path: Path, *, has_header: bool) -> Iterator[Row]:
    for number, line in lines:
        text = line.strip()
        if text.startswith("#"):
            has_header = has_header or text == _COLUMNS
        elif text:
            yield _row(text, has_header, where=f"{path}, line {number}")


def _row(text: str, has_header: bool, *, where: str) -> Row:
    if not has_header:
        return Row(_NAN, _NAN, _NAN, _NAN, _NAN, _NAN, "-", object_of(text), text)
    words = text.split()
    try:
        x, y, mag, dmag, ra, dec = map(float, words[:_NUMBERS])
        obs, name, stamp = words[_NUMBERS:]
    except (TypeError, ValueError) as error:
        raise FormatError(f"{where}: not a row of '{_COLUMNS[2:]}': {text[:80]!r}") from error
    return Row(x, y, mag, dmag, ra, dec, obs, name, stamp)


def _chunks(path: Path) -> Iterator[Columns]:
    """Read so many lines at a time: quickly, if all of them are rows, and else one by one."""
    has_header = False
    for first, text in read_blocks(path):
        lines = text.split("\n", _LONGEST_HEAD)[:_LONGEST_HEAD]
        comments = list(takewhile(lambda line: line.startswith("#"), lines))
        has_header = has_header or any(line.strip() == _COLUMNS for line in comments)
        rows = text[sum(len(line) + 1 for line in comments) :]
        try:
            yield _split(rows, has_header=has_header)
        except ValueError:  # not ASCII, or a comment, or not a row: then the rows say where
            lines = rows.split("\n")
            numbered = enumerate(lines, first + len(comments))
            yield _columns_of(list(_rows(numbered, path, has_header=has_header)))
            has_header = has_header or any(line.strip() == _COLUMNS for line in lines)


def _split(rows: str, *, has_header: bool) -> Columns:
    """Take rows apart; ValueError if they are not all rows."""
    if not has_header:
        raise ValueError("bare names")
    table = WordTable(rows, len(_COLUMNS.split()) - 1)
    if (table.initials() == ord("#")).any():
        raise ValueError("a comment")
    mag, dmag = (table.numbers(place) for place in _MAGNITUDES)
    return Columns(mag, dmag, *(table.texts(place) for place in _TEXTS))


def _columns_of(rows: Sequence[Row]) -> Columns:
    return Columns(
        np.array([row.mag for row in rows], np.float64),
        np.array([row.dmag for row in rows], np.float64),
        np.array([row.obs.encode() for row in rows], np.bytes_),
        np.array([row.object.encode() for row in rows], np.bytes_),
        np.array([row.stamp.encode() for row in rows], np.bytes_),
    )
