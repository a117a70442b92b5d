"""Bad exposures are held back from the scores of all detections, and given back when released."""

import logging
import shutil
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
from realbogus.parquet import read_parquet_recipe
from realbogus.scores import read_score_recipe
from realbogus.simulation.faults import spoil
from realbogus.stages.detections import score_detections
from tests.helpers import make_recipe, save_untrained

NIGHT = 58310

pytestmark = pytest.mark.usefixtures("same_log")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return save_untrained(tmp_path_factory.mktemp("model") / "model.h5")


@pytest.fixture(scope="module")
def good(survey, model, tmp_path_factory):
    """Score a night; give the file, beside which are tables of accepted nights like it."""
    output = tmp_path_factory.mktemp("scores") / "good.parquet"
    assert not score(survey, output, model)
    counts = read_counts(counts_path(output))
    assert {item.status for item in counts} == {UNCHECKED}
    days = range(NIGHT - 2 * NIGHTS, NIGHT)
    rows = [
        replace(item, name=f"02a{day}{item.name[8:]}", night=day) for day in days for item in counts
    ]
    recipe = read_score_recipe(counts_path(output))
    write_counts(counts_path(output.with_name("before.parquet")), rows, recipe)
    return output


@pytest.fixture
def bad(survey, good, tmp_path):
    """Spoil an exposure of a copy of the survey; give its configuration, output and name."""
    shutil.copytree(survey.parent, tmp_path / "copy")
    shutil.copytree(good.parent, tmp_path / "scores")
    images = sorted((tmp_path / "copy" / "diff" / "02a" / str(NIGHT)).iterdir())
    exposure = images[1].name[:14]
    spoil(tmp_path / "copy", [exposure], "masked quadrant")
    return tmp_path / "copy" / survey.name, tmp_path / "scores" / "night.parquet", exposure


def score(config, output, model, nights=(NIGHT,), **options):
    given = {"classifiers": [str(model)], "workers": 1, **options}
    return score_detections(nights, output=output, config_file=config, **given)


def statuses(output):
    return {item.name: item.status for item in read_counts(counts_path(output))}


def columns(output, *names):
    return {name: pyarrow.parquet.read_table(output)[name].to_pylist() for name in names}


def test_scores_of_a_bad_exposure_are_kept_apart(bad, model, caplog):
    config, output, exposure = bad
    assert score(config, output, model)
    found = statuses(output)
    assert found.pop(exposure) == HELD
    assert set(found.values()) == {PASSED}
    table = pyarrow.parquet.read_table(output)
    of_bad = np.array(table["exposure"].to_pylist()) == exposure
    held = table.filter(of_bad)
    assert held["score"].null_count == held.num_rows
    kept = np.array(held["held_score"].to_pylist(), float)
    faults = np.array(held["fault"].to_pylist())
    assert set(faults[np.isfinite(kept)]) == {"held"}
    assert set(faults[np.isnan(kept)]) == {"masked"}
    others = table.filter(~of_bad)
    assert others["held_score"].null_count == others.num_rows
    assert f"{exposure} is held back: " in caplog.text
    assert "masked images, expected" in caplog.text
    assert plot_path(output).exists()
    results = read_parquet_recipe(output).results
    assert results["held"].keys() == {exposure}
    assert results["faults"]["held"] == np.count_nonzero(faults == "held")
    assert results["scored"] == len(table) - table["score"].null_count


def test_a_good_night_is_compared_and_passes(survey, good, model, tmp_path, caplog):
    assert not score(survey, tmp_path / "d.parquet", model, reference=[good.parent])
    assert set(statuses(tmp_path / "d.parquet").values()) == {PASSED}
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
    table = pyarrow.parquet.read_table(tmp_path / "d.parquet")
    assert table.equals(pyarrow.parquet.read_table(good))


def test_a_release_brings_the_scores_back_without_any_image(bad, model, tmp_path):
    config, output, exposure = bad
    score(config, output, model, false_alarms=0)
    free = pyarrow.parquet.read_table(output)
    output.unlink()
    assert score(config, output, model)
    before = output.read_bytes()
    assert score(config, output, model)
    assert output.read_bytes() == before
    shutil.rmtree(config.parent / "diff")
    assert not score(config, output, model, release=[exposure])
    assert pyarrow.parquet.read_table(output).equals(free)
    recipe = read_parquet_recipe(output)
    assert recipe.options["release"] == [exposure]
    assert recipe.results["released"].keys() == {exposure}
    assert not score(config, output, model)
    with pytest.raises(RecipeError, match=r"falseAlarms = 0.01, not 0.5"):
        score(config, output, model, false_alarms=0.5)


def test_the_table_of_exposures_of_objects_is_not_overwritten(survey, model, tmp_path):
    output = tmp_path / "d.parquet"
    write_counts(counts_path(output), [], make_recipe("score", listid=4))
    before = counts_path(output).read_bytes()
    with pytest.raises(ConfigError, match=r"d.exposures.csv beside it is of objects; take another"):
        score(survey, output, model)
    assert counts_path(output).read_bytes() == before
    assert not output.exists()


def test_a_release_of_something_else_or_without_the_table_is_an_error(bad, model):
    config, output, exposure = bad
    score(config, output, model)
    before = output.read_bytes()
    with pytest.raises(ConfigError, match="release: 'x' is no exposure of this run"):
        score(config, output, model, release=["x"])
    counts_path(output).unlink()
    with pytest.raises(ConfigError, match=r"release: .*night.exposures.csv does not exist"):
        score(config, output, model, release=[exposure])
    assert output.read_bytes() == before


def test_the_lists_of_objects_beside_it_are_no_reference(bad, model, caplog):
    config, output, _ = bad
    table = counts_path(output.with_name("before.parquet"))
    recipe = read_score_recipe(table)
    lists = {name: recipe.options[name] for name in ("survey", "database")} | {"listid": 4}
    write_counts(table, read_counts(table), replace(recipe, options=lists))
    assert not score(config, output, model)
    assert "camera 02a is not compared with earlier nights" in caplog.text


def test_the_script_and_the_task_say_it(bad, model, capfd):
    config, output, exposure = bad
    words = ["--classifier", str(model), "--configFile", str(config), "--detections", str(NIGHT)]
    words += ["--outputparquet", str(output), "--stampThreads", "1"]
    task = ["RunKerasTensorflowClassifier", "--local-scheduler", "--no-lock", *words]
    assert runKerasTensorflowClassifier.main(words) == 2
    assert f"{exposure} is held back" in capfd.readouterr().err
    assert atlasClassificationPipeline.main(task) == 0
    assert set(columns(output, "fault")["fault"]) == {None, "held", "masked"}
    assert atlasClassificationPipeline.main([*task, "--release", exposure]) == 0
    assert "held" not in columns(output, "fault")["fault"]
    assert runKerasTensorflowClassifier.main(words) == 0
    output.unlink()
    assert atlasClassificationPipeline.main([*task, "--falseAlarms", "0"]) == 0
    assert set(statuses(output).values()) == {UNCHECKED}
