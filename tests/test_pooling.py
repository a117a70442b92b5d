"""Scores of images make one of an object that is a probability."""

from dataclasses import asdict

import numpy as np
import pytest
from scipy.special import expit, logit

from realbogus.calibration import calibration_error, log_loss
from realbogus.errors import FormatError
from realbogus.metrics import area_under, rates
from realbogus.pooling import Pool, fit_pool, pool_images, pool_objects
from realbogus.quality import object_scores


def sample(seed, objects=6000, *, distance=1.5):
    """Draw calibrated scores of images that share most of what is wrong with their object."""
    rng = np.random.default_rng(seed)
    targets = (rng.uniform(size=objects) < 0.4).astype(np.int8)
    sizes = rng.integers(1, 5, objects)
    number = np.repeat(np.arange(objects), sizes)
    shared = rng.normal(size=objects)[number] * 0.9
    own = rng.normal(size=len(number)) * (1 - 0.81) ** 0.5
    side = distance * (2 * targets[number] - 1)
    prior = logit(np.mean(targets[number]))
    return targets[number], expit(prior + 2 * distance * (side + shared + own)), number


def test_the_pooled_score_of_other_objects_is_a_probability_and_better_than_the_median():
    pool = fit_pool(*sample(0))
    kinds, pooled = pool_objects(pool, *sample(1))
    _, medians = object_scores(*sample(1))
    assert calibration_error(kinds, pooled) < 0.02
    assert area_under(rates(kinds, pooled)) > area_under(rates(kinds, medians))
    assert log_loss(kinds, pooled) < log_loss(kinds, medians)


def test_twice_the_same_image_tells_as_much_as_once():
    pools = {"02a": Pool(0.3, 1.2)}
    once, twice = (pool_images({"02a": [0.8] * count}, pools) for count in (1, 2))
    assert once == twice == pytest.approx(expit(0.3 + 1.2 * logit(0.8)))


def test_every_camera_has_its_own_pool_and_every_image_the_same_weight():
    pools = {"02a": Pool(1.0, 1.0), "04a": Pool(-1.0, 2.0)}
    odds = [1 + logit(0.6), 1 + logit(0.7), -1 + 2 * logit(0.9)]
    found = pool_images({"04a": [0.9], "02a": [0.6, 0.7]}, pools)
    assert found == pytest.approx(expit(np.mean(odds)))


def test_no_image_is_so_sure_that_the_others_do_not_count():
    pools = {"02a": Pool()}
    assert pool_images({"02a": [0.0, 0.999, 0.999, 0.999]}, pools) > 0.9


def test_kinds_without_overlap_leave_the_numbers_finite():
    targets = np.array([0, 0, 1, 1], np.int8)
    pool = fit_pool(targets, np.array([0.1, 0.2, 0.8, 0.9]), np.arange(4))
    assert Pool.from_record(asdict(pool)) == pool
    assert (pool.prior, pool.objects) == (0.5, 4)
    assert 0.5 < pool_images({"": [0.9]}, {"": pool}) < 1


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"slope": -1.0}, "not a rising function"),
        ({"slope": float("nan")}, "not a rising function"),
        ({"offset": 1e9}, "not a rising function"),
        ({"prior": 2.0}, "not a rising function"),
        ({"offset": "x"}, "is damaged"),
        ({"objects": None}, "is damaged"),
    ],
)
def test_a_damaged_record_is_refused(change, part):
    with pytest.raises(FormatError, match=part):
        Pool.from_record({**asdict(Pool()), **change})
