"""What all figures share: their look, and the way into a file."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from realbogus.files import atomic_path
from realbogus.plots.formats import METADATA
from realbogus.recipes import Recipe

__all__ = [
    "BOGUS",
    "COLOURS",
    "REAL",
    "line_style",
    "new_figure",
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
    metadata = METADATA[path.suffix.lower()](recipe.to_json())
    with styled(), atomic_path(path) as part:
        figure.savefig(part, metadata=metadata)
