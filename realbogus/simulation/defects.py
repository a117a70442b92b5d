"""What fills a difference image besides its detections: masked areas and faint residue of stars."""

import numpy as np

from realbogus.simulation.drawing import Brush, Canvas, Drawing
from realbogus.simulation.psf import Psf
from realbogus.simulation.residuals import dipole, ring

__all__ = ["draw_defects"]

_FULL_AREA = 10560.0**2
_FAINT_STARS = 30000
_BRIGHT_STARS = 150
_HOLES = 12
_TEMPLATES = 48


def draw_defects(
    canvas: Canvas, psf: Psf, sigma: float, rng: np.random.Generator, *, borders: bool = True
) -> None:
    """Draw masked borders, holes and bright stars, and the residue of stars below 5 sigma.

    Parameters
    ----------
    canvas : Canvas
        Changed in place.
    psf : Psf
        Typical of the exposure.
    sigma : float
        Its noise, ADU.
    rng : numpy.random.Generator
        Source of randomness.
    borders : bool
        Whether the edge of the canvas is the edge of the detector.
    """
    share = canvas.pixels.size / _FULL_AREA
    _faint_stars(canvas, psf, sigma, int(rng.poisson(_FAINT_STARS * share)), rng)
    if borders:
        _ragged_borders(canvas, rng)
    for _ in range(int(rng.poisson(_HOLES * share))):
        _hole(canvas, rng)
    for _ in range(int(rng.poisson(_BRIGHT_STARS * share))):
        _bright_star(canvas, rng)


def _faint_stars(
    canvas: Canvas, psf: Psf, sigma: float, count: int, rng: np.random.Generator
) -> None:
    limit = 5.0 * sigma * float(np.sqrt(psf.noise_area))
    brush = Brush(psf, limit, sigma, gain=1e6)
    shapes = [(dipole, ring)[i % 2](brush, rng).pixels for i in range(min(_TEMPLATES, count))]
    columns, rows = _places(canvas, count, rng)
    strengths = np.minimum(0.1 + rng.exponential(0.18, count), 0.7) * rng.choice([-1, 1], count)
    for column, row, strength in zip(columns, rows, strengths, strict=True):
        shape = shapes[int(rng.integers(len(shapes)))]
        canvas.paste(Drawing(shape * np.float32(strength)), int(column), int(row))


def _places(
    canvas: Canvas, count: int, rng: np.random.Generator
) -> tuple["np.ndarray[tuple[int], np.dtype[np.int64]]", ...]:
    ny, nx = canvas.pixels.shape
    return rng.integers(0, nx, count), rng.integers(0, ny, count)


def _ragged_borders(canvas: Canvas, rng: np.random.Generator) -> None:
    """Mask a strip of uneven depth, in steps of some pixels, along each edge of the image."""
    for turns in range(4):
        view = np.rot90(canvas.masked, turns)
        step = 8
        depths = np.abs(np.cumsum(rng.normal(0.0, 1.5, view.shape[1] // step + 1))) % 12
        for i, depth in enumerate(depths.astype(int)):
            view[:depth, i * step : (i + 1) * step] = True


def _hole(canvas: Canvas, rng: np.random.Generator) -> None:
    """Mask an area that the template does not cover: overlapping blocks."""
    (column,), (row,) = _places(canvas, 1, rng)
    for _ in range(int(rng.integers(1, 12))):
        width, height = rng.integers(6, 50, 2)
        x, y = (int(v) for v in (column + rng.normal(0, 25), row + rng.normal(0, 25)))
        canvas.masked[max(y, 0) : max(y + height, 0), max(x, 0) : max(x + width, 0)] = True


def _bright_star(canvas: Canvas, rng: np.random.Generator) -> None:
    """Mask the disc of a very bright star and the column into which it bled."""
    (column,), (row,) = _places(canvas, 1, rng)
    radius = int(np.clip(rng.lognormal(2.2, 0.6), 4, 80))
    steps = np.arange(-radius, radius + 1)
    edge = radius + 0.5 * rng.standard_normal((2 * radius + 1, 2 * radius + 1))
    disc = np.hypot(steps[:, np.newaxis], steps[np.newaxis, :]) < edge
    canvas.paste(Drawing(np.zeros(disc.shape, np.float32), disc), int(column), int(row))
    length, width = int(radius * rng.uniform(0.0, 12.0)), max(1, radius // 6)
    canvas.masked[
        max(row - length, 0) : row + length, max(column - width // 2, 0) : column + width // 2 + 1
    ] = True
