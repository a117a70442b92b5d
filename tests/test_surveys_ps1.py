from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realbogus.config import DatabaseSettings
from realbogus.database import Database
from realbogus.errors import ConfigError, DatabaseError
from realbogus.surveys.ps1 import (
    CAMERAS,
    LabelRules,
    Selection,
    Source,
    Stamp,
    database_folder,
    mover_separation,
    require_camera,
    select_bogus,
    select_real,
    select_stamps,
    stamp_file,
)
from tests.ps1 import ATTIC, BAD, GOOD, GPC1, GPC2, Ps1Survey

NAME = "1140210401245037000_57001.471_45123_12_diff"
NEAR, FAR = "EPH: 2003 QQ47 (1.23 arcsec)", "EPH: 2003 QQ47 (6.00 arcsec)"


@pytest.fixture
def survey(tmp_path):
    return Ps1Survey(tmp_path / "survey")


def ids(survey, select, **changes):
    with Database.open(survey.url) as database:
        return [source.id for source in select(database, Selection(**changes))]


def names(survey, objects, camera="gpc1"):
    sources = [Source(identifier, 0.0, 0.0) for identifier in objects]
    with Database.open(survey.url) as database:
        return [(item.source.id, item.name) for item in select_stamps(database, sources, camera)]


# Names become paths


def test_a_stamp_is_in_the_folder_of_its_night():
    assert stamp_file(NAME) == f"57001/{NAME}.fits"


def test_the_night_is_the_whole_part_of_the_date():
    assert stamp_file("12_57001_3_4_diff").startswith("57001/")
    assert stamp_file("12_57001.999_3_4_diff").startswith("57001/")


HOSTILE = {
    "another folder": "../../x",
    "another folder in a field": "12_57001.1_../../x_4_diff",
    "an absolute path": "/etc/passwd",
    "an absolute path in a field": "12_57001.1_/etc/passwd_4_diff",
    "the parent as night": "12_.._3_4_diff",
    "a NUL": "12_57001.1_3\0_4_diff",
    "a newline": "12_57001.1_3\n_4_diff",
    "a last newline": "12_57001.1_3_4_diff\n",
    "a first newline": "\n12_57001.1_3_4_diff",
    "a blank": "12_57001.1_3 _4_diff",
    "10 kB": "12_57001.1_3_4_diff" + "x" * 10_000,
    "10 kB of digits": "12_57001.1_" + "3" * 10_000 + "_4_diff",
    "digits of another script": "12_57001.1_٣_4_diff",
    "a suffix already": "12_57001.1_3_4_diff.fits",
    "another image": "12_57001.1_3_4_target",
    "too few fields": "12_57001.1_3_diff",
    "too many fields": "12_57001.1_3_4_5_diff",
    "no date": "12__3_4_diff",
    "a date of four digits": "12_5700.1_3_4_diff",
    "no object": "_57001.1_3_4_diff",
    "an object of letters": "ab_57001.1_3_4_diff",
    "nothing": "",
}


@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE)
def test_a_name_of_another_form_is_no_path(name):
    assert stamp_file(name) is None


@given(st.one_of(st.text(), st.from_regex(r"[\d/._\s]*_diff")))
def test_no_name_leads_out_of_its_night(name):
    file = stamp_file(name)
    if file is not None:
        night, _, rest = file.partition("/")
        assert len(night) == 5 and night.isdecimal()
        assert rest == f"{name}.fits" and "/" not in rest
        assert rest.isascii() and len(rest) < 120


@pytest.mark.parametrize(
    ("settings", "folder"),
    [
        (DatabaseSettings(hostname="db1", username="r", password="x", database="ps13pi"), "ps13pi"),
        (DatabaseSettings(url="mysql+pymysql://r:p%2Fw@db1:3306/ps13pi?charset=utf8"), "ps13pi"),
        (DatabaseSettings(url="sqlite:////data/sky/survey.db"), "survey"),
        (DatabaseSettings(url="sqlite:///survey.db"), "survey"),
    ],
)
def test_stamps_are_in_a_folder_named_after_the_database(settings, folder):
    assert database_folder(settings) == folder


