"""Plain FITS images, read by hand where that is fast and sure.

A stamp as this project writes it is a header in fixed format and an array. Reading it needs no
general reader, which costs a hundred times what the disk does. Anything out of the ordinary
(packed, scaled, blanked, truncated, free in format) is left to `realbogus.fitsfiles`.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["LONGEST_HEADER", "Layout", "card_number", "find_layout"]

LONGEST_HEADER = 4 * 28_800
"""The bytes that are looked through for the end of a header."""

_BLOCK = 2880
_CARD = 80
_END = b"END" + b" " * 77
_NAN = float("nan")
# Cards that change what the numbers mean.
_SCALING = (b"BSCALE  ", b"BZERO   ", b"BLANK   ")
_SIMPLE = re.compile(rb"SIMPLE  = {20}T[ /]")
_INTEGER = re.compile(rb"(\w{1,8}) *= +(-?\d{1,9}) *(?:/.*)?", re.DOTALL)
_TYPES = {8: ">u1", 16: ">i2", 32: ">i4", -32: ">f4", -64: ">f8"}
_NAXIS_CARD = 2


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the numbers of a plain image lie in its file.

    Attributes
    ----------
    dtype : numpy.dtype
        Of the numbers in the file.
    shape : tuple of int
        In the order of numpy: (ny, nx), or (n, ny, nx) of a cube.
    offset : int
        Bytes before the first number.
    """

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    offset: int

    @property
    def plane_bytes(self) -> int:
        """The bytes of one image of shape (ny, nx)."""
        return self.shape[-1] * self.shape[-2] * self.dtype.itemsize

    @property
    def file_bytes(self) -> int:
        """The least that the file must hold, its padding included."""
        planes = self.shape[0] if len(self.shape) > 2 else 1
        return -(-(self.offset + planes * self.plane_bytes) // _BLOCK) * _BLOCK

    def image(self, content: bytes) -> NDArray[Any]:
        """Give the pixels of an image, of shape (ny, nx), out of the bytes of its file."""
        ny, nx = self.shape
        pixels: NDArray[Any] = np.frombuffer(content, self.dtype, ny * nx, self.offset)
        return pixels.reshape(ny, nx)


def find_layout(content: bytes, *, axes: int) -> Layout | None:
    """Find where the first image of a FITS file lies; None if that is not plain to see.

    Parameters
    ----------
    content : bytes
        The beginning of the file, its whole header included.
    axes : int
        2 for an image, 3 for a cube.
    """
    initials = content[:LONGEST_HEADER:_CARD]
    end = _find_card(content, initials, _END)
    if end < 0 or _is_scaled(content, initials[: end // _CARD]):
        return None
    return _layout(content[: (_NAXIS_CARD + 1 + axes) * _CARD], axes, (end // _BLOCK + 1) * _BLOCK)


def card_number(content: bytes, keyword: bytes, layout: Layout) -> float:
    """Return the number on the first card of a keyword in the header; NaN if there is none."""
    place = _find_card(content, content[: layout.offset : _CARD], keyword.ljust(8) + b"= ")
    if place < 0:
        return _NAN
    try:
        return float(content[place + 10 : place + _CARD].partition(b"/")[0])
    except ValueError:
        return _NAN


def _is_scaled(content: bytes, initials: bytes) -> bool:
    if initials.count(b"B") < 2:  # BITPIX alone
        return False
    return any(_find_card(content, initials, keyword) >= 0 for keyword in _SCALING)


def _find_card(content: bytes, initials: bytes, beginning: bytes) -> int:
    """Return where the first card that begins so begins; -1 if there is none.

    Looking at the first letter of each card is ten times as fast as searching the text.
    """
    number = initials.find(beginning[0])
    while number >= 0 and not content.startswith(beginning, number * _CARD):
        number = initials.find(beginning[0], number + 1)
    return max(number * _CARD, -1)


@lru_cache(maxsize=64)
def _layout(cards: bytes, axes: int, offset: int) -> Layout | None:
    """Read SIMPLE, BITPIX, NAXIS and the axes, which the standard puts first in this order."""
    keywords = [b"BITPIX", b"NAXIS", *(b"NAXIS%d" % (n + 1) for n in range(axes))]
    texts = [cards[start : start + _CARD] for start in range(_CARD, len(cards), _CARD)]
    found = [_INTEGER.fullmatch(text) for text in texts]
    if not _SIMPLE.match(cards) or [match and match[1] for match in found] != keywords:
        return None
    bits, count, *sides = (int(match[2]) for match in found if match)
    if bits not in _TYPES or count != axes or min(sides) < 1:
        return None
    return Layout(np.dtype(_TYPES[bits]), tuple(reversed(sides)), offset)
