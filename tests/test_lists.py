import math
from dataclasses import replace

import numpy as np
import pytest
from astropy.table import Table

from realbogus.errors import FormatError
from realbogus.lists import (
    ListSpool,
    object_of,
    read_columns,
    read_list,
    read_list_recipe,
    write_list,
)
from tests.helpers import make_recipe, make_row

HEADER = "# x y mag dmag ra dec obs object stamp\n"


def test_rows_come_back_as_they_were_written(tmp_path):
    rows = [make_row(n) for n in range(3)]
    write_list(tmp_path / "good.txt", rows, make_recipe())
    assert read_list(tmp_path / "good.txt") == rows


def test_the_recipe_comes_back(tmp_path):
    write_list(tmp_path / "good.txt", [], make_recipe(camera="02a"))
    assert read_list_recipe(tmp_path / "good.txt") == make_recipe(camera="02a")
    assert read_list(tmp_path / "good.txt") == []


def test_astropy_reads_the_list(tmp_path):
    write_list(tmp_path / "good.txt", [make_row(1), make_row(2)], make_recipe())
    table = Table.read(tmp_path / "good.txt", format="ascii.commented_header")
    assert table.colnames == HEADER[2:].split()
    assert list(table["x"]) == [101.5, 102.5]
    assert table["stamp"][0] == make_row(1).stamp


def test_a_pixel_far_out_keeps_its_place(tmp_path):
    row = make_row(x=10535.96, y=10559.99, ra=359.9999999)
    write_list(tmp_path / "good.txt", [row], make_recipe())
    assert read_list(tmp_path / "good.txt") == [row]


def test_an_unknown_magnitude_is_nan_and_stays_so(tmp_path):
    write_list(tmp_path / "good.txt", [make_row(mag=math.nan)], make_recipe())
    assert math.isnan(read_list(tmp_path / "good.txt")[0].mag)


def test_a_bare_list_of_names_gives_stamps_and_objects(tmp_path):
    path = tmp_path / "good.txt"
    path.write_text("# by hand\ngood/1123_02a_7.fits\n\n  1124_02a_8.fits  \n")
    first, second = read_list(path)
    assert (first.stamp, first.object) == ("good/1123_02a_7.fits", "1123")
    assert (second.stamp, second.object) == ("1124_02a_8.fits", "1124")
    assert math.isnan(first.x)
    assert read_list_recipe(path) is None


def test_a_bare_name_may_hold_a_space(tmp_path):
    path = tmp_path / "good.txt"
    path.write_text("my stamps/1123_1.fits\n")
    assert read_list(path)[0].stamp == "my stamps/1123_1.fits"


@pytest.mark.parametrize(
    "line",
    [
        "1 2 3 4 5 6 02a58310o0123c 77",
        "1 2 3 4 5 6 02a58310o0123c 77 a.fits more",
        "1 2 3 4 5 six 02a58310o0123c 77 a.fits",
        "good/1123_02a_7.fits",
    ],
)
def test_a_line_that_is_no_row_is_named_by_its_number(tmp_path, line):
    path = tmp_path / "good.txt"
    path.write_text(f"{HEADER}1 2 3 4 5 6 o 77 a.fits\n{line}\n")
    with pytest.raises(FormatError, match=r"good\.txt, line 3: not a row of 'x y mag"):
        read_list(path)


def test_a_damaged_recipe_is_one_line(tmp_path):
    path = tmp_path / "good.txt"
    path.write_text(f"{HEADER}# recipe: {{\n")
    with pytest.raises(FormatError, match="damaged"):
        read_list_recipe(path)


def test_a_missing_list_is_one_line(tmp_path):
    with pytest.raises(FormatError, match=r"good\.txt: no such file"):
        read_list(tmp_path / "good.txt")


