import contextlib
import csv
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS

from realbogus.config import write_config
from realbogus.errors import ConfigError, DatabaseError, ImageError, RecipeError
from realbogus.lists import read_list, read_list_recipe
from realbogus.simulation.promoted import LISTS
from realbogus.stages.cut_atlas import cut_atlas
from realbogus.stamps import read_stamp
from tests import places
from tests.helpers import ROOT
from tests.warm import run_warm

NIGHTS = (58310, 58311)
GARBAGE_RULES = {"garbage by realbogus_factor", "garbage by zooniverse_score"}
LISTED = [name for name, _ in LISTS.values()]


@pytest.fixture
def own_survey(survey, tmp_path):
    """Copy the survey, so that a test may damage it."""
    shutil.copytree(survey.parent, tmp_path / "survey")
    return tmp_path / "survey" / "config.yaml"


def images(config):
    return sorted(config.parent.glob("diff/*/*/*.diff.fz"))


def truth(config):
    with (config.parent / "truth.csv").open() as stream:
        return {row["detection"]: row for row in csv.DictReader(stream)}


def cut(config, location, **options):
    cut_atlas(config, **{"nights": NIGHTS, "location": location, "stamp_threads": 1, **options})


def test_lists_hold_the_selected_detections_and_no_others(survey, training):
    expected = {"1": set(), "0": set()}
    for name, row in truth(survey).items():
        expected.setdefault(row["label"], set()).add(name)
    for label, list_name in (("1", "good"), ("0", "bad")):
        listed = {
            Path(row.stamp).stem.split("_")[2] for row in read_list(training / f"{list_name}.txt")
        }
        assert listed
        assert listed <= expected[label]
    recipe = read_list_recipe(training / "good.txt")
    masked = sum(night["masked"] for night in recipe.results["nights"].values())
    n_listed = sum(len(read_list(training / f"{name}.txt")) for name in ("good", "bad"))
    assert n_listed + masked == len(expected["1"]) + len(expected["0"])


def test_stamp_holds_the_pixels_around_the_position(survey, training):
    row = read_list(training / "good.txt")[0]
    stamp = fits.getdata(training / row.stamp)
    camera, night = row.obs[:3], row.obs[3:8]
    image = fits.getdata(survey.parent / "diff" / camera / night / f"{row.obs}.diff.fz", 1)
    column, line = int(row.x), int(row.y)
    assert stamp.shape == (40, 40)
    assert stamp[20, 20] == image[line, column]


@pytest.mark.filterwarnings("ignore:'datfix' made the change")
def test_stamp_header_gives_the_sky_of_the_list(training):
    row = read_list(training / "good.txt")[0]
    header = fits.getheader(training / row.stamp)
    sky = WCS(header).pixel_to_world(20 + row.x % 1 - 0.5, 20 + row.y % 1 - 0.5)
    assert header["OBJECT"] == row.object
    assert sky.ra.deg == pytest.approx(row.ra, abs=3e-4)
    assert sky.dec.deg == pytest.approx(row.dec, abs=3e-4)


def test_list_is_a_table_for_astropy(training):
    table = Table.read(training / "good.txt", format="ascii.commented_header")
    assert table.colnames == ["x", "y", "mag", "dmag", "ra", "dec", "obs", "object", "stamp"]
    assert len(table) == len(read_list(training / "good.txt"))


def test_each_exposure_has_its_list_of_positions(survey, training):
    made = {path.stem for path in (training / "exposures").glob("*.txt")}
    assert made == {path.name.removesuffix(".diff.fz") for path in images(survey)}


def test_recipe_counts_each_night(training):
    nights = read_list_recipe(training / "bad.txt").results["nights"]
    assert set(nights) == {"58310", "58311"}
    assert all(night["exposures"] == 3 for night in nights.values())
    assert sum(night["good"] for night in nights.values()) == len(read_list(training / "good.txt"))


def test_recipe_says_that_labels_come_from_a_classifier(training):
    assert "older classifier" in read_list_recipe(training / "good.txt").results["labels"]


def test_recipe_counts_each_rule_of_each_night_and_says_the_rules(survey, training):
    results = read_list_recipe(training / "good.txt").results
    labels = [row["label"] for row in truth(survey).values()]
    selected = Counter()
    for night in results["nights"].values():
        assert night["refused"] == 0
        selected.update(night["selected"])
    assert set(selected) == {"asteroid", *GARBAGE_RULES}
    assert selected["asteroid"] == labels.count("1")
    assert sum(selected[name] for name in GARBAGE_RULES) == labels.count("0")
    assert results["labels"]["older classifier"] is True
    assert results["labels"]["real"] == "known asteroids by position"


