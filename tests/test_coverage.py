"""How often 95% intervals hold the truth, by simulation: each of 2,000 trials is a new sky.

Scores are normal, so that the truth is known in closed form; detections of one object share a
part of their deviation.
"""

import numpy as np
import pytest
from scipy.special import ndtr, ndtri

from realbogus.intervals import area, point
from tests.helpers import draw_sample

TRIALS = 2000
# Objects of each kind, distance of the means, detections an object, and the share in common.
SKIES = {
    "single detections": (300, 900, 3.0, 1, 0.0),
    "four of each object": (300, 900, 3.0, 4, 0.5),
}
MORE = {
    "many objects": (1000, 3000, 3.0, 1, 0.0),
    "many, alike": (1000, 3000, 3.0, 3, 0.6),
    "a poor classifier": (300, 900, 1.5, 2, 0.3),
}
FEW = (100, 300, 2.5, 1, 0.0)


def truth(distance):
    return {
        "auc": ndtr(distance / 2**0.5),
        "fpr": 1 - ndtr(distance + ndtri(0.04)),
        "mdr": ndtr(ndtri(0.95) - distance),
        "threshold": distance + ndtri(0.04),
    }


def intervals(sample):
    at_mdr = point(sample, mdr=0.04)
    return {
        "auc": area(sample),
        "fpr": at_mdr.fpr,
        "mdr": point(sample, fpr=0.05).mdr,
        "threshold": at_mdr.threshold,
    }


def coverage(sky, trials=TRIALS):
    n_real, n_bogus, distance, detections, shared = sky
    expected = truth(distance)
    rng = np.random.default_rng(1)
    held = dict.fromkeys(expected, 0)
    for _ in range(trials):
        sample = draw_sample(
            n_real, n_bogus, distance=distance, detections=detections, shared=shared, rng=rng
        )
        for name, interval in intervals(sample).items():
            held[name] += interval.low <= expected[name] <= interval.high
    return {name: count / trials for name, count in held.items()}


@pytest.mark.parametrize("sky", SKIES.values(), ids=SKIES)
def test_95_percent_intervals_hold_the_truth_in_93_to_97_percent(sky):
    found = coverage(sky)
    assert all(0.93 <= share <= 0.97 for share in found.values()), found


@pytest.mark.long
@pytest.mark.parametrize("sky", MORE.values(), ids=MORE)
def test_95_percent_intervals_hold_the_truth_under_other_skies_too(sky):
    found = coverage(sky)
    assert all(0.93 <= share <= 0.97 for share in found.values()), found


@pytest.mark.long
def test_intervals_of_few_objects_are_rather_too_wide_than_too_narrow():
    found = coverage(FEW)
    assert all(0.93 <= share <= 0.985 for share in found.values()), found
