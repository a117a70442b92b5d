import csv
import os
import tracemalloc
from datetime import date
from functools import partial

import numpy as np
import pytest
from sqlalchemy import text

from realbogus.database import Database
from realbogus.database import ps1 as queries
from realbogus.dataset import cameras_of, read_part
from realbogus.errors import ConfigError, DatabaseError, RecipeError, StampError
from realbogus.lists import read_list, read_list_recipe
from realbogus.simulation import simulate
from realbogus.stages.build import build_dataset
from realbogus.stages.cut_ps1 import cut_ps1
from realbogus.surveys import ps1
from tests.helpers import unique_image
from tests.ps1 import (
    ATTIC,
    BAD,
    BOGUS,
    GOOD,
    GPC2,
    REAL,
    Ps1Survey,
    make_large_survey,
    make_survey,
)


@pytest.fixture
def survey(tmp_path):
    return make_survey(tmp_path / "survey")


@pytest.fixture
def cut(survey, tmp_path):
    """Cut into the folder ``training``, and give the folder."""

    def run(**options):
        location = tmp_path / "training"
        cut_ps1(survey.config, location=location, **options)
        return location

    return run


def stamps(location, name):
    return [(location / row.stamp).resolve() for row in read_list(location / f"{name}.txt")]


def results(location, name="good"):
    return read_list_recipe(location / f"{name}.txt").results


# What is written


def test_the_lists_name_the_stamps_where_they_are(survey, cut):
    location = cut()
    assert sorted(path.name for path in location.iterdir()) == ["bad.txt", "good.txt"]
    for name, count in (("good", 3), ("bad", 4)):
        files = stamps(location, name)
        assert len(files) == count
        assert all(file.is_file() and survey.images in file.parents for file in files)


def test_a_row_says_what_is_known(survey, cut):
    name = survey.add_stamp(survey.add_object(1140210401245037000, GOOD, ra_psf=315.5, dec_psf=-12))
    row = read_list(cut() / "good.txt")[-1]
    assert (row.x, row.y, row.ra, row.dec) == (150, 150, 315.5, -12)
    assert np.isnan([row.mag, row.dmag]).all()
    assert (row.obs, row.object) == (name, "1140210401245037000")
    assert row.stamp == f"../survey/images/survey/57001/{name}.fits"


def test_the_record_has_the_options_the_counts_and_what_the_labels_are(cut):
    location = cut(flag_date=date(2019, 1, 1))
    for name, count in (("good", 3), ("bad", 4)):
        recipe = read_list_recipe(location / f"{name}.txt")
        assert recipe.options == {
            "survey": "ps1",
            "camera": "gpc1",
            "goodlist": 2,
            "badlist": 0,
            "badaugment": None,
            "badrblower": 0.01,
            "badrbupper": 0.3,
            "flagdate": "2019-01-01",
            "moverlist": None,
            "labels.mover_rb_above": 0.05,
            "labels.mover_within": 5.99,
        }
        counts = {"objects": count, "stamps": count, "missing": 0, "refused": 0}
        assert recipe.results[name] == counts
        assert "older classifier" in recipe.results["labels"]


def test_a_list_can_be_moved_with_its_stamps(survey, cut, tmp_path):
    cut()
    (tmp_path / "elsewhere").mkdir()
    for name in ("survey", "training"):
        (tmp_path / name).rename(tmp_path / "elsewhere" / name)
    assert all(file.is_file() for file in stamps(tmp_path / "elsewhere/training", "good"))


def test_stamps_under_a_folder_with_a_blank_are_reached_by_a_link(tmp_path):
    survey = make_survey(tmp_path / "the survey")
    cut_ps1(survey.config, location=tmp_path / "training")
    rows = read_list(tmp_path / "training/good.txt")
    assert all(row.stamp.startswith("stamps/57001/") for row in rows)
    assert all(file.is_file() for file in stamps(tmp_path / "training", "good"))


def test_a_folder_in_the_way_of_the_link_is_an_error(tmp_path):
    survey = make_survey(tmp_path / "the survey")
    (tmp_path / "training/stamps").mkdir(parents=True)
    with pytest.raises(ConfigError, match=r"training/stamps is in the way of a link"):
        cut_ps1(survey.config, location=tmp_path / "training")
    assert os.listdir(tmp_path / "training") == ["stamps"]  # noqa: PTH208


def test_another_image_root_can_be_given(survey, cut, tmp_path):
    survey.images.rename(tmp_path / "moved")
    assert all(
        tmp_path / "moved" in file.parents
        for file in stamps(cut(image_root=tmp_path / "moved"), "good")
    )


