"""Real sources: asteroids trailed by their motion, and supernovae on their host galaxies."""

import numpy as np
from numpy.typing import NDArray

from realbogus.simulation.drawing import Brush, Drawing, DrawingFunction, half_size, photon_noise
from realbogus.simulation.psf import grid

__all__ = ["SOURCES", "asteroid", "point_source", "supernova", "trailed"]

Floats = NDArray[np.float32]

_PASSES_A_STAR = 0.2
_NO_HOST = 0.4


def point_source(brush: Brush, rng: np.random.Generator) -> Drawing:
    """Draw an unresolved source at rest."""
    light = np.float32(brush.flux) * brush.psf(*grid(half_size(brush.psf), brush.dx, brush.dy))
    return Drawing(light + photon_noise(light, brush.gain, rng))


def asteroid(brush: Brush, rng: np.random.Generator) -> Drawing:
    """Draw an asteroid: the main belt moves 0.1 to 0.3 px in 30 s, a few near-Earth ones more.

    Now and then it passes a star or a galaxy, whose residue lies beside it.
    """
    fast = rng.uniform() < 0.03
    length = float(rng.uniform(1.5, 5.0) if fast else rng.uniform(0.05, 0.35))
    light = np.float32(brush.flux) * trailed(brush, length, float(rng.uniform(0.0, np.pi)))
    light += photon_noise(light, brush.gain, rng)
    if rng.uniform() < _PASSES_A_STAR:
        residue = _residue(brush, rng, distance=float(rng.uniform(0.8, 3.0)) * brush.psf.fwhm)
        edge = (light.shape[0] - residue.shape[0]) // 2
        light[edge : edge + residue.shape[0], edge : edge + residue.shape[1]] += residue
    return Drawing(light)


def trailed(brush: Brush, length: float, angle: float) -> Floats:
    """Give the light of a source of unit flux that moved ``length`` px at ``angle`` (radians)."""
    half = half_size(brush.psf) + int(np.ceil(length / 2.0))
    steps = np.linspace(-0.5, 0.5, max(2, int(np.ceil(2.0 * length)) + 1)) * length
    places = [(brush.dx + s * np.cos(angle), brush.dy + s * np.sin(angle)) for s in steps]
    light: Floats = np.mean([brush.psf(*grid(half, *place)) for place in places], axis=0)
    return light


def supernova(brush: Brush, rng: np.random.Generator) -> Drawing:
    """Draw a point source with what the subtraction left of its host galaxy."""
    source = point_source(brush, rng).pixels
    if rng.uniform() < _NO_HOST:
        return Drawing(source)
    return Drawing(source + _residue(brush, rng, distance=float(rng.exponential(2.0))))


def _residue(brush: Brush, rng: np.random.Generator, *, distance: float) -> Floats:
    """Give the misregistered, over- or under-subtracted light of something beside the source."""
    half = half_size(brush.psf)
    other = brush.psf.scaled(float(rng.uniform(1.0, 2.0)))
    flux = brush.flux * float(np.exp(rng.normal(0.5, 0.8)))
    angle = float(rng.uniform(0.0, 2.0 * np.pi))
    dx, dy = brush.dx + distance * np.cos(angle), brush.dy + distance * np.sin(angle)
    shift_x, shift_y = rng.normal(0.0, 0.1, 2)
    science = other(*grid(half, dx, dy))
    template = other(*grid(half, dx + float(shift_x), dy + float(shift_y)))
    template *= np.float32(1.0 + rng.normal(0.0, 0.05))
    light = np.float32(flux) * (science - template)
    return light + photon_noise(np.float32(flux) * science, brush.gain, rng)


SOURCES: dict[str, DrawingFunction] = {
    "asteroid": asteroid,
    "supernova": supernova,
    "point_source": point_source,
}
"""Real kinds of source, by name."""
