"""What the subtraction leaves of stars: dipoles, rings, raised noise and masked cores."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from realbogus.simulation.drawing import Brush, Drawing, half_size, peak, photon_noise, scaled_to
from realbogus.simulation.psf import Psf, grid

__all__ = ["dipole", "raised_noise", "ring", "saturated_star", "star_residual", "variable_star"]

Floats = NDArray[np.float32]

_SATURATION = 42105.0


def dipole(brush: Brush, rng: np.random.Generator) -> Drawing:
    """Draw a star that the template has at another place: a white and a black lobe."""
    shift = rng.normal(0.0, 0.35, 2) + np.asarray(brush.lean)
    length = float(np.hypot(*shift)) or 1.0
    shift *= float(np.clip(length, 0.15, 1.6)) / length
    return star_residual(
        brush,
        rng,
        shift=(float(shift[0]), float(shift[1])),
        widen=1.0 + float(rng.normal(0.0, 0.08)),
        excess=float(rng.normal(0.0, 0.06)),
    )


def ring(brush: Brush, rng: np.random.Generator) -> Drawing:
    """Draw a star whose template is broader or narrower: a bright core in a dark ring, or not."""
    broader = rng.uniform() < 0.65
    shift = rng.normal(0.0, 0.12, 2) + 0.3 * np.asarray(brush.lean)
    return star_residual(
        brush,
        rng,
        shift=(float(shift[0]), float(shift[1])),
        widen=float(rng.uniform(1.08, 1.45) if broader else rng.uniform(0.7, 0.93)),
        excess=float(rng.normal(0.0, 0.05)),
    )


def variable_star(brush: Brush, rng: np.random.Generator) -> Drawing:
    """Draw a star that has brightened: nearly a point source, with some misregistration."""
    shift = rng.normal(0.0, 0.06, 2)
    return star_residual(
        brush,
        rng,
        shift=(float(shift[0]), float(shift[1])),
        widen=1.0 + float(rng.normal(0.0, 0.03)),
        excess=float(rng.uniform(0.15, 0.8)),
    )


def star_residual(
    brush: Brush,
    rng: np.random.Generator,
    *,
    shift: tuple[float, float],
    widen: float,
    excess: float,
) -> Drawing:
    """Draw a star minus its template.

    Parameters
    ----------
    brush : Brush
        The place; its flux is what the fit shall find in the residual, not the star's own.
    rng : numpy.random.Generator
        Source of randomness.
    shift : tuple of float
        Of the template, px along x and y.
    widen : float
        Width of the template's PSF over the science image's.
    excess : float
        Relative brightening of the star since the template.
    """
    half = half_size(brush.psf, 5.0)
    science = brush.psf(*grid(half, brush.dx, brush.dy)) * np.float32(1.0 + excess)
    other = _reshaped(brush.psf, widen, rng)
    template = other(*grid(half, brush.dx + shift[0], brush.dy + shift[1]))
    light, star = scaled_to(science - template, brush)
    light = light + photon_noise(np.float32(1.3 * star) * science, brush.gain, rng)
    if star > _SATURATION:
        light = light + _kernel_footprint(half, brush, star, rng)
    return Drawing(light + _nonlinear_core(science, star, rng))


def _reshaped(psf: Psf, widen: float, rng: np.random.Generator) -> Psf:
    """Give the PSF of a template: of another width, elongation and angle."""
    stretch = float(np.exp(rng.normal(0.0, 0.06)))
    turned = psf.angle + float(rng.normal(0.0, 20.0))
    return Psf(psf.major * widen * stretch, psf.minor * widen / stretch, turned, psf.wings)


def _nonlinear_core(science: Floats, star: float, rng: np.random.Generator) -> Floats:
    """Give the random error of pixels near saturation, where the response is not linear."""
    level = np.float32(star) * science
    share = np.clip(level / np.float32(_SATURATION) - 0.3, 0.0, 1.0)
    noise: Floats = rng.standard_normal(science.shape, dtype=np.float32)
    noise *= np.float32(0.12) * level * share
    return noise


def _kernel_footprint(half: int, brush: Brush, star: float, rng: np.random.Generator) -> Floats:
    """Give the square of raised noise that the convolution kernel leaves around a bright star."""
    side = min(half, int(rng.integers(6, 12)))
    raised = brush.sigma * float(np.clip(0.5 * np.log10(star / _SATURATION) + 0.3, 0.2, 2.0))
    noise = np.zeros((2 * half + 1, 2 * half + 1), dtype=np.float32)
    inner = slice(half - side, half + side + 1)
    square = rng.normal(0.0, raised, (2 * side + 1, 2 * side + 1))
    noise[inner, inner] = square
    return noise


def raised_noise(brush: Brush, rng: np.random.Generator) -> Drawing:
    """Draw a square of raised noise with, at times, some diffuse light left in it."""
    side = int(rng.integers(7, 30))
    half = side + 2
    blur = float(rng.uniform(0.3, 0.9))
    noise = gaussian_filter(rng.standard_normal((2 * half + 1, 2 * half + 1)), blur)
    noise = (noise / noise.std()).astype(np.float32)
    dx, dy = grid(half, brush.dx, brush.dy)
    width = brush.psf.fwhm * float(rng.uniform(1.2, 4.0))
    bump = np.exp(-(dx * dx + dy * dy) / np.float32(2.0 * width**2))
    if rng.uniform() < 0.5:
        noise *= np.float32(0.25) + bump
    light = noise + np.float32(rng.uniform(0.0, 1.0)) * bump
    inside = (np.abs(dx) <= side) & (np.abs(dy) <= side)
    return Drawing(scaled_to(np.where(inside, light, np.float32(0.0)), brush, radius=5.0)[0])


def saturated_star(brush: Brush, rng: np.random.Generator) -> Drawing:
    """Draw a saturated star: a masked disc, ringing around it, and a masked bleed column."""
    radius = float(rng.uniform(3.0, 9.0))
    half = int(radius) + 16
    angle = float(rng.uniform(0.0, 2.0 * np.pi))
    away = radius + float(rng.uniform(1.0, 3.0))
    dx, dy = grid(half, away * np.cos(angle), away * np.sin(angle))
    distance = np.hypot(dx, dy)
    wave = np.cos((distance - radius) * np.float32(rng.uniform(0.8, 2.2)))
    lobes, turn = int(rng.integers(1, 5)), float(rng.uniform(0.0, 2.0 * np.pi))
    wave = wave * (0.4 + np.cos(lobes * np.arctan2(dy, dx) + turn))
    fall = np.exp(-np.maximum(distance - radius, 0.0) / np.float32(rng.uniform(1.5, 4.0)))
    texture = 1.0 + 1.2 * rng.standard_normal(distance.shape, dtype=np.float32)
    bleed = (np.abs(dx) < rng.uniform(0.6, 2.0)) & (np.abs(dy) < rng.uniform(0.0, 2.0) * half)
    masked = (distance < radius + 0.6 * rng.standard_normal(distance.shape)) | bleed
    masked &= np.hypot(*grid(half, brush.dx, brush.dy)) > 1.5
    return Drawing(_limited(wave * fall * texture * ~masked, brush), masked)


def _limited(light: Floats, brush: Brush) -> Floats:
    """Scale to the brush's flux, but keep every pixel below saturation."""
    found = peak(light, brush.psf, 4.0)[0]
    scaled = light * np.float32(brush.flux / max(found, 1e-3))
    limited: Floats = np.clip(scaled, -_SATURATION / 2, _SATURATION / 2).astype(np.float32)
    return limited
