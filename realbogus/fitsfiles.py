"""Reading and writing FITS: the only home of astropy.io.fits.

Files come from telescopes and networks, so whatever a damaged one makes astropy do ends as one
line that names it.
"""

import io
import math
import mmap
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import RLock
from typing import Any, BinaryIO

import numpy as np
from astropy.io import fits
from astropy.io.fits.verify import VerifyError, VerifyWarning
from astropy.utils.exceptions import AstropyWarning
from numpy.typing import NDArray

from realbogus.errors import ImageError, StampError
from realbogus.files import atomic_path

__all__ = [
    "FitsImage",
    "Header",
    "check_fits",
    "encode_cards",
    "encode_image",
    "encode_table",
    "header_value",
    "read_fits",
    "read_table",
    "write_packed",
]

Header = fits.Header

_BLOCK = 2880
_LARGEST_SIDE = 40_000
_NAMES = {2: "image", 3: "cube"}
# Pixels a byte: no packing of the surveys makes an image smaller.
_TIGHTEST = 2000
# What is done with warnings is the same for all threads.
_WARNINGS = RLock()
# The standard ends at 999. Each begins with its keyword, so that the search is fast.
_ABSURD = (re.compile(rb"NAXIS *= *\d{4}"), re.compile(rb"TFIELDS *= *\d{4}"))


@dataclass(frozen=True)
class FitsImage:
    """The pixels, of shape (ny, nx) or of a cube (n, ny, nx), and the header of one HDU."""

    pixels: NDArray[Any]
    header: fits.Header


