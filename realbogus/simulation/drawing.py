"""Small drawings on a difference image: what every source and artefact is made of."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from realbogus.simulation.psf import Psf, grid

__all__ = [
    "Brush",
    "Canvas",
    "Drawing",
    "half_size",
    "peak",
    "photon_noise",
    "scaled_to",
]

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]

_FWHM_TO_SIGMA = 1.0 / 2.3548
_BRIGHTEST_STAR = 4.0e5


@dataclass(frozen=True)
class Brush:
    """What a drawing has to know of its place on the sky.

    Parameters
    ----------
    psf : Psf
        At this place.
    flux : float
        That the survey's PSF fit shall find, ADU; positive.
    sigma : float
        Noise of the sky here, ADU.
    dx, dy : float
        Position in the middle pixel, -0.5 to 0.5 px from its centre.
    gain : float
        Electrons per ADU.
    lean : tuple of float
        The registration error here, px along x and y.
    """

    psf: Psf
    flux: float
    sigma: float
    dx: float = 0.0
    dy: float = 0.0
    gain: float = 1.9
    lean: tuple[float, float] = (0.0, 0.0)

    @property
    def snr(self) -> float:
        """Signal to noise of a point source of this flux."""
        return self.flux / (self.sigma * float(np.sqrt(self.psf.noise_area)))


@dataclass(frozen=True)
class Drawing:
    """A box of pixels to add to the image.

    Parameters
    ----------
    pixels : ndarray
        Of shape ``(2 * half + 1, 2 * half + 1)``, ADU, ``[y, x]``.
    masked : ndarray of bool or None
        Pixels of the same box that carry no data.
    """

    pixels: Floats
    masked: Mask | None = None

    @property
    def half(self) -> int:
        """Pixels on each side of the middle one."""
        return int(self.pixels.shape[0]) // 2


DrawingFunction = Callable[[Brush, np.random.Generator], Drawing]


@dataclass(frozen=True)
class Canvas:
    """The image being made.

    Parameters
    ----------
    pixels : ndarray
        Of shape ``(ny, nx)``, ADU; float32; changed in place.
    masked : ndarray of bool
        Of the same shape; changed in place.
    """

    pixels: Floats
    masked: Mask

    def paste(self, drawing: Drawing, column: int, row: int, sign: int = 1) -> None:
        """Add a drawing with its middle at ``pixels[row, column]``, cut at the image's edge."""
        inside, outside = self._overlap(drawing.half, column, row)
        if sign > 0:
            self.pixels[outside] += drawing.pixels[inside]
        else:
            self.pixels[outside] -= drawing.pixels[inside]
        if drawing.masked is not None:
            self.masked[outside] |= drawing.masked[inside]

    def _overlap(
        self, half: int, column: int, row: int
    ) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
        ny, nx = self.pixels.shape
        bottom, top = max(row - half, 0), min(row + half + 1, ny)
        left, right = max(column - half, 0), min(column + half + 1, nx)
        y0, x0 = row - half, column - half
        inside = (slice(bottom - y0, max(top - y0, 0)), slice(left - x0, max(right - x0, 0)))
        return inside, (slice(bottom, max(top, bottom)), slice(left, max(right, left)))


def half_size(psf: Psf, widths: float = 4.0) -> int:
    """Give the half size of a box that holds a PSF out to ``widths`` FWHM."""
    return int(np.ceil(widths * max(psf.major, psf.minor)))


def peak(pixels: Floats, psf: Psf, radius: float) -> tuple[float, int, int]:
    """Find the brightest place near the middle as a matched filter sees it.

    Parameters
    ----------
    pixels : ndarray
        A square box, ADU.
    psf : Psf
        The filter's shape, taken as a round Gaussian.
    radius : float
        How far from the middle to look, px.

    Returns
    -------
    flux : float
        Of the PSF that fits there, ADU: 4 pi sigma^2 times the smoothed peak.
    dx, dy : int
        From the middle pixel.
    """
    half = pixels.shape[0] // 2
    sigma = psf.fwhm * _FWHM_TO_SIGMA
    reach = min(half, int(np.ceil(radius + 3.0 * sigma)))
    near = pixels[half - reach : half + reach + 1, half - reach : half + reach + 1]
    smooth = gaussian_filter(near, sigma, mode="constant", truncate=3.0)
    dx, dy = grid(reach)
    far = dx * dx + dy * dy > radius * radius
    smooth[far] = -np.inf
    row, column = divmod(int(np.argmax(smooth)), smooth.shape[1])
    return float(4.0 * np.pi * sigma**2 * smooth[row, column]), column - reach, row - reach


def scaled_to(pixels: Floats, brush: Brush, radius: float = 4.0) -> tuple[Floats, float]:
    """Scale a drawing so that the survey's PSF fit finds the flux that the brush asks for.

    Returns
    -------
    pixels : ndarray
        Scaled.
    factor : float
        By how much; at most the flux of the brightest star if the drawing was of unit flux.
    """
    found = peak(pixels, brush.psf, radius)[0]
    factor = min(brush.flux / max(found, 1e-9), _BRIGHTEST_STAR)
    return pixels * np.float32(factor), factor


def photon_noise(light: Floats, gain: float, rng: np.random.Generator) -> Floats:
    """Give the shot noise of ``light`` (ADU per pixel, its sign ignored), in the normal limit."""
    noise: Floats = rng.standard_normal(light.shape, dtype=np.float32)
    noise *= np.sqrt(np.abs(light) / np.float32(gain))
    return noise
