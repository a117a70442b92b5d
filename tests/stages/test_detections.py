"""All detections of nights get the scores that their stamps would get."""

import logging
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest

from realbogus.errors import ConfigError, DatabaseError, ImageError, RecipeError
from realbogus.models.registry import build_model
from realbogus.models.storage import save_model
from realbogus.parquet import read_parquet_recipe
from realbogus.stages.detections import score_detections
from realbogus.stages.score import score_objects
from tests.helpers import ROOT, make_recipe, save_untrained
from tests.ps1 import Ps1Survey
from tests.stages.test_score import verdicts

NIGHTS = (58310, 58311)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return save_untrained(tmp_path_factory.mktemp("model") / "model.h5")


@pytest.fixture
def copy(survey, tmp_path):
    """Give the configuration of a copy of the survey, whose files may be damaged."""
    shutil.copytree(survey.parent, tmp_path / "copy")
    return tmp_path / "copy" / survey.name


def score(config, output, model, nights=NIGHTS, **options):
    given = {"classifiers": [str(model)], "workers": 1, **options}
    score_detections(nights, output=output, config_file=config, **given)
    return pyarrow.parquet.read_table(output)


def images_of(config):
    return sorted((config.parent / "diff" / "02a").rglob("*.fz"))


def rows_of(config, query, *values):
    with sqlite3.connect(config.parent / "survey.db") as connection:
        found = connection.execute(query, values).fetchall()
    connection.close()
    return found


def test_every_row_of_the_table_is_there_in_order(survey, model, tmp_path):
    table = score(survey, tmp_path / "d.parquet", model)
    expected = rows_of(
        survey,
        "SELECT d.id, d.atlas_object_id, m.obs, d.x, d.y, d.mag FROM atlas_detectionsddc d"
        " JOIN atlas_metadataddc m ON m.id = d.atlas_metadata_id ORDER BY m.obs, d.id",
    )
    assert len(expected) > 300
    names = ["detection", "object", "exposure", "x", "y", "mag"]
    assert [tuple(row.values()) for row in table.select(names).to_pylist()] == expected
    assert set(table["camera"].to_pylist()) == {"02a"}
    assert len({row["exposure"] for row in table.to_pylist()}) == 6


def test_scores_are_those_of_the_training_stamps(survey, training, model, tmp_path):
    table = score(survey, tmp_path / "d.parquet", model)
    found = dict(zip(table["detection"].to_pylist(), table["score"].to_pylist(), strict=True))
    score_objects([training], output_csv=tmp_path / "s.csv", classifiers=[str(model)])
    by_object = {}
    for path in training.rglob("*.fits"):
        item, _, detection = path.stem.split("_")
        by_object.setdefault(item, []).append(found[int(detection)])
    expected = {item: float(row["score"]) for item, row in verdicts(tmp_path / "s.csv").items()}
    assert len(expected) > 50
    medians = {item: float(np.median(scores)) for item, scores in by_object.items()}
    assert medians == pytest.approx(expected, abs=1e-6)
    assert np.std(list(expected.values())) > 1e-3


def test_what_training_would_drop_has_no_score_and_all_else_has(survey, model, tmp_path):
    table = score(survey, tmp_path / "d.parquet", model)
    faults, scores = table["fault"].to_pylist(), table["score"].to_pylist()
    assert set(faults) <= {None, "masked"}
    assert [value is None for value in scores] == [fault is not None for fault in faults]
    assert all(0 <= value <= 1 for value in scores if value is not None)


@pytest.mark.parametrize("options", [{"workers": 2}, {"rows": 100}])
def test_processes_and_memory_do_not_change_the_file(survey, model, tmp_path, monkeypatch, options):
    one = score(survey, tmp_path / "one.parquet", model)
    if "rows" in options:
        monkeypatch.setattr("realbogus.stages.detections._ROWS", options.pop("rows"))
    assert score(survey, tmp_path / "other.parquet", model, **options).equals(one)


def test_the_file_says_what_made_it_and_a_second_run_does_nothing(survey, model, tmp_path):
    output = tmp_path / "d.parquet"
    table = score(survey, output, model)
    before = output.stat().st_mtime_ns
    score(survey, output, model)
    assert output.stat().st_mtime_ns == before
    recipe = read_parquet_recipe(output)
    assert recipe.options["detections"] == list(NIGHTS)
    assert recipe.inputs["classifier"].recipe.options["e"] == 10
    assert recipe.results["detections"] == table.num_rows
    assert recipe.results["exposures"] == 6
    with pytest.raises(RecipeError, match="was made with detections = 58310,58311, not 58310"):
        score(survey, output, model, nights=[58310])


