"""What is held back, against what good exposures have."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from realbogus.breaker import Alarm, Reason, Reference, count_of
from realbogus.counts import PROMINENCES, THRESHOLDS, Counts
from realbogus.plots.figures import BOGUS, REAL, new_figure, show_percent, styled
from realbogus.scatter import Scatter

__all__ = ["draw_held"]

_COLUMNS = 4
_MOST = 12
# What is drawn, and the probability on either side of a band, and its shade.
_BANDS = {"99.99% of good ones": (5e-5, 0.15), "95%": (0.025, 0.3)}
_MEAN, _FOUND, _FARTHEST = "their mean", "found", "departs most"
_TICKS = (
    *(f"score > {limit:g}" for limit in THRESHOLDS),
    "score 0.05 to 0.8",
    *(f"middle > {limit}$\\sigma$" for limit in PROMINENCES),
    "masked",
)
# Counts that follow from each other are joined.
_SIZES = (len(THRESHOLDS), 1, len(PROMINENCES), 1)
_GROUPS = [range(sum(_SIZES[:group]), sum(_SIZES[: group + 1])) for group in range(len(_SIZES))]
_GAP = 0.4
_HALF_BAR = 0.3


def draw_held(alarms: Sequence[Reason], references: Mapping[str, Reference]) -> Figure:
    """Draw the fraction of images above each threshold, and that of masked ones.

    Parameters
    ----------
    alarms : sequence of Reason
        A panel for each of the first dozen: the exposure, the night of a camera, or the camera.
    references : mapping of str to Reference
        By camera: what good ones have, which is drawn where it is what decided.
    """
    shown = alarms[:_MOST]
    columns = min(len(shown), _COLUMNS)
    rows = -(-len(shown) // columns)
    with styled():
        figure = new_figure(max(1.0 + 3.2 * columns, 6.0), 1.2 + 2.5 * rows)
        grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
        for axes, alarm in zip(grid.flat, shown, strict=False):
            _draw_unit(axes, alarm, references)
        for axes in grid.flat[len(shown) :]:
            axes.set_visible(False)
        every = [axes.get_legend_handles_labels() for axes in grid.flat]
        named = {
            label: handle
            for handles, labels in every
            for handle, label in zip(handles, labels, strict=True)
        }
        figure.legend(named.values(), named, loc="outside lower center", ncols=5, fontsize="small")
        figure.supylabel("fraction of images")
        if len(alarms) > _MOST:
            figure.suptitle(f"The first {_MOST} of {len(alarms)}")
    return figure


def _draw_unit(axes: Axes, alarm: Reason, references: Mapping[str, Reference]) -> None:
    unit = alarm.unit
    if isinstance(alarm, Alarm):
        reference = references[unit.camera]
        _draw_good(axes, unit, reference.nights if alarm.is_night else reference.exposures)
    for places in _GROUPS:
        look: dict[str, Any] = {"color": BOGUS, "markersize": 4, "linewidth": 1, "label": _FOUND}
        axes.plot([_x(place) for place in places], _fractions(unit, places), "o-", **look)
    if isinstance(alarm, Alarm):
        circle: dict[str, Any] = {"color": BOGUS, "markersize": 10, "mfc": "none"}
        axes.plot(_x(alarm.count), *_fractions(unit, [alarm.count]), "o", label=_FARTHEST, **circle)
    ticks = [_x(place) for places in _GROUPS for place in places]
    axes.set_xticks(ticks, _TICKS, fontsize="small", rotation=40, ha="right")
    axes.set_title(f"{unit.name}, {unit.images} images", fontsize="medium")
    axes.set_ylim(-0.02, 1.02)
    show_percent(axes.yaxis)


def _draw_good(axes: Axes, unit: Counts, scatters: Sequence[Scatter]) -> None:
    """Draw counts that follow from each other as a line, and one that stands alone as a bar."""
    for places in _GROUPS:
        x = [_x(place) for place in places]
        ends = x if len(x) > 1 else [x[0] - _HALF_BAR, x[0] + _HALF_BAR]
        copies = len(ends) // len(x)
        trials = [count_of(unit, place)[1] for place in places]
        some = [scatters[place] for place in places]
        for label, (probability, shade) in _BANDS.items():
            low, high = _band(some, trials, probability)
            look: dict[str, Any] = {"color": REAL, "alpha": shade, "linewidth": 0, "label": label}
            axes.fill_between(ends, low * copies, high * copies, **look)
        means = [scatter.mean for scatter in some]
        axes.plot(ends, means * copies, color=REAL, linewidth=1.5, label=_MEAN)


def _fractions(unit: Counts, places: Sequence[int]) -> list[float]:
    pairs = [count_of(unit, place) for place in places]
    return [hits / max(trials, 1) for hits, trials in pairs]


def _x(place: int) -> float:
    """Give the place of a count on the axis; groups are apart."""
    group = next(number for number, places in enumerate(_GROUPS) if place in places)
    return place + _GAP * group


def _band(
    scatters: Sequence[Scatter], trials: Sequence[int], probability: float
) -> tuple[list[float], list[float]]:
    """Give the fractions between which good ones are, but for this probability on either side."""
    low, high = [], []
    for scatter, count in zip(scatters, trials, strict=True):
        fewest, most = scatter.limits(count, probability) if count else (0, 0)
        low.append(fewest / max(count, 1))
        high.append(most / max(count, 1))
    return low, high
