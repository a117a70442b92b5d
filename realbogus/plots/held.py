"""What is held back, against what good exposures have."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from realbogus.breaker import Alarm, Reference, count_of
from realbogus.counts import THRESHOLDS
from realbogus.plots.figures import BOGUS, REAL, new_figure, show_percent, styled
from realbogus.scatter import Scatter

__all__ = ["draw_held"]

_COLUMNS = 4
_MOST = 12
_USUAL = 0.025
_RARE = 5e-5
_TICKS = (*(f">{limit:g}" for limit in THRESHOLDS), "0.05-0.8", "masked")


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
        figure = new_figure(max(1.0 + 2.9 * columns, 6.0), 1.2 + 2.4 * rows)
        grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
        for axes, alarm in zip(grid.flat, shown, strict=False):
            _draw_unit(axes, alarm, references[alarm.unit.camera])
        for axes in grid.flat[len(shown) :]:
            axes.set_visible(False)
        handles, labels = grid[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=4, fontsize="small")
        figure.supylabel("fraction of images")
        figure.supxlabel("score, and masked images")
        more = f", the least likely {_MOST} of {len(alarms)}" if len(alarms) > _MOST else ""
        figure.suptitle(f"Held back{more}")
    return figure


def _draw_unit(axes: Axes, alarm: Alarm, reference: Reference) -> None:
    scatters = reference.nights if alarm.is_night else reference.exposures
    places = range(len(scatters))
    pairs = [count_of(alarm.unit, place) for place in places]
    for probability, shade, label in ((_RARE, 0.15, "99.99%"), (_USUAL, 0.3, "95% of good ones")):
        low, high = _band(scatters, [trials for _, trials in pairs], probability)
        axes.fill_between(places, low, high, color=REAL, alpha=shade, linewidth=0, label=label)
    means = [scatter.mean for scatter in scatters]
    axes.plot(places, means, color=REAL, linewidth=1.5, label="their mean")
    found = [hits / trials if trials else 0.0 for hits, trials in pairs]
    axes.plot(places, found, "o-", color=BOGUS, markersize=4, linewidth=1, label="held back")
    axes.plot(alarm.count, found[alarm.count], "o", color=BOGUS, markersize=10, mfc="none")
    axes.set_title(f"{alarm.unit.name}, {alarm.unit.images} images", fontsize="medium")
    axes.set_xticks(places, _TICKS, fontsize="small")
    axes.set_ylim(-0.02, 1.02)
    show_percent(axes.yaxis)


def _band(
    scatters: Sequence[Scatter], trials: Sequence[int], probability: float
) -> tuple[list[float], list[float]]:
    limits = [
        scatter.limits(count, probability) if count else (0, 0)
        for scatter, count in zip(scatters, trials, strict=True)
    ]
    sizes = [max(count, 1) for count in trials]
    low, high = zip(*limits, strict=True)
    return (
        [value / size for value, size in zip(low, sizes, strict=True)],
        [value / size for value, size in zip(high, sizes, strict=True)],
    )
