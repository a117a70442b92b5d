import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realbogus.words import EXACT_DIGITS, WordTable, read_digits

LETTERS = st.characters(min_codepoint=33, max_codepoint=126)
WORDS = st.text(LETTERS, min_size=1, max_size=30)
NUMBERS = st.one_of(
    st.from_regex(
        r"[+-]?(\d{1,20}\.?\d{0,20}|\.\d{1,20})([eE][+-]?\d{1,3})?", fullmatch=True
    ).filter(str.isascii),
    st.floats(width=64).map(lambda number: f"{number:.10g}"),
    st.sampled_from(["nan", "-nan", "inf", "-Infinity", "1_0", "0", "00.10", "5.", ".5", "9" * 16]),
)


@given(st.lists(st.lists(WORDS, min_size=3, max_size=3), min_size=1, max_size=20), st.booleans())
def test_words_are_those_that_python_parts(rows, is_ragged):
    gap = " \t  " if is_ragged else " "
    lines = [f"{gap[1:]}{gap.join(row)}{gap[1:]}" for row in rows]
    for end in ("", "\n"):
        table = WordTable("\n".join(lines) + end, 3)
        assert len(table) == len(rows)
        assert table.initials().tobytes().decode() == "".join(row[0][0] for row in rows)
        for column in range(3):
            words = table.texts(column)
            assert [word.decode() for word in words.tolist()] == [row[column] for row in rows]
            assert words.dtype.itemsize == max(len(row[column]) for row in rows)


@given(st.lists(NUMBERS, min_size=1, max_size=30))
def test_numbers_are_those_that_python_reads_to_the_last_bit(words):
    found = WordTable("\n".join(f"a {word} b" for word in words), 3).numbers(1)
    expected = np.array([float(word) for word in words])
    is_nan = np.isnan(expected)
    np.testing.assert_array_equal(np.isnan(found), is_nan)
    assert found[~is_nan].tobytes() == expected[~is_nan].tobytes()


@pytest.mark.parametrize("word", ["-", ".", "1.2.3", "1-2", "1,5", "0x1f", "four", "1e", "--1"])
def test_a_word_that_is_no_number_is_refused(word):
    with pytest.raises(ValueError, match=r"could not convert|not convert"):
        WordTable(f"1 a\n{word} b\n", 2).numbers(0)


@pytest.mark.parametrize(
    "text",
    [
        "a b\nc\n",
        "a b\nc d e f\n",
        "a b c\nd\n",  # as many words as two rows of two
        "a\nb c d\n",
        "a b\n\nc d\n",
        "a b\n\n",
        "a b\vc d\n",
        "a\x00 b\n",
        "a b\rc d\n",
        "a é\n",
        f"a {'b' * 4097}\n",
    ],
)
def test_what_is_no_such_table_is_refused(text):
    with pytest.raises(ValueError, match=r"."):
        WordTable(text, 2)


def test_the_longest_word_at_the_end_is_whole():
    word = "".join(chr(33 + n % 90) for n in range(4096))
    assert WordTable(f"a b\nc {word}", 2).texts(1).tolist() == [b"b", word.encode()]


def test_digits_are_read_whatever_is_between():
    numbers, counts = read_digits(np.array([b"[7]", b"[012]", b"", b"a1b2c3", b"9" * EXACT_DIGITS]))
    assert numbers.tolist() == [7, 12, 0, 123, 10**EXACT_DIGITS - 1]
    assert counts.tolist() == [1, 3, 0, 3, EXACT_DIGITS]