def test_names_that_are_none_are_counted_in_the_record(own_survey, tmp_path, caplog):
    with sqlite3.connect(own_survey.parent / "survey.db") as connection:
        connection.execute(
            "insert into atlas_metadataddc (obs, filename, mjd, date_inserted) values "
            "('02a58310/../../../x', 'x', 58310, '2018-01-01')"
        )
    connection.close()
    cut(own_survey, tmp_path / "out")
    nights = read_list_recipe(tmp_path / "out" / "good.txt").results["nights"]
    assert (nights["58310"]["refused"], nights["58311"]["refused"]) == (1, 0)
    assert "night 58310: 1 exposures are left out for their names" in caplog.text


def test_real_and_bogus_can_be_made_one_after_the_other(survey, training, tmp_path):
    cut(survey, tmp_path / "out", stamps_to_generate="real")
    assert not (tmp_path / "out" / "bad.txt").exists()
    assert not list((tmp_path / "out" / "bad").iterdir())
    made = (tmp_path / "out" / "good.txt").stat().st_mtime_ns
    cut(survey, tmp_path / "out", stamps_to_generate="bogus")
    cut(survey, tmp_path / "out")
    assert (tmp_path / "out" / "good.txt").stat().st_mtime_ns == made
    for name in ("good.txt", "bad.txt"):
        assert read_list(tmp_path / "out" / name) == read_list(training / name)


def test_unknown_kind_of_stamps_is_an_error(survey, tmp_path):
    message = "stampsToGenerate must be one of all, real, bogus; got 'none'"
    with pytest.raises(ConfigError, match=message):
        cut(survey, tmp_path / "out", stamps_to_generate="none")


def test_bogus_drawn_at_random_are_recorded_as_such(survey, tmp_path):
    cut(survey, tmp_path / "out", bogus_from="unpromoted", bogus_per_exposure=5, seed=3)
    recipe = read_list_recipe(tmp_path / "out" / "bad.txt")
    assert recipe.options["bogusFrom"] == "unpromoted"
    assert (recipe.options["bogusPerExposure"], recipe.options["seed"]) == (5, 3)
    assert recipe.results["labels"]["older classifier"] is False
    assert recipe.results["nights"]["58310"]["selected"]["unpromoted"] == 15
    roles = {
        truth(survey)[Path(row.stamp).stem.split("_")[2]]["role"]
        for row in read_list(tmp_path / "out" / "bad.txt")
    }
    assert roles
    assert not roles & set(LISTED)


def test_lists_of_another_selection_are_an_error_that_names_the_option(survey, training):
    with pytest.raises(RecipeError, match="goodAsReal = False, not True"):
        cut(survey, training, good_as_real=True)
    with pytest.raises(RecipeError, match="bogusFrom = garbage, not unpromoted"):
        cut(survey, training, bogus_from="unpromoted")
    cut(survey, training, seed=5, bogus_per_exposure=9)


def test_unknown_format_of_stamps_is_an_error(survey, tmp_path):
    message = "stampFormat must be one of files, cube; got 'tar'"
    with pytest.raises(ConfigError, match=message):
        cut(survey, tmp_path / "out", stamp_format="tar")


def test_cubes_hold_the_stamps_of_the_files(survey, training, tmp_path):
    cut(survey, tmp_path / "cubes", stamp_format="cube")
    for name in ("good.txt", "bad.txt"):
        files, planes = (read_list(folder / name) for folder in (training, tmp_path / "cubes"))
        assert [replace(row, stamp="") for row in planes] == [
            replace(row, stamp="") for row in files
        ]
        for file, plane in zip(files, planes, strict=True):
            ours = read_stamp(tmp_path / "cubes" / plane.stamp)
            assert np.array_equal(ours, read_stamp(training / file.stamp), equal_nan=True)
    assert len(list((tmp_path / "cubes" / "cubes").iterdir())) == len(images(survey))
    assert not (tmp_path / "cubes" / "good").exists()


