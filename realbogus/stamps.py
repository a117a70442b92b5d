"""Stamps: small FITS images around one source."""

import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from realbogus.errors import StampError
from realbogus.files import errors_name
from realbogus.fitsfiles import Header, encode_cards, encode_image, header_value, read_fits

__all__ = ["crop", "read_stamp", "sky_cards", "write_stamp"]

_COPIED = ("FILTER", "EXPTIME", "MJD-OBS", "MAGZPT", "GAIN", "FWHM", "SECPIX", "EQUINOX", "RADESYS")
_NATIVE_POLE = ("LONPOLE", "LATPOLE")
_WCS = ("CTYPE", "CUNIT", "CRVAL", "CD", "CDELT", "PC", "PV", "CROTA")


def read_stamp(
    path: Path, *, extension: int = 0, mask_value: float | None = None
) -> NDArray[np.float32]:
    """Read a stamp.

    Parameters
    ----------
    path : Path
        The FITS file.
    extension : int
        The HDU that holds the pixels.
    mask_value : float, optional
        The value that marks a masked pixel, for images of integers.

    Returns
    -------
    ndarray of shape (ny, nx)
        ADU; masked pixels NaN.

    Raises
    ------
    StampError
        If the file is missing, damaged, or has no image there.
    """
    image = read_fits(path, hdu=extension, error=StampError)
    pixels = image.pixels.astype(np.float32)
    if mask_value is not None:
        pixels[image.pixels == mask_value] = np.nan
    return pixels


def crop(stamp: NDArray[np.float32], *, extent: int) -> NDArray[np.float32]:
    """Cut the middle out of a stamp.

    Parameters
    ----------
    stamp : ndarray of shape (ny, nx)
        The source is in the pixel ``[ny // 2, nx // 2]``.
    extent : int
        Half the side of a feature.

    Returns
    -------
    ndarray of shape (2 * extent + 1, 2 * extent + 1)
        The source is in the middle, the pixel ``[extent, extent]``, so that it stays there when
        the crop is turned. A last row or column that the stamp lacks is NaN. The feature is all
        but the last row and column.

    Raises
    ------
    StampError
        If the stamp is smaller than the feature.
    """
    ny, nx = stamp.shape
    if min(ny, nx) < 2 * extent:
        raise StampError(f"{nx} x {ny} pixels, smaller than 2 x extent = {2 * extent}")
    bottom, left = ny // 2 - extent, nx // 2 - extent
    found = stamp[bottom : bottom + 2 * extent + 1, left : left + 2 * extent + 1]
    missing = [(0, 2 * extent + 1 - side) for side in found.shape]
    return np.pad(found, missing, constant_values=np.nan)


def sky_cards(header: Header) -> str:
    """Collect the cards of an image that its stamps share: filter, date, zero point, WCS."""
    shared = [
        key for key in dict.fromkeys(header) if key in (*_COPIED, *_NATIVE_POLE) or _is_wcs(key)
    ]
    values = ((key, header_value(header, key)) for key in shared)
    return encode_cards((key, value) for key, value in values if value is not None)


def write_stamp(
    path: Path, pixels: NDArray[np.float32], *, shared: str, cards: Iterable[tuple[str, object]]
) -> None:
    """Write a stamp, whole or not at all.

    Parameters
    ----------
    path : Path
        The file; its folder exists.
    pixels : ndarray of shape (ny, nx)
        ADU; masked pixels NaN.
    shared : str
        The cards of the image, from `sky_cards`.
    cards : iterable of (keyword, value)
        The cards of this stamp, CRPIX among them.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with errors_name(path):
            part.write_bytes(encode_image(pixels, shared + encode_cards(cards)))
            part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _is_wcs(keyword: str) -> bool:
    return any(
        keyword.startswith(prefix) and keyword[len(prefix) :][:1].isdigit() for prefix in _WCS
    )
