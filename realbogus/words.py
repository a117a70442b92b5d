"""Tables of words: text in, arrays out.

Lists of a million rows are read this way, in half of the time that `numpy.loadtxt` takes.
"""

import numpy as np
from numpy.typing import NDArray

__all__ = ["EXACT_DIGITS", "WordTable", "read_digits"]

_NEWLINE, _SPACE, _ZERO = b"\n 0"
EXACT_DIGITS = 15
"""Integers of so many digits, and as many powers of ten, are exact in double precision."""

# What parts words; other control characters are refused.
_GAPS = b" \n\t"
_LONGEST = 4096


class WordTable:
    """Rows of text, each of which has the same number of words.

    Parameters
    ----------
    text : str
        Whole lines of ASCII, without empty ones.
    columns : int
        The words of a line.

    Raises
    ------
    ValueError
        If the text is not such a table, or a word is longer than 4096 letters.
    """

    def __init__(self, text: str, columns: int) -> None:
        content = text.encode("ascii")
        # A newline before the first line, and room for a word of any length behind the last.
        end = 1 + len(content) + (not content.endswith(b"\n"))
        self._text = np.zeros(end + _LONGEST, np.uint8)
        self._text[0] = self._text[end - 1] = _NEWLINE
        self._text[1 : 1 + len(content)] = np.frombuffer(content, np.uint8)
        letters = self._text[:end]
        is_word = letters > _SPACE
        gaps = sum(np.count_nonzero(letters == gap) for gap in _GAPS)
        if np.count_nonzero(is_word) + gaps != len(letters):
            raise ValueError("a control character")
        changes = is_word[1:].view(np.uint8) ^ is_word[:-1].view(np.uint8)
        edges = np.flatnonzero(changes.view(np.bool_)) + 1
        self._words = edges.reshape(-1, columns, 2)  # begin and end
        begins, ends = self._words[:, 0, 0], self._words[:, -1, 1]
        newlines = np.flatnonzero(letters == _NEWLINE)
        if len(newlines) != len(begins) + 1:
            raise ValueError("another number of words")
        if (newlines[:-1] > begins).any() or (newlines[1:] < ends).any():
            raise ValueError("another number of words in a line")
        if (self._words[..., 1] - self._words[..., 0]).max(initial=0) > _LONGEST:
            raise ValueError("a word without an end")

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self._words)

    def initials(self) -> NDArray[np.uint8]:
        """Give the first letter of each row."""
        return self._text[self._words[:, 0, 0]]

    def texts(self, column: int) -> NDArray[np.bytes_]:
        """Give a column as texts."""
        begins, ends = self._words[:, column].T
        lengths = ends - begins
        width = int(lengths.max(initial=1))
        count = len(self._text) - width
        words: NDArray[np.bytes_] = np.ndarray(count, f"S{width}", self._text, strides=(1,))[begins]
        if lengths.min(initial=width) < width:
            letters = words.view(np.uint8).reshape(len(words), width)
            letters *= np.arange(width) < lengths[:, np.newaxis]
        return words

    def numbers(self, column: int) -> NDArray[np.float64]:
        """Give a column as the numbers that `float` makes of its words.

        A word of up to 15 digits with a point is the integer of its digits over a power of ten.
        Both are exact, so that their ratio is the nearest number (Clinger 1990, PLDI, 92).

        Raises
        ------
        ValueError
            If a word is not a number.
        """
        words = self.texts(column)
        whole, counts = read_digits(words)
        lengths, point = np.strings.str_len(words), np.strings.find(words, b".")
        has_point = point >= 0
        is_plain = (counts + has_point == lengths) & (counts > 0) & (counts <= EXACT_DIGITS)
        places = np.where(has_point & is_plain, lengths - 1 - point, 0)
        numbers: NDArray[np.float64] = whole / 10.0**places
        numbers[~is_plain] = words[~is_plain].astype(np.float64)
        return numbers


def read_digits(
    words: NDArray[np.bytes_],
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Give the integers that the digits of words make, whatever is between, and how many they are.

    They are exact up to `EXACT_DIGITS`.
    """
    whole, counts = np.zeros(len(words)), np.zeros(len(words), np.intp)
    for letters in words.view(np.uint8).reshape(len(words), words.itemsize).T.copy():
        digits = letters - np.uint8(_ZERO)
        is_digit = digits < 10
        whole = whole * np.where(is_digit, 10.0, 1.0) + digits * is_digit
        counts += is_digit
    return whole, counts