def test_a_bad_exposure_costs_one_line_and_its_own_scores(copy, model, tmp_path, caplog):
    good = score(copy, tmp_path / "good.parquet", model)
    missing, damaged, *_ = images_of(copy)
    missing.unlink()
    damaged.write_bytes(damaged.read_bytes()[:9000])
    caplog.set_level(logging.WARNING, "realbogus")
    table = score(copy, tmp_path / "d.parquet", model)
    names = {path.name.partition(".")[0] for path in (missing, damaged)}
    of_bad = np.isin(table["exposure"].to_pylist(), sorted(names))
    assert set(table.filter(of_bad)["fault"].to_pylist()) == {"image"}
    assert table.filter(~of_bad).to_pylist() == good.filter(~of_bad).to_pylist()
    assert f"{missing}: no such file" in caplog.text
    assert "2 of 6 exposures are missing or unreadable" in caplog.text
    assert sum("compared" not in record.getMessage() for record in caplog.records) == 3
    assert set(read_parquet_recipe(tmp_path / "d.parquet").results["missing"]) == names


KILLED = """
import sys
from pathlib import Path
from realbogus.stages.detections import score_detections
config, output, model = sys.argv[1:]
score_detections([58310, 58311], output=Path(output), classifiers=[model], workers=1,
                 config_file=Path(config))
"""


def kill_in_the_second_night(config, output, model):
    """Kill a run that waits for an image of the second night, which is a pipe; mend the image."""
    image = next(path for path in images_of(config) if path.parent.name == "58311")
    aside = image.rename(image.with_suffix(".aside"))
    os.mkfifo(image)
    words = [sys.executable, "-c", KILLED, config, output, model]
    with subprocess.Popen([str(word) for word in words], cwd=ROOT) as process:
        finished = output.parent / "d.nights" / "58310.parquet"
        for _ in range(2000):
            if finished.exists() or process.poll() is not None:
                break
            time.sleep(0.02)
        process.kill()
    assert process.returncode == -signal.SIGKILL
    image.unlink()
    aside.rename(image)
    return finished


def test_a_run_that_was_killed_goes_on_with_the_nights_that_are_not_done(
    copy, model, tmp_path, caplog
):
    whole = score(copy, tmp_path / "whole.parquet", model)
    output = tmp_path / "d.parquet"
    kill_in_the_second_night(copy, output, model)
    assert not output.exists()
    for image in images_of(copy):
        if image.parent.name == "58310":
            image.unlink()  # what is done is not read again
    caplog.set_level(logging.INFO, "realbogus")
    assert score(copy, output, model).equals(whole)
    assert "night 58310 was finished before" in caplog.text
    assert "night 58311 was finished before" not in caplog.text
    recipes = [read_parquet_recipe(path) for path in (output, tmp_path / "whole.parquet")]
    for recipe in recipes:
        recipe.results.pop("compared_with")  # the second run has the table of the first
    assert recipes[0] == recipes[1]
    assert recipes[0].results["exposures"] == 6
    assert sorted(path.name for path in tmp_path.glob("d*")) == ["d.exposures.csv", "d.parquet"]


def test_a_night_that_another_classifier_scored_is_scored_anew(copy, model, tmp_path, caplog):
    other = tmp_path / "other.h5"
    recipe = make_recipe("train", model="psat", e=10, N="spn", seed=1)
    save_model(other, build_model("psat", 20), recipe)
    output = tmp_path / "d.parquet"
    finished = kill_in_the_second_night(copy, output, model)
    assert pyarrow.parquet.read_metadata(finished).num_rows > 100
    caplog.set_level(logging.INFO, "realbogus")
    expected = score(copy, tmp_path / "whole.parquet", other)
    assert score(copy, output, other).equals(expected)
    assert "was finished before" not in caplog.text


def test_nothing_is_written_when_no_image_can_be_read(copy, model, tmp_path):
    for path in images_of(copy):
        path.unlink()
    with pytest.raises(ImageError, match=r"none of \d+ detections can be scored: .*no such file"):
        score(copy, tmp_path / "d.parquet", model)
    assert list(tmp_path.glob("*d.*")) == []


