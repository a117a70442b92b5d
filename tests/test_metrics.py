import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from sklearn.metrics import det_curve, roc_auc_score, roc_curve

from realbogus.errors import DatasetError
from realbogus.metrics import (
    Interval,
    area_under,
    bootstrap,
    fpr_at_mdr,
    mdr_at_fpr,
    number_objects,
    rates,
)

# Eighths: many ties, and sums without rounding.
SCORED = st.lists(
    st.tuples(st.integers(0, 1), st.integers(0, 8).map(lambda n: n / 8)), min_size=2, max_size=60
)


def unzip(scored):
    targets, scores = map(np.array, zip(*scored, strict=True))
    assume(0 < targets.sum() < len(targets))
    return targets, scores


def random_scores(n=400, seed=0):
    rng = np.random.default_rng(seed)
    targets = rng.integers(0, 2, n)
    return targets, np.clip(rng.normal(0.3 + 0.4 * targets, 0.2), 0, 1)


@given(SCORED)
def test_the_rates_are_those_of_scikit_learn_ties_included(scored):
    targets, scores = unzip(scored)
    curve = rates(targets, scores)
    fpr, tpr, threshold = roc_curve(targets, scores, drop_intermediate=False)
    assert curve.fpr == pytest.approx(fpr)
    assert 1 - curve.mdr == pytest.approx(tpr)
    assert np.array_equal(curve.threshold, threshold)


@given(SCORED)
def test_the_area_is_that_of_scikit_learn_ties_included(scored):
    targets, scores = unzip(scored)
    assert area_under(rates(targets, scores)) == pytest.approx(roc_auc_score(targets, scores))


@given(SCORED, st.sampled_from([0.0, 0.01, 0.04, 0.3, 1.0]))
def test_an_operating_point_is_what_its_threshold_gives(scored, mdr):
    targets, scores = unzip(scored)
    point = fpr_at_mdr(rates(targets, scores), mdr)
    called_real = scores >= point.threshold
    assert point.mdr == pytest.approx((~called_real)[targets == 1].mean())
    assert point.fpr == pytest.approx(called_real[targets == 0].mean())
    assert point.mdr <= mdr + 1e-9


@given(SCORED, st.sampled_from([0.01, 0.04, 0.3]))
def test_a_stricter_threshold_would_miss_too_many(scored, mdr):
    targets, scores = unzip(scored)
    point = fpr_at_mdr(rates(targets, scores), mdr)
    stricter = scores[scores > point.threshold]
    if len(stricter):
        assert (scores[targets == 1] < stricter.min()).mean() > mdr


@given(SCORED, st.sampled_from([0.0, 0.01, 0.04, 0.3, 1.0]))
def test_the_point_of_a_false_positive_rate_is_the_best_of_those_of_scikit_learn(scored, fpr):
    targets, scores = unzip(scored)
    point = mdr_at_fpr(rates(targets, scores), fpr)
    false_positive, missed, _ = det_curve(targets, scores)
    allowed = missed[false_positive <= fpr + 1e-9]
    assert point.mdr == pytest.approx(min(allowed, default=1))
    assert point.fpr == pytest.approx((scores >= point.threshold)[targets == 0].mean())
    assert point.mdr == pytest.approx((scores < point.threshold)[targets == 1].mean())


def test_a_rate_below_nothing_is_had_at_the_ends_of_the_curve():
    curve = rates(*random_scores())
    assert fpr_at_mdr(curve, -0.1).fpr == 1
    assert mdr_at_fpr(curve, -0.1).threshold == np.inf


@given(st.lists(st.text(), max_size=20))
def test_equal_objects_have_equal_numbers_from_0(objects):
    numbers = number_objects(np.array(objects, np.dtypes.StringDType())).tolist()
    assert len(set(zip(objects, numbers, strict=True))) == len(set(objects)) == len(set(numbers))
    assert set(numbers) == set(range(len(set(objects))))


def test_exactly_the_allowed_misses_are_allowed_despite_rounding():
    targets = np.array([1] * 100 + [0])
    scores = np.array([0.1, *([0.9] * 99), 0.5])
    assert fpr_at_mdr(rates(targets, scores), 0.01).fpr == 0


