"""Figures: the only home of matplotlib."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from realbogus.errors import ConfigError, FormatError
from realbogus.files import atomic_path
from realbogus.metrics import Interval, Rates, fpr_at_mdr
from realbogus.normalisation import sign_preserving_log
from realbogus.recipes import Recipe

__all__ = [
    "Run",
    "draw_rates",
    "draw_stamps",
    "read_figure_recipe",
    "require_figure_suffix",
    "save_figure",
]

# Okabe & Ito (2008): eight colours that the colour-blind can tell apart, here without the yellow.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_STYLES = ("-", "--", "-.", ":")
_STYLE: Any = {
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "savefig.dpi": 150,
}
_RECIPE = "recipe"
# Of pictures of stamps: pixels between two, of a stamp's pixel, and for the names; shades of grey
# on either side of the middle one, few so that the file stays small.
_GAP, _ZOOM, _LABELS, _GREYS = 2, 2, 130, 6
_NOT_A_FIGURE = (
    OSError,
    ValueError,
    UnidentifiedImageError,
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
)


@dataclass(frozen=True)
class Run:
    """One scored test set: its label, its rates, and its statistics with intervals."""

    label: str
    curve: Rates
    statistics: dict[str, Interval]
    n_real: int
    n_bogus: int


def draw_rates(runs: Sequence[Run], *, mdrs: Sequence[float] = (0.01, 0.04)) -> Figure:
    """Draw the ROC curve and the detection error tradeoff of some runs, side by side.

    Parameters
    ----------
    runs : sequence of Run
        What to draw, one curve each.
    mdrs : sequence of float
        The missed detection rates whose operating points are marked.
    """
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(11, 5), layout="constrained")
        FigureCanvasAgg(figure)
        roc, tradeoff = figure.subplots(1, 2)
        _draw_roc(roc, runs)
        _draw_tradeoff(tradeoff, runs, mdrs)
    return figure


def draw_stamps(lines: Mapping[str, Sequence[NDArray[np.float32]]]) -> Figure:
    """Draw stamps, one line for each kind.

    Parameters
    ----------
    lines : mapping of str to sequence of ndarray of shape (n, n)
        The stamps of each kind, all of one size, in ADU. Each is shown on its own scale, a
        sign-preserving logarithm; masked pixels (NaN) are blue. The first row is at the bottom.
    """
    across = max(len(stamps) for stamps in lines.values())
    picture = np.vstack([_strip(stamps, across) for stamps in lines.values()])
    height, width = (_ZOOM * side for side in picture.shape)
    figure = Figure(figsize=((width + _LABELS) / 100, height / 100), dpi=100)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((_LABELS / (width + _LABELS), 0, width / (width + _LABELS), 1))
    axes.imshow(picture, mpl.colormaps["gray"].with_extremes(bad="navy"), vmin=-1, vmax=1)
    middles = (np.arange(len(lines)) + 0.5) * picture.shape[0] / len(lines)
    axes.set_yticks(middles, [kind.replace("_", " ") for kind in lines], fontsize=11)
    axes.tick_params(length=0)
    axes.set_xticks([])
    axes.set_frame_on(False)
    return figure


def save_figure(figure: Figure, path: Path, recipe: Recipe) -> None:
    """Write a figure as PNG with its recipe in the file's text."""
    with mpl.rc_context(_STYLE), atomic_path(path) as part:
        figure.savefig(part, metadata={_RECIPE: recipe.to_json()})


