import sqlite3
from contextlib import closing
from datetime import datetime, timedelta

import pytest

from realbogus.config import DatabaseSettings
from realbogus.database import Database
from realbogus.database.atlas import (
    SCORE_CHANGE,
    asteroid_detections,
    exposures,
    garbage_detections,
    good_detections,
    unpromoted_among,
    unpromoted_candidates,
)
from realbogus.database.schema import SCHEMAS
from realbogus.errors import DatabaseError

EXPOSURE = 2**33 + 1
OBJECT = 1101010101101010100
DAY = timedelta(days=1)
BEFORE, AFTER = SCORE_CHANGE - DAY, SCORE_CHANGE + DAY
REAL = {"pkn": 950}
BOGUS = {"pkn": 0, "image_group_id": 2**33 + 7}
GARBAGE = {"detection_list_id": 0, "followup_flag_date": AFTER, "zooniverse_score": 0.1}


@pytest.fixture
def database(tmp_path):
    with Database.open(f"sqlite:///{tmp_path}/survey.db") as database:
        database.create_tables("atlas")
        yield database


def add_exposure(database, obs, number=EXPOSURE):
    row = {"id": number, "obs": obs, "filename": obs, "mjd": 58310.5, "date_inserted": AFTER}
    database.insert("atlas_metadataddc", [row])


def add_detection(database, number=2**33 + 5, **columns):
    row = {
        "id": number,
        "atlas_metadata_id": EXPOSURE,
        "atlas_object_id": OBJECT,
        "det_id": 1,
        "x": 10535.96,
        "y": 20.25,
        "mag": 18.5,
        "dmag": 0.11,
        "det": 0,
        "date_inserted": AFTER,
    }
    database.insert("atlas_detectionsddc", [{**row, **columns}])


def add_object(database, **columns):
    row = {"id": OBJECT, "detection_id": 1, "htm16ID": 1, "ra": 1.0, "dec": 2.0}
    database.insert("atlas_diff_objects", [{**row, "date_inserted": AFTER, **columns}])


def real(database):
    return list(database.rows(asteroid_detections(EXPOSURE, pkn_above=900)))


def bogus(database):
    query = garbage_detections(EXPOSURE, realbogus_below=0.01, zooniverse_below=0.2)
    return list(database.rows(query))


def names(database, camera="02a", night=58310):
    return [row.obs for row in database.rows(exposures(camera, night))]


@pytest.mark.parametrize("survey", SCHEMAS)
def test_the_tables_of_a_survey_are_made_with_their_indexes(tmp_path, survey):
    with Database.open(f"sqlite:///{tmp_path}/survey.db") as database:
        database.create_tables(survey)
    with closing(sqlite3.connect(tmp_path / "survey.db")) as connection:
        found = connection.execute("select type, name from sqlite_master").fetchall()
    tables = SCHEMAS[survey].tables
    assert {name for kind, name in found if kind == "table"} == set(tables)
    indexes = {index.name for table in tables.values() for index in table.indexes}
    assert indexes <= {name for kind, name in found if kind == "index"}


def test_the_night_is_in_the_name_whatever_the_camera(database):
    obs = ["02a58310o0002c", "02a58310o0001c", "02a58311o0001c", "03a58310o0001c", "02a58309o9999c"]
    for number, name in enumerate(obs):
        add_exposure(database, name, EXPOSURE + number)
    assert names(database) == ["02a58310o0001c", "02a58310o0002c"]
    assert names(database, "03a") == ["03a58310o0001c"]
    assert names(database, night=5831) == []


def test_a_known_asteroid_is_real_and_keeps_its_pixel_and_its_long_ids(database):
    add_detection(database, **REAL)
    (row,) = real(database)
    assert (row.id, row.object) == (2**33 + 5, OBJECT)
    assert (row.x, row.y) == (10535.96, 20.25)
    assert bogus(database) == []


NOT_REAL = [
    {"pkn": 900},
    {"pkn": 0},
    {"pkn": None},
    {"det": 5},
    {"det": 1},
    {"det": None},
    {"mag": -18.5},
    {"mag": 0},
    {"mag": None},
    {"atlas_metadata_id": EXPOSURE + 1},
]


