"""Bad exposures are held back from the scores and the database, and good ones are not."""

import csv
import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace

import numpy as np
import pyarrow.parquet
import pytest

import atlasClassificationPipeline
import runKerasTensorflowClassifier
from realbogus.breaker import NIGHTS
from realbogus.counts import HELD, PASSED, UNCHECKED, counts_path, read_counts, write_counts
from realbogus.errors import ConfigError, RecipeError
from realbogus.holding import plot_path
from realbogus.images import cut_stamps, read_image
from realbogus.scores import read_object_scores, read_score_recipe, read_table
from realbogus.simulation import simulate
from realbogus.simulation.faults import FAULTS, spoil
from realbogus.stages.build import build_dataset
from realbogus.stages.cut_atlas import cut_atlas
from realbogus.stages.detections import score_detections
from realbogus.stages.score import score_objects
from realbogus.stages.train import train_classifier
from realbogus.stamps import write_cube
from tests.helpers import make_recipe
from tests.stages.test_score import AtlasSurvey, noise, verdicts

FIRST = 58210
SKY = tuple(range(FIRST, FIRST + NIGHTS + 2))
LAST = SKY[-1]
OBJECTS = range(100, 124)
GOOD, BAD = "02a58310o0001c", "02a58310o0002c"


pytestmark = pytest.mark.usefixtures("same_log")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return train_for("02a", tmp_path_factory.mktemp("haleakala"))


@pytest.fixture(scope="module")
def sky(tmp_path_factory):
    """Make a night more than are needed, the last of which is to be judged; give its folder."""
    folder = tmp_path_factory.mktemp("sky") / "survey"
    made = {"exposures": 4, "size": 512, "asteroids": 60, "garbage": 40, "detections": 20}
    simulate(folder, nights=SKY, stamps=(), **made)
    return folder


@pytest.fixture(scope="module")
def accepted(sky, model, tmp_path_factory):
    """Score all nights but the last; give the file of scores."""
    folder = tmp_path_factory.mktemp("accepted")
    write_cubes(sky, folder / "cubes", SKY[:-1])
    score_objects([folder / "cubes"], output_csv=folder / "s.csv", classifiers=[str(model)])
    return folder / "s.csv"


def write_cubes(survey, folder, nights):
    """Write the stamps of all detections, a cube an exposure."""
    folder.mkdir()
    rows = {}
    with (survey / "truth.csv").open() as stream:
        for row in csv.DictReader(stream):
            rows.setdefault(row["exposure"], []).append(row)
    for obs, some in rows.items():
        if int(obs[3:8]) in nights:
            x, y = (np.array([float(row[axis]) for row in some]) for axis in "xy")
            image = read_image(survey / "diff" / obs[:3] / obs[3:8] / f"{obs}.diff.fz")
            columns = {
                "x": x,
                "y": y,
                "object": np.array([int(row["object"]) for row in some], np.uint64),
                "detection": np.array([int(row["detection"]) for row in some], np.uint64),
            }
            stamps = cut_stamps(image, x, y, size=24)
            write_cube(folder / f"{obs}.fits", stamps, shared="", columns=columns)


def copy_of_last_night(sky, folder):
    shutil.copytree(sky / "diff" / "02a" / str(LAST), folder / "diff" / "02a" / str(LAST))
    for name in ("truth.csv", "config.yaml", "survey.db"):
        shutil.copy(sky / name, folder)
    return sorted(path.name[:14] for path in (folder / "diff" / "02a" / str(LAST)).iterdir())


def judged(folder, model, accepted):
    """Score the last night; give whether any is held, and the status of each exposure."""
    write_cubes(folder, folder / "cubes", [LAST])
    is_held = score_objects(
        [folder / "cubes"],
        output_csv=folder / "s.csv",
        classifiers=[str(model)],
        reference=[accepted],
    )
    return is_held, {item.name: item.status for item in read_counts(counts_path(folder / "s.csv"))}


def test_a_good_night_passes(sky, model, accepted, tmp_path, caplog):
    exposures = copy_of_last_night(sky, tmp_path)
    own = f"02a={model}"
    assert judged(tmp_path, own, accepted) == (False, dict.fromkeys(exposures, PASSED))
    assert "trained on" not in caplog.text
    assert not plot_path(tmp_path / "s.csv").exists()
    assert "held" not in caplog.text


@pytest.mark.parametrize("fault", FAULTS)
def test_an_exposure_with_a_fault_is_held_and_the_others_pass(
    sky, model, accepted, tmp_path, caplog, fault
):
    exposures = copy_of_last_night(sky, tmp_path)
    spoil(tmp_path, exposures[1:2], fault)
    is_held, statuses = judged(tmp_path, model, accepted)
    assert is_held
    assert statuses == {**dict.fromkeys(exposures, PASSED), exposures[1]: HELD}
    assert f"{exposures[1]} is held back: " in caplog.text
    if fault == "masked quadrant":
        assert "masked images, expected" in caplog.text


