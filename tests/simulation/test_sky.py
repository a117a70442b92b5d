"""The noise of a blank image."""

from dataclasses import replace

import numpy as np
import pytest

from realbogus.simulation.sky import SkyNoise, draw_sky_noise, fill_with_noise


@pytest.fixture
def noise(rng: np.random.Generator) -> SkyNoise:
    return draw_sky_noise((600, 500), rng)


def test_noise_has_the_shape_and_the_size_that_the_model_says(
    noise: SkyNoise, rng: np.random.Generator
) -> None:
    image = fill_with_noise(noise, rng)
    y, x = np.mgrid[:600, :500]
    expected = noise.at(x.ravel(), y.ravel()).reshape(600, 500)
    assert image.shape == (600, 500)
    assert image.dtype == np.float32
    assert (image / expected).std() == pytest.approx(1.0, abs=0.02)


def test_noise_is_near_30_adu(rng: np.random.Generator) -> None:
    sigmas = [draw_sky_noise((64, 64), rng).sigma for _ in range(300)]
    assert np.median(sigmas) == pytest.approx(30.0, abs=2.0)


@pytest.mark.parametrize(("phase", "sign"), [(0.5, 1), (0.0, -1)])
def test_resampling_correlates_neighbours_either_way(
    noise: SkyNoise, rng: np.random.Generator, phase: float, sign: int
) -> None:
    still = replace(noise, template=0.9, beat=(0.0, 0.0), phase=(phase, phase))
    image = fill_with_noise(still, rng)
    correlation = np.corrcoef(image[:, 1:].ravel(), image[:, :-1].ravel())[0, 1]
    assert sign * correlation > 0.04


def test_noise_varies_over_the_field(noise: SkyNoise) -> None:
    edge, middle = noise.at(np.array([2.0, 250.0]), np.array([2.0, 300.0]))
    assert edge != middle
