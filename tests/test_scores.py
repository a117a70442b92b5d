import re

import numpy as np
import pytest
from astropy.table import Table

from realbogus.errors import FormatError
from realbogus.scores import Scores, read_score_recipe, read_scores, write_scores
from tests.helpers import make_recipe

NAMES = ["1_a_1.fits", '2_"b,c"_2.fits', "1_a_3.fits"]
SCORES = Scores(np.array(NAMES), np.array([1, 0, 1], np.int8), np.array([0.9999999, 0.0, 0.25]))


def write(folder, text):
    path = folder / "scores.csv"
    path.write_text(text)
    return path


def test_scores_come_back_as_they_were_written(tmp_path):
    write_scores(tmp_path / "scores.csv", SCORES, make_recipe())
    back = read_scores(tmp_path / "scores.csv")
    assert list(back.names) == NAMES
    assert list(back.targets) == [1, 0, 1]
    assert list(back.scores) == [0.9999999, 0.0, 0.25]
    assert read_score_recipe(tmp_path / "scores.csv") == make_recipe()


def test_astropy_reads_the_scores_and_their_recipe(tmp_path):
    write_scores(tmp_path / "scores.csv", SCORES, make_recipe())
    table = Table.read(tmp_path / "scores.csv", format="ascii.ecsv")
    assert list(table["name"]) == NAMES
    assert table["score"].dtype == np.float64
    assert table.meta["recipe"] == make_recipe().to_json()


def test_the_object_comes_from_the_name():
    assert list(SCORES.objects) == ["1", "2", "1"]


def test_the_three_columns_of_earlier_versions_are_read(tmp_path):
    path = write(tmp_path, "a_1.fits,1.0,0.75\nb_2.fits,0,1e-5\n")
    assert list(read_scores(path).targets) == [1, 0]
    assert list(read_scores(path).scores) == [0.75, 1e-5]
    assert read_score_recipe(path) is None


BAD_ROWS = [
    "a.fits,1",
    "a.fits,1,0.5,more",
    "a.fits,2,0.5",
    "a.fits,1,1.01",
    "a.fits,1,-0.01",
    "a.fits,1,nan",
    "a.fits,one,0.5",
    "time,flux",
    "name,target,score",
    f"{'x' * 200_000},1,0.5",
]


@pytest.mark.parametrize("row", BAD_ROWS, ids=range(len(BAD_ROWS)))
def test_a_row_that_is_no_score_is_named_by_its_line(tmp_path, row):
    path = write(tmp_path, f"name,target,score\na.fits,1,0.5\n{row}\n")
    message = "scores.csv, line 3: not a name, a target (0 or 1) and a score (0 to 1): "
    with pytest.raises(FormatError, match=re.escape(message)):
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
