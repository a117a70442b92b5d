"""The point-spread function: its shape, its drift over the field, and its pixels."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

__all__ = ["Psf", "PsfField", "draw_psf_field", "grid"]

Floats = NDArray[np.float32]

_POOR_NIGHTS = 0.2
_SHARPENED = 0.45
_RING_WIDTH = 1.5
_MOFFAT_BETA = 3.0
_GAUSS_K = 4.0 * np.log(2.0)
_MOFFAT_K = 4.0 * (2.0 ** (1.0 / _MOFFAT_BETA) - 1.0)


@dataclass(frozen=True)
class Psf:
    """An elliptical mix of a Gaussian core and Moffat wings (Moffat 1969, A&A 3, 455).

    Parameters
    ----------
    major, minor : float
        FWHM along the two axes, in px.
    angle : float
        Of the major axis, from +x towards +y, in degrees.
    wings : float
        Share of the light in the Moffat part, 0 to 1.
    ringing : float
        Strength of the dark ring left by a kernel that had to sharpen: this share of the PSF, half
        as wide again, is taken away and given back to the core.
    """

    major: float
    minor: float
    angle: float = 0.0
    wings: float = 0.3
    ringing: float = 0.0

    @property
    def fwhm(self) -> float:
        """Geometric mean of the two widths, px."""
        return float(np.sqrt(self.major * self.minor))

    @property
    def noise_area(self) -> float:
        """Equivalent noise area of the core, px: 4 pi sigma^2 (King 1983, PASP 95, 163)."""
        return float(np.pi / (2.0 * np.log(2.0)) * self.major * self.minor)

    def scaled(self, factor: float) -> "Psf":
        """Give the same shape, ``factor`` times as wide."""
        return replace(self, major=self.major * factor, minor=self.minor * factor)

    def __call__(self, dx: Floats, dy: Floats) -> Floats:
        """Give the light per pixel of a source of unit flux.

        Parameters
        ----------
        dx, dy : ndarray
            Distances from the source, px; they broadcast together.
        """
        if self.ringing:
            plain = replace(self, ringing=0.0)
            ring = np.float32(self.ringing) * plain.scaled(_RING_WIDTH)(dx, dy)
            return np.float32(1.0 + self.ringing) * plain(dx, dy) - ring
        cos, sin = np.cos(np.radians(self.angle)), np.sin(np.radians(self.angle))
        along = np.float32(cos / self.major) * dx + np.float32(sin / self.major) * dy
        across = np.float32(cos / self.minor) * dy - np.float32(sin / self.minor) * dx
        radius2 = along * along + across * across
        area = np.pi * self.major * self.minor
        core = np.exp(np.float32(-_GAUSS_K) * radius2)
        base = 1.0 + np.float32(_MOFFAT_K) * radius2
        wings = 1.0 / (base * base * base)
        core_norm = (1.0 - self.wings) * _GAUSS_K / area
        wings_norm = self.wings * _MOFFAT_K * (_MOFFAT_BETA - 1.0) / area
        light: Floats = np.float32(core_norm) * core + np.float32(wings_norm) * wings
        return light


@dataclass(frozen=True)
class PsfField:
    """How the PSF drifts over one exposure, as a quadratic about the optical centre.

    Parameters
    ----------
    centre : Psf
        In the middle of the field.
    size : tuple of int
        ``(ny, nx)`` of the image.
    tilt : tuple of float
        Relative change of the width from the middle to the edge along x and y.
    bowl : float
        Relative change of the width from the middle to the corner.
    twist : float
        Change of the position angle from the middle to the corner, degrees.
    """

    centre: Psf
    size: tuple[int, int]
    tilt: tuple[float, float] = (0.0, 0.0)
    bowl: float = 0.0
    twist: float = 0.0

    def at(self, x: float, y: float) -> Psf:
        """Give the PSF at ``x, y`` (px)."""
        ny, nx = self.size
        u, v = 2.0 * x / nx - 1.0, 2.0 * y / ny - 1.0
        radius2 = 0.5 * (u * u + v * v)
        scale = 1.0 + self.tilt[0] * u + self.tilt[1] * v + self.bowl * radius2
        turned = self.centre.angle + self.twist * radius2
        return replace(self.centre.scaled(max(scale, 0.6)), angle=turned)


def draw_psf_field(size: tuple[int, int], rng: np.random.Generator) -> PsfField:
    """Draw one exposure's PSF: median FWHM 2.4 x 2.0 px, as ATLAS measures its own.

    On a fifth of the exposures poor seeing or focus makes it up to twice as wide.

    Parameters
    ----------
    size : tuple of int
        ``(ny, nx)`` of the image.
    rng : numpy.random.Generator
        Source of randomness.
    """
    blur = float(rng.uniform(1.1, 2.0)) if rng.uniform() < _POOR_NIGHTS else 1.0
    major = float(np.clip(2.3 * blur * np.exp(rng.normal(0.0, 0.17)), 1.7, 5.5))
    minor = major * float(rng.uniform(0.74, 0.95))
    centre = Psf(
        major,
        minor,
        angle=float(rng.uniform(0.0, 180.0)),
        wings=float(rng.uniform(0.15, 0.45)),
        ringing=float(rng.uniform(0.1, 0.8)) if rng.uniform() < _SHARPENED else 0.0,
    )
    tilt = (float(rng.normal(0.0, 0.03)), float(rng.normal(0.0, 0.03)))
    return PsfField(centre, size, tilt, float(rng.uniform(0.0, 0.15)), float(rng.normal(0.0, 15.0)))


def grid(half: int, dx: float = 0.0, dy: float = 0.0) -> tuple[Floats, Floats]:
    """Give the distances in x and y of a box's pixels from a point near its middle.

    Parameters
    ----------
    half : int
        The box has ``2 * half + 1`` pixels a side.
    dx, dy : float
        Where the point is, from the centre of the middle pixel, px.

    Returns
    -------
    tuple of ndarray
        Of shapes ``(1, 2 * half + 1)`` and ``(2 * half + 1, 1)``.
    """
    steps = np.arange(-half, half + 1, dtype=np.float32)
    return (steps - np.float32(dx))[np.newaxis, :], (steps - np.float32(dy))[:, np.newaxis]