@pytest.mark.parametrize("columns", NOT_REAL, ids=str)
def test_a_detection_that_breaks_one_rule_is_not_real(database, columns):
    add_detection(database, **{**REAL, **columns})
    assert real(database) == []


@pytest.mark.parametrize("statistics", [True, False])
def test_stamped_garbage_with_a_low_score_is_bogus(database, statistics):
    add_detection(database, **BOGUS)
    add_object(database, **GARBAGE)
    if statistics:
        database.insert("tcs_latest_object_stats", [{"id": OBJECT}])
    (row,) = bogus(database)
    assert (row.id, row.object) == (2**33 + 5, OBJECT)
    assert real(database) == []


@pytest.mark.parametrize(
    "columns",
    [*NOT_REAL[3:], {"pkn": 1}, {"pkn": 950}, {"pkn": None}, {"image_group_id": None}],
    ids=str,
)
def test_a_detection_that_breaks_one_rule_is_not_bogus(database, columns):
    add_detection(database, **{**BOGUS, **columns})
    add_object(database, **GARBAGE)
    assert bogus(database) == []


@pytest.mark.parametrize("number", [*range(1, 14), None])
def test_an_object_of_another_list_is_not_bogus(database, number):
    add_detection(database, **BOGUS)
    add_object(database, **{**GARBAGE, "detection_list_id": number})
    assert bogus(database) == []


def test_an_object_with_a_cross_match_is_not_bogus(database):
    add_detection(database, **BOGUS)
    add_object(database, **GARBAGE)
    database.insert(
        "tcs_latest_object_stats", [{"id": OBJECT, "external_crossmatches": "ZTF18abc"}]
    )
    assert bogus(database) == []


def test_a_detection_without_object_is_not_bogus(database):
    add_detection(database, **BOGUS)
    assert bogus(database) == []


SCORED = [
    (BEFORE, 0.005, 0.9, True),
    (BEFORE, 0.02, 0.1, False),
    (BEFORE, 0.01, None, False),
    (BEFORE, None, 0.1, False),
    (SCORE_CHANGE - timedelta(seconds=1), 0.005, 0.9, True),
    (SCORE_CHANGE, 0.005, 0.9, False),
    (SCORE_CHANGE, 9, 0.1, True),
    (AFTER, 0.005, 0.9, False),
    (AFTER, 9, 0.19, True),
    (AFTER, 9, 0.2, False),
    (AFTER, 0.005, None, False),
    (None, 0.005, 0.1, False),
]


@pytest.mark.parametrize(("flagged", "factor", "zooniverse", "is_bogus"), SCORED, ids=str)
def test_the_score_is_in_the_column_of_the_day(database, flagged, factor, zooniverse, is_bogus):
    add_detection(database, **BOGUS)
    columns = {"followup_flag_date": flagged, "realbogus_factor": factor}
    add_object(database, **{**GARBAGE, **columns, "zooniverse_score": zooniverse})
    assert bool(bogus(database)) is is_bogus


def test_a_garbage_row_says_whether_the_score_had_changed(database):
    for number, flagged in ((1, BEFORE), (2, SCORE_CHANGE)):
        add_detection(database, number, **BOGUS, atlas_object_id=OBJECT + number)
        scores = {"realbogus_factor": 0.001, "zooniverse_score": 0.001}
        changes = {**GARBAGE, **scores, "followup_flag_date": flagged}
        add_object(database, **changes, id=OBJECT + number)
    assert [bool(row.since) for row in bogus(database)] == [False, True]


def good(database):
    return [row.id for row in database.rows(good_detections(EXPOSURE))]


@pytest.mark.parametrize("pkn", [0, 950, None])
def test_stamped_detections_of_the_good_list_are_good(database, pkn):
    add_detection(database, **{**BOGUS, "pkn": pkn})
    add_object(database, detection_list_id=2)
    assert good(database) == [2**33 + 5]


@pytest.mark.parametrize("columns", [*NOT_REAL[3:], {"image_group_id": None}], ids=str)
def test_a_detection_that_breaks_one_rule_is_not_good(database, columns):
    add_detection(database, **{**BOGUS, **columns})
    add_object(database, detection_list_id=2)
    assert good(database) == []