# Options


def test_a_camera_that_is_none_is_named_with_those_allowed():
    with pytest.raises(ConfigError, match="camera must be one of gpc1, gpc2; got '02a'"):
        require_camera("02a")
    for camera in CAMERAS:
        require_camera(camera)


@pytest.mark.parametrize(
    ("lower", "upper"), [(0.3, 0.01), (0.2, 0.2), (-0.1, 0.3), (0.1, 1.1), (float("nan"), 0.3)]
)
def test_scores_out_of_order_are_an_error(lower, upper):
    with pytest.raises(ConfigError, match="badrblower and badrbupper must be from 0 to 1"):
        LabelRules(bad_rb_lower=lower, bad_rb_upper=upper)


@pytest.mark.parametrize("name", ["good_list", "bad_list", "bad_augment", "mover_list"])
def test_a_negative_list_is_an_error_that_names_the_option(name):
    option = name.replace("_", "")
    with pytest.raises(ConfigError, match=f"{option} must not be negative; got -1"):
        Selection(**{name: -1})


@pytest.mark.parametrize("same", [{"good_list": 5}, {"mover_list": 5}])
def test_one_list_can_not_be_real_and_bogus(same):
    with pytest.raises(ConfigError, match="badlist must not be the list of the real objects"):
        Selection(bad_list=5, **same)


# Movers


@pytest.mark.parametrize(
    ("comment", "separation"),
    [
        (NEAR, 1.23),
        ("MPC: (22354) 1992 UZ5 (0.05 arcsec)", 0.05),
        ("MPC: 12P (12.50 arcsec) V=19.2", 12.5),
        ("EPH: none within 60 arcsec", None),
        ("EPH: (1.23arcsec)", None),
        ("EPH: (-1.23 arcsec)", None),
        ("EPH: (nan arcsec) (inf arcsec) (1e-3 arcsec)", None),
        ("EPH: (٣.٢٣ arcsec)", None),
        ("EPH: (" + "1" * 5000 + ".0 arcsec)", None),
        ("eph: 2003 QQ47 (1.23 arcsec)", None),
        (" EPH: 2003 QQ47 (1.23 arcsec)", None),
        ("not EPH: 2003 QQ47 (1.23 arcsec)", None),
        ("EPH (1.23 arcsec)", None),
        ("", None),
    ],
)
def test_the_separation_is_read_from_comments_of_its_form_only(comment, separation):
    assert mover_separation(comment) == separation


@given(st.one_of(st.text(), st.text().map("EPH: ({} arcsec)".format)))
def test_any_comment_gives_a_finite_separation_or_none(comment):
    separation = mover_separation(comment)
    assert separation is None or 0 <= separation < 1e6


@pytest.mark.parametrize(
    ("comments", "chosen"),
    [
        ([NEAR], True),
        (["MPC: x (5.99 arcsec)"], True),
        ([FAR], False),
        ([FAR, NEAR], True),
        (["checked by eye", NEAR], True),
        (["a mover (1.00 arcsec)"], False),
        ([None], False),
        ([], False),
        (["EPH: '; DROP TABLE tcs_transient_objects; -- (1.00 arcsec)"], True),
    ],
)
def test_a_known_mover_has_one_near_by(survey, comments, chosen):
    survey.add_mover(7, *comments)
    survey.add_mover(8, NEAR)
    assert (7 in ids(survey, select_real, mover_list=ATTIC)) is chosen


def test_movers_are_real_only_when_their_list_is_asked_for(survey):
    survey.add_mover(7, NEAR)
    survey.add_object(8, GOOD)
    assert ids(survey, select_real) == [8]
    assert ids(survey, select_real, mover_list=ATTIC) == [7, 8]


def test_a_list_without_a_known_mover_is_an_error_that_names_the_option(survey):
    survey.add_mover(7, FAR)
    survey.add_object(8, GOOD)
    with pytest.raises(DatabaseError, match="moverlist: list 5 has no known mover"):
        ids(survey, select_real, mover_list=ATTIC)


