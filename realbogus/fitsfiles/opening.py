"""Opening FITS files that may be damaged, and finding their images."""

import gzip
import io
import math
import mmap
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import RLock
from typing import Any, BinaryIO

import numpy as np
from astropy.io import fits
from astropy.io.fits.verify import VerifyWarning
from astropy.utils.exceptions import AstropyWarning

from realbogus.errors import ImageError, StampError

__all__ = ["NAMES", "FitsError", "Header", "one_line", "open_fits", "require_image"]

Header = fits.Header
FitsError = type[ImageError] | type[StampError]

NAMES = {2: "image", 3: "cube"}
"""What an array of so many axes is called."""

_BEGINNING = b"SIMPLE"
_GZIP = b"\x1f\x8b"
_FIRST_WORDS = (b"SIMPLE", b"XTENSION")
_END = b"END".ljust(80)
_BLOCK = 2880
_CARD = 80
_CHUNK = 1 << 16
_LARGEST_SIDE = 40_000
# An image of more pixels would not fit into the memory of a worker.
_MOST_PIXELS = 400_000_000
_MOST_BYTES = 8 * _MOST_PIXELS
# Pixels a byte: no packing of the surveys makes an image smaller.
_TIGHTEST = 2000
# What is done with warnings is the same for all threads.
_WARNINGS = RLock()
# The standard ends at 999.
_ABSURD_COUNT = re.compile(rb"(?:NAXIS|TFIELDS) *= *\d{4}")
_ABSURD = "too many axes or columns"


@contextmanager
def open_fits(
    path: Path, error: FitsError, *, in_pieces: bool = False, **options: bool
) -> Iterator[fits.HDUList]:
    """Open a file for reading, perhaps many pieces of it; to be used within `one_line`."""
    if path.is_fifo():  # to open one is to wait for who writes into it
        raise error(f"{path}: not a readable FITS image (it is a pipe)")
    # astropy leaves a file that it opened itself open when it can't be read.
    with path.open("rb") as file:
        problem = _problem(file)
        if problem is not None:
            raise error(f"{path}: not a readable FITS image ({problem})")
        content = _Unbuffered(file) if in_pieces and not _is_archive(file) else file
        with fits.open(content, memmap=False, **options) as hdus:
            yield hdus


class _Unbuffered(io.RawIOBase):
    """A file as astropy does not know it: of one that it knows, pieces are slow to read.

    The whole is not: of this file it makes a copy more.
    """

    mode = "rb"

    def __init__(self, file: BinaryIO) -> None:
        self._raw = io.FileIO(file.fileno(), closefd=False)
        self._raw.seek(0)
        self.name = file.name

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        return self._raw.read(size)

    def readinto(self, buffer: Any) -> int | None:
        return self._raw.readinto(buffer)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._raw.seek(offset, whence)

    def tell(self) -> int:
        return self._raw.tell()


@contextmanager
def one_line(path: Path, error: FitsError) -> Iterator[None]:
    """Let whatever goes wrong in the block with a file end as one line that names it."""
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


def require_image(
    path: Path, hdus: fits.HDUList, hdu: int | None, error: FitsError, axes: int = 2
) -> Any:
    """Find the HDU of the image, by default the first, whose claims must be possible."""
    image = _find_image(hdus) if hdu is None else hdus[hdu]
    where = "" if hdu is None else f" in HDU {hdu}"
    if image is None or not image.is_image or len(image.shape) != axes:
        raise error(f"{path}: holds no {NAMES[axes]}{where}")
    most = min(_MOST_PIXELS, _TIGHTEST * path.stat().st_size)
    if max(image.shape[-2:]) > _LARGEST_SIDE or math.prod(image.shape) > most:
        claimed = " x ".join(str(side) for side in reversed(image.shape))
        raise error(f"{path}: claims to be {claimed} pixels")
    return image


def _problem(file: BinaryIO) -> str | None:
    """Find what would make astropy fill the memory before it looks at the file's size."""
    if _is_archive(file):
        with gzip.open(file) as content:
            problem = _problem_in_archive(content)
        file.seek(0)
        return problem
    if _peek(file, _BEGINNING) != _BEGINNING:  # astropy would unpack other archives too
        return "it does not begin like one"
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        return _ABSURD if any(map(_is_absurd, _header_cards(mapped))) else None


def _is_archive(file: BinaryIO) -> bool:
    return _peek(file, _GZIP) == _GZIP


def _peek(file: BinaryIO, expected: bytes) -> bytes:
    beginning = file.read(len(expected))
    file.seek(0)
    return beginning


def _problem_in_archive(content: gzip.GzipFile) -> str | None:
    """Look at every card's place of a file that can't be had as a whole."""
    size = 0
    while chunk := content.read(_CARD * _CHUNK):
        size += len(chunk)
        if any(_is_absurd(chunk[start : start + _CARD]) for start in range(0, len(chunk), _CARD)):
            return _ABSURD
        if size > _MOST_BYTES:
            return "it is too large"
    return None


def _is_absurd(card: bytes) -> bool:
    return card.startswith((b"NAXIS", b"TFIELDS")) and _ABSURD_COUNT.match(card) is not None


def _header_cards(content: mmap.mmap) -> Iterator[bytes]:
    """Give the cards of all headers: they begin with a block, by a few words, and have an end."""
    initials = np.frombuffer(content, np.uint8, len(content))[::_BLOCK].copy()
    blocks = np.flatnonzero(np.isin(initials, [word[0] for word in _FIRST_WORDS]))
    seen = 0
    for start in (blocks * _BLOCK).tolist():
        if start < seen or not content[start : start + _CARD].startswith(_FIRST_WORDS):
            continue
        for seen in range(start, len(content), _CARD):
            card = content[seen : seen + _CARD]
            yield card
            if card == _END:
                break


def _find_image(hdus: fits.HDUList) -> Any:
    return next((hdu for hdu in hdus if hdu.is_image and hdu.header.get("NAXIS") == 2), None)


def _first_line(cause: Exception) -> str:
    return (str(cause).splitlines() or [type(cause).__name__])[0][:120]
