"""getPS1TrainingSetCutouts.py as people run it, and GetCutOuts with ``survey``."""

import subprocess
import sys
from pathlib import Path

import pytest

import getPS1TrainingSetCutouts
from realbogus.lists import read_list, read_list_recipe
from tests.ps1 import ATTIC, make_survey
from tests.warm import run_warm

ROOT = Path(__file__).resolve().parents[1]
PIPELINE = "atlasClassificationPipeline.py"


@pytest.fixture
def survey(tmp_path):
    return make_survey(tmp_path / "survey")


@pytest.fixture
def script(survey, tmp_path):
    """Run the script into ``training``, and give its exit status."""

    def run(*words):
        location = f"--stampLocation={tmp_path / 'training'}"
        return getPS1TrainingSetCutouts.main([str(survey.config), location, *words])

    return run


def pipeline(folder, *words):
    """Run the pipeline in a fork of a warm process; give the exit status and what it says."""
    done = run_warm(ROOT / PIPELINE, *words, "--local-scheduler", "--no-lock", cwd=folder)
    return done.returncode, done.stderr


def test_help_loads_nothing_heavy():
    code = (
        "import sys, getPS1TrainingSetCutouts as script\n"
        "try: script.main(['--help'])\n"
        "except SystemExit: pass\n"
        "print(*sorted({name.split('.')[0] for name in sys.modules}), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "--badrblower" in done.stdout
    assert not {"numpy", "sqlalchemy", "astropy", "luigi", "keras"} & set(done.stderr.split())


def test_every_option_reaches_the_recipe(script, survey, tmp_path):
    survey.add_stamp(survey.add_mover(70, "EPH: x (0.50 arcsec)"))
    words = {
        "imageRoot": survey.images,
        "camera": "gpc1",
        "goodlist": 2,
        "badlist": 0,
        "badaugment": 23,
        "badrblower": 0.02,
        "badrbupper": 0.25,
        "flagdate": "20190101",
        "moverlist": ATTIC,
        "imagetype": "good",
        "maxMissing": 0.5,
    }
    assert script(*(f"--{name}={value}" for name, value in words.items())) == 0
    recipe = read_list_recipe(tmp_path / "training/good.txt")
    recorded = {**words, "flagdate": "2019-01-01"}
    for name in ("imageRoot", "imagetype", "maxMissing"):
        del recorded[name]
    assert recorded.items() <= recipe.options.items()
    assert len(read_list(tmp_path / "training/good.txt")) == 4
    assert not (tmp_path / "training/bad.txt").exists()


@pytest.mark.parametrize(
    ("word", "line"),
    [
        ("--camera=02a", "camera must be one of gpc1, gpc2; got '02a'"),
        ("--flagdate=yesterday", "flagdate must be a day such as 2019-01-31; got 'yesterday'"),
        ("--imagetype=ugly", "imagetype must be one of all, good, bad; got 'ugly'"),
        ("--flagdate=2030-01-01", "the database has no real object of these lists"),
    ],
)
def test_a_bad_word_is_one_line_and_exit_1(script, capsys, word, line):
    assert script(word) == 1
    message = capsys.readouterr().err
    assert line in message and message.count("\n") == 1


def test_the_pipeline_takes_the_survey_from_the_configuration(survey, tmp_path):
    words = ("--configFile", str(survey.config), "--stampLocation", "t")
    assert pipeline(tmp_path, "GetCutOuts", *words)[0] == 0
    recipe = read_list_recipe(tmp_path / "t/good.txt")
    assert recipe.options["survey"] == "ps1"
    assert recipe.options["camera"] == "gpc1"
    status, said = pipeline(tmp_path, "GetCutOuts", *words)
    assert status == 0 and "Did not run any tasks" in said
    status, said = pipeline(tmp_path, "GetCutOuts", *words, "--badrbupper", "0.2")
    assert status == 1 and "badrbupper = 0.3, not 0.2" in said


def test_the_pipeline_builds_a_data_set_of_packed_stamps(survey, tmp_path):
    survey.write_config(survey="atlas")
    status, said = pipeline(
        tmp_path,
        "BuildMLDataset",
        *("--stampLocation", "t", "--E", "1", "--e", "8"),
        *("--GetCutOuts-configFile", str(survey.config), "--GetCutOuts-survey", "ps1"),
    )
    assert status == 0, said
    assert (tmp_path / "t/dataset.h5").exists()
    status, said = pipeline(
        tmp_path,
        "BuildMLDataset",
        *("--stampLocation", "t", "--E", "1", "--e", "8"),
        *("--GetCutOuts-flagdate", "2020-01-01"),
    )
    assert status == 1 and "GetCutOuts flagdate = 2009-01-01, not 2020-01-01" in said


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("--mjds", "58310"), "mjds is an option of survey atlas, not of ps1"),
        (("--camera", "03a"), "camera must be one of gpc1, gpc2; got '03a'"),
        (("--survey", "ztf"), "survey: 'ztf' is not allowed"),
    ],
)
def test_what_the_survey_does_not_have_is_an_error(survey, tmp_path, words, line):
    status, said = pipeline(tmp_path, "GetCutOuts", "--configFile", str(survey.config), *words)
    assert status == 1 and line in said
    assert not (tmp_path / "training/good.txt").exists()
