"""Both surveys on a real MariaDB server: what is chosen, by which account, and how fast."""

import csv

import numpy as np
import pytest
from sqlalchemy import text

from realbogus.config import load_config
from realbogus.database import Database
from realbogus.database import atlas as atlas_queries
from realbogus.errors import DatabaseError
from realbogus.lists import read_list
from realbogus.stages.cut_ps1 import cut_ps1
from realbogus.surveys.atlas import Selection, night_of, select_night
from realbogus.surveys.stamps import images_of, objects_on
from tests.mariadb.server import CAMERAS, NIGHTS


def read_truth(config):
    with (config.parent / "truth.csv").open() as stream:
        return list(csv.DictReader(stream))


def select(config, *, camera="02a", nights=NIGHTS, **options):
    with Database.connect(load_config(config).database) as database:
        return [
            exposure
            for night in nights
            for exposure in select_night(
                database, camera=camera, night=night, selection=Selection(**options)
            ).exposures
        ]


def chosen(exposures, *, is_real):
    return {
        (str(item.id), str(item.object), exposure.obs, item.x, item.y)
        for exposure in exposures
        for item in exposure.detections
        if item.is_real is is_real
    }


def expected(config, label, camera="02a"):
    return {
        (row["detection"], row["object"], row["exposure"], float(row["x"]), float(row["y"]))
        for row in read_truth(config)
        if row["label"] == label and row["exposure"].startswith(camera)
    }


def assert_truth(config, camera):
    exposures = select(config, camera=camera)
    for label, is_real in (("1", True), ("0", False)):
        assert expected(config, label, camera)
        assert chosen(exposures, is_real=is_real) == expected(config, label, camera)


@pytest.mark.parametrize("camera", CAMERAS)
def test_the_positions_chosen_are_exactly_those_of_the_truth(atlas, camera):
    assert_truth(atlas, camera)


def test_a_night_is_that_of_the_name_and_not_of_the_mjd(mariadb, atlas):
    rows = mariadb.run(
        "SELECT obs, mjd FROM atlas_metadataddc WHERE obs LIKE '03a%'", database="atlas"
    )
    assert any(int(mjd) != night_of(obs) for obs, mjd in rows)
    for night in NIGHTS:
        names = {exposure.obs for exposure in select(atlas, camera="03a", nights=(night,))}
        assert names == {obs for obs, _ in rows if night_of(obs) == night}


def test_the_good_list_is_the_stamped_part_of_the_truth(mariadb, atlas):
    stamped = {
        str(row[0])
        for row in mariadb.run(
            "SELECT id FROM atlas_detectionsddc WHERE image_group_id IS NOT NULL AND det = 0 AND "
            "mag > 0",
            database="atlas",
        )
    }
    good = {row["detection"] for row in read_truth(atlas) if row["role"] == "good"}
    ids = {
        str(item.id)
        for camera in CAMERAS
        for exposure in select(atlas, camera=camera, good_as_real=True)
        for item in exposure.detections
        if item.is_real
    }
    assert ids == stamped & good != set()


def test_unpromoted_are_drawn_from_what_is_on_no_list(mariadb, atlas):
    exposures = select(atlas, bogus_from="unpromoted", bogus_per_exposure=5)
    drawn = [item for exposure in exposures for item in exposure.detections if not item.is_real]
    assert [len([i for i in e.detections if not i.is_real]) for e in exposures] == [5] * 4
    numbers = ",".join(str(item.object) for item in drawn)
    lists = mariadb.run(
        f"SELECT detection_list_id FROM atlas_diff_objects WHERE id IN ({numbers})",
        database="atlas",
    )
    assert set(lists) == {(None,)}
    assert select(atlas, bogus_from="unpromoted", bogus_per_exposure=5) == exposures


def assert_truth_ps1(server, config, camera, location):
    ending = {"gpc1": "00000", "gpc2": "00002"}[camera]
    of_camera = {
        name
        for (name,) in server.run(
            f"SELECT image_filename FROM tcs_postage_stamp_images WHERE filter LIKE '%{ending}'",
            database="ps1",
        )
    }
    cut_ps1(config, location=location, camera=camera, mover_list=5)
    for name, label in (("good", "1"), ("bad", "0")):
        truth = {row["exposure"] for row in read_truth(config) if row["label"] == label}
        listed = {row.obs for row in read_list(location / f"{name}.txt")}
        assert listed == truth & of_camera != set()


@pytest.mark.parametrize("camera", ["gpc1", "gpc2"])
def test_pan_starrs_stamps_are_exactly_those_of_the_truth(mariadb, ps1, tmp_path, camera):
    assert_truth_ps1(mariadb, ps1, camera, tmp_path)


def assert_full_floats(server):
    url = server.make_database("floats")
    with Database.open(url) as database:
        database.create_tables("atlas")
    server.run(
        "INSERT INTO atlas_detectionsddc (id, atlas_metadata_id, atlas_object_id, det_id, x, y,"
        " mag, det, pkn, date_inserted)"
        " VALUES (1, 1, 1, 1, 10535.96, 9999.99, 18.5, 0, 999, now())",
        database="floats",
    )
    assert server.run("SELECT x FROM atlas_detectionsddc", database="floats") == ((10536.0,),)
    with Database.open(url) as database:
        (row,) = database.rows(atlas_queries.asteroid_detections(1, pkn_above=900))
    assert (row.x, row.y) == (float(np.float32(10535.96)), float(np.float32(9999.99)))
    assert int(row.x) == 10535


def test_a_float_column_keeps_the_pixel_that_the_text_of_the_server_would_round(mariadb):
    assert_full_floats(mariadb)


def test_an_account_that_only_reads_is_enough_and_can_do_no_more(mariadb, atlas):
    grants = mariadb.run("SHOW GRANTS FOR atlas_reader")
    assert "GRANT SELECT ON" in grants[1][0]
    settings = load_config(atlas).database
    with Database.connect(settings) as database:
        with pytest.raises(DatabaseError, match="INSERT command denied"):
            database.insert("tcs_detection_lists", [{"id": 99, "name": "x"}])
        with pytest.raises(DatabaseError, match="CREATE command denied"):
            list(database.rows(text("CREATE TABLE x (y int)")))
        assert list(database.rows(atlas_queries.exposures("02a", NIGHTS[0])))


def test_objects_to_score_are_those_of_the_list_with_the_stamps_of_their_exposures(
    atlas, monkeypatch
):
    for name in ("PAGE", "BATCH"):
        monkeypatch.setattr(f"realbogus.database.stamps.{name}", 2)
    config = load_config(atlas)
    with Database.connect(config.database) as database:
        objects = list(objects_on(database, "atlas", 4))
        folder = config.images.stamp_root / "atlas"
        images = list(images_of(database, "atlas", objects, folder))
    truth = [row for row in read_truth(atlas) if row["role"] == "eyeball"]
    assert len(objects) > 2
    assert objects == sorted({int(row["object"]) for row in truth})
    assert {image.object for image in images} == {str(item) for item in objects}
    found = {(image.object, image.file.split("_")[-3]) for image in images if image.file}
    assert found <= {(row["object"], row["exposure"]) for row in truth}
    assert {obs[:3] for _, obs in found} == {image.camera for image in images if image.file}
    assert sorted(image.file for image in images if image.file) == sorted(
        str(path) for path in folder.rglob("*.fits")
    )