def test_real_and_bogus_cubes_can_be_made_one_after_the_other(survey, tmp_path):
    out = tmp_path / "out"
    for kind in ("real", "bogus", "all"):
        cut(survey, out, stamp_format="cube", stamps_to_generate=kind)
    for name, kind in (("good.txt", "real"), ("bad.txt", "bogus")):
        rows = read_list(out / name)
        assert all(f"_{kind}.fits[" in row.stamp for row in rows)
        assert all(np.isfinite(read_stamp(out / row.stamp)).any() for row in rows)


def test_lists_of_another_format_are_an_error(survey, training):
    with pytest.raises(RecipeError, match="stampFormat = files, not cube"):
        cut(survey, training, stamp_format="cube")


def test_ids_that_are_no_numbers_are_one_line(own_survey, tmp_path):
    with sqlite3.connect(own_survey.parent / "survey.db") as connection:
        connection.execute("update atlas_detectionsddc set atlas_object_id = '../../x'")
    connection.close()
    message = "exposure 02a58310o.*: a detection has an id or a position that is no number"
    with pytest.raises(DatabaseError, match=message):
        cut(own_survey, tmp_path / "out", bogus_from="garbage", stamps_to_generate="real")


def test_number_of_processes_does_not_change_the_lists(survey, training, tmp_path):
    cut(survey, tmp_path / "two", stamp_threads=2)
    for name in ("good.txt", "bad.txt"):
        assert (tmp_path / "two" / name).read_bytes() == (training / name).read_bytes()


def test_second_run_changes_nothing(own_survey, tmp_path):
    cut(own_survey, tmp_path / "out")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*")}
    shutil.rmtree(own_survey.parent / "diff")
    cut(own_survey, tmp_path / "out")
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*")} == before


def test_lists_of_other_options_are_an_error_that_names_the_option(survey, training):
    with pytest.raises(RecipeError, match=r"bad\.txt exists .* stampSize = 40, not 30|good\.txt"):
        cut(survey, training, stamp_size=30)


def test_changed_label_thresholds_are_an_error(own_survey, training, tmp_path):
    cut(own_survey, tmp_path / "out")
    with own_survey.open("a") as stream:
        stream.write("labels:\n  pkn_above: 950\n")
    with pytest.raises(RecipeError, match="labels"):
        cut(own_survey, tmp_path / "out")


def test_no_nights_is_an_error(survey, tmp_path):
    with pytest.raises(ConfigError, match="mjds: give at least one night"):
        cut(survey, tmp_path / "out", nights=())


def test_unknown_camera_is_an_error(survey, tmp_path):
    with pytest.raises(ConfigError, match=r"camera must be one of 01a, 02a.* got '2a'"):
        cut(survey, tmp_path / "out", camera="2a")


@pytest.mark.parametrize(
    ("option", "name"),
    [
        ("stamp_size", "stampSize"),
        ("download_threads", "downloadthreads"),
        ("max_missing", "maxMissing"),
    ],
)
def test_options_out_of_range_are_errors(survey, tmp_path, option, name):
    with pytest.raises(ConfigError, match=f"^{name} must be .* got -1"):
        cut(survey, tmp_path / "out", **{option: -1})
    assert not (tmp_path / "out").exists()


def test_survey_of_another_kind_is_an_error(tmp_path):
    write_config(
        tmp_path / "config.yaml",
        {"databases": {"local": {"url": "sqlite:///x.db"}}, "survey": "ps1"},
    )
    with pytest.raises(ConfigError, match="survey must be atlas"):
        cut(tmp_path / "config.yaml", tmp_path / "out")


def test_night_without_exposures_is_an_error_that_names_it(survey, tmp_path):
    with pytest.raises(DatabaseError, match=r"no exposure of camera 02a in night 58999"):
        cut(survey, tmp_path / "out", nights=(58999,))
    assert not (tmp_path / "out" / "good.txt").exists()


def test_one_empty_night_of_several_is_only_a_warning(survey, training, tmp_path, caplog):
    cut(survey, tmp_path / "out", nights=(*NIGHTS, 58999))
    assert "night 58999: the database has no exposure" in caplog.text
    assert len(read_list(tmp_path / "out" / "good.txt")) == len(read_list(training / "good.txt"))


def test_missing_exposures_beyond_the_limit_stop_the_run(own_survey, tmp_path, caplog):
    lost = images(own_survey)[0]
    lost.unlink()
    with pytest.raises(
        ImageError, match=r"1 of 6 exposures .* maxMissing = 0.1: 02a58310o"
    ) as error:
        cut(own_survey, tmp_path / "out")
    assert lost.name.removesuffix(".diff.fz") in str(error.value)
    assert not (tmp_path / "out" / "good.txt").exists()
    assert list((tmp_path / "out" / "good").glob("*.fits"))


