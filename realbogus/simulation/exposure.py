"""One exposure: the conditions of the night, the image, and the detections found in it."""

from dataclasses import dataclass, replace
from math import floor

import numpy as np
from numpy.typing import NDArray

from realbogus.simulation.artefacts import ARTEFACTS
from realbogus.simulation.defects import draw_defects
from realbogus.simulation.drawing import Brush, Canvas, peak
from realbogus.simulation.measure import Fits, fit_detections
from realbogus.simulation.pointing import ATLAS_SCALE
from realbogus.simulation.population import Item
from realbogus.simulation.psf import PsfField, draw_psf_field
from realbogus.simulation.sky import SkyNoise, draw_sky_noise, fill_with_noise
from realbogus.simulation.sources import SOURCES

__all__ = ["MASK_VALUE", "Conditions", "Exposure", "draw_conditions", "make_exposure"]

MASK_VALUE = -31415
_GAIN = 1.9
_DRAWINGS = {**SOURCES, **ARTEFACTS}
_LARGEST_DMAG = 0.2


@dataclass(frozen=True)
class Conditions:
    """Seeing, depth and optics of one exposure.

    Parameters
    ----------
    psf : PsfField
        Over the field.
    noise : SkyNoise
        Over the field.
    zero_point : float
        Magnitude of 1 ADU/s.
    texp : float
        Exposure time, s.
    lean : ndarray
        Registration error at the corners of the field, px, of shape ``(2, 2, 2)``:
        ``[axis, row, column]``.
    """

    psf: PsfField
    noise: SkyNoise
    zero_point: float
    texp: float
    lean: NDArray[np.float64]

    @property
    def limit(self) -> float:
        """Magnitude of a 5-sigma source in the middle of the field."""
        flux = 5.0 * self.noise.sigma * np.sqrt(self.psf.centre.noise_area)
        return float(self.magnitude(flux))

    def magnitude(self, flux: float | NDArray[np.float64]) -> NDArray[np.float64]:
        """Turn ADU into magnitudes."""
        rate = np.maximum(np.abs(flux), 1e-3) / self.texp
        return np.asarray(self.zero_point - 2.5 * np.log10(rate))

    def flux(self, depth: float) -> float:
        """Turn a magnitude relative to the limit into ADU."""
        zero = self.zero_point + 2.5 * np.log10(self.texp)
        return float(10.0 ** (-0.4 * (self.limit + depth - zero)))

    def registration(self, column: float, row: float) -> tuple[float, float]:
        """Give the registration error at a place, px, bilinear between the corners."""
        ny, nx = self.noise.size
        u, v = column / nx, row / ny
        along = np.array([1.0 - u, u])
        down = np.array([1.0 - v, v])
        return float(down @ self.lean[0] @ along), float(down @ self.lean[1] @ along)


@dataclass(frozen=True)
class Exposure:
    """An image and what the survey found in it.

    Parameters
    ----------
    pixels : ndarray
        Of shape ``(ny, nx)``, int16, ADU; masked pixels at ``MASK_VALUE``.
    items : list of Item
        What was found, in order.
    fits : Fits
        The PSF fits to them, in the same order.
    """

    pixels: NDArray[np.int16]
    items: list[Item]
    fits: Fits


def draw_conditions(
    size: tuple[int, int], rng: np.random.Generator, *, scale: float = ATLAS_SCALE
) -> Conditions:
    """Draw the conditions of one exposure of ``size`` ``(ny, nx)``.

    Seeing and sky are those of the first four cameras, in arcsec: pixels of another ``scale``,
    arcsec, have a wider or narrower PSF, and more or less of the sky's light and so of its noise.
    """
    psf, noise, wide = draw_psf_field(size, rng), draw_sky_noise(size, rng), scale / ATLAS_SCALE
    return Conditions(
        psf=replace(psf, centre=psf.centre.scaled(1 / wide)),
        noise=replace(noise, sigma=noise.sigma * wide, offsets=noise.offsets * np.float32(wide)),
        zero_point=float(rng.normal(22.45, 0.12)),
        texp=30.0,
        lean=rng.normal(0.0, 0.15, (2, 2, 2)),
    )


def make_exposure(conditions: Conditions, items: list[Item], rng: np.random.Generator) -> Exposure:
    """Make the image, draw the items on it, and keep those that a 5-sigma search finds.

    Parameters
    ----------
    conditions : Conditions
        Of the exposure.
    items : list of Item
        What is on the sky.
    rng : numpy.random.Generator
        Source of randomness.
    """
    pixels = fill_with_noise(conditions.noise, rng)
    canvas = Canvas(pixels, np.zeros(pixels.shape, dtype=np.bool_))
    draw_defects(canvas, conditions.psf.centre, conditions.noise.sigma, rng)
    places = np.array([_draw(canvas, item, conditions, rng) for item in items]).reshape(-1, 2)
    fits = _fit(canvas, places, conditions)
    found = _found(fits, items)
    return Exposure(
        _to_integers(canvas),
        [items[i] for i in np.flatnonzero(found)],
        Fits(*(values[found] for values in vars(fits).values())),
    )


def _draw(
    canvas: Canvas, item: Item, conditions: Conditions, rng: np.random.Generator
) -> tuple[float, float]:
    """Draw one item, and give the place where a search would find it."""
    column, row = floor(item.column + 0.5), floor(item.row + 0.5)
    brush = Brush(
        conditions.psf.at(item.column, item.row),
        conditions.flux(item.depth),
        conditions.noise.sigma,
        item.column - column,
        item.row - row,
        _GAIN,
        conditions.registration(item.column, item.row),
    )
    drawing = _DRAWINGS[item.kind](brush, rng)
    canvas.paste(drawing, column, row, item.sign)
    if item.kind in SOURCES:
        return item.column, item.row
    dx, dy = peak(drawing.pixels, brush.psf, 6.0)[1:]
    return float(column + dx), float(row + dy)


def _fit(canvas: Canvas, places: NDArray[np.float64], conditions: Conditions) -> Fits:
    column, row = places.T
    return fit_detections(
        canvas.pixels,
        canvas.masked,
        column,
        row,
        psf=conditions.psf.centre,
        sigma=conditions.noise.at(column, row),
        gain=_GAIN,
    )


def _found(fits: Fits, items: list[Item]) -> NDArray[np.bool_]:
    signs = np.array([item.sign for item in items])
    return fits.usable & (signs * fits.snr > 1.0857 / _LARGEST_DMAG)


def _to_integers(canvas: Canvas) -> NDArray[np.int16]:
    """Round to int16 and put the mask value in; done in place to save memory."""
    np.rint(canvas.pixels, out=canvas.pixels)
    np.clip(canvas.pixels, MASK_VALUE + 1, 32767, out=canvas.pixels)
    integers = canvas.pixels.astype(np.int16)
    integers[canvas.masked] = MASK_VALUE
    return integers