@pytest.fixture(scope="module")
def accepted_detections(sky, model, tmp_path_factory):
    """Score all detections of all nights but the last; give their file."""
    output = tmp_path_factory.mktemp("detections") / "d.parquet"
    score_last(sky, output, model, nights=SKY[:-1])
    return output


def score_last(folder, output, model, nights=(LAST,), **options):
    config = folder / "config.yaml"
    given = {"config_file": config, "classifiers": [str(model)], "workers": 1, **options}
    return score_detections(nights, output=output, **given)


@pytest.mark.parametrize("fault", [None, *FAULTS])
def test_of_all_detections_too_an_exposure_with_a_fault_is_held(
    sky, model, accepted_detections, tmp_path, fault
):
    exposures = copy_of_last_night(sky, tmp_path)
    bad = [] if fault is None else exposures[1:2]
    spoil(tmp_path, bad, fault or "wrong PSF")
    output = tmp_path / "d.parquet"
    is_held = score_last(tmp_path, output, model, reference=[accepted_detections])
    assert is_held == bool(bad)
    found = {item.name: item.status for item in read_counts(counts_path(output))}
    assert found == {**dict.fromkeys(exposures, PASSED), **dict.fromkeys(bad, HELD)}


def test_the_model_of_another_camera_is_held(sky, accepted, tmp_path, caplog):
    exposures = copy_of_last_night(sky, tmp_path)
    other = train_for("05r", tmp_path / "teide")
    caplog.set_level("INFO")
    is_held, statuses = judged(tmp_path, other, accepted)
    assert "camera 02a is compared with the nights of another classifier" in caplog.text
    assert "model.h5 scores camera 02a, and was trained on 05r" in caplog.text
    assert is_held
    assert HELD in statuses.values()
    for path in (tmp_path / "s.csv", tmp_path / "cubes"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    is_held, statuses = judged(tmp_path, f"02a={other}", accepted)
    assert (is_held, statuses) == (True, dict.fromkeys(exposures, HELD))
    assert "02a is held back: its classifier model.h5 was trained on 05r" in caplog.text


def train_for(camera, folder):
    made = {"exposures": 4, "size": 512, "asteroids": 40, "garbage": 80, "detections": 20}
    nights = range(58310, 58314)
    config = simulate(folder / "survey", cameras=[camera], nights=nights, **made)
    cut_atlas(config, nights=nights, location=folder, camera=camera, stamp_threads=1)
    build_dataset(folder / "good.txt", folder / "bad.txt", folder / "dataset.h5")
    model, scores = folder / "model.h5", folder / "scores.csv"
    train_classifier(folder / "dataset.h5", classifier=model, output_csv=scores, epochs=10)
    return model


@pytest.fixture
def night(model, tmp_path):
    """Make a survey with two exposures of the same objects, and accepted nights like them."""
    survey = AtlasSurvey(tmp_path / "atlas")
    for place, item in enumerate(OBJECTS):
        survey.add_object(item)
        for number in (1, 2):
            survey.add_stamp(item, number, pixels=noise(10 * place + number))
    (tmp_path / "scores").mkdir()
    assert not score(survey, model, "first.csv")
    table = counts_path(tmp_path / "scores" / "first.csv")
    counts = read_counts(table)
    assert {item.status for item in counts} == {UNCHECKED}
    rows = [
        replace(item, name=f"02a{day}o{copy}{item.name[10:]}", night=day)
        for day in range(58210, 58210 + NIGHTS)
        for copy in (1, 2)
        for item in counts
    ]
    write_counts(table, rows, read_score_recipe(table))
    return survey


def output_of(survey, name="night.csv"):
    return survey.folder.parent / "scores" / name


def score(survey, model, name="night.csv", **options):
    output = output_of(survey, name)
    return score_objects(
        output_csv=output, config_file=survey.config, classifiers=[str(model)], **options
    )


def mask(survey, numbers):
    """Mask half of the stamps of some exposures, whole."""
    for item in OBJECTS[::2]:
        for number in numbers:
            name = f"{item}_58310.123_02a58310o{number:04d}c_{number}_diff.fits"
            path = survey.stamps / "58310" / name
            path.unlink()
            survey.add_stamp(item, number, pixels=np.full((200, 200), np.nan, np.float32))


def written(survey):
    with closing(sqlite3.connect(survey.folder / "survey.db")) as connection:
        rows = connection.execute("SELECT id, zooniverse_score FROM atlas_diff_objects").fetchall()
    return {str(item): value for item, value in rows if value is not None}


def held_lines(caplog):
    return [record.getMessage() for record in caplog.records if "held" in record.getMessage()]


def test_the_table_of_exposures_of_detections_is_not_overwritten(night, model):
    table = counts_path(output_of(night))
    write_counts(table, [], make_recipe("score", detections=[58310]))
    before = table.read_bytes()
    with pytest.raises(ConfigError, match=r"night.exposures.csv beside it is of detections; take"):
        score(night, model)
    assert table.read_bytes() == before
    assert not output_of(night).exists()


def test_objects_are_scored_from_their_other_exposures(night, model):
    assert not score(night, model, "before.csv")
    mask(night, [2])
    assert score(night, model, update=True)
    rows = verdicts(output_of(night))
    assert rows["100"]["flags"] == "masked=1"
    assert rows["101"]["flags"] == "held=1"
    assert {row["images"] for row in rows.values()} == {"1"}
    assert written(night).keys() == rows.keys()
    assert read_score_recipe(output_of(night)).results["held"].keys() == {BAD}


def test_nothing_of_a_bad_night_is_written(night, model, caplog):
    mask(night, [1, 2])
    assert score(night, model, update=True)
    assert written(night) == {}
    rows = verdicts(output_of(night))
    assert rows["101"]["flags"] == "no_images held=2"
    assert {row["score"] for row in rows.values()} == {""}
    assert plot_path(output_of(night)).exists()
    assert f"{GOOD} is held back: 12 of 24 masked images, expected 0." in caplog.text


def test_a_second_run_says_the_same_and_a_release_lets_it_through(night, model, caplog):
    mask(night, [1, 2])
    score(night, model, update=True)
    before, said = output_of(night).read_bytes(), held_lines(caplog)
    caplog.clear()
    assert score(night, model, update=True)
    assert (output_of(night).read_bytes(), held_lines(caplog)) == (before, said)
    assert not score(night, model, update=True, release=["all"])
    released = output_of(night).read_bytes()
    assert read_score_recipe(output_of(night)).options["release"] == ["all"]
    assert len(written(night)) == len(OBJECTS) / 2
    assert not score(night, model, update=True)
    assert output_of(night).read_bytes() == released
    with pytest.raises(RecipeError, match=r"falseAlarms = 0.01, not 0.5"):
        score(night, model, false_alarms=0.5)


def test_scores_are_those_of_the_file_after_a_release_in_part(night, model):
    mask(night, [1, 2])
    assert score(night, model, update=True, release=[GOOD])
    found = read_object_scores(output_of(night))
    assert written(night) == {
        name: pytest.approx(value, rel=1e-5) for name, value in found.items() if value is not None
    }
    assert len(written(night)) == len(OBJECTS) / 2


def test_the_script_says_it_by_its_status(night, model, capsys):
    mask(night, [2])
    words = ["--classifier", str(model), "--configFile", str(night.config)]
    table = output_of(night).with_suffix(".parquet")
    words += ["--outputcsv", str(output_of(night)), "--outputparquet", str(table)]
    assert runKerasTensorflowClassifier.main(words) == 2
    rows = pyarrow.parquet.read_table(table).to_pylist()
    held = [row for row in rows if row["held_score"] is not None]
    assert {row["exposure"] for row in held} == {BAD}
    assert all((row["score"], row["fault"]) == (None, "held") for row in held)
    counted = [row for row in rows if row["score"] is not None]
    found = read_table(output_of(night), ["images", "flags"])
    images, flags = zip(*((int(row["images"]), row["flags"]) for _, row in found), strict=True)
    assert sum(images) == len(counted)
    assert sum(flag.count("held=1") for flag in flags) == len(held)
    assert runKerasTensorflowClassifier.main(words) == 2
    assert f"{BAD} is held back" in capsys.readouterr().err
    assert runKerasTensorflowClassifier.main([*words, "--release", BAD]) == 0
    assert runKerasTensorflowClassifier.main([*words, "--release", "nonsense"]) == 1
    assert "release: 'nonsense' is no exposure of this run" in capsys.readouterr().err


def test_the_task_succeeds_and_its_log_says_it(night, model, capfd):
    mask(night, [2])
    words = ["RunKerasTensorflowClassifier", "--local-scheduler", "--no-lock"]
    words += ["--classifier", str(model)]
    words += ["--configFile", str(night.config), "--outputcsv", str(output_of(night))]
    assert atlasClassificationPipeline.main(words) == 0
    assert f"WARNING: {BAD} is held back" in capfd.readouterr().err
    assert atlasClassificationPipeline.main(words) == 0
    assert BAD in read_score_recipe(output_of(night)).results["held"]
    assert atlasClassificationPipeline.main([*words, "--release", BAD]) == 0
    assert read_score_recipe(output_of(night)).results["held"] == {}
    assert atlasClassificationPipeline.main(words) == 0
