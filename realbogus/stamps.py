"""Stamps: small FITS images around one source, each in a file of its own or together in cubes.

A cube holds the stamps of an exposure: the image of HDU 0 has the shape (n, ny, nx), and row *i* of
the table in HDU 1 describes plane *i*. The name ``cube.fits[7]`` means plane 7, counted from 0.
The header of the table has the WCS that all planes share but for their pixel of reference, which is
in the columns ``crpix1`` and ``crpix2``: `read_plane` puts them together.
"""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from realbogus.errors import StampError, StampSizeError
from realbogus.files import atomic_path, write_small_file
from realbogus.fitsfiles import (
    FitsImage,
    Header,
    Planes,
    encode_cards,
    encode_image,
    encode_table,
    header_value,
    read_fits,
    read_header,
    read_table,
    write_image,
)

__all__ = [
    "crop",
    "crop_window",
    "exposure_cards",
    "plane_name",
    "read_plane",
    "read_planes",
    "read_stamp",
    "split_plane",
    "wcs_cards",
    "write_cube",
    "write_plane",
    "write_stamp",
]

_COPIED = ("FILTER", "EXPTIME", "MJD-OBS", "MAGZPT", "GAIN", "FWHM", "SECPIX", "EQUINOX", "RADESYS")
_NATIVE_POLE = ("LONPOLE", "LATPOLE")
_PLANE = re.compile(r"(.+)\[(\d{1,9})\]", re.ASCII | re.DOTALL)
_COLUMNS = ("x", "y", "object", "detection")
_PLANE_CARDS = {
    "object": "OBJECT",
    "x": "XIMAGE",
    "y": "YIMAGE",
    "crpix1": "CRPIX1",
    "crpix2": "CRPIX2",
}
_WCS = ("CTYPE", "CUNIT", "CRVAL", "CD", "CDELT", "PC", "PV", "CROTA")


def read_stamp(
    path: Path, *, extension: int = 0, mask_value: float | None = None
) -> NDArray[np.float32]:
    """Read a stamp.

    Parameters
    ----------
    path : Path
        The FITS file, or ``cube.fits[7]``.
    extension : int
        The HDU that holds the pixels; those of a cube are always in HDU 0.
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
    name, plane = split_plane(str(path))
    if plane is None:
        image = read_fits(path, hdu=extension, error=StampError).pixels
    else:
        cube = read_fits(Path(name), hdu=0, axes=3, error=StampError).pixels
        if plane >= len(cube):
            raise StampError(f"{name}: has {len(cube)} planes, and plane {plane} is asked for")
        image = cube[plane]
    pixels = image.astype(np.float32)
    if mask_value is not None:
        pixels[image == mask_value] = np.nan
    return pixels


def plane_name(name: str, plane: int) -> str:
    """Name a plane of a cube, as lists do."""
    return f"{name}[{plane}]"


def split_plane(name: str) -> tuple[str, int | None]:
    """Take ``cube.fits[7]`` apart into the cube and the plane; None for a file of its own."""
    if not name.endswith("]"):
        return name, None
    match = _PLANE.fullmatch(name)
    return (match[1], int(match[2])) if match else (name, None)


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
    found = stamp[crop_window(ny, nx, extent=extent)]
    missing = [(0, 2 * extent + 1 - side) for side in found.shape]
    return np.pad(found, missing, constant_values=np.nan)


@lru_cache(maxsize=64)
def crop_window(ny: int, nx: int, *, extent: int) -> tuple[slice, slice]:
    """Give the rows and columns of a stamp that `crop` cuts out, as far as the stamp has them.

    Raises
    ------
    StampError
        If the stamp is smaller than the feature.
    """
    if min(ny, nx) < 2 * extent:
        raise StampSizeError(f"{nx} x {ny} pixels, smaller than 2 x extent = {2 * extent}")
    corners = (side // 2 - extent for side in (ny, nx))
    rows, columns = (slice(start, start + 2 * extent + 1) for start in corners)
    return rows, columns


def exposure_cards(header: Header) -> str:
    """Collect the cards of an image that its stamps share: filter, date, zero point and more."""
    return _cards_of(header, [key for key in dict.fromkeys(header) if key in _COPIED])


def wcs_cards(header: Header) -> str:
    """Collect the cards of an image's WCS that its stamps share: all but the pixel of reference."""
    keys = [key for key in dict.fromkeys(header) if key in _NATIVE_POLE or _is_wcs(key)]
    return _cards_of(header, keys)


