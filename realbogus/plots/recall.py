"""Known good objects: found and missed."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from numpy.typing import NDArray

from realbogus.known import KnownObjects
from realbogus.plots.figures import BOGUS, REAL, new_figure, styled

__all__ = ["SHOWN", "draw_recall"]

_BINS = np.linspace(0, 1, 41)
_WIDTH = 5.5
# Inches below the scores, without and with stamps.
_ROOM = (1.2, 3.2)
# Missed objects that are named or shown: so many in a line, and lines.
_ACROSS, _LINES = 4, 3
SHOWN = _ACROSS * _LINES
"""How many of the missed objects of a list are named or shown."""


def draw_recall(
    lists: Sequence[KnownObjects],
    threshold: float,
    *,
    stamps: Sequence[Mapping[str, NDArray[np.float32]]] = (),
    title: str = "",
) -> Figure:
    """Draw the scores of lists of known good objects, one panel a list, and what is missed.

    Parameters
    ----------
    lists : sequence of KnownObjects
        What to draw.
    threshold : float
        Objects at or above it are found.
    stamps : sequence of mapping of str to ndarray of shape (ny, nx)
        Normalised stamps of missed objects by object, for each list; those without are named only.
    title : str
        Above the panels.
    """
    shown = stamps or [{}] * len(lists)
    with styled():
        room = _ROOM[any(shown)]
        figure = new_figure(_WIDTH * len(lists), 3.8 + room)
        columns = figure.subfigures(1, len(lists), squeeze=False).flat
        for column, known, pictures in zip(columns, lists, shown, strict=True):
            upper, lower = column.subfigures(2, 1, squeeze=False, height_ratios=(3.8, room)).flat
            _draw_scores(upper, known, threshold)
            _draw_missed(lower, known, known.missed(threshold), pictures)
        if title:
            figure.suptitle(title, fontsize="large")
    return figure


def _draw_scores(figure: SubFigure, known: KnownObjects, threshold: float) -> None:
    axes = figure.subplots()
    missed, count = known.missed(threshold), len(known.scores)
    parts = {
        f"missed: {missed:,}": (known.scores[:missed], BOGUS, "////"),
        f"found: {count - missed:,}": (known.scores[missed:], REAL, ""),
    }
    for label, (scores, colour, hatch) in parts.items():
        axes.hist(
            scores, _bins(threshold), color=colour, label=label, hatch=hatch, ec="white", lw=0.5
        )
    axes.axvline(threshold, color="black", linewidth=1.2, linestyle="--")
    axes.set(xlim=(0, 1), xlabel="Score", ylabel="Objects", yscale="log", ylim=(0.7, None))
    axes.yaxis.set_minor_formatter("")
    axes.yaxis.set_major_formatter(lambda number, _: f"{number:g}")
    axes.set_title(f"{known.label}: {known.recall(threshold).as_percent()} of {count:,} found")
    box = {"frameon": True, "facecolor": "white", "edgecolor": "none", "framealpha": 1}
    title = f"at a threshold of {threshold:.4g}"
    axes.legend(loc="upper left", title=title, fontsize="small", title_fontsize="small", **box)


def _bins(threshold: float) -> list[float]:
    """Give bins of which one begins at the threshold."""
    return sorted({*_BINS.tolist(), min(max(threshold, 0.0), 1.0)})


def _draw_missed(
    figure: SubFigure, known: KnownObjects, missed: int, stamps: Mapping[str, NDArray[np.float32]]
) -> None:
    panels = figure.subplots(_LINES, _ACROSS)
    for axes in panels.flat:
        axes.axis("off")
    named = min(missed, SHOWN)
    rest = f", of which the lowest {named}" if missed > named else ""
    figure.suptitle(f"missed: {missed:,}{rest}" if missed else "none is missed", fontsize="medium")
    rows = zip(known.objects[:named].tolist(), known.scores[:named].tolist(), strict=True)
    for axes, (name, score) in zip(panels.flat, rows, strict=False):
        _draw_one(axes, name, score, stamps.get(name))


def _draw_one(axes: Axes, name: str, score: float, stamp: NDArray[np.float32] | None) -> None:
    if stamp is not None:
        limit = float(np.abs(stamp).max()) or 1.0
        axes.imshow(stamp, "gray", vmin=-limit, vmax=limit, origin="lower")
    short = name if len(name) <= 20 else f"{name[:19]}…"
    axes.set_title(f"{short}\n{score:.4g}", fontsize=6.5, y=1.0 if stamp is not None else 0.0)
