import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.ndimage import gaussian_filter
from skimage.morphology import reconstruction

from realbogus.errors import ConfigError
from realbogus.normalisation import (
    ALIASES,
    NORMALISATIONS,
    background_subtracted_log,
    canonical_name,
    normalise,
    sign_preserving_log,
)

ANY_STAMPS = arrays(
    np.float32, st.tuples(st.integers(0, 3), st.integers(1, 6), st.integers(1, 6)), elements={}
)


def random_stamps(n=4, side=20):
    return np.random.default_rng(1).normal(0, 30, (n, side, side)).astype(np.float32)


@pytest.mark.parametrize("name", NORMALISATIONS)
@given(stamps=ANY_STAMPS)
def test_the_result_is_finite_for_every_input(name, stamps):
    before = stamps.copy()
    result = normalise(stamps, name)
    assert result.shape == stamps.shape
    assert result.dtype == np.float32
    assert np.isfinite(result).all()
    assert np.array_equal(stamps, before, equal_nan=True)


@given(stamps=arrays(np.float64, (2, 5, 5), elements={}))
def test_doubles_up_to_their_limit_stay_finite(stamps):
    assert all(np.isfinite(normalise(stamps, name)).all() for name in NORMALISATIONS)


def test_the_log_is_the_formula_of_the_documentation():
    stamp = random_stamps(1)
    sigma = stamp.astype(np.float64).std()
    expected = [
        math.copysign(math.log(1 + abs(float(pixel)) / sigma), pixel) for pixel in stamp.flat
    ]
    assert sign_preserving_log(stamp).ravel() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("share", [1e-12, 1e-7, 1e-4, 1e-2])
def test_pixels_far_below_sigma_keep_their_precision(share):
    stamp = random_stamps(1)
    stamp[0, 10, 10:12] = 1, -1
    stamp[0, 10, 10:12] *= share * stamp.astype(np.float64).std()
    expected = math.log1p(share)
    result = sign_preserving_log(stamp)[0, 10, 10:12]
    assert result == pytest.approx([expected, -expected], rel=1e-3)


def test_sigma_is_of_the_unmasked_pixels_and_masked_ones_become_zero():
    stamp = random_stamps(1)
    stamp[0, :5] = np.nan
    sigma = np.nanstd(stamp.astype(np.float64))
    result = sign_preserving_log(stamp)
    assert (result[0, :5] == 0).all()
    assert result[0, 10, 10] == pytest.approx(
        math.copysign(math.log1p(abs(float(stamp[0, 10, 10])) / sigma), stamp[0, 10, 10]), rel=1e-5
    )


def test_one_infinite_pixel_does_not_wipe_out_a_stamp():
    stamp = random_stamps(1)
    masked = stamp.copy()
    stamp[0, 3, 4], masked[0, 3, 4] = np.inf, np.nan
    for name in NORMALISATIONS:
        assert np.array_equal(normalise(stamp, name), normalise(masked, name))
    assert (sign_preserving_log(stamp) != 0).sum() == 399


def test_each_stamp_has_its_own_sigma():
    stamps = random_stamps()
    alone = np.concatenate([sign_preserving_log(stamp[np.newaxis]) for stamp in stamps])
    stamps[1] *= 1000
    together = sign_preserving_log(stamps)
    assert np.array_equal(together[[0, 2, 3]], alone[[0, 2, 3]])
    assert together[1] == pytest.approx(alone[1], rel=1e-4)


@pytest.mark.parametrize("name", ["signPreserveNorm", "bg_sub_signPreserveNorm"])
@pytest.mark.parametrize("value", [0, 7, -31415, 0.1, 3e38, np.nan, np.inf])
def test_a_stamp_without_variation_becomes_zero(name, value):
    assert not normalise(np.full((1, 9, 9), value, np.float32), name).any()


def test_zero_pixels_stay_zero():
    stamp = random_stamps(1)
    stamp[0, 2, 2] = 0
    assert sign_preserving_log(stamp)[0, 2, 2] == 0


def test_the_background_is_the_reconstruction_from_the_border():
    stamps = random_stamps(2)
    expected = []
    for stamp in sign_preserving_log(stamps):
        blurred = gaussian_filter(stamp, 1.0)
        seed = blurred.copy()
        seed[1:-1, 1:-1] = blurred.min()
        expected.append(blurred - reconstruction(seed, blurred, method="dilation"))
    assert background_subtracted_log(stamps) == pytest.approx(np.array(expected), abs=1e-5)


def test_the_background_does_not_blur_one_stamp_into_the_next():
    stamps = random_stamps(3)
    alone = background_subtracted_log(stamps[1:2])
    assert np.array_equal(background_subtracted_log(stamps)[1:2], alone)


def test_no_normalisation_keeps_the_pixels():
    stamps = random_stamps()
    assert np.array_equal(normalise(stamps, "noNorm"), stamps)


@pytest.mark.parametrize(("alias", "name"), ALIASES.items())
def test_an_alias_is_the_same_function(alias, name):
    assert canonical_name(alias) == canonical_name(name) == name
    assert np.array_equal(normalise(random_stamps(), alias), normalise(random_stamps(), name))


def test_an_unknown_name_is_told_the_known_ones():
    allowed = "noNorm, signPreserveNorm, bg_sub_signPreserveNorm, spn, bg_sub_spn"
    with pytest.raises(ConfigError, match=rf"one of {allowed}; got 'log'"):
        normalise(random_stamps(), "log")