def test_an_empty_group_is_an_error_that_names_the_option(survey):
    survey.add_object(1, BAD)
    with pytest.raises(DatabaseError, match="badaugment: group 23 has no object"):
        ids(survey, select_bogus, bad_augment=23)


def test_the_comment_of_another_mover_does_not_count(survey):
    survey.add_mover(7, FAR)
    survey.add_mover(77, NEAR)
    assert ids(survey, select_real, mover_list=ATTIC) == [77]


def test_the_movers_of_a_long_list_are_all_found(survey):
    with Database.open(survey.url) as database:
        movers = {
            "detection_list_id": ATTIC,
            "observation_status": "mover",
            "confidence_factor": 0.9,
            "ra_psf": 1.0,
            "dec_psf": 2.0,
        }
        database.insert("tcs_transient_objects", ({"id": i, **movers} for i in range(1, 251)))
        comments = ({"transient_object_id": i, "comment": NEAR} for i in range(1, 251))
        database.insert("tcs_object_comments", comments)
    assert ids(survey, select_real, mover_list=ATTIC) == list(range(1, 251))


# Objects and stamps


def test_a_mover_on_the_good_list_comes_once(survey):
    survey.add_mover(7, NEAR, detection_list_id=GOOD)
    assert ids(survey, select_real, mover_list=GOOD) == [7]


def test_lists_and_dates_can_be_chosen(survey):
    survey.add_object(1, GOOD)
    survey.add_object(2, 1)
    survey.add_object(3, 1, followup_flag_date=date(2020, 1, 2))
    assert ids(survey, select_real, good_list=1) == [2, 3]
    assert ids(survey, select_real, good_list=1, flag_date=date(2020, 1, 1)) == [3]


def test_bogus_are_of_the_garbage_list_or_of_the_group_and_come_once(survey):
    survey.add_object(1, BAD)
    survey.add_object(2, BAD, confidence_factor=0.9)
    survey.add_object(3, ATTIC)
    for identifier in (1, 2):
        survey.insert("tcs_object_groups", transient_object_id=identifier, object_group_id=23)
    assert ids(survey, select_bogus) == [1]
    assert ids(survey, select_bogus, bad_augment=23) == [1, 2]


def test_thresholds_move_the_bogus(survey):
    survey.add_object(1, BAD, confidence_factor=0.35)
    assert ids(survey, select_bogus) == []
    assert ids(survey, select_bogus, rules=LabelRules(bad_rb_upper=0.4)) == [1]


def test_each_camera_has_its_stamps(survey):
    first = survey.add_stamp(5, filter=GPC1, file=False)
    second = survey.add_stamp(5, filter=GPC2, file=False)
    assert names(survey, [5]) == [(5, first)]
    assert names(survey, [5], "gpc2") == [(5, second)]


def test_a_stamp_belongs_to_its_own_object(survey):
    stamps = {number: survey.add_stamp(number, file=False) for number in (1, 11, 111)}
    assert names(survey, [1, 11, 111]) == list(stamps.items())
    assert names(survey, [11]) == [(11, stamps[11])]


def test_a_name_listed_twice_comes_once(survey):
    name = survey.add_stamp(5, file=False)
    survey.add_stamp(5, name=name, file=False)
    assert names(survey, [5]) == [(5, name)]


def test_the_stamps_of_many_objects_are_all_found(survey):
    objects = range(1000, 1250)
    rows = [
        {
            "image_filename": f"{i}_57001.1_3_4_diff",
            "image_type": "diff",
            "image_group_id": 1,
            "pss_error_code": 0,
            "filter": GPC1,
        }
        for i in objects
    ]
    with Database.open(survey.url) as database:
        database.insert("tcs_postage_stamp_images", rows)
    assert [identifier for identifier, _ in names(survey, objects)] == list(objects)


def test_a_hostile_name_comes_as_it_is_for_the_caller_to_refuse(survey):
    survey.add_stamp(5, name="5_../../x", file=False)
    source = Source(5, 0.0, 0.0)
    with Database.open(survey.url) as database:
        assert list(select_stamps(database, [source], "gpc1")) == [Stamp(source, "5_../../x")]
