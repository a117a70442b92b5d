"""Good nights raise alarms as seldom as is said, and bad ones do."""

import numpy as np
import pytest

from realbogus.breaker import (
    EXPOSURES,
    LABELS,
    NIGHTS,
    count_of,
    find_alarms,
    fit_reference,
    is_enough,
    nights_of,
)
from realbogus.counts import THRESHOLDS, Counts
from tests.test_scatter import draw

BETAS = ((0.25, 2.0), (3.0, 0.35))
"""The scores of bogus and of real detections."""


def make_night(
    rng, night, *, exposures=8, images=24, fraction=0.6, masked=0.01, alike=0.0, scatter=0.01
):
    """Make the counts of a night whose exposures differ in their fraction of reals."""
    counts = []
    night_fraction = float(rng.normal(fraction, 0.02))
    for number in range(exposures):
        trials = int(rng.poisson(images)) + 1
        gone = int(draw(rng, masked, alike, np.array([trials]))[0])
        real = int(draw(rng, night_fraction, scatter, np.array([trials - gone]))[0])
        bogus = trials - gone - real
        scores = np.concatenate(
            [rng.beta(*beta, n) for beta, n in zip(BETAS, (bogus, real), strict=True)]
        )
        name = f"02a{night}o{number:04d}c"
        counts.append(Counts.of(name, "02a", night, scores, stand_out(rng, len(scores)), gone))
    return counts


def stand_out(rng, n, noise=1.0):
    """Draw how far images stand out of the noise, of which detection has left few below 5."""
    (own,) = rng.spawn(1)
    return own.pareto(1.0, n) * 5 / noise + own.normal(5 / noise, 1, n)


def make_nights(rng, count, **options):
    return [item for night in range(count) for item in make_night(rng, 58310 + night, **options)]


def alarms(counts, accepted, false_alarms=0.01):
    references = {"02a": fit_reference(accepted)}
    return find_alarms(counts, references, false_alarms=false_alarms)


@pytest.mark.parametrize(
    "options",
    [
        {"exposures": 8, "images": 24},
        {"exposures": 4, "images": 150, "scatter": 0.002},
        {"exposures": 8, "images": 24, "scatter": 0.03, "masked": 0.05, "alike": 0.05},
    ],
)
@pytest.mark.parametrize("nights", [NIGHTS, 40])
def test_good_nights_raise_no_more_alarms_than_was_asked_for(options, nights):
    rng = np.random.default_rng(5)
    alarmed, tried, rate = 0, 0, 0.2
    for _ in range(3):
        accepted = make_nights(rng, nights, **options)
        references = {"02a": fit_reference(accepted)}
        for _ in range(30):
            night = make_night(rng, 58400, **options)
            alarmed += bool(find_alarms(night, references, false_alarms=rate))
            tried += 1
    assert alarmed <= rate * tried + 3 * (rate * tried) ** 0.5


def test_a_bad_exposure_is_found_among_good_ones_and_named():
    rng = np.random.default_rng(1)
    accepted, night = make_nights(rng, 20), make_night(rng, 58400)
    bad = Counts.of("02a58400o0003c", "02a", 58400, rng.beta(*BETAS[0], 30), stand_out(rng, 30), 0)
    night[3] = bad
    (alarm,) = alarms(night, accepted)
    assert alarm.unit == bad
    assert not alarm.is_night
    hits, trials = count_of(bad, alarm.count)
    assert str(alarm).startswith(f"{hits} of {trials} scores above 0.")
    assert alarm.probability < 1e-3


def test_what_no_exposure_shows_the_night_does():
    rng = np.random.default_rng(2)
    accepted = make_nights(rng, 30)
    (alarm,) = alarms(make_night(rng, 58400, fraction=0.35, images=12, exposures=40), accepted)
    assert alarm.is_night
    assert alarm.unit.name == "02a/58400"


def test_masked_images_count_and_their_absence_does_not():
    rng = np.random.default_rng(3)
    accepted = make_nights(rng, 30, masked=0.005)
    night = make_night(rng, 58400, masked=0.0)
    assert alarms(night, accepted) == []
    night[0] = make_night(rng, 58400, exposures=1, masked=0.4)[0]
    (alarm,) = alarms(night, accepted)
    assert LABELS[alarm.count] == "masked images"


def test_a_held_exposure_does_not_speak_for_its_night():
    rng = np.random.default_rng(4)
    accepted, night = make_nights(rng, 30), make_night(rng, 58400)
    night[0] = Counts.of(night[0].name, "02a", 58400, np.full(3000, 0.99), stand_out(rng, 3000), 0)
    (alarm,) = alarms(night, accepted)
    assert alarm.unit == night[0]


def test_exposures_of_cameras_without_reference_are_not_compared():
    night = make_night(np.random.default_rng(0), 58400, fraction=0.0)
    assert find_alarms(night, {}, false_alarms=0.5) == []


def test_too_few_exposures_or_nights_are_no_reference():
    rng = np.random.default_rng(0)
    few_nights = make_nights(rng, NIGHTS - 1, exposures=EXPOSURES)
    few_exposures = make_nights(rng, EXPOSURES - 1, exposures=1)
    assert not is_enough(few_nights)
    assert fit_reference(few_exposures) is None
    assert is_enough(make_nights(rng, EXPOSURES, exposures=1))


def test_sums_of_a_night_are_those_of_its_exposures():
    exposures = make_nights(np.random.default_rng(0), 2, exposures=3)
    nights = nights_of(exposures)
    assert [night.name for night in nights] == ["02a/58310", "02a/58311"]
    assert nights[0].scored == sum(item.scored for item in exposures[:3])
    assert nights[1].above[2] == sum(item.above[2] for item in exposures[3:])
    assert len(nights[0].above) == len(THRESHOLDS)
