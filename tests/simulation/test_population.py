"""How many of what, and how bright."""

from collections import Counter

import numpy as np
import pytest

from realbogus.simulation.population import (
    FAMILY,
    GARBAGE_MIX,
    Item,
    asteroid_magnitude,
    draw_kind,
    draw_ordinary,
)


@pytest.fixture(scope="module")
def ordinary() -> list[Item]:
    rng = np.random.default_rng(5)
    return [draw_ordinary((1000, 1000), rng) for _ in range(8000)]


def test_codes_have_the_measured_shares(ordinary: list[Item]) -> None:
    shares = {det: count / len(ordinary) for det, count in Counter(i.det for i in ordinary).items()}
    assert shares[0] == pytest.approx(0.717, abs=0.02)
    assert shares[5] == pytest.approx(0.164, abs=0.02)
    assert shares[1] == pytest.approx(0.115, abs=0.02)
    assert shares[2] == pytest.approx(0.004, abs=0.003)


def test_families_have_the_measured_shares(ordinary: list[Item]) -> None:
    shares = {name: n / len(ordinary) for name, n in Counter(i.family for i in ordinary).items()}
    measured = {"pno": 0.509, "ptr": 0.198, "psc": 0.191, "pvr": 0.046, "pbn": 0.030}
    for name, share in measured.items():
        assert shares[name] == pytest.approx(share, abs=0.02)


def test_negative_code_goes_with_negative_light(ordinary: list[Item]) -> None:
    assert all(item.sign == -1 for item in ordinary if item.det == 5)
    assert any(item.sign == -1 for item in ordinary if item.det == 0)


def test_asteroids_have_the_measured_magnitudes(rng: np.random.Generator) -> None:
    drawn = [asteroid_magnitude(20.5, rng) for _ in range(4000)]
    quantiles = np.percentile(drawn, [5, 25, 50, 75, 95])
    np.testing.assert_allclose(quantiles, [16.4, 17.9, 18.5, 19.0, 19.4], atol=0.12)


def test_shallow_exposure_shows_no_asteroid_below_its_limit(rng: np.random.Generator) -> None:
    assert max(asteroid_magnitude(18.5, rng) for _ in range(500)) < 18.5


def test_every_kind_has_a_family() -> None:
    assert set(GARBAGE_MIX) <= set(FAMILY)
    assert sum(GARBAGE_MIX.values()) == pytest.approx(1.0)


def test_kinds_are_drawn_by_their_shares(rng: np.random.Generator) -> None:
    drawn = Counter(draw_kind({"a": 3.0, "b": 1.0}, rng) for _ in range(4000))
    assert drawn["a"] / 4000 == pytest.approx(0.75, abs=0.03)
