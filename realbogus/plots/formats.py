"""The formats of figures, and the recipe in each: without matplotlib, which is slow to import."""

import re
import warnings
from collections.abc import Callable, Mapping
from html import unescape
from pathlib import Path
from typing import Any

from PIL import Image, UnidentifiedImageError

from realbogus.errors import ConfigError, FormatError
from realbogus.recipes import Recipe

__all__ = ["METADATA", "SUFFIXES", "read_figure_recipe", "require_figure_suffix"]

_RECIPE = "recipe"
_PDF_RECIPE = re.compile(rb"/Keywords \(((?:[^\\()]|\\.)*)\)", re.S)
_SVG_RECIPE = re.compile(r"<dc:description>(.*?)</dc:description>", re.S)
_NOT_A_FIGURE = (
    OSError,
    ValueError,
    UnidentifiedImageError,
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
)


def read_figure_recipe(path: Path) -> Recipe | None:
    """Read the recipe of a figure; None if it has none.

    Raises
    ------
    FormatError
        If the file is not what its suffix says.
    """
    text = _READERS[path.suffix.lower()](path)
    return None if text is None else Recipe.from_json(text)


def require_figure_suffix(path: Path) -> None:
    """Check that a figure's name ends in one of `SUFFIXES`.

    Raises
    ------
    ConfigError
        If it does not.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise ConfigError(f"outputFile must end in {' or '.join(SUFFIXES)}; got {path.name!r}")


def _read_png(path: Path) -> str | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=["PNG"]) as image:
                text = image.info.get(_RECIPE)
    except _NOT_A_FIGURE as error:
        raise FormatError(f"{path}: exists and is not a PNG") from error
    return text if isinstance(text, str) else None


def _read_pdf(path: Path) -> str | None:
    content = path.read_bytes()
    if not content.startswith(b"%PDF-"):
        raise FormatError(f"{path}: exists and is not a PDF")
    found = _PDF_RECIPE.search(content)
    return None if found is None else re.sub(rb"\\(.)", rb"\1", found[1]).decode("latin-1")


def _read_svg(path: Path) -> str | None:
    content = path.read_bytes().decode("utf-8", "replace")
    if "<svg" not in content:
        raise FormatError(f"{path}: exists and is not an SVG")
    found = _SVG_RECIPE.search(content)
    return None if found is None else unescape(found[1])


METADATA: Mapping[str, Callable[[str], dict[str, Any]]] = {
    ".png": lambda recipe: {_RECIPE: recipe},
    ".pdf": lambda recipe: {"Keywords": recipe, "CreationDate": None},
    ".svg": lambda recipe: {"Description": recipe, "Date": None},
}
"""What carries the recipe in each format. No dates: the same figure is the same file."""

_READERS: Mapping[str, Callable[[Path], str | None]] = {
    ".png": _read_png,
    ".pdf": _read_pdf,
    ".svg": _read_svg,
}
SUFFIXES = tuple(METADATA)
"""The formats of figures."""
