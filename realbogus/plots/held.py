"""What is held back, against what good exposures have."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from realbogus.breaker import Alarm, Reference, count_of
from realbogus.counts import PROMINENCES, THRESHOLDS
from realbogus.plots.figures import BOGUS, REAL, new_figure, show_percent, styled
from realbogus.scatter import Scatter

__all__ = ["draw_held"]

_COLUMNS = 4
_MOST = 12
# Probabilities on either side, and their shades.
_BANDS = ((5e-5, 0.15), (0.025, 0.3))
_TICKS = (
    *(f"score > {limit:g}" for limit in THRESHOLDS),
    "score 0.05 to 0.8",
    *(f"middle > {limit}$\\sigma$" for limit in PROMINENCES),
    "masked",
)
_FARTHEST = "departs most"
_LABELS = ("99.99% of good ones", "95%", "their mean", "found")
# Counts that follow from each other are joined.
_SIZES = (len(THRESHOLDS), 1, len(PROMINENCES), 1)
_GROUPS = [range(sum(_SIZES[:group]), sum(_SIZES[: group + 1])) for group in range(len(_SIZES))]
_GAP = 0.4
_HALF_BAR = 0.3


def draw_held(alarms: Sequence[Alarm], references: Mapping[str, Reference]) -> Figure:
    """Draw the fraction of images above each threshold, and that of masked ones.

    Parameters
    ----------
    alarms : sequence of Alarm
        A panel for each of the first dozen: the exposure, or the night of a camera.
    references : mapping of str to Reference
        By camera: what good ones have.
    """
    shown = alarms[:_MOST]
    columns = min(len(shown), _COLUMNS)
    rows = -(-len(shown) // columns)
    with styled():
        figure = new_figure(max(1.0 + 3.2 * columns, 6.0), 1.2 + 2.5 * rows)
        grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
        for axes, alarm in zip(grid.flat, shown, strict=False):
            _draw_unit(axes, alarm, references[alarm.unit.camera])
        for axes in grid.flat[len(shown) :]:
            axes.set_visible(False)
        handles, labels = grid[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=5, fontsize="small")
        figure.supylabel("fraction of images")
        if len(alarms) > _MOST:
            figure.suptitle(f"The least likely {_MOST} of {len(alarms)}")
    return figure


def _draw_unit(axes: Axes, alarm: Alarm, reference: Reference) -> None:
    scatters = reference.nights if alarm.is_night else reference.exposures
    for number, places in enumerate(_GROUPS):
        _draw_group(axes, alarm, scatters, places, is_first=number == 0)
    hits, trials = count_of(alarm.unit, alarm.count)
    circle: dict[str, Any] = {"color": BOGUS, "markersize": 10, "mfc": "none", "label": _FARTHEST}
    axes.plot(_x(alarm.count), hits / max(trials, 1), "o", **circle)
    ticks = [_x(place) for places in _GROUPS for place in places]
    axes.set_xticks(ticks, _TICKS, fontsize="small", rotation=40, ha="right")
    axes.set_title(f"{alarm.unit.name}, {alarm.unit.images} images", fontsize="medium")
    axes.set_ylim(-0.02, 1.02)
    show_percent(axes.yaxis)


def _draw_group(
    axes: Axes, alarm: Alarm, scatters: Sequence[Scatter], places: Sequence[int], *, is_first: bool
) -> None:
    """Draw counts that follow from each other as a line, and one that stands alone as a bar."""
    labels = _LABELS if is_first else (None,) * len(_LABELS)
    pairs = [count_of(alarm.unit, place) for place in places]
    x = [_x(place) for place in places]
    ends = x if len(x) > 1 else [x[0] - _HALF_BAR, x[0] + _HALF_BAR]
    copies = len(ends) // len(x)
    for (probability, shade), label in zip(_BANDS, labels, strict=False):
        low, high = _band([scatters[place] for place in places], pairs, probability)
        look: dict[str, Any] = {"color": REAL, "alpha": shade, "linewidth": 0, "label": label}
        axes.fill_between(ends, low * copies, high * copies, **look)
    means = [scatters[place].mean for place in places]
    axes.plot(ends, means * copies, color=REAL, linewidth=1.5, label=labels[2])
    found = [hits / max(trials, 1) for hits, trials in pairs]
    axes.plot(x, found, "o-", color=BOGUS, markersize=4, linewidth=1, label=labels[3])


def _x(place: int) -> float:
    """Give the place of a count on the axis; groups are apart."""
    group = next(number for number, places in enumerate(_GROUPS) if place in places)
    return place + _GAP * group


def _band(
    scatters: Sequence[Scatter], pairs: Sequence[tuple[int, int]], probability: float
) -> tuple[list[float], list[float]]:
    """Give the fractions between which good ones are, but for this probability on either side."""
    low, high = [], []
    for scatter, (_, trials) in zip(scatters, pairs, strict=True):
        fewest, most = scatter.limits(trials, probability) if trials else (0, 0)
        low.append(fewest / max(trials, 1))
        high.append(most / max(trials, 1))
    return low, high