def read_fits(
    path: Path,
    *,
    hdu: int | None = None,
    axes: int = 2,
    error: type[ImageError | StampError] = ImageError,
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
    with _one_line(path, error), _open(path, error) as hdus:
        image = _require_image(path, hdus, hdu, error, axes)
        pixels = np.asarray(image.data)
        if pixels.size == 0 or pixels.ndim != axes:
            raise error(f"{path}: holds no {_NAMES[axes]}")
        return FitsImage(pixels, image.header)


def read_table(path: Path, *, hdu: int = 1) -> dict[str, NDArray[Any]]:
    """Read the columns of a binary table, by their names in lower case.

    Raises
    ------
    StampError
        If the file is missing, damaged, or has no such table.
    """
    with _one_line(path, StampError), _open(path, StampError) as hdus:
        table = hdus[hdu]
        if not isinstance(table, fits.BinTableHDU) or isinstance(table, fits.CompImageHDU):
            raise StampError(f"{path}: holds no table in HDU {hdu}")
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
    with _one_line(path, ImageError):
        with _open(path, ImageError) as hdus:
            _require_image(path, hdus, None, ImageError)
        with _open(path, ImageError, disable_image_compression=True) as hdus:
            if not all(hdu.verify_datasum() for hdu in hdus):
                raise ImageError(f"{path}: the data differ from their checksum")


def header_value(header: fits.Header, keyword: str) -> Any:
    """Return the value of a card; None if there is none or it is malformed, as some are."""
    try:
        return header.get(keyword)
    except VerifyError:
        return None


def write_packed(path: Path, pixels: NDArray[Any], cards: Mapping[str, object]) -> None:
    """Write an image Rice-packed in HDU 1, as the surveys keep them.

    Parameters
    ----------
    path : Path
        The file to make; whole or absent.
    pixels : ndarray of shape (ny, nx)
        ADU. NaN in a floating-point image is kept as a masked pixel.
    cards : mapping
        The header; a value may be a pair of value and comment.
    """
    header = fits.Header()
    header.update(cards)
    packed = fits.CompImageHDU(pixels, header, compression_type="RICE_1")
    with atomic_path(path) as part:
        fits.HDUList([fits.PrimaryHDU(), packed]).writeto(part)


def encode_cards(cards: Iterable[tuple[str, object]]) -> str:
    """Write header cards as text of 80 characters each."""
    return "".join(fits.Card(key, value).image for key, value in cards)


def encode_image(pixels: NDArray[np.float32], cards: str) -> bytes:
    """Write a small float32 image, or a cube, as the bytes of a FITS file.

    Parameters
    ----------
    pixels : ndarray of shape (ny, nx) or (n, ny, nx)
        ADU.
    cards : str
        Further header cards, from `encode_cards`.
    """
    sides = [(f"NAXIS{n}", side) for n, side in enumerate(reversed(pixels.shape), start=1)]
    shape = [("SIMPLE", True), ("BITPIX", -32), ("NAXIS", pixels.ndim), *sides]
    header = encode_cards(shape) + cards + "END".ljust(80)
    return _padded(header.encode("ascii"), b" ") + _padded(pixels.astype(">f4").tobytes(), b"\0")


def encode_table(columns: Mapping[str, NDArray[Any]], *, name: str) -> bytes:
    """Write columns of equal length as the bytes of a binary table that follows an image.

    Parameters
    ----------
    columns : mapping of str to ndarray of shape (n,)
        Numbers, or texts in ASCII.
    name : str
        Of the table, its EXTNAME.
    """
    arrays = list(columns.values())
    kinds = np.dtype([(key, array.dtype) for key, array in columns.items()])
    table = fits.BinTableHDU(np.rec.fromarrays(arrays, dtype=kinds), name=name)
    with io.BytesIO() as stream:
        fits.HDUList([fits.PrimaryHDU(), table]).writeto(stream)
        return stream.getvalue()[_BLOCK:]  # without the empty image before it


def _native(column: NDArray[Any]) -> NDArray[Any]:
    return column.astype(column.dtype.newbyteorder("="))


def _padded(content: bytes, filler: bytes) -> bytes:
    return content + filler * (-len(content) % _BLOCK)


@contextmanager
def _open(
    path: Path, error: type[ImageError | StampError], **options: bool
) -> Iterator[fits.HDUList]:
    # astropy leaves a file that it opened itself open when it can't be read.
    with path.open("rb") as file:
        if _has_absurd_counts(file):
            raise error(f"{path}: not a readable FITS image (too many axes or columns)")
        with fits.open(file, memmap=False, **options) as hdus:
            yield hdus


def _has_absurd_counts(file: BinaryIO) -> bool:
    """Find a count with which astropy would fill the memory before it looks at the file's size."""
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return any(pattern.search(content) for pattern in _ABSURD)


def _require_image(
    path: Path,
    hdus: fits.HDUList,
    hdu: int | None,
    error: type[ImageError | StampError],
    axes: int = 2,
) -> Any:
    """Find the HDU of the image, whose claims must be possible."""
    image = _find_image(hdus) if hdu is None else hdus[hdu]
    where = "" if hdu is None else f" in HDU {hdu}"
    if image is None or not image.is_image or len(image.shape) != axes:
        raise error(f"{path}: holds no {_NAMES[axes]}{where}")
    if max(image.shape[-2:]) > _LARGEST_SIDE or (
        math.prod(image.shape) > _TIGHTEST * path.stat().st_size
    ):
        claimed = " x ".join(str(side) for side in reversed(image.shape))
        raise error(f"{path}: claims to be {claimed} pixels")
    return image


def _find_image(hdus: fits.HDUList) -> Any:
    return next((hdu for hdu in hdus if hdu.is_image and hdu.header.get("NAXIS") == 2), None)


@contextmanager
def _one_line(path: Path, error: type[ImageError | StampError]) -> Iterator[None]:
    try:
        with _WARNINGS, warnings.catch_warnings():
            warnings.simplefilter("ignore", VerifyWarning)
            warnings.filterwarnings("error", "File may have been truncated", AstropyWarning)
            yield
    except (ImageError, StampError):
        raise
    except FileNotFoundError as cause:
        raise error(f"{path}: no such file") from cause
    except MemoryError as cause:
        raise error(f"{path}: too large for the memory") from cause
    except Exception as cause:
        # A damaged file makes astropy raise nearly anything, private exceptions among them.
        raise error(f"{path}: not a readable FITS image ({_first_line(cause)})") from cause


def _first_line(cause: Exception) -> str:
    return (str(cause).splitlines() or [type(cause).__name__])[0][:120]
