import re
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table
from hypothesis import given
from hypothesis import strategies as st

from realbogus.errors import FormatError
from realbogus.lists import object_of
from realbogus.scores import Scores, read_score_recipe, read_scores, write_scores
from tests.helpers import make_recipe

NAMES = ["1_a_1.fits", '2_"b,c"_2.fits', "cube.fits[7]"]
OBJECTS = ["1", "2", "1101010101101010100"]
SCORES = Scores(
    np.array(NAMES),
    np.array(OBJECTS),
    np.array([1, 0, 1], np.int8),
    np.array([0.9999999, 0.0, 0.25]),
)


def write(folder, text, name="scores.csv"):
    path = folder / name
    path.write_text(text)
    return path


def test_scores_come_back_as_they_were_written(tmp_path):
    write_scores(tmp_path / "scores.csv", SCORES, make_recipe())
    back = read_scores(tmp_path / "scores.csv")
    assert len(back) == 3
    assert list(back.names) == NAMES
    assert list(back.objects) == OBJECTS
    assert list(back.targets) == [1, 0, 1]
    assert list(back.scores) == [0.9999999, 0.0, 0.25]
    assert read_score_recipe(tmp_path / "scores.csv") == make_recipe()


def test_astropy_reads_the_scores_and_their_recipe(tmp_path):
    write_scores(tmp_path / "scores.csv", SCORES, make_recipe())
    table = Table.read(tmp_path / "scores.csv", format="ascii.ecsv")
    assert list(table["name"]) == NAMES
    assert list(table["object"]) == OBJECTS
    assert table["score"].dtype == np.float64
    assert table.meta["recipe"] == make_recipe().to_json()


def test_columns_are_found_by_their_names_and_more_of_them_are_left_aside(tmp_path):
    path = write(tmp_path, "score,raw,object,target,name\n0.5,-3.1,7,1,a.fits\n")
    back = read_scores(path)
    assert (back.names[0], back.objects[0], back.targets[0], back.scores[0]) == (
        *("a.fits", "7"),
        *(1, 0.5),
    )


@pytest.mark.parametrize("header", ["", "name,target,score\n"])
def test_without_a_column_of_objects_they_are_what_the_names_begin_with(tmp_path, header):
    back = read_scores(write(tmp_path, f"{header}17_x_1.fits,1.0,0.75\n9_2.fits,0,1e-5\n"))
    assert list(back.objects) == ["17", "9"]
    assert list(back.targets) == [1, 0]
    assert list(back.scores) == [0.75, 1e-5]


@given(st.text(st.sampled_from("a1._/- é"), min_size=1).filter(str.strip))
def test_the_beginning_of_a_name_is_the_object_as_in_lists(name):
    with tempfile.TemporaryDirectory() as folder:
        back = read_scores(write(Path(folder), f"{name},1,0.5\n"))
    assert list(back.objects) == [object_of(name)]


def test_scores_of_objects_take_their_targets_from_another_file(tmp_path):
    path = write(tmp_path, "7,0.75\n8,0.5\n")
    labels = write(tmp_path, "object,target,comment\n9,1,\n8,0,\n7,1,good\n", "labels.csv")
    back = read_scores(path, labels=labels)
    assert list(back.objects) == list(back.names) == ["7", "8"]
    assert list(back.targets) == [1, 0]
    assert list(back.scores) == [0.75, 0.5]


def test_an_object_without_a_target_is_named(tmp_path):
    path, labels = write(tmp_path, "7,0.75\n8,0.5\n"), write(tmp_path, "7,1\n", "labels.csv")
    message = r"labels\.csv: has no target of 1 objects of .*scores\.csv, such as '8'"
    with pytest.raises(FormatError, match=message):
        read_scores(path, labels=labels)


def test_an_object_of_both_targets_is_an_error(tmp_path):
    path, labels = write(tmp_path, "7,0.75\n"), write(tmp_path, "7,1\n7,0\n", "labels.csv")
    with pytest.raises(FormatError, match=r"labels\.csv: object '7' is there as real and as bogus"):
        read_scores(path, labels=labels)


def test_a_file_without_recipe_has_none(tmp_path):
    assert read_score_recipe(write(tmp_path, "a_1.fits,1.0,0.75\n")) is None


def test_a_detection_of_both_targets_is_an_error(tmp_path):
    path = write(tmp_path, "a_1.fits,1,0.75\na_1.fits,1,0.5\na_1.fits,0,0.75\n")
    with pytest.raises(FormatError, match=r"'a_1\.fits' is there as real and as bogus"):
        read_scores(path)


def test_planes_of_the_same_name_in_two_folders_are_two_detections(tmp_path):
    twice = replace(SCORES, names=np.array(["c.fits[1]", "c.fits[1]", "c.fits[2]"]))
    write_scores(tmp_path / "scores.csv", twice, make_recipe())
    assert list(read_scores(tmp_path / "scores.csv").targets) == [1, 0, 1]


BAD_ROWS = [
    "a.fits,1",
    "a.fits,1,0.5,more",
    "a.fits,2,0.5",
    "a.fits,1,1.01",
    "a.fits,1,-0.01",
    "a.fits,1,nan",
    "a.fits,one,0.5",
    ",1,0.5",
    '"a.fits,1,0.5',
    "time,flux",
    "name,target,score",
    f"{'x' * 200_000},1,0.5",
]


@pytest.mark.parametrize("row", BAD_ROWS, ids=range(len(BAD_ROWS)))
def test_a_row_that_is_no_score_is_named_by_its_line(tmp_path, row):
    path = write(tmp_path, f"name,target,score\na.fits,1,0.5\n{row}\nb.fits,1,0.5\n")
    message = "scores.csv, line 3: not a name, a target (0 or 1) and a score (0 to 1): "
    with pytest.raises(FormatError, match=re.escape(message)):
        read_scores(path)


def test_a_row_without_its_object_is_named_by_its_line(tmp_path):
    path = write(tmp_path, "name,object,target,score\na.fits,,1,0.5\n")
    with pytest.raises(FormatError, match="line 2: not a name, an object, a target"):
        read_scores(path)


@pytest.mark.parametrize("text", ["", "# only a comment\n", "name,target,score\n"])
def test_a_file_without_a_row_is_one_line(tmp_path, text):
    with pytest.raises(FormatError, match="holds no scores"):
        read_scores(write(tmp_path, text))


@pytest.mark.parametrize("meta", ["{", "[]", "1"])
def test_a_damaged_header_is_one_line(tmp_path, meta):
    with pytest.raises(FormatError, match=r"scores\.csv: the header is damaged"):
        read_score_recipe(write(tmp_path, f"# meta: {meta}\n"))


@pytest.mark.parametrize("recipe", ["1", '"{"', "{}"])
def test_a_damaged_recipe_is_one_line(tmp_path, recipe):
    with pytest.raises(FormatError, match="damaged"):
        read_score_recipe(write(tmp_path, f'# meta: {{"recipe": {recipe}}}\n'))


def test_a_header_of_another_tool_has_no_recipe(tmp_path):
    assert read_score_recipe(write(tmp_path, '# meta: {"made": "by hand"}\n')) is None


def test_only_a_file_of_objects_may_have_rows_without_a_score(tmp_path):
    with pytest.raises(FormatError, match="line 2: not a name"):
        read_scores(write(tmp_path, "a_1,1,0.5\nb_1,0,\n"))
    path = write(tmp_path, "object,score\n7,0.5\n8,\n")
    assert read_scores(path, all_real=True).objects.tolist() == ["7"]