def read_figure_recipe(path: Path) -> Recipe | None:
    """Read the recipe of a PNG; None if it has none.

    Raises
    ------
    FormatError
        If the file is not a PNG.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=["PNG"]) as image:
                text = image.info.get(_RECIPE)
    except _NOT_A_FIGURE as error:
        raise FormatError(f"{path}: exists and is not a PNG") from error
    return Recipe.from_json(text) if isinstance(text, str) else None


def require_figure_suffix(path: Path) -> None:
    """Check that a figure's name ends in ``.png``.

    Raises
    ------
    ConfigError
        If it does not.
    """
    if path.suffix.lower() != ".png":
        raise ConfigError(f"outputFile must end in .png; got {path.name!r}")


def _strip(stamps: Sequence[NDArray[np.float32]], across: int) -> NDArray[np.float32]:
    """Put stamps side by side; masked pixels and gaps are NaN."""
    size = stamps[0].shape[-1]
    strip = np.full((size + _GAP, across * (size + _GAP)), np.nan, dtype=np.float32)
    for place, stamp in enumerate(stamps):
        left = place * (size + _GAP)
        shown = np.where(np.isnan(stamp), np.nan, sign_preserving_log(stamp))
        shown = shown / np.nanpercentile(np.abs(shown), 99.5)
        strip[:size, left : left + size] = np.round(shown[::-1] * _GREYS) / _GREYS
    return strip


def _draw_roc(axes: Axes, runs: Sequence[Run]) -> None:
    axes.plot([0, 1], [0, 1], color="0.7", linewidth=1, linestyle=":", label="chance")
    for index, run in enumerate(runs):
        area = run.statistics["auc"]
        axes.plot(
            run.curve.fpr,
            1 - run.curve.mdr,
            label=f"{run.label}: AUC {area.value:.4f} ({area.low:.4f} to {area.high:.4f})",
            **_line(index),
        )
    axes.set(xlim=(-0.01, 1), ylim=(0, 1.01), title="ROC curve")
    axes.set(xlabel="False positive rate", ylabel="True positive rate (recall)")
    axes.set_box_aspect(1)
    axes.legend(loc="lower right", fontsize="small")


def _draw_tradeoff(axes: Axes, runs: Sequence[Run], mdrs: Sequence[float]) -> None:
    for index, run in enumerate(runs):
        axes.plot(
            np.maximum(run.curve.fpr, _floor(run.n_bogus)),
            np.maximum(run.curve.mdr, _floor(run.n_real)),
            label=f"{run.label}: {run.n_real:,} real, {run.n_bogus:,} bogus",
            **_line(index),
        )
        for mdr in mdrs:
            _mark(axes, run, mdr, index)
    for mdr in mdrs:
        axes.axhline(mdr, color="0.85", linewidth=1, zorder=0)
    axes.plot([], [], color="0.5", linewidth=3, alpha=0.35, label="95% interval, by object")
    smallest = min(_floor(count) for run in runs for count in (run.n_real, run.n_bogus))
    limits = (smallest, 1.0)
    axes.set(xscale="log", yscale="log", xlim=limits, ylim=limits)
    axes.set(xlabel="False positive rate", ylabel="Missed detection rate")
    axes.set_title("Detection error tradeoff")
    axes.set_box_aspect(1)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(lambda rate, _: f"{100 * rate:g}%")
    axes.legend(loc="upper right", fontsize="small")


def _mark(axes: Axes, run: Run, mdr: float, index: int) -> None:
    """Mark an operating point with its false positive rate and interval."""
    point = fpr_at_mdr(run.curve, mdr)
    interval = run.statistics[f"fpr_at_mdr_{mdr:g}"]
    x, y = max(point.fpr, _floor(run.n_bogus)), max(point.mdr, _floor(run.n_real))
    colour = _line(index)["color"]
    low = max(interval.low, _floor(run.n_bogus))
    axes.plot([low, max(interval.high, low)], [y, y], color=colour, linewidth=3, alpha=0.35)
    axes.plot([x], [y], marker="o", color=colour, markersize=6)
    axes.annotate(
        f"FPR {point.fpr:.2%} at {mdr:.0%} missed",
        (x, y),
        xytext=(-8, -8 - 12 * index),
        textcoords="offset points",
        ha="right",
        va="top",
        fontsize="small",
        color=colour,
    )


def _line(index: int) -> dict[str, Any]:
    return {
        "color": _COLOURS[index % len(_COLOURS)],
        "linestyle": _STYLES[index // len(_COLOURS) % len(_STYLES)],
        "linewidth": 1.8,
    }


def _floor(count: int) -> float:
    """Return half of one detection, where a rate of nothing is drawn on a logarithmic axis."""
    return 0.5 / count
