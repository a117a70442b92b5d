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
_SIGN_BIT = np.uint32(1 << 31)
_untyped_reconstruction: Callable[..., Any] = reconstruction


def no_normalisation(stamps: NDArray[np.floating]) -> NDArray[np.float32]:
    """Keep the pixels as they are."""
    limit = np.finfo(np.float32).max
    return np.where(np.isfinite(stamps), np.clip(stamps, -limit, limit), 0).astype(np.float32)


def sign_preserving_log(stamps: NDArray[np.floating]) -> NDArray[np.float32]:
    """Compress the pixels to sign(x) ln(1 + abs(x) / sigma).

    Sigma is the standard deviation of the unmasked pixels of each stamp. A stamp without any
    variation, or without a pixel, becomes 0 everywhere.
    """
    pixels, unmasked = _scaled(stamps.reshape(len(stamps), stamps.shape[1] * stamps.shape[2]))
    sigma = _deviation(pixels, unmasked)
    varies = sigma > 0
    compressed = np.abs(pixels)
    compressed /= np.where(varies, sigma, 1)
    compressed = _log_above_one(compressed)
    _move_signs(pixels, compressed)
    if not varies.all():
        compressed[~varies[:, 0]] = 0
    return compressed.reshape(stamps.shape)


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


def _scaled(
    stamps: NDArray[np.floating],
) -> tuple[NDArray[np.float32], NDArray[np.bool_] | None]:
    """Divide each stamp, a row, by its largest absolute value, so that squares can't overflow.

    Masked pixels become 0; those of a stamp without any variation become 1 or -1 exactly. Says also
    which pixels are not masked; None if none is.
    """
    largest, unmasked = _largest(stamps), None
    if not np.isfinite(largest).all():
        unmasked = np.isfinite(stamps)
        stamps = np.where(unmasked, stamps, 0)
        largest = _largest(stamps)
    scaled = stamps / np.where(largest > 0, largest, 1)
    return scaled.astype(np.float32, copy=False), unmasked


def _largest(stamps: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return the largest absolute value of each row; one that is not finite, if any is not."""
    largest: NDArray[np.floating] = np.maximum(stamps.max(axis=1), -stamps.min(axis=1))
    return largest[:, np.newaxis]


def _deviation(
    pixels: NDArray[np.float32], unmasked: NDArray[np.bool_] | None
) -> NDArray[np.float32]:
    """Return the standard deviation of the unmasked pixels of each row; 0 where there are none.

    By the corrected two-pass algorithm, for the mean is rounded (Chan, Golub & LeVeque 1983,
    Am. Stat. 37, 242).
    """
    count: Any = np.float32(pixels.shape[1])
    if unmasked is not None:
        count = np.maximum(np.count_nonzero(unmasked, axis=1), 1).astype(np.float32)
    apart = pixels - (pixels.sum(axis=1) / count)[:, np.newaxis]
    if unmasked is not None:
        apart *= unmasked
    squares = np.einsum("ij,ij->i", apart, apart) / count
    variance = squares - (apart.sum(axis=1) / count) ** 2
    deviation: NDArray[np.float32] = np.sqrt(np.maximum(variance, 0))[:, np.newaxis]
    return deviation


def _log_above_one(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return ln(1 + x) of values from 0 up, to three units in the last place.

    By ln(u) + (x - (u - 1)) / u with u = 1 + x rounded, which gives back what the sum lost. It
    takes a fifth of the time of `numpy.log1p`, which processors without AVX-512 compute one by one.
    """
    above = values + np.float32(1)
    lost = above - np.float32(1)
    np.subtract(values, lost, out=lost)
    lost /= above
    np.log(above, out=above)
    above += lost
    return above


def _move_signs(source: NDArray[np.float32], target: NDArray[np.float32]) -> None:
    """Move the signs of ``source`` to values from 0 up; `numpy.copysign` takes three times as long.

    Nothing but its signs is left of the source.
    """
    signs, bits = source.view(np.uint32), target.view(np.uint32)
    signs &= _SIGN_BIT
    bits |= signs


def _reconstruct_from_border(stamp: NDArray[np.float32]) -> NDArray[np.float32]:
    seed = np.full_like(stamp, stamp.min())
    for edge in (np.s_[0, :], np.s_[-1, :], np.s_[:, 0], np.s_[:, -1]):
        seed[edge] = stamp[edge]
    grown: NDArray[np.float32] = _untyped_reconstruction(seed, stamp, method="dilation")
    return grown
