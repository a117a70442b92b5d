"""Pan-STARRS difference stamps: 300 x 300 px around one source, float32, masked pixels NaN."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from realbogus.fitsfiles import write_packed
from realbogus.simulation.artefacts import ARTEFACTS
from realbogus.simulation.defects import draw_defects
from realbogus.simulation.drawing import Brush, Canvas
from realbogus.simulation.plan import generator
from realbogus.simulation.promoted import mjd_to_datetime
from realbogus.simulation.psf import Psf
from realbogus.simulation.sky import draw_sky_noise, fill_with_noise
from realbogus.simulation.sources import SOURCES

__all__ = ["STAMP_SIZE", "StampJob", "make_stamp", "write_stamp"]

STAMP_SIZE = 300
_MIDDLE = STAMP_SIZE / 2.0 - 0.5
_SCALE = 0.25
_GAIN = 1.0
_DRAWINGS = {**SOURCES, **ARTEFACTS}


@dataclass(frozen=True)
class StampJob:
    """One stamp to make.

    Parameters
    ----------
    path : Path
        The file.
    kind : str
        What is in the middle.
    depth : float
        Its magnitude relative to the 5-sigma limit.
    ra, dec : float
        Of the middle, degrees.
    mjd : float
        Of the exposure.
    band : str
        The filter.
    seed : int
        Of the survey.
    """

    path: Path
    kind: str
    depth: float
    ra: float
    dec: float
    mjd: float
    band: str
    seed: int


def write_stamp(job: StampJob) -> Path:
    """Make a stamp and write it Rice-packed in HDU 1; give its path."""
    rng = generator(job.seed, job.path.stem)
    write_packed(job.path, make_stamp(job.kind, job.depth, rng), _cards(job))
    return job.path


def make_stamp(kind: str, depth: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Make the pixels of a stamp, of shape ``(300, 300)``.

    Parameters
    ----------
    kind : str
        A key of ``SOURCES`` or ``ARTEFACTS``.
    depth : float
        Magnitude relative to the 5-sigma limit.
    rng : numpy.random.Generator
        Source of randomness.
    """
    size = (STAMP_SIZE, STAMP_SIZE)
    noise = draw_sky_noise(size, rng)
    psf = _draw_psf(rng)
    pixels = fill_with_noise(noise, rng)
    canvas = Canvas(pixels, np.zeros(size, dtype=np.bool_))
    draw_defects(canvas, psf, noise.sigma, rng, borders=False)
    if rng.uniform() < 0.3:
        _mask_cell_gap(canvas, rng)
    dx, dy = (float(v) for v in rng.normal(0.0, 0.3, 2))
    column, row = round(_MIDDLE + dx), round(_MIDDLE + dy)
    flux = 5.0 * noise.sigma * np.sqrt(psf.noise_area) * 10.0 ** (-0.4 * depth)
    place = (_MIDDLE + dx - column, _MIDDLE + dy - row)
    brush = Brush(psf, float(flux), noise.sigma, *place, gain=_GAIN)
    canvas.paste(_DRAWINGS[kind](brush, rng), column, row)
    canvas.pixels[canvas.masked] = np.nan
    return canvas.pixels


def _draw_psf(rng: np.random.Generator) -> Psf:
    """Draw a PSF of 1.0 to 1.4 arcsec."""
    major = float(rng.uniform(1.0, 1.4)) / _SCALE
    return Psf(major, major * float(rng.uniform(0.85, 1.0)), float(rng.uniform(0.0, 180.0)))


def _mask_cell_gap(canvas: Canvas, rng: np.random.Generator) -> None:
    """Mask the gap between two cells of the detector, away from the middle."""
    start, width = int(rng.integers(0, 100)), int(rng.integers(8, 25))
    view = np.rot90(canvas.masked, int(rng.integers(4)))
    view[start : start + width] = True


def _cards(job: StampJob) -> dict[str, object]:
    step = _SCALE / 3600.0
    return {
        "FILTER": job.band,
        "EXPTIME": 45.0,
        "DATE-OBS": mjd_to_datetime(job.mjd).isoformat(),
        "MJD-OBS": job.mjd,
        "CTYPE1": "RA---TAN",
        "CTYPE2": "DEC--TAN",
        "CRVAL1": job.ra,
        "CRVAL2": job.dec,
        "CRPIX1": _MIDDLE + 1.0,
        "CRPIX2": _MIDDLE + 1.0,
        "CDELT1": -step,
        "CDELT2": step,
        "RADESYS": "FK5",
    }
