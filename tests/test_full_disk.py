"""A full disk, as a limit on the size of files makes one for any user: one line, nothing left."""

import pytest

from tests.helpers import ROOT
from tests.ps1 import make_survey
from tests.warm import run_warm

LIMITED = """
import resource, signal, sys
resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
sys.path.insert(0, {root!r})
import {script}
sys.exit({script}.main({words!r}))
"""


def run_limited(script, words, *, limit, cwd):
    code = LIMITED.format(limit=limit, root=str(ROOT), script=script, words=list(map(str, words)))
    return run_warm("-c", code, cwd=cwd)


def left(folder):
    return {path.name for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def commands(survey, training, dataset, trained):
    good, bad = training / "good.txt", training / "bad.txt"
    return {
        "out/good/": (
            "getATLASTrainingSetCutouts",
            [survey, "58310", "--stampLocation=out", "--stampThreads=1"],
            4000,
        ),
        "dataset.h5": ("buildMLDataset", ["-p", good, "-n", bad, "-o", "dataset.h5"], 50_000),
        "model.h5": (
            "kerasTensorflowClassifier",
            [dataset, "--classifierfile=model.h5", "--outputcsv=scores.csv", "--epochs=1"],
            300_000,
        ),
        "plots.png": (
            "plotResults",
            [trained / "scores.csv", "--outputFile=plots.png"],
            1000,
        ),
    }


def assert_one_line(done, target):
    errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
    assert done.returncode == 1, done.stderr
    assert len(errors) == 1, done.stderr
    assert f"ERROR: {target}" in errors[0]
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("target", ["out/good/", "dataset.h5", "model.h5", "plots.png"])
def test_full_disk_is_one_line_that_names_the_file(commands, tmp_path, target):
    script, words, limit = commands[target]
    done = run_limited(script, words, limit=limit, cwd=tmp_path)
    assert_one_line(done, target)
    assert not left(tmp_path)


@pytest.mark.parametrize(
    ("bogus", "limit"), [(40, 200), (2, 700)], ids=["while looking", "at last"]
)
def test_full_disk_leaves_no_list_of_pan_starrs_stamps(tmp_path, bogus, limit):
    survey = make_survey(tmp_path / "survey", bogus=bogus)
    survey.add_stamp(1000, file=False)
    words = [survey.config, "--stampLocation=out", "--maxMissing=1"]
    done = run_limited("getPS1TrainingSetCutouts", words, limit=limit, cwd=tmp_path)
    assert_one_line(done, "out/")
    assert "good.txt" not in left(tmp_path) and "bad.txt" not in left(tmp_path)
    assert all(not name.startswith(".") for name in left(tmp_path))