def test_missing_images_are_fetched_first(copy, model, tmp_path):
    before = score(copy, tmp_path / "before.parquet", model)
    (copy.parent / "diff").rename(tmp_path / "archive")
    text = copy.read_text()
    copy.write_text(text.replace("root: diff", f"root: diff\n  remote: {tmp_path / 'archive'}"))
    assert score(copy, tmp_path / "d.parquet", model).equals(before)
    assert len(images_of(copy)) == 6


def test_detections_without_object_magnitude_or_position_are_kept(copy, model, tmp_path):
    (first,), (second,) = rows_of(copy, "SELECT id FROM atlas_detectionsddc ORDER BY id LIMIT 2")
    with sqlite3.connect(copy.parent / "survey.db") as connection:
        connection.execute(
            "UPDATE atlas_detectionsddc SET x = NULL, mag = NULL, atlas_object_id = 0 WHERE id = ?",
            (first,),
        )
    connection.close()
    rows = {row["detection"]: row for row in score(copy, tmp_path / "d.parquet", model).to_pylist()}
    kept = {name: rows[first][name] for name in ("object", "x", "mag", "score", "fault")}
    assert kept == {"object": None, "x": None, "mag": None, "score": None, "fault": "position"}
    assert rows[second]["score"] is not None


def test_cameras_go_to_their_own_classifiers_and_the_fallback_is_flagged(
    survey, model, tmp_path, caplog
):
    own = score(survey, tmp_path / "own.parquet", f"02a={model}")
    assert not any(own["fallback"].to_pylist())
    with pytest.raises(ConfigError, match=r"camera 02a has none, and took 6 images such as 02a5"):
        score(survey, tmp_path / "d.parquet", f"04a={model}")
    table = score(survey, tmp_path / "d.parquet", f"04a={model}", fallback=model)
    assert table.drop_columns("fallback").equals(own.drop_columns("fallback"))
    is_scored = [value is not None for value in table["score"].to_pylist()]
    assert table["fallback"].to_pylist() == is_scored
    assert f"{sum(is_scored)} detections have scores of the fallback" in caplog.text


def test_pan_starrs_has_no_whole_images(model, tmp_path):
    survey = Ps1Survey(tmp_path / "ps1")
    with pytest.raises(ConfigError, match="is for ps1, of which only stamps are at hand"):
        score(survey.config, tmp_path / "d.parquet", model)


@pytest.mark.parametrize(
    ("options", "kind", "part"),
    [
        ({"nights": []}, ConfigError, "detections: give at least one night"),
        ({"nights": [58999]}, DatabaseError, "no exposure in night 58999"),
        ({"cameras": ["04a"]}, DatabaseError, "no exposure of camera 04a in night 58310, 58311"),
        ({"cameras": ["99z"]}, ConfigError, "camera must be one of 01a"),
        ({"output": Path("d.csv")}, ConfigError, r"outputparquet must end in \.parquet; got 'd"),
        ({"engine": "fast"}, ConfigError, "engine must be one of auto, onnx, keras"),
        ({"download_threads": 0}, ConfigError, "downloadthreads must be at least 1; got 0"),
        ({"workers": 0}, ConfigError, "number of workers must be at least 1; got 0"),
        ({"classifiers": []}, ConfigError, "give one, or a block 'classifiers'"),
    ],
)
def test_what_is_not_allowed_is_said(survey, model, tmp_path, options, kind, part):
    given = {"nights": NIGHTS, "output": tmp_path / "d.parquet", **options}
    with pytest.raises(kind, match=part):
        score(survey, given.pop("output"), model, given.pop("nights"), **given)
    assert list(tmp_path.iterdir()) == []


def test_a_whole_run_loads_no_tensorflow(survey, model, tmp_path):
    output = tmp_path / "d.parquet"
    words = [f"--configFile={survey}", f"--classifier={model}", f"--outputparquet={output}"]
    words += ["--stampThreads=1", "--detections=58310-58311"]
    code = (
        "import sys, runKerasTensorflowClassifier as script\n"
        f"assert script.main({words!r}) == 0\n"
        "print(*sorted({'tensorflow', 'keras', 'sklearn'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
    assert pyarrow.parquet.read_metadata(output).num_rows > 300
