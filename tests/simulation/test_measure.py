"""PSF fits to many detections."""

import numpy as np
import pytest

from realbogus.simulation.measure import fit_detections
from realbogus.simulation.psf import Psf, grid

PSF = Psf(2.4, 2.0, 20.0)


def _fit(pixels: np.ndarray, masked: np.ndarray, column: float, row: float):
    return fit_detections(
        pixels.astype(np.float32),
        masked,
        np.array([column]),
        np.array([row]),
        psf=PSF,
        sigma=np.array([1.0]),
        gain=1.9,
    )


def _source(x: float, y: float, flux: float) -> np.ndarray:
    dx, dy = grid(20, x - 20, y - 20)
    return flux * PSF(dx, dy)


@pytest.mark.parametrize("flux", [500.0, -500.0])
def test_fit_finds_place_flux_and_sign(flux: float) -> None:
    fits = _fit(_source(18.3, 22.6, flux), np.zeros((41, 41), bool), 18.0, 23.0)
    assert fits.column[0] == pytest.approx(18.3, abs=0.05)
    assert fits.row[0] == pytest.approx(22.6, abs=0.05)
    assert fits.flux[0] == pytest.approx(flux, rel=0.02)
    assert fits.snr[0] * flux > 0


def test_chi_squared_is_one_for_noise_and_large_for_another_shape(
    rng: np.random.Generator,
) -> None:
    noise = rng.normal(0.0, 1.0, (41, 41))
    clean = _fit(_source(20, 20, 100.0) + noise, np.zeros((41, 41), bool), 20.0, 20.0)
    spike = noise.copy()
    spike[20, 20] += 60.0
    assert clean.chin[0] == pytest.approx(1.0, abs=0.4)
    assert _fit(spike, np.zeros((41, 41), bool), 20.0, 20.0).chin[0] > 3.0


def test_masked_middle_and_places_outside_are_not_usable() -> None:
    masked = np.zeros((41, 41), bool)
    masked[20, 20] = True
    assert not _fit(_source(20, 20, 100.0), masked, 20.0, 20.0).usable[0]
    assert not _fit(_source(20, 20, 100.0), masked, 60.0, 20.0).usable[0]
    assert _fit(_source(20, 20, 100.0), masked, 15.0, 20.0).usable[0]
