"""A classifier of other cameras is held back for the camera that it is named for, always."""

import shutil

import pyarrow.parquet
import pytest

import atlasClassificationPipeline
import runKerasTensorflowClassifier
from realbogus.counts import HELD, PASSED, RELEASED, UNCHECKED, counts_path, read_counts
from realbogus.errors import ConfigError
from realbogus.holding import plot_path
from realbogus.parquet import read_parquet_recipe
from realbogus.scores import read_score_recipe
from realbogus.simulation import simulate
from realbogus.stages.detections import score_detections
from realbogus.stages.score import score_objects
from tests.helpers import save_untrained
from tests.ps1 import GPC1, GPC2, Ps1Survey
from tests.stages.test_score import AtlasSurvey, noise, verdicts

NIGHT = 58310
CAMERAS = ("02a", "05r")
SWAPPED = ("02a=05r", "05r=02a")

pytestmark = pytest.mark.usefixtures("same_log")


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Save classifiers of one camera each, of both, and one that does not say of which."""
    folder = tmp_path_factory.mktemp("models")
    known = {name: [name] for name in (*CAMERAS, "gpc1", "gpc2")} | {"both": list(CAMERAS)}
    for name, cameras in known.items():
        save_untrained(folder / f"{name}.h5", cameras=cameras)
    save_untrained(folder / "unknown.h5")
    return folder


@pytest.fixture
def lists(tmp_path):
    """Make a list of an object with images of both cameras, and one with images of 02a alone."""
    survey = AtlasSurvey(tmp_path / "atlas")
    for item in (7, 8):
        survey.add_object(item)
        survey.add_stamp(item, 1, pixels=noise(item))
    survey.add_stamp(7, 2, pixels=noise(9), camera="05r")
    return survey


@pytest.fixture(scope="module")
def night(tmp_path_factory):
    """Make a night of both cameras; give its configuration."""
    folder = tmp_path_factory.mktemp("night") / "survey"
    made = {"exposures": 2, "size": 256, "asteroids": 10, "garbage": 20, "detections": 5}
    return simulate(folder, cameras=CAMERAS, nights=[NIGHT], stamps=(), **made)


def paths(models, words):
    """Write ``02a=05r`` as the option that names the file; ``05r`` is one for all."""
    pairs = [word.rpartition("=") for word in words]
    return [f"{camera}{equals}{models / name}.h5" for camera, equals, name in pairs]


def score(survey, models, words, **options):
    output = survey.folder.parent / "s.csv"
    return score_objects(
        output_csv=output,
        config_file=survey.config,
        classifiers=paths(models, words),
        **options,
    )


def score_night(config, output, models, words, **options):
    return score_detections(
        [NIGHT],
        output=output,
        config_file=config,
        classifiers=paths(models, words),
        workers=1,
        **options,
    )


def statuses(output):
    return {item.camera: item.status for item in read_counts(counts_path(output))}


def test_of_two_cameras_the_wrong_one_is_held_with_the_reason(lists, models, tmp_path, caplog):
    assert score(lists, models, ["02a=05r", "05r=05r"])
    output = tmp_path / "s.csv"
    assert statuses(output) == {"02a": HELD, "05r": UNCHECKED}
    rows = verdicts(output)
    assert (rows["7"]["flags"], rows["7"]["images"]) == ("held=1", "1")
    assert (rows["8"]["flags"], rows["8"]["score"]) == ("no_images held=1", "")
    reason = "its classifier 05r.h5 was trained on 05r, not on 02a"
    assert f"02a is held back: {reason}" in caplog.text
    assert "release: --release 02a)" in caplog.text
    assert "camera 02a is not compared" not in caplog.text
    assert read_score_recipe(output).results["held"] == {"02a": reason}
    assert [item.reason for item in read_counts(counts_path(output))] == [f"02a: {reason}", ""]
    assert plot_path(output).read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("by", ["words", "configuration"])
@pytest.mark.parametrize("false_alarms", [0.01, 0.0])
def test_of_objects_both_are_held_that_are_swapped(lists, models, tmp_path, by, false_alarms):
    words = SWAPPED if by == "words" else ()
    if by == "configuration":
        pairs = (word.split("=") for word in SWAPPED)
        lists.write_config(classifiers={camera: f"{models / name}.h5" for camera, name in pairs})
    assert score(lists, models, words, false_alarms=false_alarms)
    assert statuses(tmp_path / "s.csv") == dict.fromkeys(CAMERAS, HELD)


def test_of_detections_both_are_held_that_are_swapped(night, models, tmp_path, caplog):
    output = tmp_path / "d.parquet"
    assert score_night(night, output, models, SWAPPED)
    assert statuses(output) == dict.fromkeys(CAMERAS, HELD)
    table = pyarrow.parquet.read_table(output)
    assert table["score"].null_count == table.num_rows
    assert table["held_score"].null_count < table.num_rows
    assert read_parquet_recipe(output).results["held"].keys() == set(CAMERAS)
    for one, other in (CAMERAS, CAMERAS[::-1]):
        reason = f"its classifier {other}.h5 was trained on {other}, not on {one}"
        assert f"{one} is held back: {reason}" in caplog.text
    assert plot_path(output).exists()


@pytest.mark.parametrize("words", [CAMERAS, ("both", "both"), ("unknown", "unknown")])
def test_what_was_trained_on_the_camera_or_does_not_say_on_which_passes(
    lists, night, models, tmp_path, words
):
    named = [f"{camera}={name}" for camera, name in zip(CAMERAS, words, strict=True)]
    assert not score(lists, models, named)
    assert not score_night(night, tmp_path / "d.parquet", models, named)
    for name in ("s.csv", "d.parquet"):
        assert set(statuses(tmp_path / name).values()) == {UNCHECKED}
        assert not plot_path(tmp_path / name).exists()


def test_one_for_all_is_named_and_the_fallback_flagged_but_neither_held(
    lists, night, models, tmp_path, caplog
):
    assert not score(lists, models, ["05r"])
    assert not score_night(night, tmp_path / "d.parquet", models, ["05r"])
    said = f"{models / '05r.h5'} scores camera 02a, and was trained on 05r"
    assert caplog.text.count(said) == 2
    assert "scores camera 05r" not in caplog.text
    (tmp_path / "s.csv").unlink()
    assert not score(lists, models, ["05r=05r"], fallback=models / "05r.h5")
    assert verdicts(tmp_path / "s.csv")["8"]["flags"] == "fallback=1"
    assert caplog.text.count(said) == 2


@pytest.mark.parametrize(
    ("release", "left"),
    [
        ("all", {}),
        ("02a", {"05r": HELD}),
        (f"02a/{NIGHT}", {"05r": HELD}),
        (f"05r{NIGHT}o0002c", {"02a": HELD}),
    ],
)
def test_a_release_lets_it_through(lists, models, tmp_path, release, left):
    assert score(lists, models, SWAPPED)
    assert score(lists, models, SWAPPED, release=[release]) == bool(left)
    output = tmp_path / "s.csv"
    assert statuses(output) == {**dict.fromkeys(CAMERAS, RELEASED), **left}
    results = read_score_recipe(output).results
    assert (set(results["held"]), set(results["released"])) == (set(left), set(CAMERAS) - set(left))


def test_a_release_of_detections_needs_no_image(night, models, tmp_path):
    shutil.copytree(night.parent, tmp_path / "copy")
    config, output = tmp_path / "copy" / night.name, tmp_path / "d.parquet"
    assert score_night(config, output, models, SWAPPED)
    shutil.rmtree(config.parent / "diff")
    assert score_night(config, output, models, SWAPPED, release=["02a"])
    assert statuses(output) == {"02a": RELEASED, "05r": HELD}
    assert not score_night(config, output, models, SWAPPED, release=["02a", "05r"])
    assert "held" not in pyarrow.parquet.read_table(output)["fault"].to_pylist()
    with pytest.raises(ConfigError, match=r"release: '04a' is no exposure of this run, nor a cam"):
        score_night(config, output, models, SWAPPED, release=["04a"])


def test_what_is_held_is_no_reference_and_the_other_camera_is_compared(
    night, models, tmp_path, caplog
):
    score_night(night, tmp_path / "d.parquet", models, ["02a=05r", "05r=05r"])
    caplog.clear()
    assert not score_night(night, tmp_path / "e.parquet", models, CAMERAS_RIGHT)
    assert "camera 02a is not compared with earlier nights: 0 exposures of 0" in caplog.text
    assert set(statuses(tmp_path / "e.parquet").values()) <= {UNCHECKED, PASSED}


CAMERAS_RIGHT = tuple(f"{camera}={camera}" for camera in CAMERAS)


@pytest.mark.parametrize("swapped", [False, True])
def test_of_pan_starrs_too(models, tmp_path, swapped):
    survey = Ps1Survey(tmp_path / "ps1")
    survey.add_object(3000, 4, confidence_factor=None)
    for number, (band, mjd) in enumerate(((GPC1, "57001.5"), (GPC2, "57001")), 1):
        name = f"3000_{mjd}_430000{number}_7_diff"
        survey.add_stamp(3000, name=name, pixels=noise(number, 300), filter=band)
    names = ("gpc2", "gpc1") if swapped else ("gpc1", "gpc2")
    words = [f"gpc1={names[0]}", f"gpc2={names[1]}"]
    assert score(survey, models, words) == swapped
    status = HELD if swapped else UNCHECKED
    assert statuses(tmp_path / "s.csv") == {"gpc1": status, "gpc2": status}
    assert (verdicts(tmp_path / "s.csv")["3000"]["score"] == "") == swapped


def test_the_script_and_the_task_say_it(lists, models, tmp_path, capfd):
    words = ["--configFile", str(lists.config), "--outputcsv", str(tmp_path / "s.csv")]
    classifier = ["--classifier", *paths(models, SWAPPED)]
    assert runKerasTensorflowClassifier.main([*words, *classifier, "--update"]) == 2
    assert "02a is held back: its classifier 05r.h5" in capfd.readouterr().err
    given = [*words, "--classifier", ",".join(paths(models, SWAPPED))]
    task = ["RunKerasTensorflowClassifier", "--local-scheduler", "--no-lock", *given]
    assert atlasClassificationPipeline.main([*task, "--release", "02a,05r"]) == 0
    assert set(statuses(tmp_path / "s.csv").values()) == {RELEASED}
    assert runKerasTensorflowClassifier.main([*words, *classifier]) == 0
