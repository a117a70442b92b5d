"""The tools that make pictures of the documentation."""

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from realbogus.dataset import read_columns
from realbogus.known import read_known_objects
from tests.conftest import NIGHTS

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def known(survey, dataset, trained, tmp_path_factory):
    """Run the tool as `make images` does; give the folder of its lists."""
    folder = tmp_path_factory.mktemp("known")
    command = [sys.executable, ROOT / "tools" / "known_objects.py", survey.parent]
    nights = f"{NIGHTS[0]}-{NIGHTS[-1]}"
    command += [trained / "model.h5", dataset, folder, "--mjds", nights]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.parametrize(("name", "number"), [("confirmed", 1), ("good", 2)])
def test_known_objects_are_those_of_their_list_that_did_not_train(
    known, survey, dataset, name, number
):
    found = {int(name) for name in read_known_objects(known / f"{name}.csv", name).objects}
    with closing(sqlite3.connect(survey.parent / "survey.db")) as database:
        query = "SELECT id FROM atlas_diff_objects WHERE detection_list_id = ?"
        listed = {row[0] for row in database.execute(query, (number,))}
    trained = {int(name) for name in read_columns(dataset, "train").objects}
    assert found
    assert found <= listed - trained
