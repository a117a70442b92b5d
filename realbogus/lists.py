"""Lists of positions: ``good.txt``, ``bad.txt`` and one file an exposure.

A position, an object and a stamp travel as one row of a table with a commented header, readable by
``astropy.table`` (``ascii.commented_header``) and by eye. A bare list of stamp names is read too.
"""

from collections.abc import Iterable, Iterator
from dataclasses import astuple, dataclass
from pathlib import Path

from realbogus.errors import FormatError
from realbogus.files import atomic_path, read_lines
from realbogus.recipes import Recipe

__all__ = ["Row", "object_of", "read_list", "read_list_recipe", "write_list"]

_COLUMNS = "# x y mag dmag ra dec obs object stamp"
_RECIPE = "# recipe: "
_NUMBERS = 6
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
        The stamp's file, relative to the folder of the list; ``-`` for none.
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


def write_list(path: Path, rows: Iterable[Row], recipe: Recipe) -> None:
    """Write a list of rows with the recipe in its header.

    Raises
    ------
    FormatError
        If a name is empty or has white space, and so can't be a word of a row.
    """
    with atomic_path(path) as part, part.open("w", encoding="utf-8") as stream:
        stream.write(f"{_COLUMNS}\n{_RECIPE}{recipe.to_json()}\n")
        stream.writelines(f"{_line(row, where=path)}\n" for row in rows)


def read_list(path: Path) -> list[Row]:
    """Read a list of rows, or a bare list of stamp names.

    Of a bare name only the stamp and the object are known, the object being what stands before the
    first underscore of the file's name; the numbers are NaN.

    Raises
    ------
    FormatError
        If the file is not such a list; the message names the line.
    """
    return list(_rows(path))


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


def _line(row: Row, *, where: Path) -> str:
    for name in (row.obs, row.object, row.stamp):
        if name.split() != [name]:
            raise FormatError(f"{where}: {name!r} can't be a word of a row")
    words = [format(value, ".10g") if isinstance(value, float) else value for value in astuple(row)]
    return " ".join(words)


def _rows(path: Path) -> Iterator[Row]:
    has_header = False
    for number, line in read_lines(path):
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
