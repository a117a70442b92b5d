import logging
import math
from dataclasses import fields
from pathlib import PurePosixPath

import numpy as np
import pytest

from realbogus.database import Database
from realbogus.database.atlas import SCORE_CHANGE
from realbogus.errors import ConfigError
from realbogus.surveys.atlas import (
    CAMERAS,
    LabelRules,
    Selection,
    image_name,
    label_rules,
    night_of,
    require_camera,
    select_night,
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


def select(database, kind="all", **options):
    night = select_night(
        database, camera="02a", night=58310, selection=Selection(**options), kind=kind
    )
    return night.exposures


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
    assert f"night 58310: 1 exposures are left out for their names: {TRAVERSAL!r}" in caplog.text


NAMES = [
    "../../../../etc/passwd",
    "02a58310/../../x",
    "/etc/passwd",
    "02a58310o0125c\n",
    "02a58310o0125c\nother",
    "02a58310o0125c\0",
    "02a58310o012c",
    "02a58310o0125c" * 700,
    "02a58310 0125c",
    "02A58310O0125C",
    "02a58310o\u0660125c",
]


@pytest.mark.parametrize("name", NAMES, ids=lambda name: name[:20].encode().hex())
def test_a_name_that_could_be_another_path_is_refused(database, name):
    insert(database, "atlas_metadataddc", id=9, obs=name, filename=name, mjd=58310.2)
    night = select_night(database, camera="02a", night=58310, selection=Selection())
    assert [exposure.obs for exposure in night.exposures] == [OBS, "02a58310o0124c"]
    assert night.refused == 1 + name.startswith("02a58310")


def test_each_detection_says_by_which_rule_it_was_chosen(database):
    assert [item.rule for item in select(database)[0].detections] == [
        "asteroid",
        "garbage by zooniverse_score",
    ]


def test_only_the_kind_asked_for_is_chosen(database):
    assert [item.id for item in select(database, kind="real")[0].detections] == [2**40]
    assert [item.id for item in select(database, kind="bogus")[0].detections] == [2]


def test_the_good_list_is_real_instead_of_asteroids(database):
    both = {"atlas_metadata_id": 0, "det_id": 3, "det": 0, "mag": 18.5, "x": 1.5, "y": 7.5}
    insert(database, "atlas_detectionsddc", **both, id=5, atlas_object_id=15, image_group_id=3)
    place = {"id": 15, "detection_id": 5, "htm16ID": 1, "ra": 1.0, "dec": 2.0}
    insert(database, "atlas_diff_objects", **place, detection_list_id=2)
    (chosen,) = select(database, kind="real", good_as_real=True)[0].detections
    assert (chosen.id, chosen.is_real, chosen.rule) == (5, True, "good list")


@pytest.fixture
def crowded(database):
    """Add 400 detections that nobody looked at, every fourth of an object on a list."""
    for number in range(1000, 1400):
        both = {"atlas_metadata_id": 1, "det_id": 3, "det": 0, "mag": 18.5, "x": 1.5, "y": 7.5}
        insert(
            database, "atlas_detectionsddc", **both, id=number, pkn=0, atlas_object_id=number + 7
        )
        place = {"detection_id": number, "htm16ID": 1, "ra": 1.0, "dec": 2.0}
        list_id = 4 if number % 4 == 0 else None
        insert(database, "atlas_diff_objects", **place, id=number + 7, detection_list_id=list_id)
    return database


def draw(database, **options):
    exposures = select(database, kind="bogus", bogus_from="unpromoted", **options)
    return [item.id for item in exposures[1].detections]


def test_bogus_are_drawn_from_all_that_was_never_promoted(crowded):
    everything = draw(crowded, bogus_per_exposure=1000)
    assert everything == [number for number in range(1000, 1400) if number % 4]


def test_a_draw_has_the_number_asked_for_and_spreads_over_all(crowded):
    drawn = draw(crowded, bogus_per_exposure=75)
    assert len(set(drawn)) == 75
    assert not [number for number in drawn if number % 4 == 0]
    counts = [
        sum(first <= number < first + 100 for number in drawn) for first in range(1000, 1400, 100)
    ]
    assert min(counts) > 5


def test_a_draw_is_the_same_for_the_same_seed_only(crowded):
    assert draw(crowded, seed=1) == draw(crowded, seed=1)
    assert draw(crowded, seed=1) != draw(crowded, seed=2)


def test_every_detection_is_drawn_as_often_as_another(crowded):
    """A chi-squared test of 300 detections over 200 seeds of 30 draws each."""
    draws = [
        number for seed in range(200) for number in draw(crowded, bogus_per_exposure=30, seed=seed)
    ]
    counts = np.unique(draws, return_counts=True)[1]
    assert len(counts) == 300
    assert ((counts - 20.0) ** 2 / 20.0).sum() < 400


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"bogus_from": "sky"}, "bogusFrom must be one of garbage, unpromoted; got 'sky'"),
        ({"bogus_per_exposure": 0}, "bogusPerExposure must be at least 1; got 0"),
        ({"seed": -1}, "seed must not be negative; got -1"),
    ],
)
def test_an_option_of_the_selection_that_is_not_allowed_is_named(options, message):
    with pytest.raises(ConfigError, match=message):
        Selection(**options)


def test_the_record_says_which_labels_an_older_classifier_made():
    assert Selection().description["older classifier"] is True
    drawn = Selection(bogus_from="unpromoted", good_as_real=True).description
    assert drawn["older classifier"] is False
    assert "at random" in drawn["bogus"]
    assert drawn["real"] == "the eyeballed good list"


def test_the_thresholds_are_those_of_the_rules(database):
    strict = select(database, rules=LabelRules(pkn_above=999, zooniverse_below=0.1))
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
