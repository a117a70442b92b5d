"""Counts of units scatter as much as is said of them, and tails are those of the true law."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy.stats import betabinom, binom

from realbogus.scatter import Scatter, fit_scatter


def draw(rng, mean, correlation, trials):
    """Draw counts of units whose rates are beta."""
    size = (1 - correlation) / (correlation or 1)
    rates = rng.beta(mean * size, (1 - mean) * size, len(trials)) if correlation else mean
    return rng.binomial(trials, rates)


def test_without_correlation_the_tails_of_many_units_are_binomial():
    few, many = Scatter(0.3, 0.0, 10**9).tails(13, 30)
    assert few == pytest.approx(binom.cdf(13, 30, 0.3), rel=1e-6)
    assert many == pytest.approx(binom.sf(12, 30, 0.3), rel=1e-6)


def test_with_correlation_the_tails_of_many_units_are_beta_binomial():
    size = 0.9 / 0.1
    expected = betabinom.sf(24, 30, 0.3 * size, 0.7 * size)
    assert Scatter(0.3, 0.1, 10**9).tails(25, 30)[1] == pytest.approx(expected, rel=1e-6)


def test_few_units_make_tails_heavier():
    few, many = (Scatter(0.5, 0.01, units).tails(10, 100)[0] for units in (5, 500))
    assert few > 10 * many


@given(
    st.floats(0.01, 0.99),
    st.floats(0, 0.5),
    st.integers(2, 500),
    st.integers(0, 200),
    st.data(),
)
def test_tails_are_probabilities_that_grow_towards_the_middle(mean, correlation, units, n, data):
    scatter = Scatter(mean, correlation, units)
    hits = data.draw(st.integers(0, n))
    few, many = scatter.tails(hits, n)
    assert 0 <= few <= 1
    assert 0 <= many <= 1
    assert few + many >= 1 - 1e-9
    if hits < n:
        fewer, more = scatter.tails(hits + 1, n)
        assert fewer >= few
        assert more <= many


@given(st.floats(0.05, 0.95), st.floats(0, 0.1), st.integers(1, 300))
@example(0.5, 5e-324, 1)
def test_what_is_outside_the_limits_is_rare(mean, correlation, trials):
    scatter = Scatter(mean, correlation, 100)
    low, high = scatter.limits(trials, 0.01)
    assert low <= high
    assert low == 0 or scatter.tails(low - 1, trials)[0] <= 0.01
    assert high == trials or scatter.tails(high + 1, trials)[1] <= 0.01


@pytest.mark.parametrize("correlation", [0.0, 0.02, 0.2])
def test_a_fit_finds_the_mean_and_no_less_than_the_correlation(correlation):
    rng = np.random.default_rng(1)
    trials = rng.poisson(30, 2000) + 1
    fitted = fit_scatter(draw(rng, 0.4, correlation, trials), trials, np.arange(2000))
    assert fitted.mean == pytest.approx(0.4, abs=0.02)
    assert correlation * 0.9 <= fitted.correlation <= correlation * 1.2 + 0.002
    assert fitted.units == 2000


def test_no_hits_at_all_leave_a_mean_above_zero():
    fitted = fit_scatter(np.zeros(20, int), np.full(20, 10), np.arange(20))
    assert 0 < fitted.mean < 0.01
    assert fitted.tails(0, 10)[1] == pytest.approx(1)


def test_units_without_trials_say_nothing():
    hits, trials = np.array([3, 4, 0]), np.array([10, 10, 0])
    fitted = fit_scatter(hits, trials, np.arange(3))
    assert fitted.tails(0, 0) == (1.0, 1.0)
    assert np.isfinite(fitted.correlation)
