import numpy as np
import pytest

from realbogus.budgets import Night, budget_of_eyeballs, budget_of_mdr
from realbogus.errors import ConfigError, DatasetError

NIGHT = Night(candidates=11_000, ratio=10)


def draw(n_real=200, n_bogus=600, seed=0):
    """Draw uniform bogus, and reals of which the square is: the truth is known everywhere."""
    rng = np.random.default_rng(seed)
    targets = (np.arange(n_real + n_bogus) < n_real).astype(np.int8)
    scores = rng.random(len(targets))
    return targets, np.where(targets == 1, np.sqrt(scores), scores)


def test_a_night_has_its_reals_and_its_bogus():
    assert (NIGHT.real, NIGHT.bogus) == (1000, 10_000)


def test_no_lower_threshold_keeps_the_eyeballs():
    targets, scores = draw()
    found = budget_of_eyeballs(targets, scores, NIGHT, eyeballs=2000)
    bogus = scores[targets == 0]
    assert 1000 + 10_000 * ((bogus >= found.threshold).sum() + 1) / 601 <= 2000
    lower = bogus[bogus < found.threshold].max()
    assert 1000 + 10_000 * ((bogus >= lower).sum() + 1) / 601 > 2000


def test_no_higher_threshold_keeps_the_misses():
    targets, scores = draw()
    found = budget_of_mdr(targets, scores, NIGHT, mdr=0.05)
    real = np.sort(scores[targets == 1])
    assert ((real < found.threshold).sum() + 1) / 201 <= 0.05
    assert ((real <= found.threshold).sum() + 1) / 201 > 0.05


def test_rates_and_eyeballs_are_those_of_the_threshold():
    targets, scores = draw()
    found = budget_of_mdr(targets, scores, NIGHT, mdr=0.05)
    passes = scores >= found.threshold
    assert found.fpr.value == passes[targets == 0].mean()
    assert found.mdr.value == (~passes)[targets == 1].mean()
    expected = 1000 * (1 - found.mdr.value) + 10_000 * found.fpr.value
    assert found.eyeballs.value == pytest.approx(expected)
    assert found.eyeballs.low < expected < found.eyeballs.high
    assert (found.n_real, found.n_bogus) == (200, 600)


def test_one_way_and_the_other_agree():
    targets, scores = draw(20_000, 60_000)
    there = budget_of_mdr(targets, scores, NIGHT, mdr=0.05)
    back = budget_of_eyeballs(targets, scores, NIGHT, eyeballs=there.eyeballs.value + 50)
    assert back.threshold == pytest.approx(there.threshold, abs=0.01)
    assert back.mdr.value == pytest.approx(0.05, abs=0.01)


def test_scores_that_are_tied_pass_or_fail_together():
    targets = np.array([1] * 50 + [0] * 100, np.int8)
    scores = np.where(targets == 1, 0.9, 0.4)
    found = budget_of_eyeballs(targets, scores, NIGHT, eyeballs=2000)
    assert 0.4 < found.threshold < 0.4001
    assert (found.fpr.value, found.mdr.value) == (0, 0)


def test_enough_eyeballs_for_all_need_no_threshold():
    targets, scores = draw()
    assert budget_of_eyeballs(targets, scores, NIGHT, eyeballs=11_000).threshold == 0


def test_fewer_eyeballs_than_reals_is_an_error():
    with pytest.raises(ConfigError, match="must be above 1000, a night's real objects; got 900"):
        budget_of_eyeballs(*draw(), NIGHT, eyeballs=900)


def test_too_few_bogus_for_the_budget_is_an_error_that_says_how_many_it_takes():
    message = "600 bogus objects can't tell a false positive rate of 0.001: at least 999 are needed"
    with pytest.raises(DatasetError, match=message):
        budget_of_eyeballs(*draw(), NIGHT, eyeballs=1010)


def test_too_few_reals_for_the_rate_is_an_error_that_says_how_many_it_takes():
    message = "50 real objects can't tell a missed detection rate of 0.01: at least 99 are needed"
    with pytest.raises(DatasetError, match=message):
        budget_of_mdr(*draw(50), NIGHT, mdr=0.01)


def test_the_bounds_hold_whatever_the_sample():
    """On average the rate asked for is kept; the other one is in its interval as often as said."""
    rates, held, nights, trials = [], 0, [], 1000
    for seed in range(trials):
        targets, scores = draw(100, 200, seed)
        found = budget_of_mdr(targets, scores, NIGHT, mdr=0.05)
        rates.append(found.threshold**2)  # the true missed detection rate
        held += found.fpr.low <= 1 - found.threshold <= found.fpr.high
        back = budget_of_eyeballs(targets, scores, NIGHT, eyeballs=2000)
        nights.append(1000 * (1 - back.threshold**2) + 10_000 * (1 - back.threshold))
        held += back.mdr.low <= back.threshold**2 <= back.mdr.high
    assert 0.04 < np.mean(rates) <= 0.05 + 3 * np.std(rates) / trials**0.5
    assert np.mean(nights) <= 2000 + 3 * np.std(nights) / trials**0.5
    assert held / (2 * trials) >= 0.94