@pytest.mark.parametrize("name", ["a b.fits", "", "a\nb.fits"])
def test_a_name_that_would_break_its_row_is_not_written(tmp_path, name):
    with pytest.raises(FormatError, match=r"good\.txt: .* can't be a word of a row"):
        write_list(tmp_path / "good.txt", [make_row(stamp=name)], make_recipe())
    assert not (tmp_path / "good.txt").exists()


def test_a_spooled_list_is_the_list_written_at_once(tmp_path):
    rows = [make_row(n) for n in range(3)]
    write_list(tmp_path / "good.txt", rows, make_recipe())
    with ListSpool(tmp_path / "spooled.txt") as spool:
        for row in rows:
            spool.add(row)
        with pytest.raises(FormatError, match=r"spooled\.txt: 'a b' can't be a word of a row"):
            spool.add(make_row(stamp="a b"))
        spool.save_list(make_recipe())
    assert (tmp_path / "spooled.txt").read_text() == (tmp_path / "good.txt").read_text()


def test_the_object_stands_before_the_first_underscore():
    assert object_of("good/1123_58310.123_02a58310o0123c_7_diff.fits") == "1123"
    assert object_of("1123.fits") == "1123"


def test_rows_are_records(tmp_path):
    assert replace(make_row(), x=1.0) != make_row()


def columns_of(rows):
    names = {"mag": "mag", "dmag": "dmag", "obs": "obs", "objects": "object", "stamps": "stamp"}
    return {
        name: [value.encode() if isinstance(value, str) else value for value in values]
        for name, values in (
            (name, [getattr(row, field) for row in rows]) for name, field in names.items()
        )
    }


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# by hand\ngood/1123_02a_7.fits\n\n  c.fits[7]  \n",
        f"{HEADER}" + "1 2 3 4 5 6 o 77 a.fits\n" * 20_000,
        f"{HEADER}1 2 3 4 5 6 o 77 é.fits\n\n# more\n 1 2 3 4 5 6 o 7 b.fits \n",
        f"bare.fits\n{HEADER}1 2 3 4 5 6 o 77 a.fits\n",
        f"{HEADER}1 2 3 4 5 6 o 77 a.fits\n#1 2 3 4 5 6 7 8\n",
        f"{HEADER}1 2 3 4 5 6 o 77 a.fits\n#1 2 3 4 5 6 o 7 b.fits\n",
    ],
)
def test_columns_are_the_rows(tmp_path, text):
    (tmp_path / "good.txt").write_text(text)
    columns = vars(read_columns(tmp_path / "good.txt"))
    expected = columns_of(read_list(tmp_path / "good.txt"))
    for name, values in expected.items():
        assert np.array_equal(columns[name], values, equal_nan=name.endswith("mag")), name


@pytest.mark.parametrize("line", ["1 2 3 4 5 6 o 77", "1 2 3 four 5 6 o 77 a.fits"])
def test_columns_name_the_line_that_is_no_row(tmp_path, line):
    rows = "1 2 3 4 5 6 o 77 a.fits\n" * 10_000
    (tmp_path / "good.txt").write_text(f"{HEADER}{rows}{line}\n{rows}")
    with pytest.raises(FormatError, match=r"good\.txt, line 10002: not a row of 'x y mag"):
        read_columns(tmp_path / "good.txt")


@pytest.mark.parametrize("length", [1, 17, 18, 19, 24, 25, 26, 49, 50, 51, 500])
def test_no_text_of_columns_is_cut_short(length, tmp_path):
    rows = [make_row(1), make_row(2, stamp="s" * length), make_row(3, object="9" * length)]
    rows = [replace(rows[0], obs="o", object="1", stamp="good/stamp_1.fits"), *rows]
    write_list(tmp_path / "good.txt", rows, make_recipe())
    found = read_columns(tmp_path / "good.txt")
    for name, values in (("stamp", found.stamps), ("object", found.objects), ("obs", found.obs)):
        assert values.tolist() == [getattr(row, name).encode() for row in rows]
        assert values.dtype.itemsize == max(len(value) for value in values.tolist())
