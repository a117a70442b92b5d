"""What is written comes back, whatever it is."""

import tempfile
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from realbogus.images import DifferenceImage, cut_stamps
from realbogus.lists import Row, read_list, read_list_recipe, write_list
from realbogus.options import parse_names, parse_nights
from realbogus.recipes import Input, Recipe, find_difference
from realbogus.scores import Scores, read_score_recipe, read_scores, write_scores
from realbogus.stamps import read_stamp, write_stamp
from tests.helpers import unique_image

WORDS = st.text(st.characters(exclude_categories=["Z", "C"]), min_size=1, max_size=20)
NUMBERS = st.integers(-(10**9), 10**9).map(lambda n: n / 1e4)
FILE_NAMES = st.text(
    st.characters(exclude_categories=["C", "Zl", "Zp"], exclude_characters="#/"), min_size=1
).filter(str.strip)
ROWS = st.builds(Row, *[NUMBERS] * 6, WORDS, WORDS, WORDS)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.none() | st.booleans() | st.integers() | FLOATS | st.text()
OPTIONS = st.dictionaries(WORDS, VALUES | st.lists(VALUES, max_size=3), max_size=4)
PLAIN = st.builds(Recipe, WORDS, OPTIONS, results=OPTIONS)
INPUTS = st.dictionaries(WORDS, st.builds(Input, WORDS, WORDS, st.none() | PLAIN), max_size=2)
RECIPES = st.builds(Recipe, WORDS, OPTIONS, INPUTS, OPTIONS)
NIGHTS = st.sets(st.integers(10_000, 99_999), min_size=1, max_size=8)


@given(RECIPES)
def test_recipes_come_back(recipe):
    back = Recipe.from_json(recipe.to_json())
    assert back == recipe
    assert back.digest == recipe.digest
    assert find_difference(back, options=recipe.options, inputs=recipe.inputs) is None


@given(st.lists(ROWS, max_size=5), PLAIN)
def test_lists_come_back(rows, recipe):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "good.txt"
        write_list(path, rows, recipe)
        assert read_list(path) == rows
        assert read_list_recipe(path) == recipe


@given(
    st.lists(
        st.tuples(FILE_NAMES, FILE_NAMES, st.integers(0, 1), st.floats(0, 1)),
        min_size=1,
        max_size=6,
        unique_by=lambda row: row[0],
    ),
    PLAIN,
)
def test_scores_come_back_to_seven_digits(rows, recipe):
    names, objects, targets, values = zip(*rows, strict=True)
    written = Scores(
        np.array(names), np.array(objects), np.array(targets, np.int8), np.array(values)
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "scores.csv"
        write_scores(path, written, recipe)
        back = read_scores(path)
        assert read_score_recipe(path) == recipe
    assert list(back.names) == list(written.names)
    assert list(back.objects) == list(written.objects)
    assert list(back.targets) == list(targets)
    np.testing.assert_allclose(back.scores, values, rtol=1e-6, atol=1e-300)


@given(NIGHTS, st.sampled_from(["{}", "[{}]", "({})", " {} "]))
def test_nights_come_back_from_every_form(nights, form):
    expected = tuple(sorted(nights))
    assert parse_nights(form.format(",".join(map(str, nights)))) == expected
    assert parse_nights([str(night) for night in nights]) == expected
    assert parse_nights(expected) == expected


@given(st.integers(10_000, 99_000), st.integers(0, 50))
def test_a_range_of_nights_has_both_its_ends(first, more):
    assert parse_nights(f"{first}-{first + more}") == tuple(range(first, first + more + 1))


@given(st.lists(WORDS.map(lambda word: word.strip("[](),\"'") + ".csv"), min_size=1, max_size=5))
def test_file_names_come_back_from_a_bare_list(names):
    names = [name for name in names if not set(name) & set("[](),\"'{}")] or ["a.csv"]
    assert parse_names(f"[{','.join(names)}]") == tuple(names)


@given(st.floats(0, 49.99), st.floats(0, 29.99), st.integers(1, 20), st.sampled_from("hif"))
def test_from_image_to_stamp_file_no_pixel_moves(x, y, size, kind):
    image = DifferenceImage(unique_image(30, 50, np.dtype(kind)), -31415.0, None)
    stamp = cut_stamps(image, np.array([x]), np.array([y]), size=size)[0]
    with tempfile.TemporaryDirectory() as folder:
        write_stamp(Path(folder) / "stamp.fits", stamp, shared="", cards=[])
        back = read_stamp(Path(folder) / "stamp.fits")
    for row, column in np.ndindex(size, size):
        j, i = int(y) - size // 2 + row, int(x) - size // 2 + column
        inside = 0 <= j < 30 and 0 <= i < 50
        expected = image.pixels[j, i] if inside else np.nan
        assert np.array_equal(back[row, column], expected, equal_nan=True)