def test_run_goes_on_where_the_last_try_stopped(own_survey, training, tmp_path):
    lost = images(own_survey)[0]
    lost.rename(tmp_path / "aside")
    with pytest.raises(ImageError):
        cut(own_survey, tmp_path / "out")
    first = {path: path.stat().st_mtime_ns for path in (tmp_path / "out" / "good").iterdir()}
    (tmp_path / "aside").rename(lost)
    cut(own_survey, tmp_path / "out")
    assert all(path.stat().st_mtime_ns == made for path, made in first.items())
    for name in ("good.txt", "bad.txt"):
        assert (tmp_path / "out" / name).read_bytes() == (training / name).read_bytes()


def test_run_without_some_exposures_says_so_in_its_record(own_survey, tmp_path, caplog):
    lost = images(own_survey)[-1]
    lost.write_bytes(lost.read_bytes()[:20000])
    cut(own_survey, tmp_path / "out", max_missing=0.2)
    name = lost.name.removesuffix(".diff.fz")
    assert read_list_recipe(tmp_path / "out" / "good.txt").results["missing"] == [name]
    assert f"{lost.name}: not a readable FITS image" in caplog.text
    assert "going on without 1 of 6 exposures" in caplog.text


def test_positions_in_masked_pixels_are_dropped_and_counted(own_survey, training, tmp_path):
    path = images(own_survey)[0]
    with fits.open(path) as hdus:
        pixels, header = hdus[1].data, hdus[1].header
    pixels[:] = -31415
    packed = fits.CompImageHDU(pixels, header, compression_type="RICE_1")
    fits.HDUList([fits.PrimaryHDU(), packed]).writeto(path, overwrite=True)
    cut(own_survey, tmp_path / "out")
    obs = path.name.removesuffix(".diff.fz")
    assert not [row for row in read_list(tmp_path / "out" / "good.txt") if row.obs == obs]
    before = read_list_recipe(training / "good.txt").results["nights"]["58310"]
    after = read_list_recipe(tmp_path / "out" / "good.txt").results["nights"]["58310"]
    lost = before["good"] + before["bad"] - after["good"] - after["bad"]
    assert after["masked"] - before.get("masked", 0) == lost > 0


def test_unwritable_folder_is_an_error(survey, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="can't write in this folder"):
        cut(survey, tmp_path / "file" / "out")


def test_killed_run_leaves_no_list_and_can_be_resumed(survey, training, tmp_path):
    out = tmp_path / "out"
    script = Path(__file__).parents[2] / "getATLASTrainingSetCutouts.py"
    words = [sys.executable, script, survey, *map(str, NIGHTS), f"--stampLocation={out}"]
    process = subprocess.Popen([*words, "--stampThreads=1"], start_new_session=True)
    deadline = time.monotonic() + 60
    while not list(out.glob("good/*.fits")) and time.monotonic() < deadline:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert list(out.glob("good/*.fits"))
    assert not (out / "good.txt").exists()
    cut(survey, out)
    assert (out / "good.txt").read_bytes() == (training / "good.txt").read_bytes()


def test_position_without_a_number_is_left_out(own_survey, training, tmp_path):
    import sqlite3

    name = Path(read_list(training / "good.txt")[0].stamp).stem.split("_")[2]
    with sqlite3.connect(own_survey.parent / "survey.db") as connection:
        connection.execute("update atlas_detectionsddc set x = null where id = ?", (int(name),))
    connection.close()
    cut(own_survey, tmp_path / "out")
    stamps = [row.stamp for row in read_list(tmp_path / "out" / "good.txt")]
    assert len(stamps) == len(read_list(training / "good.txt")) - 1
    assert not [stamp for stamp in stamps if name in stamp]
    assert np.isfinite([row.x for row in read_list(tmp_path / "out" / "good.txt")]).all()


@pytest.fixture
def far_survey(own_survey, tmp_path):
    """Move the images elsewhere; give the configuration and the folder they are in."""
    (own_survey.parent / "diff").rename(tmp_path / "far")
    return own_survey, tmp_path / "far"


def point_to(config, remote):
    content = yaml.safe_load(config.read_text())
    content["images"]["remote"] = str(remote)
    write_config(config, content)


