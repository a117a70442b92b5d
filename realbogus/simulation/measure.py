"""PSF fits to many detections at once: the columns that the survey's own photometry makes."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from realbogus.simulation.psf import Psf

__all__ = ["Fits", "fit_detections"]

Array = NDArray[np.float64]

_HALF = 4
_STEPS = 3
_LARGEST_STEP = 0.5
_LARGEST_MOVE = 1.2
# The survey's errors allow for a PSF that is known to this share of its height.
_PSF_ERROR = 0.1


@dataclass(frozen=True)
class Fits:
    """The result of the fits; every array is of shape ``(n,)``.

    Parameters
    ----------
    column, row : ndarray
        Positions in the array, pixel centres at integers.
    flux, noise : ndarray
        Of the source and of its background's part of the error, ADU.
    chin : ndarray
        Chi squared over the number of pixels.
    usable : ndarray of bool
        Whether the middle of the fit is unmasked and inside the image.
    """

    column: Array
    row: Array
    flux: Array
    noise: Array
    chin: Array
    usable: NDArray[np.bool_]

    @property
    def snr(self) -> Array:
        """Signal to noise, negative for a negative source."""
        return self.flux / self.noise


def fit_detections(
    pixels: NDArray[np.float32],
    masked: NDArray[np.bool_],
    column: Array,
    row: Array,
    *,
    psf: Psf,
    sigma: Array,
    gain: float,
) -> Fits:
    """Fit the PSF at each place, moving it to where it fits best.

    Parameters
    ----------
    pixels : ndarray
        Of shape ``(ny, nx)``, ADU.
    masked : ndarray of bool
        Of the same shape.
    column, row : ndarray
        First guesses of shape ``(n,)``, array positions.
    psf : Psf
        One for the whole exposure, as the survey's fit uses.
    sigma : ndarray
        Noise at each place, ADU, of shape ``(n,)``.
    gain : float
        Electrons per ADU.
    """
    middle_x, middle_y = np.rint(column).astype(int), np.rint(row).astype(int)
    data, good = _boxes(pixels, masked, middle_x, middle_y)
    dx, dy = column - middle_x, row - middle_y
    start_x, start_y = dx.copy(), dy.copy()
    for _ in range(_STEPS):
        flux, step_x, step_y = _newton_step(data, good, psf, dx, dy)
        dx = np.clip(dx + step_x, start_x - _LARGEST_MOVE, start_x + _LARGEST_MOVE)
        dy = np.clip(dy + step_y, start_y - _LARGEST_MOVE, start_y + _LARGEST_MOVE)
    model = _model(psf, dx, dy) * good
    power = np.maximum((model * model).sum((1, 2)), 1e-6)
    flux = (model * data).sum((1, 2)) / power
    light = np.abs(flux)[:, None, None] * model
    variance = sigma[:, None, None] ** 2 + np.abs(light) / gain + (_PSF_ERROR * light) ** 2
    residue = (data - flux[:, None, None] * model) * good
    chin = (residue**2 / variance).sum((1, 2)) / np.maximum(good.sum((1, 2)) - 3, 1)
    usable = good[:, _HALF, _HALF]
    return Fits(middle_x + dx, middle_y + dy, flux, sigma / np.sqrt(power), chin, usable)


def _boxes(
    pixels: NDArray[np.float32],
    masked: NDArray[np.bool_],
    middle_x: NDArray[np.int_],
    middle_y: NDArray[np.int_],
) -> tuple[Array, NDArray[np.bool_]]:
    """Gather boxes of shape ``(n, 9, 9)`` and which of their pixels carry data."""
    steps = np.arange(-_HALF, _HALF + 1)
    x = middle_x[:, None, None] + steps[None, None, :]
    y = middle_y[:, None, None] + steps[None, :, None]
    ny, nx = pixels.shape
    inside = (x >= 0) & (x < nx) & (y >= 0) & (y < ny)
    x, y = np.clip(x, 0, nx - 1), np.clip(y, 0, ny - 1)
    good = inside & ~masked[y, x]
    return np.where(good, pixels[y, x], 0.0).astype(np.float64), good


def _model(psf: Psf, dx: Array, dy: Array) -> Array:
    steps = np.arange(-_HALF, _HALF + 1)
    x = (steps[None, None, :] - dx[:, None, None]).astype(np.float32)
    y = (steps[None, :, None] - dy[:, None, None]).astype(np.float32)
    return np.asarray(psf(x, y), dtype=np.float64)


def _newton_step(
    data: Array, good: NDArray[np.bool_], psf: Psf, dx: Array, dy: Array
) -> tuple[Array, Array, Array]:
    """Give the flux, and the bounded step of each position towards the best fit."""
    h = 0.1
    model = _model(psf, dx, dy) * good
    slope_x = (_model(psf, dx + h, dy) - _model(psf, dx - h, dy)) * good / (2.0 * h)
    slope_y = (_model(psf, dx, dy + h) - _model(psf, dx, dy - h)) * good / (2.0 * h)
    flux = (model * data).sum((1, 2)) / np.maximum((model**2).sum((1, 2)), 1e-6)
    residue = data - flux[:, None, None] * model
    steps = [
        np.clip(
            (slope * residue).sum((1, 2))
            / np.where(np.abs(flux) < 1e-3, 1e-3, flux)
            / np.maximum((slope**2).sum((1, 2)), 1e-9),
            -_LARGEST_STEP,
            _LARGEST_STEP,
        )
        for slope in (slope_x, slope_y)
    ]
    return flux, steps[0], steps[1]
