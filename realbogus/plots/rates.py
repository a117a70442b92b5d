"""The ROC curve and the detection error tradeoff."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from realbogus.intervals import Point
from realbogus.metrics import Interval, Rates
from realbogus.plots.figures import line_style, new_figure, show_percent, styled

__all__ = ["SCALES", "Look", "Run", "draw_rates", "thin"]

SCALES: Mapping[str, tuple[str, str]] = {
    "mixed": ("linear", "log"),
    "linear": ("linear", "linear"),
    "log": ("log", "log"),
}
"""The scales of the false positive rate in the ROC curve, and of both rates in the tradeoff."""

_COLUMNS = ("", "real, bogus", "AUC", "at", "threshold", "false positive rate", "missed")
_WIDTHS = (0.14, 0.11, 0.17, 0.08, 0.21, 0.16, 0.13)
# Steps in which a curve is kept: finer than a picture shows, on either scale.
_STEPS, _STEPS_OF_TEN = 1000, 200


@dataclass(frozen=True)
class Run:
    """One scored test set.

    Attributes
    ----------
    label : str
        Its name in the legend.
    curve : Rates
        The rates at every threshold, or as `thin` keeps them.
    area : Interval
        Under the ROC curve.
    points : mapping of str to Point
        The operating points to mark, by what they are asked for by.
    n_real, n_bogus : int
        Detections of each kind.
    """

    label: str
    curve: Rates
    area: Interval
    points: Mapping[str, Point]
    n_real: int
    n_bogus: int


@dataclass(frozen=True)
class Look:
    """How the rates are shown.

    Attributes
    ----------
    scale : str
        One of `SCALES`.
    fpr_limits, mdr_limits : tuple of float, optional
        The lowest and the highest rate of the axes.
    title : str
        Above the panels.
    panel_labels : sequence of str
        In the corners of the panels.
    has_table : bool
        Whether the operating points stand below.
    """

    scale: str = "mixed"
    fpr_limits: tuple[float, float] | None = None
    mdr_limits: tuple[float, float] | None = None
    title: str = ""
    panel_labels: Sequence[str] = ()
    has_table: bool = True


def draw_rates(runs: Sequence[Run], look: Look | None = None) -> Figure:
    """Draw the ROC curve and the detection error tradeoff of some runs, side by side.

    Below them is a table of the operating points; every interval is of 95%, by object.
    """
    look = look or Look()
    rows = _rows(runs)
    with styled():
        heights = (5.0, (0.3 + 0.22 * len(rows)) * look.has_table)
        figure = new_figure(11, sum(heights))
        parts: list[Any] = [figure]
        if look.has_table:
            parts = list(figure.subfigures(2, 1, squeeze=False, height_ratios=heights).flat)
        roc, tradeoff = parts[0].subplots(1, 2)
        _draw_roc(roc, runs, look)
        _draw_tradeoff(tradeoff, runs, look)
        for axes, label in zip((roc, tradeoff), look.panel_labels, strict=False):
            axes.set_title(label, loc="left", fontweight="bold")
        if look.has_table:
            _draw_table(parts[1].subplots(), rows)
        if look.title:
            figure.suptitle(look.title, fontsize="large")
    return figure


def thin(curve: Rates) -> Rates:
    """Keep of a curve what a picture can show: thousands of its points, not millions."""
    steps = [np.floor(_STEPS * rates) for rates in (curve.fpr, curve.mdr)]
    tiny = np.finfo(np.float64).tiny
    steps += [
        np.floor(_STEPS_OF_TEN * np.log10(np.maximum(rates, tiny)))
        for rates in (curve.fpr, curve.mdr)
    ]
    changes = np.any([np.diff(step) != 0 for step in steps], axis=0)
    kept = np.append(changes, True) | np.append(True, changes)  # both ends of each step
    return Rates(curve.threshold[kept], curve.fpr[kept], curve.mdr[kept])


def _draw_roc(axes: Axes, runs: Sequence[Run], look: Look) -> None:
    scale = SCALES[look.scale][0]
    chance = np.geomspace(_floor(runs), 1, 200)
    axes.plot(chance, chance, color="0.7", linewidth=1, linestyle=":", label="chance")
    for index, run in enumerate(runs):
        fpr = run.curve.fpr if scale == "linear" else _above(run.curve.fpr, run.n_bogus)
        axes.plot(fpr, 1 - run.curve.mdr, label=run.label, **line_style(index))
        for point in run.points.values():
            x = point.fpr.value if scale == "linear" else max(point.fpr.value, 0.5 / run.n_bogus)
            axes.plot([x], [1 - point.mdr.value], "o", color=line_style(index)["color"])
    low, high = look.mdr_limits or (0, 1)
    axes.set_xscale(scale)
    axes.set_xlim(look.fpr_limits or ((0, 1) if scale == "linear" else (_floor(runs), 1)))
    axes.set_ylim(1 - high, 1 - low + 0.01 * (high - low))
    axes.set(xlabel="False positive rate", ylabel="True positive rate (recall)", title="ROC curve")
    axes.set_box_aspect(1)
    for axis in (axes.xaxis, axes.yaxis):
        show_percent(axis)
    axes.legend(loc="lower right", fontsize="small")


def _draw_tradeoff(axes: Axes, runs: Sequence[Run], look: Look) -> None:
    scale = SCALES[look.scale][1]
    for index, run in enumerate(runs):
        fpr, mdr = run.curve.fpr, run.curve.mdr
        if scale == "log":
            fpr, mdr = _above(fpr, run.n_bogus), _above(mdr, run.n_real)
        axes.plot(fpr, mdr, label=run.label, **line_style(index))
        for point in run.points.values():
            _mark(axes, run, point, index)
    axes.plot([], [], color="0.5", linewidth=4, alpha=0.35, label="95% interval, by object")
    axes.set(xscale=scale, yscale=scale)
    limits = (_floor(runs), 1) if scale == "log" else (0, 1)
    axes.set(xlim=look.fpr_limits or limits, ylim=look.mdr_limits or limits)
    axes.set(xlabel="False positive rate", ylabel="Missed detection rate")
    axes.set_title("Detection error tradeoff")
    axes.set_box_aspect(1)
    axes.grid(color="0.92", linewidth=0.8)
    axes.set_axisbelow(True)
    for axis in (axes.xaxis, axes.yaxis):
        show_percent(axis)
    axes.legend(loc="upper right", fontsize="small")


def _mark(axes: Axes, run: Run, point: Point, index: int) -> None:
    """Mark an operating point, with the interval of each rate along its axis."""
    colour = line_style(index)["color"]
    above_fpr = partial(max, 0.5 / run.n_bogus)
    above_mdr = partial(max, 0.5 / run.n_real)
    x, y = above_fpr(point.fpr.value), above_mdr(point.mdr.value)
    bar = {"color": colour, "linewidth": 4, "alpha": 0.35, "solid_capstyle": "butt"}
    axes.plot([above_fpr(point.fpr.low), above_fpr(point.fpr.high)], [y, y], **bar)
    axes.plot([x, x], [above_mdr(point.mdr.low), above_mdr(point.mdr.high)], **bar)
    axes.plot([x], [y], marker="o", color=colour, markersize=6)


def _draw_table(axes: Axes, rows: Sequence[Sequence[str]]) -> None:
    axes.axis("off")
    table = axes.table(rows, colLabels=_COLUMNS, colWidths=_WIDTHS, loc="upper center", edges="")
    table.auto_set_font_size(False)
    table.set_fontsize(8.5)
    for (row, _), cell in table.get_celld().items():
        cell.set_text_props(color="0.35" if row == 0 else "black", ha="left")
        cell.PAD = 0.02


def _rows(runs: Sequence[Run]) -> list[list[str]]:
    """Write the table: a line for each operating point, the run's own columns in its first."""
    rows = []
    for run in runs:
        counts = f"{run.n_real:,}, {run.n_bogus:,}"
        area = f"{run.area.value:.4f} ({run.area.low:.4f} to {run.area.high:.4f})"
        head = [run.label[:28], counts, area]
        cells = [[asked, *_cells(point)] for asked, point in run.points.items()] or [[""] * 4]
        rows += [[*(["", "", ""] if place else head), *line] for place, line in enumerate(cells)]
    return rows


def _cells(point: Point) -> list[str]:
    threshold, low, high = (
        f"{value:.4g}"
        for value in (point.threshold.value, point.threshold.low, point.threshold.high)
    )
    within = "" if low == high else f" ({low} to {high})"
    return [f"{threshold}{within}", point.fpr.as_percent(), point.mdr.as_percent()]


def _above(rates: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """Show a rate of nothing as half a detection, where the axis is logarithmic."""
    return np.maximum(rates, 0.5 / count)


def _floor(runs: Sequence[Run]) -> float:
    return min(0.5 / count for run in runs for count in (run.n_real, run.n_bogus))
