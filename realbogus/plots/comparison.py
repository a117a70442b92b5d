"""A new classifier against an old one, group by group."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from realbogus.comparison import Difference
from realbogus.plots.figures import BOGUS, REAL, new_figure, show_percent, styled

__all__ = ["draw_comparison"]

_TITLES = {"fpr": "false positive rate", "mdr": "missed detection rate"}


def draw_comparison(differences: Sequence[Difference], *, names: tuple[str, str]) -> Figure:
    """Draw the change of each rate in each group with its 95% interval, worse to the right.

    Parameters
    ----------
    differences : sequence of Difference
        What to draw: a panel for each rate and each operating point, a line for each group.
    names : tuple of str
        Of the old classifier and the new one.
    """
    groups = list(dict.fromkeys(item.group for item in differences))
    panels = list(dict.fromkeys((item.mdr, item.rate) for item in differences))
    with styled():
        figure = new_figure(1.4 + 2.8 * len(panels), 1.9 + 0.27 * len(groups))
        axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
        for place, (mdr, rate) in zip(axes, panels, strict=True):
            chosen = [item for item in differences if (item.mdr, item.rate) == (mdr, rate)]
            _draw_panel(place, chosen, groups)
            place.set_title(f"{_TITLES[rate]}\nat {100 * mdr:g}% missed", fontsize="medium")
        axes[0].set_yticks(range(len(groups)), groups)
        axes[0].set_ylim(len(groups) - 0.4, -0.6)
        figure.suptitle(f"{names[1]} against {names[0]}: change, worse to the right")
        figure.supxlabel(_LEGEND, fontsize="small")
    return figure


_LEGEND = (
    "▶ significantly worse, all comparisons considered   ● not   "
    "○ too few objects to decide; bars are 95% intervals"
)


def _draw_panel(axes: Axes, differences: Sequence[Difference], groups: Sequence[str]) -> None:
    axes.axvline(0, color="0.6", linewidth=1)
    for item in differences:
        y = groups.index(item.group)
        colour, marker, face = _look(item)
        axes.plot([item.change.low, item.change.high], [y, y], color=colour, linewidth=2, alpha=0.6)
        axes.plot([item.change.value], [y], marker, color=colour, markersize=6, mfc=face)
    axes.margins(x=0.08)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color="0.92")
    axes.set_axisbelow(True)
    axes.locator_params(axis="x", nbins=5)
    show_percent(axes.xaxis)


def _look(item: Difference) -> tuple[str, str, str]:
    """Give the colour, the marker and its filling."""
    if item.is_worse:
        return BOGUS, ">", BOGUS
    return (REAL, "o", REAL) if item.decides else ("0.6", "o", "white")
