"""Normalisations of stamps: arrays in, arrays out.

Each function takes stamps of shape (n, ny, nx) in ADU and gives float32 of the same shape. Masked
pixels are those that are not finite; they become 0. The result is finite for every input.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from skimage.morphology import reconstruction

from realbogus.errors import ConfigError

__all__ = [
    "ALIASES",
    "NORMALISATIONS",
    "background_subtracted_log",
    "canonical_name",
    "no_normalisation",
    "normalise",
    "sign_preserving_log",
]

_BLUR = 1.0
_untyped_reconstruction: Callable[..., Any] = reconstruction
# Relative to the largest pixel: below this a stamp is flat but for rounding.
_FLAT = 1e-14
_AXES = (-2, -1)


def no_normalisation(stamps: NDArray[np.floating]) -> NDArray[np.float32]:
    """Keep the pixels as they are."""
    limit = np.finfo(np.float32).max
    return np.where(np.isfinite(stamps), np.clip(stamps, -limit, limit), 0).astype(np.float32)


def sign_preserving_log(stamps: NDArray[np.floating]) -> NDArray[np.float32]:
    """Compress the pixels to sign(x) ln(1 + abs(x) / sigma).

    Sigma is the standard deviation of the unmasked pixels of each stamp. A stamp without any
    variation, or without a pixel, becomes 0 everywhere.
    """
    unmasked = np.isfinite(stamps)
    pixels = _scaled(np.where(unmasked, stamps, 0).astype(np.float64))
    sigma = _deviation(pixels, unmasked)
    varies = sigma > _FLAT
    compressed = np.sign(pixels) * np.log1p(np.abs(pixels) / np.where(varies, sigma, 1))
    return np.where(varies & unmasked, compressed, 0).astype(np.float32)


def background_subtracted_log(stamps: NDArray[np.floating]) -> NDArray[np.float32]:
    """Compress as `sign_preserving_log`, then keep only what stands out of the surroundings.

    The compressed stamp is blurred with a Gaussian of sigma 1 px, and its morphological
    reconstruction by dilation, grown from the border inwards, is subtracted (Vincent 1993, IEEE
    Trans. Image Process. 2, 176).
    """
    blurred = gaussian_filter(sign_preserving_log(stamps), sigma=(0, _BLUR, _BLUR))
    subtracted = [stamp - _reconstruct_from_border(stamp) for stamp in blurred]
    return np.asarray(subtracted, dtype=np.float32).reshape(stamps.shape)


NORMALISATIONS: dict[str, Callable[[NDArray[np.floating]], NDArray[np.float32]]] = {
    "noNorm": no_normalisation,
    "signPreserveNorm": sign_preserving_log,
    "bg_sub_signPreserveNorm": background_subtracted_log,
}
ALIASES = {"spn": "signPreserveNorm", "bg_sub_spn": "bg_sub_signPreserveNorm"}


def canonical_name(name: str) -> str:
    """Return the full name of a normalisation.

    Raises
    ------
    ConfigError
        If there is none of that name.
    """
    full = ALIASES.get(name, name)
    if full not in NORMALISATIONS:
        allowed = ", ".join([*NORMALISATIONS, *ALIASES])
        raise ConfigError(f"N (normalisation) must be one of {allowed}; got {name!r}")
    return full


def normalise(stamps: NDArray[np.floating], name: str) -> NDArray[np.float32]:
    """Normalise stamps of shape (n, ny, nx) with the function of that name."""
    return NORMALISATIONS[canonical_name(name)](stamps)


def _scaled(pixels: NDArray[np.float64]) -> NDArray[np.float64]:
    """Divide each stamp by its largest absolute value, so that squares can't overflow."""
    scale = np.max(np.abs(pixels), axis=_AXES, keepdims=True, initial=0)
    return pixels / np.where(scale > 0, scale, 1)


def _deviation(pixels: NDArray[np.float64], unmasked: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the standard deviation of the unmasked pixels; 0 where there are none."""
    count = np.maximum(unmasked.sum(axis=_AXES, keepdims=True), 1)
    mean = np.sum(pixels, axis=_AXES, keepdims=True, where=unmasked) / count
    squares = np.sum((pixels - mean) ** 2, axis=_AXES, keepdims=True, where=unmasked)
    deviation: NDArray[np.float64] = np.sqrt(squares / count)
    return deviation


def _reconstruct_from_border(stamp: NDArray[np.float32]) -> NDArray[np.float32]:
    seed = np.full_like(stamp, stamp.min())
    for edge in (np.s_[0, :], np.s_[-1, :], np.s_[:, 0], np.s_[:, -1]):
        seed[edge] = stamp[edge]
    grown: NDArray[np.float32] = _untyped_reconstruction(seed, stamp, method="dilation")
    return grown
