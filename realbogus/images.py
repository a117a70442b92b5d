"""Difference images, and the stamps cut out of their pixels.

A database position ``(x, y)`` has the centre of the first pixel at (0.5, 0.5), so the source is in
the pixel ``data[int(y), int(x)]``.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from realbogus.fitsfiles import FitsImage, Header, header_value, read_fits, read_touched

__all__ = [
    "CORE",
    "DifferenceImage",
    "StampsAt",
    "cut_stamps",
    "masked_core_fraction",
    "read_image",
    "read_image_around",
]

CORE = 5
"""Side in pixels of the middle of a stamp, of which not too much may be masked."""
_OUTSIDE = 1e9
# Stamps that are copied at a time, so that they stay in the processor's cache.
_CACHED = 64


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
    return _difference_image(read_fits(path))


def read_image_around(
    path: Path, x: NDArray[np.float64], y: NDArray[np.float64], *, size: int
) -> DifferenceImage:
    """Read of a difference image what stamps around positions need; the rest is 0.

    Every tile of a packed image is unpacked once, if any stamp reaches into it.

    Parameters
    ----------
    path : Path
        The file, packed or plain.
    x, y, size
        As `cut_stamps` takes them.

    Raises
    ------
    ImageError
        If the file is missing, truncated, damaged, or holds no image.
    """
    corners = _corners(x, y, size)
    return _difference_image(
        read_touched(path, lambda shape, tile: _touched_tiles(corners, size, shape, tile))
    )


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
    corners = _corners(x, y, size)
    stamps = np.empty((len(x), size, size), np.float32)
    last = np.array(image.pixels.shape) - size
    is_inside = ((corners >= 0) & (corners <= last)).all(axis=1)
    _copy_inside(image, stamps, corners, np.flatnonzero(is_inside))
    for index in np.flatnonzero(~is_inside).tolist():
        stamps[index] = np.nan
        _copy_overlap(image, stamps[index], *corners[index].tolist())
    return stamps


@dataclass(frozen=True)
class StampsAt:
    """The stamps that `cut_stamps` gives, cut only when they are asked for.

    Attributes
    ----------
    image, x, y, size
        As `cut_stamps` takes them.
    """

    image: DifferenceImage
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    size: int

    @property
    def shape(self) -> tuple[int, int, int]:
        """The number of stamps, and their sides."""
        return (len(self.x), self.size, self.size)

    def __getitem__(self, rows: slice) -> NDArray[np.float32]:
        """Cut some of the stamps."""
        return cut_stamps(self.image, self.x[rows], self.y[rows], size=self.size)

    def __iter__(self) -> Iterator[NDArray[np.float32]]:
        """Cut all of them, one after the other."""
        for start in range(0, len(self.x), _CACHED):
            yield from self[start : start + _CACHED]


def masked_core_fraction(stamps: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the masked fraction of the 5 x 5 pixels around each stamp's position, shape (n,)."""
    centre = stamps.shape[-1] // 2
    core = slice(centre - CORE // 2, centre + CORE // 2 + 1)
    fractions: NDArray[np.float64] = np.isnan(stamps[:, core, core]).mean(axis=(1, 2))
    return fractions


def _difference_image(image: FitsImage) -> DifferenceImage:
    mask_value = header_value(image.header, "MASKVAL")
    is_number = isinstance(mask_value, int | float)
    return DifferenceImage(image.pixels, float(mask_value) if is_number else None, image.header)


def _corners(x: NDArray[np.float64], y: NDArray[np.float64], size: int) -> NDArray[np.int64]:
    """Return the first row and column of each stamp, shape (n, 2)."""
    # An unknown position is as far outside as can be.
    known = np.nan_to_num(np.stack([y, x], axis=-1), nan=-_OUTSIDE)
    pixels = np.floor(np.clip(known, -_OUTSIDE, _OUTSIDE)).astype(np.int64)
    return pixels.reshape(-1, 2) - size // 2


def _touched_tiles(
    corners: NDArray[np.int64], size: int, shape: tuple[int, int], tile: tuple[int, int]
) -> NDArray[np.bool_]:
    """Say which tiles of an image stamps reach into, shape (tiles down, tiles across)."""
    grid = -(-np.array(shape) // tile)
    reaches = ((corners + size > 0) & (corners < shape)).all(axis=1)
    top, left = (np.maximum(corners[reaches], 0) // tile).T
    last = np.minimum(corners[reaches] + size - 1, np.array(shape) - 1)
    bottom, right = (last // tile + 1).T
    # Ones where stamps begin, which add up to ones in their tiles. A list for each of thousands
    # would make Python look through all its objects for garbage.
    begins = np.zeros(grid + 1, np.int64)
    np.add.at(begins, (top, left), 1)
    np.add.at(begins, (bottom, right), 1)
    np.add.at(begins, (top, right), -1)
    np.add.at(begins, (bottom, left), -1)
    count: NDArray[np.int64] = begins.cumsum(axis=0).cumsum(axis=1)
    return count[:-1, :-1] > 0


def _copy_inside(
    image: DifferenceImage,
    stamps: NDArray[np.float32],
    corners: NDArray[np.int64],
    rows: NDArray[np.int64],
) -> None:
    """Fill those stamps that lie wholly inside the image."""
    if not len(rows):
        return
    windows = np.lib.stride_tricks.sliding_window_view(image.pixels, stamps.shape[1:])
    for start in range(0, len(rows), _CACHED):
        some = rows[start : start + _CACHED]
        inside = windows[corners[some, 0], corners[some, 1]]  # (n, size, size)
        stamps[some] = _unmasked(image, inside)


def _unmasked(image: DifferenceImage, inside: NDArray[Any]) -> NDArray[np.float32]:
    pixels = inside.astype(np.float32)
    if image.mask_value is not None:
        pixels[inside == image.mask_value] = np.nan
    return pixels


def _copy_overlap(
    image: DifferenceImage, stamp: NDArray[np.float32], bottom: int, left: int
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
    target[...] = _unmasked(image, inside)