@contextlib.contextmanager
def serve(way, folder, scratch):
    if way == "folder":
        yield folder
    elif way == "web":
        with places.web_server(folder) as server:
            yield server.address
    else:
        with places.rsync_server(folder, scratch) as address:
            yield address


@pytest.mark.parametrize("way", ["folder", "web", "rsync"])
def test_missing_exposures_are_fetched_and_counted(far_survey, training, tmp_path, way):
    config, far = far_survey
    with serve(way, far, tmp_path) as remote:
        point_to(config, remote)
        cut(config, tmp_path / "out")
    for name in ("good.txt", "bad.txt"):
        assert read_list(tmp_path / "out" / name) == read_list(training / name)
    assert read_list_recipe(tmp_path / "out" / "good.txt").results["fetched"] == 6
    assert read_list_recipe(training / "good.txt").results["fetched"] == 0
    here = {path.relative_to(config.parent / "diff") for path in images(config)}
    assert here == {path.relative_to(far) for path in far.glob("*/*/*.diff.fz")}


def test_a_web_server_that_drops_connections_and_serves_garbage_only_costs_tries(
    far_survey, training, tmp_path
):
    config, far = far_survey
    with places.web_server(far) as server:
        server.troubles = [places.drop_half_way, places.send_garbage, places.drop_half_way]
        point_to(config, server.address)
        cut(config, tmp_path / "out", download_threads=2)
    assert server.requests == 6 + 3
    for name in ("good.txt", "bad.txt"):
        assert read_list(tmp_path / "out" / name) == read_list(training / name)


def test_downloadthreads_is_the_most_connections_at_a_time(far_survey, tmp_path):
    config, far = far_survey
    with places.web_server(far) as server:
        server.delay = 0.2
        point_to(config, server.address)
        cut(config, tmp_path / "out", download_threads=2)
    assert server.most == 2
    assert server.requests == 6


def test_exposures_that_an_earlier_try_finished_are_not_fetched_again(far_survey, tmp_path):
    config, far = far_survey
    lost = sorted(far.glob("*/*/*.diff.fz"))[0]
    lost.rename(tmp_path / "aside")
    point_to(config, far)
    with pytest.raises(ImageError, match="1 of 6 exposures"):
        cut(config, tmp_path / "out")
    (tmp_path / "aside").rename(lost)
    shutil.rmtree(config.parent / "diff")
    cut(config, tmp_path / "out")
    assert [path.name for path in images(config)] == [lost.name]


def test_what_is_not_to_be_had_is_named_and_ends_the_script_with_1(far_survey, tmp_path):
    config, far = far_survey
    lost = sorted(far.glob("*/*/*.diff.fz"))[0]
    lost.unlink()
    point_to(config, far)
    words = [config, *NIGHTS, f"--stampLocation={tmp_path}/out", "--stampThreads=1"]
    ended = run_warm(ROOT / "getATLASTrainingSetCutouts.py", *words, cwd=tmp_path)
    assert ended.returncode == 1
    assert f"{lost.relative_to(far)}: not fetched: the folder has no such file" in ended.stderr
    assert lost.name.removesuffix(".diff.fz") in ended.stderr.splitlines()[-1]
    assert not (tmp_path / "out" / "good.txt").exists()


def test_the_run_goes_on_without_what_max_missing_allows(far_survey, tmp_path):
    config, far = far_survey
    lost = sorted(far.glob("*/*/*.diff.fz"))[-1]
    lost.unlink()
    point_to(config, far)
    cut(config, tmp_path / "out", max_missing=0.2)
    results = read_list_recipe(tmp_path / "out" / "good.txt").results
    assert results["missing"] == [lost.name.removesuffix(".diff.fz")]
    assert results["fetched"] == 5


def test_reference_pixel_of_zero_moves_with_the_stamp_too(own_survey, tmp_path):
    path = images(own_survey)[0]
    with fits.open(path) as hdus:
        pixels, header = hdus[1].data, hdus[1].header
    header["CRPIX1"] = 0
    packed = fits.CompImageHDU(pixels, header, compression_type="RICE_1")
    fits.HDUList([fits.PrimaryHDU(), packed]).writeto(path, overwrite=True)
    cut(own_survey, tmp_path / "out")
    obs = path.name.removesuffix(".diff.fz")
    row = next(row for row in read_list(tmp_path / "out" / "good.txt") if row.obs == obs)
    assert fits.getheader(tmp_path / "out" / row.stamp)["CRPIX1"] == 20 - int(row.x)
