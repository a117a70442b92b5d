"""The noise of a difference image: correlated by resampling, and uneven over the field."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["SkyNoise", "draw_sky_noise", "fill_with_noise"]

Floats = NDArray[np.float32]

_ROWS = 128
_AMPLIFIERS = 8
# Better interpolants than the linear one have negative lobes: neighbours may be anticorrelated.
_OVERSHOOT = 1.3


@dataclass(frozen=True)
class SkyNoise:
    """The noise model of one exposure.

    The science image's noise is white. The template's is too, until it is resampled to the
    science grid: interpolation between neighbours with a shift that drifts over the field
    (the two grids beat against each other), so neighbouring pixels share noise.

    Parameters
    ----------
    rows, columns : ndarray
        Relative noise along y ``(2, ny)`` and x ``(2, nx)``: the two readout sides of the chip.
    sigma : float
        Noise in the middle of the field, ADU.
    template : float
        Share of the variance that comes from the template, 0 to 1.
    beat : tuple of float
        Drift of the fractional shift, px per px, along x and y.
    phase : tuple of float
        Fractional shift at the first pixel.
    offsets : ndarray
        Background left over in each amplifier, ADU, of shape ``(2, nx)``.
    """

    rows: Floats
    columns: Floats
    sigma: float
    template: float
    beat: tuple[float, float]
    phase: tuple[float, float]
    offsets: Floats

    @property
    def size(self) -> tuple[int, int]:
        """``(ny, nx)`` of the image."""
        return self.rows.shape[1], self.columns.shape[1]

    def at(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
        """Give the expected noise at array positions ``x, y``, ADU."""
        ny, nx = self.size
        column = np.clip(np.rint(x).astype(int), 0, nx - 1)
        row = np.clip(np.rint(y).astype(int), 0, ny - 1)
        side = (row >= ny // 2).astype(int)
        white, shared = np.sqrt(1.0 - self.template), np.sqrt(self.template)
        smooth = _kept(self._shift(0)[column]) * _kept(self._shift(1)[row])
        level = self.sigma * self.rows[side, row] * self.columns[side, column]
        return np.asarray(level * np.sqrt(white**2 + shared**2 * smooth), dtype=np.float64)

    def _shift(self, axis: int) -> Floats:
        length = self.size[1 - axis]
        steps = np.arange(length) * self.beat[axis] + self.phase[axis]
        return np.asarray((steps % 1.0 - 0.5) * _OVERSHOOT + 0.5, dtype=np.float32)


def _kept(shift: Floats) -> Floats:
    """Give the share of the variance that linear interpolation by ``shift`` keeps."""
    return (1.0 - shift) ** 2 + shift**2


def draw_sky_noise(size: tuple[int, int], rng: np.random.Generator) -> SkyNoise:
    """Draw the noise model of one exposure.

    Parameters
    ----------
    size : tuple of int
        ``(ny, nx)`` of the image.
    rng : numpy.random.Generator
        Source of randomness.
    """
    ny, nx = size
    amplifiers = np.minimum(np.arange(nx) * _AMPLIFIERS // nx, _AMPLIFIERS - 1)
    gains = rng.normal(1.0, 0.03, (2, _AMPLIFIERS))[:, amplifiers]
    sigma = 29.0 * float(np.exp(rng.normal(0.0, 0.15)))
    offsets = rng.normal(0.0, 0.06 * sigma, (2, _AMPLIFIERS))[:, amplifiers]
    return SkyNoise(
        rows=np.repeat(_vignetting(ny), 2, axis=0),
        columns=(gains * _vignetting(nx)).astype(np.float32),
        sigma=sigma,
        template=float(rng.uniform(0.2, 0.6)),
        beat=(float(rng.normal(0.0, 0.004)), float(rng.normal(0.0, 0.004))),
        phase=(float(rng.uniform()), float(rng.uniform())),
        offsets=offsets.astype(np.float32),
    )


def _vignetting(length: int) -> Floats:
    """Give the relative sky noise along one axis: 6% less light at the edge, of shape (1, n)."""
    u = np.linspace(-1.0, 1.0, length, dtype=np.float32)
    return (1.0 - np.float32(0.06) * u**2)[np.newaxis, :]


def fill_with_noise(noise: SkyNoise, rng: np.random.Generator) -> Floats:
    """Make a blank difference image, in blocks of rows that fit the processor's cache.

    Parameters
    ----------
    noise : SkyNoise
        The model.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    ndarray
        Of shape ``(ny, nx)``, ADU; float32.
    """
    ny, nx = noise.size
    image = np.empty((ny, nx), dtype=np.float32)
    shift_x, shift_y = noise._shift(0), noise._shift(1)[:, np.newaxis]
    white, shared = np.sqrt(1.0 - noise.template), np.sqrt(noise.template)
    for start in range(0, ny, _ROWS):
        rows = slice(start, min(start + _ROWS, ny))
        block = image[rows]
        rng.standard_normal(out=block, dtype=np.float32)
        template = rng.standard_normal((block.shape[0] + 1, nx + 1), dtype=np.float32)
        template = _interpolate(template, shift_x, shift_y[rows])
        block *= np.float32(white * noise.sigma)
        template *= np.float32(shared * noise.sigma)
        block += template
        side = np.arange(ny)[rows] >= ny // 2
        for half in (0, 1):
            inside = side == half
            block[inside] *= noise.columns[half]
            block[inside] *= noise.rows[half, rows][inside, np.newaxis]
            block[inside] += noise.offsets[half]
    return image


def _interpolate(values: Floats, shift_x: Floats, shift_y: Floats) -> Floats:
    """Resample an ``(ny + 1, nx + 1)`` array by fractions of a pixel, to ``(ny, nx)``."""
    across: Floats = values[:, 1:] - values[:, :-1]
    across *= shift_x
    across += values[:, :-1]
    down: Floats = across[1:] - across[:-1]
    down *= shift_y
    down += across[:-1]
    return down
