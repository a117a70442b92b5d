import hashlib

import numpy as np
import pytest
from matplotlib.figure import Figure

from realbogus.dataset import write_dataset
from realbogus.errors import RealBogusError
from realbogus.lists import write_list
from realbogus.plots.figures import save_figure
from realbogus.provenance import READERS, identify, read_recipe
from realbogus.recipes import Input
from realbogus.scores import Scores, write_scores
from tests.helpers import make_recipe, make_row
from tests.test_dataset import make_part

SCORES = Scores(np.array(["a.fits"]), np.array(["a"]), np.array([1], np.int8), np.array([0.5]))
WRITERS = {
    "good.txt": lambda path, recipe: write_list(path, [make_row()], recipe),
    "dataset.h5": lambda path, recipe: write_dataset(path, make_part(), make_part(), recipe),
    "scores.csv": lambda path, recipe: write_scores(path, SCORES, recipe),
    "plots.png": lambda path, recipe: save_figure(Figure(), path, recipe),
}


@pytest.mark.parametrize("name", WRITERS)
def test_every_file_says_what_made_it(tmp_path, name):
    WRITERS[name](tmp_path / name, make_recipe(seed=7))
    assert read_recipe(tmp_path / name) == make_recipe(seed=7)


@pytest.mark.parametrize("name", ["dataset.h5", "plots.png"])
def test_a_file_with_a_recipe_is_known_by_it(tmp_path, name):
    WRITERS[name](tmp_path / name, make_recipe(seed=7))
    item = identify(tmp_path / name)
    assert (item.name, item.digest) == (name, make_recipe(seed=7).digest)
    assert item.recipe == make_recipe(seed=7)


@pytest.mark.parametrize("name", ["good.txt", "scores.csv"])
def test_a_text_is_known_by_its_bytes_since_an_editor_leaves_the_recipe(tmp_path, name):
    path = tmp_path / name
    WRITERS[name](path, make_recipe(seed=7))
    before = identify(path)
    assert before == Input(name, hashlib.sha256(path.read_bytes()).hexdigest(), make_recipe(seed=7))
    path.write_text(path.read_text().replace("a.fits", "b.fits").replace("18.5", "18.6"))
    after = identify(path)
    assert after.recipe == before.recipe
    assert after.digest != before.digest


def test_a_file_without_a_recipe_is_known_by_its_bytes(tmp_path):
    path = tmp_path / "good.txt"
    path.write_text("a.fits\n")
    item = identify(path)
    assert item.digest == hashlib.sha256(b"a.fits\n").hexdigest()
    assert item.recipe is None


@pytest.mark.parametrize("name", ["config.yaml", "image.fits", "plain"])
def test_a_file_of_another_kind_has_no_recipe(tmp_path, name):
    (tmp_path / name).write_text("x")
    assert read_recipe(tmp_path / name) is None


@pytest.mark.parametrize("suffix", READERS)
def test_bytes_under_any_suffix_are_one_line(tmp_path, suffix):
    path = tmp_path / f"file{suffix}"
    path.write_bytes(b"\xff\xfe\x00\x01" * 100)
    with pytest.raises(RealBogusError, match="file"):
        read_recipe(path)
