"""The figures of a report: scores, calibration, and rates by group."""

import base64
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from realbogus.evaluation import Bin, Group
from realbogus.metrics import Interval
from realbogus.plots.figures import BOGUS, COLOURS, REAL, new_figure, show_percent, styled

__all__ = ["draw_calibration", "draw_distribution", "draw_groups", "picture_of_stamp", "svg_of"]

_BINS = np.linspace(0, 1, 51)
_MARKERS = "os^Dv"
# Labels of groups that have room on an axis.
_ROOM = 16


def draw_distribution(
    targets: NDArray[np.integer], scores: NDArray[np.floating], thresholds: Sequence[float]
) -> Figure:
    """Draw how the scores of both kinds, of shape (n,), are distributed."""
    with styled():
        figure = new_figure(6, 4)
        axes = figure.subplots()
        for kind, name, colour, fill in ((0, "bogus", BOGUS, 0.25), (1, "real", REAL, 0.0)):
            chosen = scores[targets == kind]
            counts, _ = np.histogram(chosen, _BINS)
            label = f"{name}: {len(chosen):,}"
            shown = np.maximum(counts, 0.5)  # nothing, on a logarithmic axis
            axes.stairs(shown, _BINS, label=label, color=colour, lw=1.8, ls="--" if fill else "-")
            axes.stairs(shown, _BINS, baseline=0.5, fill=True, color=colour, alpha=fill)
        for threshold in thresholds:
            axes.axvline(threshold, color="black", linewidth=1, linestyle=":")
        axes.set(xlim=(0, 1), xlabel="Score", ylabel="Detections", yscale="log", ylim=(0.5, None))
        axes.legend(loc="upper center", fontsize="small")
    return figure


def draw_calibration(bins: Sequence[Bin]) -> Figure:
    """Draw the fraction of reals against the score, with intervals and the numbers in the bins."""
    with styled():
        figure = new_figure(6, 4)
        axes = figure.subplots()
        axes.plot([0, 1], [0, 1], color="0.6", linestyle=":", linewidth=1, label="calibrated")
        scores = [item.score for item in bins]
        _bars(axes, scores, [item.real for item in bins])
        for item in bins:
            axes.annotate(
                f"{item.count:,}",
                (item.score, item.real.high),
                xytext=(0, 3),
                textcoords="offset points",
                ha="center",
                fontsize=7,
                color="0.35",
            )
        axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.1))
        axes.set(xlabel="Mean score", ylabel="Fraction that is real")
        axes.legend(loc="upper left", fontsize="small")
    return figure


def draw_groups(groups: Sequence[Group], points: Sequence[str], *, title: str) -> Figure:
    """Draw recall and false positive rate of groups, at operating points of these names."""
    with styled():
        figure = new_figure(11, 3.6)
        recall, fpr = figure.subplots(1, 2)
        for panel, name in ((recall, "recall"), (fpr, "fpr")):
            for place, point in enumerate(points):
                found = [getattr(group, name)[place] for group in groups]
                known = [n for n, item in enumerate(found) if item is not None]
                _bars(
                    panel,
                    [n + 0.16 * (place - (len(points) - 1) / 2) for n in known],
                    [item for item in found if item is not None],
                    point,
                    place=place,
                )
        _finish(recall, groups, [group.n_real for group in groups], "Recall", "reals", title)
        _finish(fpr, groups, [group.n_bogus for group in groups], "FPR", "bogus", title)
        above: dict[str, Any] = {"loc": "lower left", "bbox_to_anchor": (0, 1)}
        recall.legend(fontsize="small", ncols=len(points), **above)
    return figure


def svg_of(figure: Figure) -> str:
    """Return a figure as the address of an image: an SVG in the text itself."""
    with styled(), io.StringIO() as stream:
        figure.savefig(stream, format="svg", metadata={"Date": None})
        content = stream.getvalue().encode()
    return f"data:image/svg+xml;base64,{base64.b64encode(content).decode()}"


def picture_of_stamp(stamp: NDArray[np.floating]) -> str:
    """Return a normalised stamp of shape (ny, nx) as the address of an image; row 0 is below."""
    limit = float(np.abs(stamp).max()) or 1.0
    grey = np.round(127.5 * (1 + stamp[::-1] / limit)).astype(np.uint8)
    with io.BytesIO() as stream:
        Image.fromarray(grey).save(stream, "PNG", optimize=True)
        return f"data:image/png;base64,{base64.b64encode(stream.getvalue()).decode()}"


def _bars(
    axes: Axes, x: Sequence[float], found: Sequence[Interval], label: str = "", *, place: int = 0
) -> None:
    """Draw values with their intervals, in the look of the operating point at ``place``."""
    low, value, high = (
        np.array([getattr(item, end) for item in found]) for end in ("low", "value", "high")
    )
    look: dict[str, Any] = {
        "color": COLOURS[place % len(COLOURS)],
        "fmt": _MARKERS[place % len(_MARKERS)],
        "markersize": 5,
        "elinewidth": 1.5,
    }
    axes.errorbar(x, value, yerr=[value - low, high - value], label=label or None, **look)


def _finish(
    axes: Axes, groups: Sequence[Group], counts: Sequence[int], rate: str, kind: str, title: str
) -> None:
    """Label the groups with their names and how many of a kind they have."""
    step = -(-len(groups) // _ROOM)
    places = range(0, len(groups), step)
    names = [f"{groups[n].label.replace(' and more', '+')}\n{counts[n]:,}" for n in places]
    axes.set_xticks(list(places), names, fontsize=7.5)
    axes.set_xlim(-0.6, len(groups) - 0.4)
    axes.set(ylabel=rate, xlabel=f"{title}; number of {kind}")
    axes.grid(axis="y", color="0.92")
    axes.set_axisbelow(True)
    show_percent(axes.yaxis)
