"""The tasks: through luigi.build, through the command line, and under luigid."""

import json
import shutil
import sqlite3
import subprocess
import sys
import urllib.parse
import urllib.request
from contextlib import closing
from datetime import datetime
from pathlib import Path

import luigi
import pytest

from atlasClassificationPipeline import (
    BuildMLDataset,
    GetCutOuts,
    KerasTensorflowClassifier,
    PlotResults,
    RunKerasTensorflowClassifier,
)
from realbogus.lists import read_list, read_list_recipe
from realbogus.options import fill_date
from realbogus.seeing import TOLD
from tests.helpers import ROOT, run_python
from tests.warm import run_warm

PIPELINE = ROOT / "atlasClassificationPipeline.py"
NAMES = ("good.txt", "bad.txt", "dataset.h5", "model.h5", "scores.csv", "plots.png")


def local(*words, cwd):
    return run_warm(PIPELINE, *words, "--local-scheduler", cwd=cwd)


def assert_fails(done, *parts):
    """Check for one ERROR line with these words, exit status 1, and no traceback."""
    errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert len(errors) == 1, done.stderr
    for part in parts:
        assert part in errors[0]


@pytest.fixture(scope="session")
def whole_run(survey, tmp_path_factory):
    """Ask for the last task with nothing at hand; give the folder."""
    folder = tmp_path_factory.mktemp("whole")
    shutil.copytree(survey.parent, folder, dirs_exist_ok=True)
    words = ("--GetCutOuts-mjds", "[58310,58311]", "--KerasTensorflowClassifier-epochs", "2")
    done = run_python(PIPELINE, "PlotResults", *words, "--local-scheduler", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def finished(whole_run, tmp_path):
    """Copy a finished run, so that a test may change it."""
    shutil.copytree(whole_run, tmp_path / "run")
    return tmp_path / "run"


def times(folder):
    return {path: path.stat().st_mtime_ns for path in (folder / "training").rglob("*")}


def test_asking_for_the_last_task_builds_everything_under_one_folder(whole_run):
    assert all((whole_run / "training" / name).exists() for name in NAMES)
    nights = read_list_recipe(whole_run / "training" / "good.txt").options["mjds"]
    assert nights == [58310, 58311]


def test_second_run_does_nothing(finished):
    before = times(finished)
    done = local("PlotResults", cwd=finished)
    assert done.returncode == 0
    assert "Did not run any tasks" in done.stderr
    assert times(finished) == before


def test_an_input_more_than_the_files_were_made_of_is_one_line(finished):
    words = ("--KerasTensorflowClassifier-epochs=2", "--startFrom=training/model.h5")
    what = "made with KerasTensorflowClassifier startFrom = None, not model.h5"
    assert_fails(local("KerasTensorflowClassifier", *words, cwd=finished), what)
    upstream = "--KerasTensorflowClassifier-startFrom=training/model.h5"
    assert_fails(local("PlotResults", upstream, cwd=finished), what)


def test_stamp_location_moves_the_whole_run(finished):
    (finished / "elsewhere").mkdir()
    for name in ("good", "bad", "good.txt", "bad.txt"):
        (finished / "training" / name).rename(finished / "elsewhere" / name)
    shutil.rmtree(finished / "training")
    done = local(
        "PlotResults",
        "--stampLocation=elsewhere",
        "--KerasTensorflowClassifier-epochs=1",
        cwd=finished,
    )
    assert done.returncode == 0, done.stderr
    assert all((finished / "elsewhere" / name).exists() for name in NAMES)
    assert not (finished / "training").exists()


def test_a_data_set_is_built_from_cubes(survey, tmp_path):
    shutil.copytree(survey.parent, tmp_path, dirs_exist_ok=True)
    words = ("--GetCutOuts-mjds=[58310]", "--GetCutOuts-stampFormat=cube")
    done = local("BuildMLDataset", *words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "training" / "dataset.h5").exists()
    assert len(list((tmp_path / "training" / "cubes").iterdir())) == 3
    assert not (tmp_path / "training" / "good").exists()
    again = local("BuildMLDataset", "--GetCutOuts-stampFormat=files", cwd=tmp_path)
    assert_fails(again, "dataset.h5 exists", "stampFormat = cube, not files")


def test_scores_at_hand_are_plotted_without_anything_else(finished, tmp_path):
    for name in ("file1.csv", "file2.csv"):
        shutil.copy(finished / "training" / "scores.csv", tmp_path / name)
    shutil.rmtree(finished)
    done = local(
        "PlotResults",
        "--inputfiles",
        "[file1.csv,file2.csv]",
        "--outputFile",
        "output.png",
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"file1.csv", "file2.csv", "output.png"}


def test_input_files_as_json(finished):
    shutil.copy(finished / "training" / "scores.csv", finished / "file 1.csv")
    files = json.dumps(["file 1.csv", "training/scores.csv"])
    done = local("PlotResults", "--inputFiles", files, "--outputFile", "o.png", cwd=finished)
    assert done.returncode == 0, done.stderr
    assert (finished / "o.png").exists()


def test_data_set_at_hand_trains_without_a_database(finished, tmp_path):
    shutil.copy(finished / "training" / "dataset.h5", tmp_path / "mine.h5")
    shutil.rmtree(finished)
    done = local(
        "KerasTensorflowClassifier",
        "--trainingset=mine.h5",
        "--classifierfile=m.keras",
        "--outputcsv=s.csv",
        "--epochs=1",
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    made = {path.name for path in tmp_path.iterdir()}
    assert made == {"mine.h5", "m.keras", "m.history.csv", "s.csv"}


def test_lists_at_hand_are_built_without_a_database(finished):
    (finished / "survey.db").unlink()
    (finished / "training" / "dataset.h5").unlink()
    assert local("BuildMLDataset", cwd=finished).returncode == 0
    assert (finished / "training" / "dataset.h5").exists()


def test_only_the_kind_of_stamps_asked_for_is_a_target(survey, tmp_path):
    words = ("GetCutOuts", f"--configFile={survey}", "--mjds=58310", "--stampsToGenerate=real")
    assert local(*words, cwd=tmp_path).returncode == 0
    assert (tmp_path / "training" / "good.txt").exists()
    assert not (tmp_path / "training" / "bad.txt").exists()
    done = local(*words, "--seed=3", cwd=tmp_path)
    assert "Did not run any tasks" in done.stderr
    assert_fails(local(*words, "--goodAsReal", cwd=tmp_path), "goodAsReal = False, not True")


@pytest.mark.parametrize("typed", ["[58310,58311]", "58310,58311", "58310-58311"])
def test_nights_as_people_type_them(finished, typed):
    done = local("GetCutOuts", "--mjds", typed, cwd=finished)
    assert done.returncode == 0, done.stderr
    assert "Did not run any tasks" in done.stderr


def test_option_of_an_upstream_task_reaches_it_from_any_task(survey, tmp_path):
    done = local(
        "BuildMLDataset",
        "--GetCutOuts-mjds=58311",
        f"--GetCutOuts-configFile={survey}",
        "--GetCutOuts-stampSize=30",
        "--e=8",
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert {row.obs[3:8] for row in read_list(tmp_path / "training" / "good.txt")} == {"58311"}
    assert read_list_recipe(tmp_path / "training" / "good.txt").options["stampSize"] == 30


@pytest.mark.parametrize(
    ("task", "option", "difference"),
    [
        ("GetCutOuts", "--mjds=58310", "GetCutOuts mjds = 58310,58311, not 58310"),
        ("GetCutOuts", "--camera=01a", "GetCutOuts camera = 02a, not 01a"),
        ("BuildMLDataset", "--e=8", "BuildMLDataset e = 10, not 8"),
        ("BuildMLDataset", "--E=1", "BuildMLDataset E = 0, not 1"),
        ("KerasTensorflowClassifier", "--seed=3", "KerasTensorflowClassifier"),
        ("PlotResults", "--BuildMLDataset-s=2", "BuildMLDataset s = 3.0, not 2.0"),
        ("PlotResults", "--GetCutOuts-mjds=58311", "GetCutOuts mjds = 58310,58311, not 58311"),
        ("PlotResults", "--GetCutOuts-stampSize=30", "stampSize = 40, not 30"),
    ],
)
def test_target_of_another_recipe_is_an_error_that_names_the_option(
    whole_run, task, option, difference
):
    before = times(whole_run)
    assert_fails(local(task, option, cwd=whole_run), "exists and was made with", difference)
    assert times(whole_run) == before


def test_option_given_with_its_default_counts_as_given(finished):
    (finished / "training" / "dataset.h5").unlink()
    words = ("--e=8", "--seed=0")
    assert local("BuildMLDataset", *words, cwd=finished).returncode == 0
    target = ("--outputcsv=s.csv", "--classifierfile=m.h5", "--epochs=1")
    done = local("KerasTensorflowClassifier", "--BuildMLDataset-e=10", *target, cwd=finished)
    assert_fails(done, "BuildMLDataset e = 8, not 10")
    assert local("KerasTensorflowClassifier", *target, cwd=finished).returncode == 0


def test_plot_of_scores_that_changed_is_an_error(finished):
    path = finished / "training" / "scores.csv"
    path.write_text("a_1,1,0.9\nb_1,0,0.2\n")
    assert_fails(local("PlotResults", cwd=finished), "another inputFiles[0]")


def test_labels_changed_in_the_configuration_are_an_error(finished):
    with (finished / "config.yaml").open("a") as stream:
        stream.write("labels: {pkn_above: 950}\n")
    done = local("GetCutOuts", "--mjds=58310-58311", cwd=finished)
    assert_fails(done, "GetCutOuts labels.pkn_above = 900, not 950")


def test_option_that_would_be_ignored_is_an_error(tmp_path):
    done = local("PlotResults", "--KerasTensorflowClassifier-outputcsv=x.csv", cwd=tmp_path)
    assert_fails(done, "--KerasTensorflowClassifier-outputcsv x.csv", "PlotResults itself")


def test_lists_in_two_folders_must_exist(tmp_path):
    done = local("BuildMLDataset", "--good=a/good.txt", "--bad=b/bad.txt", cwd=tmp_path)
    assert_fails(done, "good: a/good.txt does not exist, and GetCutOuts makes only")


def test_failure_exits_1_and_leaves_no_target(survey, tmp_path):
    done = local(
        "PlotResults",
        f"--GetCutOuts-configFile={survey}",
        "--GetCutOuts-mjds=58999",
        cwd=tmp_path,
    )
    assert_fails(done, "no exposure of camera 02a in night 58999")
    made = tmp_path / "training"
    assert not any((made / name).exists() for name in NAMES)


def test_another_users_locks_are_no_hindrance(survey, tmp_path, monkeypatch):
    """Luigi's own folder of locks belongs to the first user of a machine."""
    (tmp_path / "luigi").write_text("not yours")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    done = local("GetCutOuts", f"--configFile={survey}", "--mjds=58310", cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def test_no_nights_is_one_line(survey, tmp_path):
    done = local("GetCutOuts", f"--configFile={survey}", cwd=tmp_path)
    assert_fails(done, "mjds: give at least one night")


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (
            ["PlotResult"],
            "PlotResults, RunKerasTensorflowClassifier; got 'PlotResult'",
        ),
        (["PlotResults", "--colour=red"], "--colour: no such option"),
        (["BuildMLDataset", "--e=ten"], "--e: 'ten' is not allowed"),
        (["BuildMLDataset", "--e"], "--e: a value is missing"),
        (["PlotResults", "--GetCutOuts-mjds=tonight"], "--GetCutOuts-mjds: nights are given like"),
        ([], "give a task, one of BuildMLDataset, CompareResults"),
    ],
)
def test_bad_command_line_is_one_line(tmp_path, words, part):
    assert_fails(local(*words, cwd=tmp_path), part)


def test_defaults_are_the_documented_ones():
    cut, build = GetCutOuts(), BuildMLDataset()
    assert (cut.configFile, cut.stampSize, cut.stampLocation) == ("config.yaml", 40, "training")
    assert (cut.camera, cut.downloadthreads) == ("02a", 5)
    assert (build.e, build.E, build.s, build.r, build.N) == (10, 0, 3, None, "signPreserveNorm")


def test_tasks_record_what_is_not_asked_for_as_scripts_do():
    plain, told = BuildMLDataset(), BuildMLDataset(psf=True)
    assert [task.wanted_options()["psf"] for task in (plain, told)] == [None, TOLD]
    once, turned = KerasTensorflowClassifier(), KerasTensorflowClassifier(orientations=True)
    assert [task.wanted_options()["orientations"] for task in (once, turned)] == [None, True]


def test_each_task_asks_for_the_one_before_with_its_own_inputs_as_outputs():
    plot = PlotResults(inputFiles=["x/a.csv", "x/b.csv"], stampLocation="x")
    runs = list(plot.requires().values())
    assert [run.outputcsv for run in runs] == ["x/a.csv", "x/b.csv"]
    data = KerasTensorflowClassifier(trainingset="x/set.h5").requires()["trainingset"]
    assert data.outputFile == "x/set.h5"
    lists = BuildMLDataset(good="y/good.txt", bad="y/bad.txt").requires()["good"]
    assert Path(lists.output()["bad"].path) == Path("y/bad.txt")


def test_tasks_run_through_luigi_build(finished, monkeypatch):
    monkeypatch.chdir(finished)
    (finished / "training" / "plots.png").unlink()
    assert luigi.build([PlotResults()], local_scheduler=True, log_level="WARNING")
    assert (finished / "training" / "plots.png").exists()


def test_two_workers_share_a_run_under_luigid(luigid, survey, tmp_path):
    words = [
        sys.executable,
        PIPELINE,
        "PlotResults",
        f"--scheduler-url={luigid}",
        "--no-lock",
        "--worker-keep-alive",
        f"--GetCutOuts-configFile={survey}",
        "--GetCutOuts-mjds=58310-58311",
        "--KerasTensorflowClassifier-epochs=1",
    ]
    workers = [
        subprocess.Popen(words, cwd=tmp_path, stderr=subprocess.PIPE, text=True) for _ in range(2)
    ]
    logs = [worker.communicate(timeout=200)[1] for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0], "\n".join(logs)
    assert all((tmp_path / "training" / name).exists() for name in NAMES)
    runs = [line for log in logs for line in log.splitlines() if " running   " in line]
    assert len(runs) == 4
    query = urllib.parse.urlencode({"data": json.dumps({"status": "DONE"})})
    with urllib.request.urlopen(f"{luigid}/api/task_list?{query}") as page:
        assert len(json.load(page)["response"]) == 4


def test_recall_of_lists_at_a_threshold_needs_nothing_else(tmp_path):
    (tmp_path / "good.csv").write_text("7,0.9\n8,0.1\n")
    words = ("PlotResults", "--recall=good.csv", "--threshold=0.5", "--outputFile=r.svg")
    done = local(*words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"good.csv", "r.svg"}
    assert "Did not run any tasks" in local(*words, cwd=tmp_path).stderr
    assert_fails(local(*words[:2], "--threshold=0.6", words[3], cwd=tmp_path), "threshold = 0.5")


def test_options_of_a_plot_decide_its_content(finished):
    words = ("PlotResults", "--outputFile=p.pdf", "--mdr=0.1", "--scale=log", "--panelLabel=a,b")
    assert local(*words, "--fprLimits=0.01,1", cwd=finished).returncode == 0
    again = local(*words, "--fprLimits=0.01,1.0", cwd=finished)
    assert "Did not run any tasks" in again.stderr
    assert_fails(local(*words, cwd=finished), "PlotResults fprLimits = 0.01,1.0, not None")
    assert_fails(local("PlotResults", "--mdr=1%", cwd=finished), "mdr must be rates", "'1%'")


def test_release_gate_passes_equals_and_stops_what_is_worse(finished):
    shutil.copy(finished / "training" / "scores.csv", finished / "old.csv")
    words = ("CompareResults", "--old=old.csv", "--resamples=100", "--dataset=training/dataset.h5")
    assert local(*words, cwd=finished).returncode == 0
    assert "Did not run any tasks" in local(*words, cwd=finished).stderr
    lines = (finished / "old.csv").read_text().splitlines()
    start = lines.index("name,object,target,score") + 1
    cells = [line.split(",") for line in lines[start:]]
    perfect = [f"{name},{item},{target},{target}" for name, item, target, _ in cells]
    (finished / "old.csv").write_text("\n".join([*lines[:start], *perfect]) + "\n")
    for _ in range(2):
        done = local(*words, "--outputFile=worse.png", cwd=finished)
        assert_fails(done, "the new classifier is significantly worse: fpr of all")


def test_new_objects_are_scored_by_the_classifier_that_training_made(finished):
    done = local("RunKerasTensorflowClassifier", cwd=finished)
    assert done.returncode == 0, done.stderr
    lines = (finished / "training" / "objects.csv").read_text().splitlines()
    assert "object,score,images,spread,score_02a,flags" in lines
    done = local("RunKerasTensorflowClassifier", cwd=finished)
    assert done.returncode == 0
    assert "Did not run any tasks" in done.stderr
    assert_fails(
        local("RunKerasTensorflowClassifier", "--listid=2", cwd=finished), "listid = 4, not 2"
    )
    assert_fails(
        local("RunKerasTensorflowClassifier", "--KerasTensorflowClassifier-epochs=9", cwd=finished),
        "KerasTensorflowClassifier epochs",
    )


def test_scores_are_written_back_each_night_under_one_scheduler(finished, luigid):
    """What is made and written is done; another night, or a run that was killed, is not."""
    database = finished / "survey.db"
    empty = "UPDATE atlas_diff_objects SET zooniverse_score = NULL WHERE detection_list_id = 4"
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute(empty)
    words = (PIPELINE, "RunKerasTensorflowClassifier", "--update", f"--scheduler-url={luigid}")
    done = run_warm(*words, cwd=finished)
    assert done.returncode == 0, done.stderr
    scores, counts, record = sorted((finished / "training").glob("objects_20*.csv"))
    assert counts.name == f"{scores.stem}.exposures.csv"
    assert record.name == f"{scores.stem}.update.csv"
    query = "SELECT COUNT(*) FROM atlas_diff_objects WHERE detection_list_id = 4"
    with closing(sqlite3.connect(database)) as connection:
        (listed,) = connection.execute(query).fetchone()
        written = connection.execute(f"{query} AND zooniverse_score IS NOT NULL").fetchone()
    assert written == (listed,)
    assert "Did not run any tasks" in run_warm(*words, cwd=finished).stderr
    record.unlink()
    done = run_warm(*words, cwd=finished)
    assert done.returncode == 0, done.stderr
    assert f"0 scores written, {listed} left as they are" in done.stderr
    assert record.exists()


def test_the_next_night_is_another_target(finished, monkeypatch):
    monkeypatch.chdir(finished)
    task = RunKerasTensorflowClassifier(update=True)
    names = [Path(target.path).name for target in task.output()]
    monkeypatch.setattr(
        "atlasClassificationPipeline.fill_date",
        lambda name: fill_date(name, now=datetime(2031, 2, 3)),
    )
    later = [Path(target.path).name for target in task.output()]
    assert later == ["objects_2031-02-03.csv", "objects_2031-02-03.update.csv"]
    assert not set(names) & set(later)
    rescored = RunKerasTensorflowClassifier(update=True, rescore=True).output()
    assert Path(rescored[1].path).name == "objects_2031-02-03.rescore.csv"
    assert len(RunKerasTensorflowClassifier().output()) == 1


def test_all_detections_of_a_night_are_scored(finished):
    words = ("RunKerasTensorflowClassifier", "--detections=58310", "--stampThreads=1")
    done = local(*words, cwd=finished)
    assert done.returncode == 0, done.stderr
    assert (finished / "training" / "detections.parquet").read_bytes()[:4] == b"PAR1"
    assert "Did not run any tasks" in local(*words, cwd=finished).stderr
    more = ("RunKerasTensorflowClassifier", "--detections=58310-58311")
    assert_fails(local(*more, cwd=finished), "detections = 58310, not 58310,58311")
    assert_fails(
        local(*words, "--images=[a.fits]", "--outputparquet=o.parquet", cwd=finished),
        "images: can't be given with detections",
    )


def test_images_are_scored_by_the_classifiers_that_are_given(finished):
    classifier = "--classifier=[02a=training/model.h5]"
    words = ("--images=[training/good]", classifier, "--outputcsv=o.csv")
    done = local("RunKerasTensorflowClassifier", *words, cwd=finished)
    assert done.returncode == 0, done.stderr
    more = ("RunKerasTensorflowClassifier", *words, "--outputparquet=o.parquet")
    assert "o.parquet are made anew" in local(*more, cwd=finished).stderr
    assert (finished / "o.parquet").read_bytes()[:4] == b"PAR1"
    assert "Did not run any tasks" in local(*more, cwd=finished).stderr
    assert "score_02a" in (finished / "o.csv").read_text()
    shutil.rmtree(finished / "training")
    done = local(
        *("RunKerasTensorflowClassifier", "--images=[a.fits]", "--classifier=none.h5"),
        cwd=finished,
    )
    assert_fails(done, "classifier: none.h5 does not exist")