def test_the_other_camera_has_its_own_stamps(survey, cut):
    wanted = [survey.add_stamp(number, filter=GPC2) for number in (REAL, BOGUS)]
    location = cut(camera="gpc2")
    assert [file.stem for name in ("good", "bad") for file in stamps(location, name)] == wanted


def test_movers_and_a_group_are_added_when_asked_for(survey, cut):
    survey.add_stamp(survey.add_mover(70, "EPH: x (0.50 arcsec)"))
    survey.add_stamp(survey.add_object(80, ATTIC))
    survey.insert("tcs_object_groups", transient_object_id=80, object_group_id=23)
    location = cut(mover_list=ATTIC, bad_augment=23)
    assert "70" in [row.object for row in read_list(location / "good.txt")]
    assert "80" in [row.object for row in read_list(location / "bad.txt")]


def test_thresholds_come_from_the_configuration_unless_given(survey, cut, tmp_path):
    survey.add_stamp(survey.add_object(90, BAD, confidence_factor=0.35))
    survey.write_config(labels={"bad_rb_upper": 0.4})
    assert len(stamps(cut(), "bad")) == 5
    cut_ps1(survey.config, location=tmp_path / "given", bad_rb_upper=0.3)
    assert len(stamps(tmp_path / "given", "bad")) == 4


def test_an_old_configuration_without_a_survey_will_do(survey, cut):
    content = survey.config.read_text()
    survey.config.write_text(content.replace("survey: ps1\n", ""))
    assert len(stamps(cut(), "good")) == 3


# One list only, and again


def test_one_kind_makes_one_list(cut):
    assert [path.name for path in cut(image_type="bad").iterdir()] == ["bad.txt"]


def test_the_other_kind_can_follow(cut):
    cut(image_type="good")
    assert len(stamps(cut(image_type="all"), "bad")) == 4


def test_a_second_run_does_nothing(survey, cut):
    location = cut()
    before = {path: path.stat().st_mtime_ns for path in location.iterdir()}
    (survey.folder / "survey.db").unlink()
    cut()
    assert {path: path.stat().st_mtime_ns for path in location.iterdir()} == before


@pytest.mark.parametrize(
    ("options", "difference"),
    [
        ({"camera": "gpc2"}, "camera = gpc1, not gpc2"),
        ({"good_list": 1}, "goodlist = 2, not 1"),
        ({"bad_augment": 7}, "badaugment = None, not 7"),
        ({"bad_rb_upper": 0.2}, "badrbupper = 0.3, not 0.2"),
        ({"flag_date": date(2020, 1, 1)}, "flagdate = 2009-01-01, not 2020-01-01"),
        ({"mover_list": 5}, "moverlist = None, not 5"),
    ],
)
def test_lists_of_another_recipe_are_an_error_that_names_the_option(cut, options, difference):
    cut()
    with pytest.raises(RecipeError, match=f"good.txt exists and was made with {difference}"):
        cut(**options)


# Nothing to give


@pytest.mark.parametrize(
    ("kept", "message"),
    [(BAD, "no real object of these lists"), (GOOD, "no bogus object of these lists")],
)
def test_a_survey_without_one_kind_is_one_line_and_nothing_is_written(tmp_path, kept, message):
    survey = Ps1Survey(tmp_path / "survey")
    survey.add_stamp(survey.add_object(5, kept))
    with pytest.raises(DatabaseError, match=f"the database has {message}.* after 2009-01-01"):
        cut_ps1(survey.config, location=tmp_path / "training")
    assert list((tmp_path / "training").iterdir()) == []


def test_objects_without_stamps_of_the_camera_are_one_line(cut, tmp_path):
    with pytest.raises(DatabaseError, match=r"none of 3 real objects has a .* of camera gpc2"):
        cut(camera="gpc2")
    assert list((tmp_path / "training").iterdir()) == []


def test_the_database_of_another_survey_is_one_line(survey, cut):
    survey.write_config(databases={"local": {"url": "sqlite:///other.db"}})
    (survey.folder / "other.db").touch()
    with pytest.raises(DatabaseError, match="no such table: tcs_transient_objects"):
        cut()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"camera": "02a"}, "camera must be one of gpc1, gpc2; got '02a'"),
        ({"image_type": "ugly"}, "imagetype must be one of all, good, bad; got 'ugly'"),
        ({"max_missing": 1.5}, "maxMissing must be a fraction from 0 to 1; got 1.5"),
        ({"good_list": -1}, "goodlist must not be negative; got -1"),
        ({"bad_list": 2}, "badlist must not be the list of the real objects as well; got 2"),
        ({"bad_rb_lower": 0.5}, "badrblower and badrbupper must be .* got 0.5 and 0.3"),
    ],
)
def test_a_bad_option_is_named_and_nothing_is_written(cut, tmp_path, options, message):
    with pytest.raises(ConfigError, match=message):
        cut(**options)
    assert not (tmp_path / "training").exists()


