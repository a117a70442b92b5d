"""Artefacts of the detector, the optics and the sky, one function a kind."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from realbogus.simulation.drawing import (
    Brush,
    Drawing,
    DrawingFunction,
    half_size,
    scaled_to,
)
from realbogus.simulation.psf import grid
from realbogus.simulation.residuals import (
    dipole,
    raised_noise,
    ring,
    saturated_star,
    variable_star,
)

__all__ = [
    "ARTEFACTS",
    "bleed",
    "burn",
    "cosmic_ray",
    "crosstalk",
    "fan",
    "ghost",
    "hot_pixel",
    "mask_edge",
    "noise_peak",
    "satellite",
]

Floats = NDArray[np.float32]
Reals = NDArray[np.floating]


def noise_peak(brush: Brush, rng: np.random.Generator) -> Drawing:
    """Draw a high peak of noise: irregular, and on the whole narrower than the PSF.

    Gaussian noise can make a faint peak of the PSF's shape, but never a bright one, so the brighter
    the peak the more it is made of single bad pixels.
    """
    half = half_size(brush.psf, 3.0)
    dx, dy = grid(half, brush.dx, brush.dy)
    width = brush.psf.fwhm / 2.3548 * float(rng.uniform(0.8, 1.4))
    window = np.exp(-(dx * dx + dy * dy) / np.float32(2.0 * width**2))
    noise = gaussian_filter(
        rng.standard_normal(window.shape, dtype=np.float32), float(rng.uniform(0.2, 0.5))
    )
    core = brush.psf.scaled(float(rng.uniform(0.35, 0.75)))(*grid(half, brush.dx, brush.dy))
    grain = float(rng.uniform(0.2, 1.0)) * (1.0 + (brush.snr / 12.0) ** 2)
    light = core / core.max() + np.float32(grain) * window * noise / noise.std()
    return Drawing(scaled_to(light, brush, radius=2.0)[0])


def cosmic_ray(brush: Brush, rng: np.random.Generator) -> Drawing:
    """Draw the track of a charged particle: sharper than the PSF, with an uneven charge."""
    length = float(rng.exponential(3.0))
    angle = float(rng.uniform(0.0, np.pi))
    steps = np.linspace(-0.5, 0.5, max(1, int(2 * length))) * length
    charge = rng.gamma(2.0, 1.0, steps.size)
    half = int(length / 2) + 6
    width = float(rng.uniform(0.3, 0.5))
    x, y = brush.dx + steps * np.cos(angle), brush.dy + steps * np.sin(angle)
    return Drawing(scaled_to(_spots(half, x, y, charge, width), brush)[0])


def hot_pixel(brush: Brush, rng: np.random.Generator) -> Drawing:
    """Draw one or two hot pixels, resampled, at times with the template's own beside them."""
    count = int(rng.integers(1, 3))
    x, y = np.rint(rng.normal(0.0, 0.6, (2, count))) + np.array([[brush.dx], [brush.dy]])
    charge = rng.uniform(0.4, 1.0, count)
    if rng.uniform() < 0.3:
        x, y = np.append(x, rng.integers(-3, 4)), np.append(y, rng.integers(-3, 4))
        charge = np.append(charge, -rng.uniform(0.3, 1.0))
    return Drawing(scaled_to(_spots(6, x, y, charge, float(rng.uniform(0.3, 0.45))), brush)[0])


def _spots(half: int, x: Reals, y: Reals, charge: Reals, width: float) -> Floats:
    """Sum round Gaussian spots of ``width`` px (sigma) into one box."""
    steps = np.arange(-half, half + 1)
    across = np.exp(-((steps - x[:, np.newaxis]) ** 2) / (2.0 * width**2))  # (n, nx)
    down = np.exp(-((steps - y[:, np.newaxis]) ** 2) / (2.0 * width**2))  # (n, ny)
    spots: Floats = np.einsum("n,ny,nx->yx", charge, down, across).astype(np.float32)
    return spots


def burn(brush: Brush, rng: np.random.Generator) -> Drawing:
    """Draw a burn: light that persists where a bright star was, smeared along the column."""
    half = 30
    dx, dy = grid(half, brush.dx, brush.dy)
    width = brush.psf.fwhm / 2.3548 * float(rng.uniform(1.2, 3.0))
    tail = width * float(rng.uniform(2.0, 10.0))
    up = 1.0 if rng.uniform() < 0.5 else -1.0
    spot = np.exp(-(dx * dx + dy * dy) / np.float32(2.0 * width**2))
    streak = np.exp(-np.maximum(up * dy, 0.0) / np.float32(tail)) * (up * dy > 0)
    column = np.exp(-(dx * dx) / np.float32(2.0 * (0.7 * width) ** 2))
    light = spot + np.float32(rng.uniform(0.3, 1.0)) * streak * column
    return Drawing(scaled_to(light.astype(np.float32), brush)[0])


def crosstalk(brush: Brush, rng: np.random.Generator) -> Drawing:
    """Draw the electronic echo of a saturated star: a flat disc with a sharp edge and a tail."""
    half = 20
    dx, dy = grid(half, brush.dx, brush.dy)
    radius = brush.psf.fwhm * float(rng.uniform(1.0, 2.5))
    disc = (np.hypot(dx, dy * float(rng.uniform(0.7, 1.3))) < radius).astype(np.float32)
    tail = (np.abs(dx) < 1.0) & (np.abs(dy) < float(rng.uniform(0.0, half)))
    level = np.float32(rng.uniform(-0.4, 0.6))
    light = disc + level * tail + np.float32(0.25) * disc * rng.standard_normal(disc.shape)
    return Drawing(scaled_to(gaussian_filter(light, 0.5).astype(np.float32), brush)[0])


