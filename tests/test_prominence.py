"""What stands out of the noise is told from what does not, whatever is masked."""

import numpy as np
import pytest

from realbogus.prominence import measure_prominence

SIDE = 21
MIDDLE = slice(9, 12)


def noise(n, sigma=30.0):
    rng = np.random.default_rng(1)
    return rng.normal(0, sigma, (n, SIDE, SIDE)).astype(np.float32)


def test_noise_stands_out_as_a_normal_deviate_does():
    found = measure_prominence(noise(4000))
    assert np.mean(found**2) == pytest.approx(1, abs=0.15)
    assert np.mean(found > 4) < 0.001


@pytest.mark.parametrize("sign", [1, -1])
def test_a_source_stands_out_by_its_signal_over_the_noise_of_nine_pixels(sign):
    crops = noise(1000)
    crops[:, MIDDLE, MIDDLE] += sign * 100
    assert np.median(measure_prominence(crops)) == pytest.approx(100 * 3 / 30, rel=0.05)


def test_a_neighbour_on_the_border_hardly_matters():
    crops = noise(500)
    crops[:, MIDDLE, MIDDLE] += 100
    crops[:, :5, :5] += 5000
    assert np.median(measure_prominence(crops)) == pytest.approx(10, rel=0.2)


def test_masked_pixels_are_left_out():
    crops = noise(500)
    crops[:, MIDDLE, MIDDLE] = 100
    half = crops.copy()
    half[:, :11] = np.nan
    expected = np.median(measure_prominence(crops))
    assert np.median(measure_prominence(half)) == pytest.approx(expected, rel=0.05)


def test_without_a_middle_or_a_border_nobody_knows():
    crops = noise(3)
    crops[0, MIDDLE, MIDDLE] = np.nan
    crops[1, [0, -1]] = crops[1, :, [0, -1]] = np.inf
    assert np.isnan(measure_prominence(crops)).tolist() == [True, True, False]


def test_without_noise_anything_stands_out():
    crops = np.zeros((2, SIDE, SIDE), np.float32)
    crops[0, 10, 10] = 1
    assert measure_prominence(crops).tolist()[0] == np.inf