def test_a_threshold_of_another_survey_is_named(survey, cut):
    survey.write_config(labels={"pkn_above": 900})
    with pytest.raises(ConfigError, match=r"labels\.pkn_above must be one of bad_rb_lower"):
        cut()


# Stamps that are missing, and names that are none


def test_missing_stamps_are_counted_and_named_and_left_out(survey, cut, caplog):
    name = survey.add_stamp(REAL, file=False)
    location = cut(max_missing=0.2)
    assert (location / "missing.txt").read_text() == f"survey/57001/{name}.fits\n"
    assert name not in [row.obs for row in read_list(location / "good.txt")]
    assert results(location)["good"] == {"objects": 3, "stamps": 3, "missing": 1, "refused": 0}
    assert f"going on without 1 of 8 stamps: survey/57001/{name}.fits" in caplog.text


@pytest.mark.parametrize("kind", ["a folder", "an empty file", "a dangling link"])
def test_what_is_no_stamp_counts_as_missing(survey, cut, kind):
    path = survey.path_of(survey.add_stamp(REAL, file=False))
    {
        "a folder": path.mkdir,
        "an empty file": path.touch,
        "a dangling link": lambda: path.symlink_to("nowhere"),
    }[kind]()
    assert results(cut(max_missing=0.2))["good"]["missing"] == 1


def test_too_many_missing_stamps_stop_the_run_without_lists(survey, cut, tmp_path):
    names = [survey.add_stamp(BOGUS, file=False) for _ in range(7)]
    message = r"7 of 14 stamps are missing .* more than maxMissing = 0.1, under .*/images: "
    with pytest.raises(StampError, match=message + f"survey/57001/{names[0]}.fits, .* …"):
        cut()
    assert [path.name for path in (tmp_path / "training").iterdir()] == ["missing.txt"]
    assert len((tmp_path / "training/missing.txt").read_text().splitlines()) == 7


def test_the_run_goes_on_once_they_are_there(survey, cut, tmp_path):
    names = [survey.add_stamp(BOGUS, file=False) for _ in range(7)]
    with pytest.raises(StampError):
        cut()
    for name in names:
        survey.write_stamp(name)
    location = cut()
    assert not (location / "missing.txt").exists()
    assert len(stamps(location, "bad")) == 11


def test_a_kind_of_which_every_stamp_is_missing_is_an_error(survey, cut):
    for file in survey.images.rglob(f"{REAL // 10}?_*.fits"):
        file.unlink()
    with pytest.raises(StampError, match="every real stamp is missing under"):
        cut(max_missing=1)


HOSTILE = [
    f"{REAL}_../../x",
    f"{REAL}_/etc/passwd_1_2_diff",
    f"{REAL}_57001.1_3\0_4_diff",
    f"{REAL}_57001.1_3\n_4_diff",
    f"{REAL}_57001.1_3_4_diff" + "x" * 10_000,
    f"{REAL}_57001.1_3_diff",
]


def test_hostile_names_are_refused_row_by_row_counted_and_reported(survey, cut, caplog):
    for name in HOSTILE:
        survey.add_stamp(REAL, name=name, file=False)
    location = cut()
    assert results(location)["good"] == {"objects": 3, "stamps": 3, "missing": 0, "refused": 6}
    assert "6 stamps are left out for their names: " in caplog.text
    assert all("\n" not in record.message for record in caplog.records)
    assert max(len(record.message) for record in caplog.records) < 600


def test_an_object_of_hostile_names_only_is_as_one_without_stamps(tmp_path):
    survey = Ps1Survey(tmp_path / "survey")
    for number, list_id in ((5, GOOD), (6, BAD)):
        survey.add_object(number, list_id)
        survey.add_stamp(number, name=f"{number}_../../x", file=False)
    with pytest.raises(DatabaseError, match="none of 1 real objects has a difference stamp"):
        cut_ps1(survey.config, location=tmp_path / "training")


# Rows stream


def peak_of(function):
    """Give the most memory that a call held at a time, in bytes."""
    tracemalloc.start()
    try:
        function()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_the_memory_does_not_grow_with_the_stamps(tmp_path):
    peaks = {}
    for number in (300, 300, 2500):  # the first one fills the caches
        folder = tmp_path / f"{number}_{len(peaks)}"
        survey = make_large_survey(folder, objects=number, stamps_each=5)
        peaks[number] = peak_of(partial(cut_ps1, survey.config, location=folder / "out"))
        counts = {"objects": number, "stamps": 5 * number - 1, "missing": 1, "refused": 0}
        assert results(folder / "out")["good"] == counts
        assert (folder / "out/good.txt").read_text().count("\n") == 5 * number + 1
    # In a list each stamp would take some 150 bytes; objects up to a megabyte are in memory.
    assert peaks[2500] - peaks[300] < 60 * 5 * 2200


