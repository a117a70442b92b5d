import numpy as np
import pytest

from realbogus.comparison import Pair, compare
from realbogus.intervals import Sample, point

SEED = 3


def draw_pair(n_real=300, n_bogus=900, *, loss=0.0, detections=1.5, rng=None):
    """Draw two equally good classifiers with noise of their own; the new one fails on camera 0."""
    rng = rng or np.random.default_rng(SEED)
    count = n_real + n_bogus
    numbers = np.repeat(np.arange(count), rng.geometric(1 / detections, count))
    targets = (numbers < n_real).astype(np.int8)
    cameras = rng.integers(0, 4, count)[numbers]
    shared = 2.5 * targets + 0.5 * rng.normal(size=count)[numbers]
    shared = shared + 0.6 * rng.normal(size=len(numbers))
    old, new = (shared + 0.6 * rng.normal(size=len(numbers)) for _ in range(2))
    new = new - loss * ((cameras == 0) & (targets == 1))
    groups = {f"camera {number}": cameras == number for number in range(4)}
    nights = rng.integers(0, 8, len(numbers))
    groups |= {f"night {number}": nights == number for number in range(8)}
    return Pair(targets, numbers, old, new), groups


def run(pair, groups, **options):
    rng = options.pop("rng", None) or np.random.default_rng(SEED)
    return compare(pair, groups, **{"resamples": 200, "rng": rng, **options})


def test_both_rates_are_those_of_the_operating_points():
    pair, groups = draw_pair()
    found = run(pair, groups, mdrs=(0.04,))
    for scores, name in ((pair.old, "old"), (pair.new, "new")):
        at = point(Sample.of(pair.targets, scores, pair.objects), mdr=0.04)
        assert getattr(found[0], name) == pytest.approx(at.fpr.value)
        passes = scores >= at.threshold.value
        chosen = groups["camera 2"] & (pair.targets == 1)
        (row,) = [item for item in found if (item.group, item.rate) == ("camera 2", "mdr")]
        assert getattr(row, name) == pytest.approx((~passes)[chosen].mean())


def test_ties_of_scores_are_on_one_side_of_the_threshold():
    pair, groups = draw_pair()
    rounded = Pair(pair.targets, pair.objects, np.round(pair.old, 1), np.round(pair.new, 1))
    found = run(rounded, groups, mdrs=(0.1,))[0]
    at = point(Sample.of(rounded.targets, rounded.old, rounded.objects), mdr=0.1)
    assert found.old == pytest.approx(at.fpr.value)


def test_a_classifier_is_nowhere_worse_than_itself():
    pair, groups = draw_pair()
    found = run(Pair(pair.targets, pair.objects, pair.old, pair.old), groups)
    assert all(item.change.value == 0 and not item.is_worse for item in found)


def test_a_loss_in_one_camera_is_found_there_and_the_other_way_round_it_is_none():
    pair, groups = draw_pair(800, 1600, loss=1.5)
    found = run(pair, groups, mdrs=(0.04,))
    worse = {(item.group, item.rate) for item in found if item.is_worse}
    assert ("camera 0", "mdr") in worse
    assert ("camera 1", "mdr") not in worse
    back = run(Pair(pair.targets, pair.objects, pair.new, pair.old), groups)
    assert not [item for item in back if item.is_worse and item.group in ("all", "camera 0")]


def test_a_margin_allows_a_loss_below_it():
    pair, groups = draw_pair(loss=1.5)
    assert not any(item.is_worse for item in run(pair, groups, margin=0.9))


def test_a_group_of_few_objects_is_shown_but_does_not_decide():
    pair, groups = draw_pair(loss=1.5)
    found = run(pair, groups, least=100, mdrs=(0.04,))
    (row,) = [item for item in found if (item.group, item.rate) == ("camera 0", "mdr")]
    assert row.objects < 100
    assert not row.decides
    assert not row.is_worse


def test_paired_scores_tell_more_than_two_samples_would():
    pair, groups = draw_pair()
    (row, *_) = run(pair, groups, mdrs=(0.04,))
    old = point(Sample.of(pair.targets, pair.old, pair.objects), mdr=0.04).fpr
    assert row.change.high - row.change.low < 1.41 * (old.high - old.low)


def test_the_same_generator_gives_the_same_differences():
    pair, groups = draw_pair()
    assert run(pair, groups) == run(pair, groups)


def false_alarms(trials, resamples):
    """Count the comparisons of equally good classifiers that find one worse somewhere."""
    rng = np.random.default_rng(SEED)
    found = 0
    for _ in range(trials):
        pair, groups = draw_pair(rng=rng)
        found += any(item.is_worse for item in run(pair, groups, resamples=resamples, rng=rng))
    return found


def test_among_fifty_rates_chance_alone_hardly_ever_raises_an_alarm():
    assert false_alarms(60, 100) <= 6  # 3 on average at most; more than 6 once in 50 times


@pytest.mark.long
def test_chance_alone_raises_an_alarm_in_at_most_5_percent():
    assert false_alarms(1000, 200) <= 65


@pytest.mark.long
def test_the_interval_of_the_overall_change_holds_the_truth_in_93_to_98_percent():
    rng = np.random.default_rng(SEED)
    held = 0
    for _ in range(2000):
        pair, _ = draw_pair(rng=rng)
        change = run(pair, {}, mdrs=(0.04,), rng=rng)[0].change
        held += change.low <= 0 <= change.high
    assert 0.93 <= held / 2000 <= 0.98
