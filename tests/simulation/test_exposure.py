import numpy as np
import pytest

from realbogus.simulation.exposure import draw_conditions
from realbogus.simulation.pointing import ATLAS_SCALE


def test_smaller_pixels_have_a_wider_psf_and_less_of_the_sky() -> None:
    coarse, fine = (
        draw_conditions((64, 64), np.random.default_rng(3), scale=scale)
        for scale in (ATLAS_SCALE, ATLAS_SCALE / 2)
    )
    assert fine.psf.centre.fwhm == pytest.approx(2 * coarse.psf.centre.fwhm)
    assert fine.noise.sigma == pytest.approx(coarse.noise.sigma / 2)
    np.testing.assert_allclose(fine.noise.offsets, coarse.noise.offsets / 2, rtol=1e-6)
    # A source's flux at the limit is the same: the same light on more pixels of less noise.
    assert fine.flux(0.0) == pytest.approx(coarse.flux(0.0), rel=1e-6)