def test_objects_beyond_the_memory_wait_on_the_disk(tmp_path, monkeypatch):
    survey = make_survey(tmp_path / "survey")
    cut_ps1(survey.config, location=tmp_path / "memory")
    monkeypatch.setattr(ps1, "_IN_MEMORY", 1)
    cut_ps1(survey.config, location=tmp_path / "disk")
    for name in ("good.txt", "bad.txt"):
        assert (tmp_path / "disk" / name).read_text() == (tmp_path / "memory" / name).read_text()


def test_objects_of_two_sources_come_once_and_in_order_whatever_the_batches(
    survey, cut, monkeypatch
):
    monkeypatch.setattr(queries, "BATCH", 2)
    for number in (70, REAL + 100, REAL + 50):
        survey.add_stamp(survey.add_mover(number, "EPH: x (0.50 arcsec)"))
    both = survey.add_mover(REAL + 60, "MPC: x (0.50 arcsec)", detection_list_id=GOOD)
    survey.add_stamp(both)
    location = cut(mover_list=ATTIC)
    listed = [int(row.object) for row in read_list(location / "good.txt")]
    assert listed == [70, REAL, REAL + 1, REAL + 2, REAL + 50, REAL + 60, REAL + 100]
    assert results(location)["good"]["objects"] == 7


def test_a_run_that_fails_late_leaves_what_was_there(survey, cut, tmp_path):
    survey.add_stamp(REAL, file=False)
    (tmp_path / "training").mkdir()
    (tmp_path / "training/missing.txt").write_text("of an earlier run\n")
    with pytest.raises(DatabaseError, match="badaugment: group 9 has no object"):
        cut(bad_augment=9, max_missing=1)
    assert [path.name for path in (tmp_path / "training").iterdir()] == ["missing.txt"]
    assert (tmp_path / "training/missing.txt").read_text() == "of an earlier run\n"


# A whole survey


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sky") / "survey"
    simulate(folder, survey="ps1", exposures=1, asteroids=9, garbage=10, seed=3)
    return folder


def truth_of(folder, *, label, filter_ending):
    """Name the stamps of a camera that have a label in truth."""
    with Database.open(f"sqlite:///{folder / 'survey.db'}") as database:
        query = text("SELECT image_filename, filter FROM tcs_postage_stamp_images")
        filters = {row.image_filename: row.filter for row in database.rows(query)}
    with (folder / "truth.csv").open() as stream:
        return sorted(
            row["exposure"]
            for row in csv.DictReader(stream)
            if row["label"] == label and filters[row["exposure"]].endswith(filter_ending)
        )


@pytest.mark.parametrize(("camera", "ending"), [("gpc1", "00000"), ("gpc2", "00002")])
def test_the_selection_is_the_truth_of_a_simulated_survey(simulated, tmp_path, camera, ending):
    cut_ps1(simulated / "config.yaml", location=tmp_path, camera=camera, mover_list=ATTIC)
    for name, label in (("good", "1"), ("bad", "0")):
        listed = sorted(row.obs for row in read_list(tmp_path / f"{name}.txt"))
        assert listed == truth_of(simulated, label=label, filter_ending=ending)
        assert listed


# On to a data set


def masked_stamp():
    pixels = unique_image(300, 300, np.float32)
    pixels[:120] = np.nan
    return pixels


def test_packed_stamps_with_masks_become_a_data_set(tmp_path):
    survey = Ps1Survey(tmp_path / "survey")
    for number in range(100, 106):
        survey.add_object(number, GOOD if number % 2 else BAD)
        for _ in range(2):
            survey.add_stamp(number, pixels=masked_stamp())
    location = tmp_path / "training"
    cut_ps1(survey.config, location=location, camera="gpc1")
    build_dataset(
        location / "good.txt",
        location / "bad.txt",
        location / "dataset.h5",
        extension=1,
        extent=35,
        normalisation="noNorm",
    )
    parts = [read_part(location / "dataset.h5", which) for which in ("train", "test")]
    assert sorted({name for part in parts for name in part.objects}) == [
        str(number) for number in range(100, 106)
    ]
    assert not set(parts[0].objects) & set(parts[1].objects)
    assert [cameras_of(part) for part in parts] == [["gpc1"], ["gpc1"]]
    features = np.concatenate([part.stamps for part in parts])
    assert features.shape == (12, 70, 70)
    assert np.isfinite(features).all()
    expected = np.nan_to_num(masked_stamp()[115:185, 115:185])
    assert np.allclose(features, expected, atol=30)
    assert np.all(features[:, :5] == 0) and np.all(features[:, 5:] > 0)
