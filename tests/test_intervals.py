import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from realbogus.errors import DatasetError
from realbogus.intervals import (
    Sample,
    area,
    clopper_pearson,
    operating_points,
    point,
    rate,
    wilson,
)
from realbogus.metrics import area_under
from tests.helpers import draw_sample


def delong_variance(targets, scores):
    """Compute the variance of the area as DeLong et al. (1988) write it, pair by pair."""
    real, bogus = scores[targets == 1], scores[targets == 0]
    order = (real[:, None] > bogus) + (real[:, None] == bogus) / 2
    return order.mean(1).var(ddof=1) / len(real) + order.mean(0).var(ddof=1) / len(bogus)


@given(st.integers(0, 200), st.integers(1, 200))
def test_clopper_pearson_is_that_of_scipy(hits, more):
    count = hits + more
    found = clopper_pearson(hits, count)
    expected = stats.binomtest(hits, count).proportion_ci(method="exact")
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-9)


@given(st.integers(0, 200), st.integers(1, 200))
def test_wilson_is_that_of_scipy(hits, more):
    found = wilson(hits / (hits + more), hits + more)
    expected = stats.binomtest(hits, hits + more).proportion_ci(method="wilson")
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-9)
    assert found.low <= found.value <= found.high


def test_a_rate_of_detections_that_are_each_an_object_is_nearly_wilsons():
    is_hit = np.arange(400) < 40
    found, plain = rate(is_hit, np.arange(400)), wilson(0.1, 400)
    assert found.value == 0.1
    assert (found.low, found.high) == pytest.approx((plain.low, plain.high), rel=0.01)


def test_copies_of_the_same_objects_do_not_narrow_the_interval_of_a_rate():
    is_hit, objects = np.arange(100) < 10, np.arange(100)
    once, nine = rate(is_hit, objects), rate(np.tile(is_hit, 9), np.tile(objects, 9))
    assert (nine.low, nine.high) == pytest.approx((once.low, once.high), rel=1e-6)


@pytest.mark.parametrize("is_hit", [[True] * 30, [False] * 30])
def test_a_rate_of_nothing_or_all_counts_objects_and_not_detections(is_hit):
    found = rate(np.array(is_hit), np.repeat(np.arange(10), 3))
    assert 0.2 < found.high - found.low < 0.4


def test_one_object_tells_next_to_nothing():
    found = rate(np.array([True] * 50), np.zeros(50, int))
    assert found.low < 0.25


def test_the_area_without_clusters_has_the_variance_of_delong():
    sample = draw_sample(80, 120, ties=True)
    variance = delong_variance(sample.targets, sample.scores)
    found = area(sample)
    value = area_under(sample.curve)
    logit = np.log(found.high / (1 - found.high)) - np.log(value / (1 - value))
    error = variance**0.5 / (value * (1 - value))
    assert logit == pytest.approx(stats.t(79).ppf(0.975) * error, rel=1e-6)


def test_copies_of_the_same_objects_do_not_narrow_the_interval_of_the_area():
    once = draw_sample(40, 60)
    columns = (once.targets, once.scores, once.objects)
    nine = area(Sample.of(*(np.tile(column, 9) for column in columns)))
    assert (nine.low, nine.high) == pytest.approx((area(once).low, area(once).high), rel=1e-6)


def test_a_perfect_area_is_as_sure_as_its_objects_are_many():
    few, many = (
        area(Sample.of(np.arange(2 * n) % 2, np.arange(2 * n) % 2 / 1.0, np.arange(2 * n)))
        for n in (3, 300)
    )
    assert (few.value, few.high) == (1, 1)
    assert few.low == pytest.approx(0.025 ** (1 / 3))
    assert many.low == pytest.approx(0.025 ** (1 / 300))


def test_reals_below_all_bogus_have_no_area():
    found = area(Sample.of(np.array([1, 1, 0, 0]), np.array([0.1, 0.2, 0.3, 0.4]), np.arange(4)))
    assert (found.value, found.low) == (0, 0)
    assert found.high == pytest.approx(1 - 0.025**0.5)


def test_one_real_object_leaves_the_area_open():
    found = area(Sample.of(np.array([1, 0, 0]), np.array([0.5, 0.1, 0.9]), np.arange(3)))
    assert (found.low, found.high) == (0, 1)


def test_a_point_gives_both_rates_of_its_threshold():
    sample = draw_sample(200, 400)
    found = point(sample, mdr=0.04)
    passes = sample.scores >= found.threshold.value
    assert found.mdr.value == pytest.approx((~passes)[sample.targets == 1].mean())
    assert found.fpr.value == pytest.approx(passes[sample.targets == 0].mean())
    assert point(sample, threshold=found.threshold.value).fpr.value == found.fpr.value
    for interval in (found.threshold, found.fpr, found.mdr):
        assert interval.low < interval.value < interval.high


def test_a_threshold_set_on_the_same_sample_widens_the_interval_of_the_other_rate():
    sample = draw_sample(200, 400)
    free = point(sample, mdr=0.04)
    fixed = point(sample, threshold=free.threshold.value)
    assert free.fpr.low < fixed.fpr.low < fixed.fpr.high < free.fpr.high
    free = point(sample, fpr=0.04)
    fixed = point(sample, threshold=free.threshold.value)
    assert free.mdr.low < fixed.mdr.low < fixed.mdr.high < free.mdr.high


def test_the_roles_of_the_two_rates_are_alike():
    sample = draw_sample(200, 400)
    mirrored = Sample.of(1 - sample.targets, -sample.scores, sample.objects)
    one, other = point(sample, mdr=0.1), point(mirrored, fpr=0.1)
    for first, second in ((one.fpr, other.mdr), (one.mdr, other.fpr)):
        assert (first.low, first.high) == pytest.approx((second.low, second.high), abs=0.01)


def test_too_few_reals_leave_the_false_positive_rate_open_above():
    assert point(draw_sample(30, 60), mdr=0.01).fpr.high == 1


def test_operating_points_are_named_by_what_is_asked_for():
    found = operating_points(draw_sample(200, 400), mdrs=(0.01, 0.1), fprs=(0.05,))
    assert list(found) == ["mdr 0.01", "mdr 0.1", "fpr 0.05"]
    assert found["fpr 0.05"].fpr.value <= 0.05


def test_a_point_of_nothing_is_an_error():
    with pytest.raises(TypeError, match="point needs mdr, fpr or threshold"):
        point(draw_sample(20, 20))


def test_one_class_has_no_points():
    with pytest.raises(DatasetError, match="only real detections"):
        Sample.of(np.ones(3, int), np.array([0.1, 0.2, 0.3]), np.arange(3))


SCORED = st.lists(
    st.tuples(st.integers(0, 1), st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.0]), st.integers(0, 5)),
    min_size=2,
    max_size=20,
)


@given(SCORED, st.sampled_from([0.001, 0.04, 0.5, 0.999]))
def test_every_interval_has_its_value_inside_however_few_the_detections(scored, level):
    targets, scores, objects = map(np.array, zip(*scored, strict=True))
    assume(0 < targets.sum() < len(targets))
    sample = Sample.of(targets, scores, objects)
    points = [point(sample, mdr=level), point(sample, fpr=level), point(sample, threshold=level)]
    rates = [area(sample), *(interval for at in points for interval in (at.fpr, at.mdr))]
    assert all(0 <= item.low <= item.value <= item.high <= 1 for item in rates)
    assert all(at.threshold.low <= at.threshold.value <= at.threshold.high for at in points)
