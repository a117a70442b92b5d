import logging
import math
from dataclasses import fields
from pathlib import PurePosixPath

import pytest

from realbogus.database import Database
from realbogus.database.atlas import SCORE_CHANGE
from realbogus.errors import ConfigError
from realbogus.surveys.atlas import (
    CAMERAS,
    LabelRules,
    image_name,
    label_rules,
    night_of,
    require_camera,
    select_exposures,
)

OBS = "02a58310o0123c"
TRAVERSAL = "02a58310/../../../etc/passwd"


def insert(database, table, **columns):
    database.insert(table, [{"date_inserted": SCORE_CHANGE, **columns}])


@pytest.fixture
def database(tmp_path):
    """Make two exposures, a real and a bogus detection, and an exposure whose name is none."""
    with Database.open(f"sqlite:///{tmp_path}/survey.db") as database:
        database.create_tables("atlas")
        for number, obs in enumerate((OBS, "02a58310o0124c", TRAVERSAL)):
            insert(database, "atlas_metadataddc", id=number, obs=obs, filename=obs, mjd=58310.2)
        both = {"atlas_metadata_id": 0, "det_id": 1, "det": 0, "mag": 18.5, "y": 7.5}
        detections = [
            {**both, "id": 2**40, "atlas_object_id": 11, "pkn": 999, "x": 3.25, "dmag": None},
            {**both, "id": 2, "atlas_object_id": 12, "pkn": 0, "x": 4.5, "image_group_id": 1},
        ]
        for row in detections:
            insert(database, "atlas_detectionsddc", **row)
        insert(
            database,
            "atlas_diff_objects",
            **{"id": 12, "detection_id": 2, "htm16ID": 1, "ra": 1.0, "dec": 2.0},
            detection_list_id=0,
            followup_flag_date=SCORE_CHANGE,
            zooniverse_score=0.1,
        )
        yield database


def select(database, rules=LabelRules()):  # noqa: B008 - a frozen record
    return list(select_exposures(database, camera="02a", night=58310, rules=rules))


def test_an_exposure_comes_with_its_labelled_detections(database):
    first, second = select(database)
    assert (first.obs, second.obs) == (OBS, "02a58310o0124c")
    real, bogus = first.detections
    assert (real.id, real.object, real.x, real.y, real.is_real) == (2**40, 11, 3.25, 7.5, True)
    assert (bogus.id, bogus.object, bogus.is_real) == (2, 12, False)
    assert second.detections == ()


def test_a_column_without_value_is_nan(database):
    detection = select(database)[0].detections[0]
    assert math.isnan(detection.dmag)
    assert math.isnan(detection.ra)


def test_a_name_that_is_none_is_left_out_and_said(database, caplog):
    caplog.set_level(logging.WARNING)
    assert TRAVERSAL not in [exposure.obs for exposure in select(database)]
    assert "night 58310: an exposure whose name is not one is left out" in caplog.text


def test_the_thresholds_are_those_of_the_rules(database):
    strict = select(database, LabelRules(pkn_above=999, zooniverse_below=0.1))
    assert strict[0].detections == ()


def test_the_rules_are_the_documented_ones_unless_given():
    assert label_rules({}) == LabelRules(900, 0.01, 0.2)
    assert label_rules({"zooniverse_below": 0.1}) == LabelRules(900, 0.01, 0.1)


def test_an_unknown_threshold_is_told_the_known_ones():
    known = ", ".join(field.name for field in fields(LabelRules))
    with pytest.raises(ConfigError, match=f"labels.pkn must be one of {known}"):
        label_rules({"pkn": 900})


def test_the_night_of_an_exposure_is_in_its_name():
    assert night_of(OBS) == 58310


def test_the_image_is_below_camera_and_night():
    assert image_name(OBS) == PurePosixPath("02a/58310/02a58310o0123c.diff.fz")


@pytest.mark.parametrize("camera", CAMERAS)
def test_every_camera_is_known(camera):
    require_camera(camera)


@pytest.mark.parametrize("camera", ["02", "02A", "06a", "", "02a58310"])
def test_an_unknown_camera_is_told_the_known_ones(camera):
    with pytest.raises(ConfigError, match=f"01a, 02a, 03a, 04a, 05r; got '{camera}'"):
        require_camera(camera)
