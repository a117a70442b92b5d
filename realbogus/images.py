"""Difference images, and the stamps cut out of their pixels.

A database position ``(x, y)`` has the centre of the first pixel at (0.5, 0.5), so the source is in
the pixel ``data[int(y), int(x)]``.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from realbogus.fitsfiles import Header, header_value, read_fits

__all__ = ["DifferenceImage", "cut_stamps", "masked_core_fraction", "read_image"]

_CORE = 5
_OUTSIDE = 1e9


@dataclass(frozen=True)
class DifferenceImage:
    """A difference image as it lies in its file.

    Attributes
    ----------
    pixels : ndarray of shape (ny, nx)
        ADU, in the number type of the file.
    mask_value : float or None
        The value that marks a masked pixel, besides NaN.
    header : Header
        Of the image.
    """

    pixels: NDArray[Any]
    mask_value: float | None
    header: Header


def read_image(path: Path) -> DifferenceImage:
    """Read a difference image, packed or plain.

    Raises
    ------
    ImageError
        If the file is missing, truncated, damaged, or holds no image.
    """
    image = read_fits(path)
    mask_value = header_value(image.header, "MASKVAL")
    is_number = isinstance(mask_value, int | float)
    return DifferenceImage(image.pixels, float(mask_value) if is_number else None, image.header)


def cut_stamps(
    image: DifferenceImage, x: NDArray[np.float64], y: NDArray[np.float64], *, size: int
) -> NDArray[np.float32]:
    """Cut square stamps around positions.

    Parameters
    ----------
    image : DifferenceImage
        The image of shape (ny, nx).
    x, y : ndarray of shape (n,)
        Positions as the database gives them: pixel centres at half-integers; NaN where unknown.
    size : int
        Side of a stamp in pixels.

    Returns
    -------
    ndarray of shape (n, size, size)
        ADU, masked pixels and those outside the image NaN. The pixel of the position is at
        ``[size // 2, size // 2]``; x is the last axis.
    """
    stamps = np.full((len(x), size, size), np.nan, np.float32)
    # An unknown position is as far outside as can be.
    known = np.nan_to_num(np.stack([x, y], axis=-1), nan=-_OUTSIDE)
    pixels = np.floor(np.clip(known, -_OUTSIDE, _OUTSIDE)).astype(int)
    corners = pixels.reshape(-1, 2) - size // 2
    for stamp, (left, bottom) in zip(stamps, corners, strict=True):
        _copy_overlap(image, stamp, left, bottom)
    return stamps


def masked_core_fraction(stamps: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the masked fraction of the 5 x 5 pixels around each stamp's position, shape (n,)."""
    centre = stamps.shape[-1] // 2
    core = slice(centre - _CORE // 2, centre + _CORE // 2 + 1)
    fractions: NDArray[np.float64] = np.isnan(stamps[:, core, core]).mean(axis=(1, 2))
    return fractions


def _copy_overlap(
    image: DifferenceImage, stamp: NDArray[np.float32], left: int, bottom: int
) -> None:
    """Fill a stamp whose first pixel is (left, bottom) of the image where the two overlap."""
    ny, nx = image.pixels.shape
    size = stamp.shape[0]
    first_column, last_column = max(left, 0), min(left + size, nx)
    first_row, last_row = max(bottom, 0), min(bottom + size, ny)
    if first_column >= last_column or first_row >= last_row:
        return
    inside = image.pixels[first_row:last_row, first_column:last_column]
    target = stamp[first_row - bottom : last_row - bottom, first_column - left : last_column - left]
    target[...] = inside
    if image.mask_value is not None:
        target[inside == image.mask_value] = np.nan
