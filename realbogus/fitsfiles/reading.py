"""Images, parts of images and tables out of FITS files."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.io.fits.verify import VerifyError
from numpy.typing import NDArray

from realbogus.errors import ImageError, StampError
from realbogus.fitsfiles.opening import (
    NAMES,
    FitsError,
    Header,
    one_line,
    open_fits,
    require_image,
)
from realbogus.fitsfiles.tiles import rectangles, require_sound_tiles, tile_shape

__all__ = [
    "FitsImage",
    "check_fits",
    "header_value",
    "read_fits",
    "read_header",
    "read_table",
    "read_touched",
]

# Of an image that is needed for the most part, all is read: the rest costs less than the pieces.
_NEARLY_ALL = 0.9


@dataclass(frozen=True)
class FitsImage:
    """The pixels, of shape (ny, nx) or of a cube (n, ny, nx), and the header of one HDU."""

    pixels: NDArray[Any]
    header: Header


def read_fits(
    path: Path, *, hdu: int | None = None, axes: int = 2, error: FitsError = ImageError
) -> FitsImage:
    """Read one image, Rice- or otherwise packed or not.

    Parameters
    ----------
    path : Path
        A FITS file.
    hdu : int, optional
        The HDU; by default the first that holds an image.
    axes : int
        2, or 3 for a cube.
    error : type
        What to raise.

    Raises
    ------
    ImageError or StampError
        If the file is missing, truncated, damaged, or has no such image.
    """
    with one_line(path, error), open_fits(path, error) as hdus:
        image = require_image(path, hdus, hdu, error, axes)
        require_sound_tiles(path, hdus.index_of(image), image, error)
        pixels = np.asarray(image.data)
        if pixels.size == 0 or pixels.ndim != axes:
            raise error(f"{path}: holds no {NAMES[axes]}")
        return FitsImage(pixels, image.header)


def read_touched(
    path: Path, find_touched: Callable[[tuple[int, int], tuple[int, int]], NDArray[np.bool_]]
) -> FitsImage:
    """Read the tiles of an image that are needed, each once; other pixels are 0.

    The memory of the others is not taken, where the operating system gives it at first use.

    Parameters
    ----------
    path : Path
        A FITS file, packed or not.
    find_touched : callable
        Is given the shapes of the image and of its tiles, (ny, nx), and says which tiles are
        needed, as an array of the shape of the grid of tiles.

    Raises
    ------
    ImageError
        If the file is missing, truncated, damaged, or holds no image.
    """
    with one_line(path, ImageError), open_fits(path, ImageError, in_pieces=True) as hdus:
        image = require_image(path, hdus, None, ImageError)
        require_sound_tiles(path, hdus.index_of(image), image, ImageError)
        tile = tile_shape(image)
        touched = find_touched(image.shape, tile)
        if touched.mean() <= _NEARLY_ALL:
            return FitsImage(_read_rectangles(image, touched, tile), image.header)
    return read_fits(path)


def read_header(path: Path, *, hdu: int) -> Header:
    """Read the header of an HDU of a stamp's file.

    Raises
    ------
    StampError
        If the file is missing, damaged, or has no such HDU.
    """
    with one_line(path, StampError), open_fits(path, StampError) as hdus:
        return hdus[hdu].header.copy()


def read_table(path: Path, *, hdu: int = 1) -> dict[str, NDArray[Any]]:
    """Read the columns of a binary table, by their names in lower case.

    Raises
    ------
    StampError
        If the file is missing, damaged, or has no such table.
    """
    with one_line(path, StampError), open_fits(path, StampError) as hdus:
        table = _require_table(path, hdus[hdu], hdu)
        columns = {name.lower(): np.array(table.data[name]) for name in table.columns.names}
        return {name: _native(column) for name, column in columns.items()}


def check_fits(path: Path) -> None:
    """Check, without decoding, that a file holds a whole two-dimensional image.

    Every HDU must be as long as it claims to be, and have the sum of its data if it carries one.

    Raises
    ------
    ImageError
        If not.
    """
    # Its header's own sum is not compared: people edit cards.
    with one_line(path, ImageError):
        with open_fits(path, ImageError) as hdus:
            require_image(path, hdus, None, ImageError)
        with open_fits(path, ImageError, disable_image_compression=True) as hdus:
            if not all(hdu.verify_datasum() for hdu in hdus):
                raise ImageError(f"{path}: the data differ from their checksum")


def header_value(header: Header, keyword: str) -> Any:
    """Return the value of a card; None if there is none or it is malformed, as some are."""
    try:
        return header.get(keyword)
    except VerifyError:
        return None


def _read_rectangles(image: Any, touched: NDArray[np.bool_], tile: tuple[int, int]) -> NDArray[Any]:
    ny, nx = image.shape
    pixels: NDArray[Any] | None = None
    for rows, columns in rectangles(touched, tile):
        part = image.section[rows.start : min(rows.stop, ny), columns.start : min(columns.stop, nx)]
        if pixels is None:
            pixels = np.zeros((ny, nx), part.dtype)
        pixels[rows, columns] = part
    return np.zeros((ny, nx), np.float32) if pixels is None else pixels


def _require_table(path: Path, table: Any, hdu: int) -> fits.BinTableHDU:
    if not isinstance(table, fits.BinTableHDU) or isinstance(table, fits.CompImageHDU):
        raise StampError(f"{path}: holds no table in HDU {hdu}")
    return table


def _native(column: NDArray[Any]) -> NDArray[Any]:
    return column.astype(column.dtype.newbyteorder("="))
