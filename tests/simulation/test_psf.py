"""The point-spread function."""

import numpy as np
import pytest

from realbogus.simulation.psf import Psf, PsfField, draw_psf_field, grid


@pytest.mark.parametrize("ringing", [0.0, 0.4])
@pytest.mark.parametrize("wings", [0.0, 0.4])
def test_light_adds_up_to_the_flux(wings: float, ringing: float) -> None:
    psf = Psf(2.4, 2.0, 30.0, wings, ringing)
    assert psf(*grid(60, 0.3, -0.2)).sum() == pytest.approx(1.0, abs=0.01)


def test_width_at_half_height_is_the_fwhm_along_each_axis() -> None:
    psf = Psf(6.0, 4.0, angle=90.0, wings=0.3)
    height = psf(np.float32([[0.0]]), np.float32([[0.0]]))[0, 0]
    along = psf(np.float32([[0.0]]), np.float32([[3.0]]))[0, 0]
    across = psf(np.float32([[2.0]]), np.float32([[0.0]]))[0, 0]
    assert along == pytest.approx(height / 2, rel=1e-3)
    assert across == pytest.approx(height / 2, rel=1e-3)


def test_ringing_sharpens_the_core_and_darkens_its_surroundings() -> None:
    plain, ringing = (Psf(2.4, 2.4, ringing=r)(*grid(6)) for r in (0.0, 0.5))
    assert ringing[6, 6] > plain[6, 6]
    assert ringing.min() < 0 <= plain.min()


def test_field_keeps_the_middle_and_changes_the_corner() -> None:
    field = PsfField(Psf(2.4, 2.0), (1000, 1000), tilt=(0.05, 0.0), bowl=0.1, twist=10.0)
    assert field.at(500, 500) == Psf(2.4, 2.0)
    corner = field.at(1000, 1000)
    assert corner.major == pytest.approx(2.4 * 1.15)
    assert corner.angle == pytest.approx(10.0)


def test_median_width_is_that_of_atlas(rng: np.random.Generator) -> None:
    centres = [draw_psf_field((100, 100), rng).centre for _ in range(600)]
    assert np.median([psf.major for psf in centres]) == pytest.approx(2.4, abs=0.12)
    assert np.median([psf.minor for psf in centres]) == pytest.approx(2.0, abs=0.12)
