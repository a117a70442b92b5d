"""What all figures share: their look, their formats, and the recipe in each of them."""

import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from html import unescape
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image, UnidentifiedImageError

from realbogus.errors import ConfigError, FormatError
from realbogus.files import atomic_path
from realbogus.recipes import Recipe

__all__ = [
    "BOGUS",
    "COLOURS",
    "REAL",
    "SUFFIXES",
    "line_style",
    "new_figure",
    "read_figure_recipe",
    "require_figure_suffix",
    "save_figure",
    "show_percent",
    "styled",
]

# Okabe & Ito (2008): eight colours that the colour-blind can tell apart, here without the yellow.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
REAL = COLOURS[0]
BOGUS = COLOURS[1]
_DASHES: tuple[Any, ...] = ("-", "--", "-.", ":", (0, (7, 2, 1, 2, 1, 2)), (0, (1, 3)))
_STYLE: Any = {
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "savefig.dpi": 150,
    "pdf.fonttype": 42,
    "svg.hashsalt": "realbogus",
}
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


@contextmanager
def styled() -> Iterator[None]:
    """Draw and save in the block as all figures look."""
    with mpl.rc_context(_STYLE):
        yield


def new_figure(width: float, height: float) -> Figure:
    """Make a figure of this size in inches, whose axes find their places themselves."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def line_style(index: int) -> dict[str, Any]:
    """Give the look of the line of a run, which also tells it from the others in grey."""
    return {
        "color": COLOURS[index % len(COLOURS)],
        "linestyle": _DASHES[index % len(_DASHES)],
        "linewidth": 1.8,
    }


def show_percent(axis: Axis) -> None:
    """Write the numbers of an axis as percentages."""
    axis.set_major_formatter(lambda rate, _: f"{100 * rate:g}%")


def save_figure(figure: Figure, path: Path, recipe: Recipe) -> None:
    """Write a figure in the format of its suffix, with its recipe in the file."""
    metadata = _METADATA[path.suffix.lower()](recipe.to_json())
    with styled(), atomic_path(path) as part:
        figure.savefig(part, metadata=metadata)


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


# No dates: the same figure is the same file.
_METADATA: Mapping[str, Callable[[str], dict[str, Any]]] = {
    ".png": lambda recipe: {_RECIPE: recipe},
    ".pdf": lambda recipe: {"Keywords": recipe, "CreationDate": None},
    ".svg": lambda recipe: {"Description": recipe, "Date": None},
}
_READERS: Mapping[str, Callable[[Path], str | None]] = {
    ".png": _read_png,
    ".pdf": _read_pdf,
    ".svg": _read_svg,
}
SUFFIXES = tuple(_METADATA)
"""The formats of figures."""