def write_stamp(
    path: Path | str,
    pixels: NDArray[np.float32],
    *,
    shared: str,
    cards: Iterable[tuple[str, object]],
) -> None:
    """Write a stamp, whole or not at all.

    Parameters
    ----------
    path : Path or str
        The file; its folder exists.
    pixels : ndarray of shape (ny, nx)
        ADU; masked pixels NaN.
    shared : str
        The cards of the image, from `exposure_cards` and `wcs_cards`.
    cards : iterable of (keyword, value)
        The cards of this stamp, CRPIX among them.

    Raises
    ------
    OSError
        If the disk is full, or fails; it names ``path``.
    """
    write_small_file(str(path), encode_image(pixels, shared + encode_cards(cards)))


def write_cube(
    path: Path,
    pixels: Planes,
    *,
    shared: str,
    wcs: str = "",
    columns: Mapping[str, NDArray[Any]],
) -> None:
    """Write the stamps of an exposure as a cube with a table, whole or not at all.

    Parameters
    ----------
    path : Path
        The file.
    pixels : ndarray of shape (n, ny, nx), or its like
        ADU; masked pixels NaN; at least one plane. A few are asked for at a time.
    shared : str
        The cards that all planes share, from `exposure_cards` and more.
    wcs : str
        The cards of the WCS that all planes share, from `wcs_cards`. The pixel of reference differs
        from plane to plane, so it belongs in the columns ``crpix1`` and ``crpix2``.
    columns : mapping of str to ndarray of shape (n,)
        What is known of each plane: ``x``, ``y``, ``object``, ``detection`` and more. With
        ``mag`` and ``dmag``, a bare list of planes is as good as a full one.

    Raises
    ------
    StampError
        If there is no plane, or a column is missing or not of n rows.
    """
    lengths = {name: len(column) for name, column in columns.items()}
    missing = [name for name in _COLUMNS if name not in lengths]
    count = pixels.shape[0]
    if missing or not count or set(lengths.values()) != {count}:
        raise StampError(
            f"{path}: a cube needs at least one plane and a row for each, with columns "
            f"{', '.join(_COLUMNS)}; got {count} planes and columns {lengths}"
        )
    with atomic_path(path) as part, part.open("wb") as stream:
        write_image(stream, pixels, encode_cards([("EXTEND", True)]) + shared)
        stream.write(encode_table(columns, name="PLANES", cards=wcs))


def read_plane(name: str) -> FitsImage:
    """Read a plane of a cube with a header of its own, as the stamp that it is.

    Parameters
    ----------
    name : str
        For example ``cube.fits[7]``.

    Returns
    -------
    FitsImage
        The pixels of shape (ny, nx), ADU, masked pixels NaN; and the header, with the WCS.

    Raises
    ------
    StampError
        If there is no such plane, or the name is none of a plane.
    """
    file, plane = split_plane(name)
    if plane is None:
        raise StampError(f"{name}: not the name of a plane, such as cube.fits[7]")
    pixels = read_stamp(Path(name))
    shared, table = (read_header(Path(file), hdu=hdu) for hdu in (0, 1))
    header = Header.fromstring(exposure_cards(shared) + wcs_cards(table))
    row = {key: column[plane] for key, column in read_planes(Path(file)).items()}
    for column, keyword in _PLANE_CARDS.items():
        if column in row:
            header[keyword] = row[column].item()
    header["EXPNAME"] = header_value(shared, "EXPNAME")
    return FitsImage(pixels, header)


def write_plane(path: Path, stamp: FitsImage) -> None:
    """Write a stamp with all of its header, as `read_plane` gives it."""
    write_stamp(path, stamp.pixels, shared="", cards=stamp.header.items())


def read_planes(path: Path) -> dict[str, NDArray[Any]]:
    """Read what the table of a cube says of its planes, as arrays of shape (n,).

    Raises
    ------
    StampError
        If it has no such table.
    """
    columns = read_table(path)
    missing = [name for name in _COLUMNS if name not in columns]
    if missing:
        raise StampError(f"{path}: its table of planes has no {', '.join(missing)}")
    return columns


def _cards_of(header: Header, keys: Iterable[str]) -> str:
    values = ((key, header_value(header, key)) for key in keys)
    return encode_cards((key, value) for key, value in values if value is not None)


def _is_wcs(keyword: str) -> bool:
    return any(
        keyword.startswith(prefix) and keyword[len(prefix) :][:1].isdigit() for prefix in _WCS
    )
