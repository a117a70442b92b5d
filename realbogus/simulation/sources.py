"""Real sources: asteroids trailed by their motion, and supernovae on their host galaxies."""

import numpy as np
from numpy.typing import NDArray

from realbogus.simulation.drawing import Brush, Drawing, DrawingFunction, half_size, photon_noise
from realbogus.simulation.psf import grid

__all__ = ["SOURCES", "asteroid", "point_source", "supernova", "trailed"]

Floats = NDArray[np.float32]


def point_source(brush: Brush, rng: np.random.Generator) -> Drawing:
    """Draw an unresolved source at rest."""
    light = np.float32(brush.flux) * brush.psf(*grid(half_size(brush.psf), brush.dx, brush.dy))
    return Drawing(light + photon_noise(light, brush.gain, rng))


def asteroid(brush: Brush, rng: np.random.Generator) -> Drawing:
    """Draw an asteroid: the main belt moves 0.1 to 0.3 px in 30 s, a few near-Earth ones more."""
    fast = rng.uniform() < 0.03
    length = float(rng.uniform(1.5, 5.0) if fast else rng.uniform(0.05, 0.35))
    light = np.float32(brush.flux) * trailed(brush, length, float(rng.uniform(0.0, np.pi)))
    return Drawing(light + photon_noise(light, brush.gain, rng))


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
    if rng.uniform() < 0.4:
        return Drawing(source)
    return Drawing(source + _host_residue(brush, rng))


def _host_residue(brush: Brush, rng: np.random.Generator) -> Floats:
    """Give the misregistered, over- or under-subtracted light of a galaxy near the source."""
    half = half_size(brush.psf)
    galaxy = brush.psf.scaled(float(rng.uniform(1.1, 2.2)))
    flux = brush.flux * float(np.exp(rng.normal(0.5, 0.8)))
    distance, angle = float(rng.exponential(2.0)), float(rng.uniform(0.0, 2.0 * np.pi))
    dx, dy = brush.dx + distance * np.cos(angle), brush.dy + distance * np.sin(angle)
    shift_x, shift_y = rng.normal(0.0, 0.08, 2)
    science = galaxy(*grid(half, dx, dy))
    template = galaxy(*grid(half, dx + float(shift_x), dy + float(shift_y)))
    template *= np.float32(1.0 + rng.normal(0.0, 0.03))
    light = np.float32(flux) * (science - template)
    return light + photon_noise(np.float32(flux) * science, brush.gain, rng)


SOURCES: dict[str, DrawingFunction] = {
    "asteroid": asteroid,
    "supernova": supernova,
    "point_source": point_source,
}
"""Real kinds of source, by name."""