def test_the_curve_runs_from_nothing_called_real_to_everything():
    curve = rates(*random_scores())
    assert (curve.threshold[0], curve.fpr[0], curve.mdr[0]) == (np.inf, 0, 1)
    assert (curve.fpr[-1], curve.mdr[-1]) == (1, 0)


@pytest.mark.parametrize(("target", "only"), [(1, "real"), (0, "bogus")])
def test_one_class_has_no_rates(target, only):
    with pytest.raises(DatasetError, match=f"only {only} detections: rates need both kinds"):
        rates(np.full(3, target), np.array([0.1, 0.2, 0.3]))


def test_a_score_that_is_no_number_has_no_rates():
    with pytest.raises(DatasetError, match=r"1 of 3 scores are not finite"):
        rates(np.array([1, 0, 1]), np.array([0.1, np.nan, 0.3]))


def test_the_bootstrap_gives_the_statistics_of_the_whole_with_intervals_around_them():
    targets, scores = random_scores()
    objects = np.arange(len(targets)).astype(str)
    result = bootstrap(targets, scores, objects, rng=np.random.default_rng(1))
    assert list(result) == ["auc", "fpr_at_mdr_0.01", "fpr_at_mdr_0.04"]
    assert result["auc"].value == area_under(rates(targets, scores))
    assert all(item.low <= item.value <= item.high for item in result.values())


def test_the_bootstrap_interval_has_the_width_of_theory():
    targets, scores = random_scores(2000)
    objects = np.arange(len(targets)).astype(str)
    auc = bootstrap(targets, scores, objects, rng=np.random.default_rng(1))["auc"]
    # Hanley & McNeil 1982, Radiology 143, 29.
    real, area = targets.sum(), auc.value
    q1, q2 = area / (2 - area), 2 * area**2 / (1 + area)
    bogus = len(targets) - real
    variance = area * (1 - area) + (real - 1) * (q1 - area**2) + (bogus - 1) * (q2 - area**2)
    assert (auc.high - auc.low) / 3.92 == pytest.approx((variance / real / bogus) ** 0.5, rel=0.15)


def test_whole_objects_are_drawn_so_that_copies_do_not_narrow_the_interval():
    targets, scores = random_scores(100)
    objects = np.arange(len(targets)).astype(str)
    once = bootstrap(targets, scores, objects, rng=np.random.default_rng(1))["auc"]
    copied = [np.tile(column, 9) for column in (targets, scores, objects)]
    nine = bootstrap(*copied, rng=np.random.default_rng(1))["auc"]
    assert nine.high - nine.low == pytest.approx(once.high - once.low, rel=1e-6)


def test_the_same_generator_gives_the_same_intervals():
    targets, scores = random_scores(50)
    objects = np.arange(50).astype(str)
    first, second = (
        bootstrap(targets, scores, objects, resamples=20, rng=np.random.default_rng(7))
        for _ in range(2)
    )
    assert first == second


def test_draws_without_one_class_are_drawn_again():
    interval = bootstrap(
        np.array([1, 0]), np.array([0.9, 0.1]), np.array(["a", "b"]), rng=np.random.default_rng(0)
    )["auc"]
    assert interval == Interval(1.0, 1.0, 1.0)


def test_an_interval_shows_its_value_and_its_ends():
    assert str(Interval(0.98765, 0.9, 0.99999)) == "0.9877 [0.9000, 1.0000]"


@pytest.mark.parametrize(
    ("interval", "text"),
    [
        (Interval(0.1, 0.04, 0.3), "10% (4 to 30%)"),
        (Interval(0.1, 0.095, 0.106), "10.0% (9.5 to 10.6%)"),
        (Interval(0.001, 0.0008, 0.0013), "0.100% (0.080 to 0.130%)"),
        (Interval(0.5, 0.5, 0.5), "50.0% (50.0 to 50.0%)"),
    ],
)
def test_a_percentage_has_the_digits_that_its_interval_leaves(interval, text):
    assert interval.as_percent() == text