@pytest.mark.parametrize("number", [0, 1, 3, None])
def test_a_detection_of_another_list_is_not_good(database, number):
    add_detection(database, **BOGUS)
    add_object(database, detection_list_id=number)
    assert good(database) == []


UNPROMOTED = {"pkn": 0, "image_group_id": None}


def candidates(database):
    return [row.id for row in database.rows(unpromoted_candidates(EXPOSURE))]


def test_candidates_for_what_was_never_promoted_come_by_id(database):
    for number in (7, 3, 2**40):
        add_detection(database, number, **UNPROMOTED)
    assert candidates(database) == [3, 7, 2**40]


@pytest.mark.parametrize(
    "columns", [*NOT_REAL[3:], {"pkn": 1}, {"pkn": None}, {"image_group_id": 1}], ids=str
)
def test_a_detection_that_breaks_one_rule_is_no_candidate(database, columns):
    add_detection(database, **{**UNPROMOTED, **columns})
    assert candidates(database) == []


def test_only_objects_on_no_list_were_never_promoted(database):
    for number, list_id in enumerate([None, 0, 2, 4, None]):
        add_detection(database, number, **UNPROMOTED, atlas_object_id=OBJECT + number)
        add_object(database, id=OBJECT + number, detection_list_id=list_id)
    query = unpromoted_among([0, 1, 2, 3])
    assert [row.id for row in database.rows(query)] == [0]


def test_the_score_changed_on_its_day():
    assert datetime(2024, 5, 22) == SCORE_CHANGE


def test_detections_come_in_the_order_of_their_ids(database):
    for number in (7, 3, 2**40):
        add_detection(database, number, **REAL)
    assert [row.id for row in real(database)] == [3, 7, 2**40]


def test_a_missing_file_is_one_line_and_is_not_made(tmp_path):
    with pytest.raises(DatabaseError, match=r"survey\.db: no such file"):
        Database.connect(DatabaseSettings(url=f"sqlite:///{tmp_path}/survey.db"))
    assert not list(tmp_path.iterdir())


def test_what_is_no_database_is_one_line(tmp_path):
    (tmp_path / "survey.db").write_bytes(b"not a database, but long enough to look at" * 100)
    settings = DatabaseSettings(url=f"sqlite:///{tmp_path}/survey.db")
    with (
        pytest.raises(DatabaseError, match="file is not a database"),
        Database.connect(settings) as database,
    ):
        names(database)


def test_a_database_of_something_else_is_one_line(tmp_path):
    with (
        Database.open(f"sqlite:///{tmp_path}/survey.db") as database,
        pytest.raises(DatabaseError, match="no such table: atlas_metadataddc") as caught,
    ):
        names(database)
    assert "SELECT" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_row_that_breaks_a_key_is_one_line_without_its_values(database):
    add_exposure(database, "02a58310o0001c")
    with pytest.raises(DatabaseError, match="UNIQUE constraint failed") as caught:
        add_exposure(database, "02a58310o0001c")
    assert "02a58310" not in str(caught.value)


BAD_URLS = [
    "mysql+pymysql://reader:hunter2@127.0.0.1:1/atlas4",
    "mysql+pymysql://reader:hunter2@127.0.0.1:port/atlas4",
    "hunter2",
    "nodriver://reader:hunter2@db1/atlas4",
]


@pytest.mark.parametrize("url", BAD_URLS)
def test_no_error_of_a_url_shows_the_password(url):
    with pytest.raises(DatabaseError) as caught:
        Database.connect(DatabaseSettings(url=url))
    assert "hunter2" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("extra", [{"port": 1}, {"port": 1, "ssl_ca": "/none"}])
def test_no_error_of_an_account_shows_the_password(extra):
    settings = DatabaseSettings(
        username="reader", password="hunter2", hostname="127.0.0.1", database="atlas4", **extra
    )
    with pytest.raises(DatabaseError, match=r"^database 127\.0\.0\.1/atlas4: ") as caught:
        Database.connect(settings)
    assert "hunter2" not in str(caught.value)