def satellite(brush: Brush, rng: np.random.Generator) -> Drawing:
    """Draw a stretch of a satellite's trail, uneven in brightness."""
    half = 60
    dx, dy = grid(half, brush.dx, brush.dy)
    angle = float(rng.uniform(0.0, np.pi))
    cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    across, along = cos * dy - sin * dx, cos * dx + sin * dy
    width = brush.psf.fwhm / 2.3548 * float(rng.uniform(0.9, 1.6))
    flicker = 1.0 + float(rng.uniform(0.0, 0.6)) * np.cos(along / float(rng.uniform(4.0, 15.0)))
    fade = np.exp(-((along / half) ** 4))
    light = np.exp(-(across**2) / np.float32(2.0 * width**2)) * flicker * fade
    return Drawing(scaled_to(light.astype(np.float32), brush)[0])


def fan(brush: Brush, rng: np.random.Generator) -> Drawing:
    """Draw a fan of diffraction streaks from a bright star off to one side."""
    half = 30
    distance, towards = float(rng.uniform(12.0, 80.0)), float(rng.uniform(0.0, 2.0 * np.pi))
    dx, dy = grid(half, brush.dx, brush.dy)
    x, y = dx + distance * np.cos(towards), dy + distance * np.sin(towards)
    angle = np.arctan2(np.sin(np.arctan2(y, x) - towards), np.cos(np.arctan2(y, x) - towards))
    offsets = np.append(0.0, rng.normal(0.0, 0.25, int(rng.integers(2, 7))))
    heights = np.append(1.0, rng.normal(0.3, 0.6, offsets.size - 1))
    width = max(float(rng.uniform(0.6, 1.4)) / distance, 0.01)
    streaks = np.exp(-((angle[..., np.newaxis] - offsets) ** 2) / (2.0 * width**2)) @ heights
    fall = np.clip(distance / np.maximum(np.hypot(x, y), 3.0), 0.0, 4.0) ** 1.5
    grain = 1.0 + 0.25 * rng.standard_normal(streaks.shape)
    return Drawing(scaled_to((streaks * fall * grain).astype(np.float32), brush)[0])


def ghost(brush: Brush, rng: np.random.Generator) -> Drawing:
    """Draw part of a reflection: a broad textured ring that passes through the middle."""
    half = 50
    radius, towards = float(rng.uniform(12.0, 45.0)), float(rng.uniform(0.0, 2.0 * np.pi))
    dx, dy = grid(half, brush.dx, brush.dy)
    distance = np.hypot(dx + radius * np.cos(towards), dy + radius * np.sin(towards))
    width = float(rng.uniform(1.5, 5.0))
    band = np.exp(-((distance - radius) ** 2) / np.float32(2.0 * width**2))
    texture = gaussian_filter(rng.standard_normal(band.shape), 1.0)
    light = band * (1.0 + 0.6 * texture / texture.std()) + 0.15 * (distance < radius)
    return Drawing(scaled_to(light.astype(np.float32), brush, radius=6.0)[0])


def bleed(brush: Brush, rng: np.random.Generator) -> Drawing:
    """Draw the end of a bleed: a noisy column below a masked block."""
    half = 30
    dx, dy = grid(half, brush.dx, brush.dy)
    up = 1.0 if rng.uniform() < 0.5 else -1.0
    width, start = float(rng.uniform(0.6, 3.0)), float(rng.uniform(3.0, 10.0))
    column = np.exp(-(dx * dx) / np.float32(2.0 * width**2)) * (up * dy < start)
    fade = np.exp(-np.abs(up * dy - start) / np.float32(rng.uniform(8.0, 40.0)))
    grain = 1.0 + float(rng.uniform(0.4, 1.5)) * rng.standard_normal(column.shape)
    block = (up * dy >= start) & (np.abs(dx) < width + float(rng.uniform(1.0, 5.0)))
    light = scaled_to((column * fade * grain).astype(np.float32), brush)[0]
    return Drawing(light, block & (up * dy < start + rng.uniform(5.0, 20.0)))


def mask_edge(brush: Brush, rng: np.random.Generator) -> Drawing:
    """Draw the ragged border of a masked area, with light left along it."""
    half = 30
    dx, dy = grid(half, brush.dx, brush.dy)
    angle = float(
        rng.uniform(0.0, 2.0 * np.pi) if rng.uniform() < 0.4 else rng.integers(4) * np.pi / 2
    )
    across = np.float32(np.cos(angle)) * dx + np.float32(np.sin(angle)) * dy
    ragged = np.kron(rng.normal(0.0, 1.5, (16, 16)), np.ones((4, 4)))[
        : 2 * half + 1, : 2 * half + 1
    ]
    edge = across - np.float32(rng.uniform(1.5, 6.0)) - np.pad(ragged, 0)
    glow = np.exp(edge / np.float32(rng.uniform(0.8, 3.0))) * (edge < 0)
    grain = 1.0 + 1.2 * rng.standard_normal(glow.shape)
    masked = (edge >= 0) & (np.hypot(dx, dy) > 1.5)
    return Drawing(scaled_to((glow * grain * ~masked).astype(np.float32), brush)[0], masked)


ARTEFACTS: dict[str, DrawingFunction] = {
    "noise_peak": noise_peak,
    "raised_noise": raised_noise,
    "dipole": dipole,
    "ring": ring,
    "saturated_star": saturated_star,
    "variable_star": variable_star,
    "cosmic_ray": cosmic_ray,
    "hot_pixel": hot_pixel,
    "burn": burn,
    "crosstalk": crosstalk,
    "satellite": satellite,
    "fan": fan,
    "ghost": ghost,
    "bleed": bleed,
    "mask_edge": mask_edge,
}
"""Bogus kinds of detection, by name."""
