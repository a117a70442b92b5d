"""Which exposures of a night have scores that good ones don't have: arrays in, reasons out.

The scores of an exposure's images above each of several thresholds are counted, those that are
undecided, the images whose middles stand out of the noise, and those that are masked. What a good
exposure has, and how much good ones differ, is fitted to accepted ones of the same camera. Each
count of a run is compared with both, and all comparisons together raise a false alarm with a
probability that is asked for (Holm 1979, Scand. J. Stat. 6, 65). Half of it goes to exposures; the
other to cameras, each by the sum over a night of those of its exposures that passed, which shows
what is too little to be seen in any one.

A camera that was scored by the classifier of another needs no comparison.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from realbogus.counts import PROMINENCES, THRESHOLDS, Counts
from realbogus.scatter import Scatter, fit_scatter

__all__ = [
    "EXPOSURES",
    "LABELS",
    "NIGHTS",
    "Alarm",
    "Reason",
    "Reference",
    "WrongModel",
    "count_of",
    "find_alarms",
    "find_wrong_models",
    "fit_reference",
    "is_enough",
    "nights_of",
]

EXPOSURES = 40
"""The fewest accepted exposures of a camera to compare with …"""

NIGHTS = 10
"""… and the fewest nights that they are of."""

# What a network makes of images of another kind than it knows; places in the thresholds.
_UNDECIDED = (0, 3)
_UNDECIDED_PLACE = len(THRESHOLDS)
_PROMINENT_PLACES = range(_UNDECIDED_PLACE + 1, _UNDECIDED_PLACE + 1 + len(PROMINENCES))

LABELS = (
    *(f"scores above {limit:g}" for limit in THRESHOLDS),
    "scores from {:g} to {:g}".format(*(THRESHOLDS[place] for place in _UNDECIDED)),
    *(f"middles above {limit} times the noise" for limit in PROMINENCES),
    "masked images",
)
"""What is counted, in words."""

_MASKED_PLACE = len(LABELS) - 1

# Both tails of each, but of masked images the upper one: none is no fault.
_COMPARISONS = 2 * len(LABELS) - 1


@dataclass(frozen=True)
class Reference:
    """What good exposures of a camera are like, and its good nights: a `Scatter` for each count."""

    exposures: tuple[Scatter, ...]
    nights: tuple[Scatter, ...]


@dataclass(frozen=True)
class Alarm:
    """A departure that chance does not explain.

    Attributes
    ----------
    unit : Counts
        The exposure, or the night of a camera.
    is_night : bool
        Which of both.
    count : int
        The place in `LABELS` of the count that departs most.
    expected : float
        Of that count.
    probability : float
        That a good unit departs as much in any of its counts.
    """

    unit: Counts
    is_night: bool
    count: int
    expected: float
    probability: float

    def __str__(self) -> str:
        """Say it in words."""
        hits, trials = count_of(self.unit, self.count)
        return (
            f"{hits} of {trials} {LABELS[self.count]}, expected {self.expected:.1f} "
            f"(probability {self.probability:.0e})"
        )


@dataclass(frozen=True)
class WrongModel:
    """A camera that was scored by the classifier of another, whatever the scores are.

    Attributes
    ----------
    unit : Counts
        All its exposures.
    reason : str
        In words.
    """

    unit: Counts
    reason: str

    def __str__(self) -> str:
        """Say it in words."""
        return self.reason


Reason = Alarm | WrongModel
"""Why something is held back."""


def count_of(counts: Counts, place: int) -> tuple[int, int]:
    """Give a count, by its place in `LABELS`, and what it is one of."""
    if place < len(THRESHOLDS):
        return counts.above[place], counts.scored
    if place == _UNDECIDED_PLACE:
        low, high = (counts.above[limit] for limit in _UNDECIDED)
        return low - high, counts.scored
    if place in _PROMINENT_PLACES:
        return counts.prominent[place - _PROMINENT_PLACES.start], counts.scored
    return counts.masked, counts.images


def nights_of(exposures: Sequence[Counts]) -> list[Counts]:
    """Add exposures up, by the nights of cameras."""
    nights: dict[str, list[Counts]] = {}
    for item in exposures:
        nights.setdefault(item.night_name, []).append(item)
    return [Counts.sum(name, parts) for name, parts in nights.items()]


def is_enough(accepted: Sequence[Counts]) -> bool:
    """Say whether there are exposures and nights of a camera enough to compare with."""
    return len(accepted) >= EXPOSURES and len({item.night for item in accepted}) >= NIGHTS


def fit_reference(accepted: Sequence[Counts]) -> Reference | None:
    """Fit what good exposures of one camera are like; None if there are too few of them."""
    if not is_enough(accepted):
        return None
    return Reference(_fit(accepted), _fit(nights_of(accepted)))


def find_alarms(
    exposures: Sequence[Counts], references: Mapping[str, Reference], *, false_alarms: float
) -> list[Alarm]:
    """Find the exposures, and the nights of cameras, that depart from good ones.

    Parameters
    ----------
    exposures : sequence of Counts
        Of a run.
    references : mapping of str to Reference
        By camera. Exposures of other cameras are not compared.
    false_alarms : float
        The probability that a run of good exposures raises any alarm.
    """
    compared = [item for item in exposures if item.camera in references]
    single = [_compare(item, references[item.camera].exposures, False) for item in compared]
    found = _holm(single, false_alarms / 2)
    departing = {alarm.unit.name for alarm in found}
    passed = [item for item in compared if item.name not in departing]
    whole = [_compare(item, references[item.camera].nights, True) for item in nights_of(passed)]
    return [*found, *_holm(whole, false_alarms / 2)]


def find_wrong_models(exposures: Sequence[Counts], reasons: Mapping[str, str]) -> list[WrongModel]:
    """Find the cameras that were scored by the classifier of another; the reasons are by camera."""
    found = {camera: [item for item in exposures if item.camera == camera] for camera in reasons}
    return [
        WrongModel(Counts.sum(camera, own), reasons[camera]) for camera, own in found.items() if own
    ]


def _fit(units: Sequence[Counts]) -> tuple[Scatter, ...]:
    tables = [np.array([count_of(unit, place) for unit in units]) for place in range(len(LABELS))]
    nights = np.array([unit.night for unit in units])
    return tuple(fit_scatter(table[:, 0], table[:, 1], nights) for table in tables)


def _compare(unit: Counts, scatters: Sequence[Scatter], is_night: bool) -> Alarm:
    """Find the count that departs most, and correct its probability for how many there are."""
    tails = [
        (tail, place)
        for place, scatter in enumerate(scatters)
        for tail in _tails_that_matter(unit, place, scatter)
    ]
    probability, place = min(tails)
    expected = scatters[place].mean * count_of(unit, place)[1]
    return Alarm(unit, is_night, place, expected, min(1.0, _COMPARISONS * probability))


def _tails_that_matter(unit: Counts, place: int, scatter: Scatter) -> Iterator[float]:
    few, many = scatter.tails(*count_of(unit, place))
    yield many
    if place < _MASKED_PLACE:
        yield few


def _holm(units: Sequence[Alarm], level: float) -> list[Alarm]:
    """Keep the alarms; from the least likely on, each is judged by how many are left."""
    ordered = sorted(units, key=lambda unit: unit.probability)
    count = next(
        (
            place
            for place, unit in enumerate(ordered)
            if unit.probability > level / (len(ordered) - place)
        ),
        len(ordered),
    )
    return ordered[:count]
