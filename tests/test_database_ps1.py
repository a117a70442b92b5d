from datetime import date

import numpy as np
import pytest
from sqlalchemy import Column, Double, Float, MetaData, Table, select, text
from sqlalchemy.dialects import mysql

from realbogus.database import Database
from realbogus.database.floats import above, at_least, below
from realbogus.database.ps1 import (
    comments_of,
    flagged_objects,
    grouped_objects,
    low_scored_objects,
    mover_objects,
    stamps_of,
)
from tests.ps1 import ATTIC, BAD, GOOD, GPC2, NIGHT, Ps1Survey

SINCE = date(2019, 1, 1)


@pytest.fixture
def survey(tmp_path):
    return Ps1Survey(tmp_path / "survey")


def ask(survey, query, column="id"):
    with Database.open(survey.url) as database:
        return [getattr(row, column) for row in database.rows(query)]


def low_scored(**changes):
    bounds = {"score_from": 0.01, "score_below": 0.3, "flagged_after": SINCE}
    return low_scored_objects(BAD, **{**bounds, **changes})


def is_stored_as(value, condition):
    """Say whether a condition holds for a value in a column of doubles."""
    table = Table("t", MetaData(), Column("score", Double))
    with Database.open("sqlite://") as database:
        table.create(database._connection)
        database._connection.execute(table.insert(), [{"score": value}])
        return bool(list(database.rows(select(table).where(condition(table.c.score)))))


def test_flagged_objects_are_those_of_the_list_flagged_after_the_day(survey):
    survey.add_object(1, GOOD, followup_flag_date=date(2019, 1, 2))
    survey.add_object(2, GOOD, followup_flag_date=SINCE)
    survey.add_object(3, GOOD, followup_flag_date=None)
    survey.add_object(4, ATTIC)
    survey.add_object(5, None)
    assert ask(survey, flagged_objects(GOOD, flagged_after=SINCE)) == [1]


def test_an_object_comes_with_its_place(survey):
    survey.add_object(1140210401245037000, GOOD, ra_psf=315.123456789, dec_psf=-12.75)
    with Database.open(survey.url) as database:
        rows = list(database.rows(flagged_objects(GOOD, flagged_after=SINCE)))
    assert rows == [(1140210401245037000, 315.123456789, -12.75)]


BOGUS = {
    "a low score": ({"confidence_factor": 0.1}, True),
    "the lowest score": ({"confidence_factor": 0.01}, True),
    "a score below the lowest": ({"confidence_factor": 0.0099}, False),
    "the score that is too high": ({"confidence_factor": 0.3}, False),
    "a score below that": ({"confidence_factor": 0.2999}, True),
    "no score": ({"confidence_factor": None}, False),
    "no classification": ({"sherlockClassification": None}, False),
    "flagged on the day": ({"followup_flag_date": SINCE}, False),
    "never flagged": ({"followup_flag_date": None}, False),
}


@pytest.mark.parametrize(("changes", "chosen"), BOGUS.values(), ids=BOGUS)
def test_bogus_objects_have_a_low_score_a_classification_and_a_date(survey, changes, chosen):
    survey.add_object(1, BAD, **changes)
    assert ask(survey, low_scored()) == [1] * chosen


@pytest.mark.parametrize("identifier", [GOOD, ATTIC, None])
def test_bogus_objects_are_of_their_list_only(survey, identifier):
    survey.add_object(1, identifier)
    assert ask(survey, low_scored()) == []


@pytest.mark.parametrize("bound", [0.01, 0.05, 0.2, 0.3, 0.5])
@pytest.mark.parametrize("kept_as", [float, np.float32], ids=["SQLite", "server"])
def test_a_score_stored_as_the_bound_equals_it_whatever_the_column_keeps(bound, kept_as):
    value = float(kept_as(bound))
    assert is_stored_as(value, lambda column: at_least(column, bound))
    assert not is_stored_as(value, lambda column: above(column, bound))
    assert not is_stored_as(value, lambda column: below(column, bound))


@pytest.mark.parametrize("bound", [0.01, 0.05, 0.3])
def test_the_neighbours_of_a_bound_are_on_their_sides(bound):
    under = float(np.nextafter(np.float32(bound), np.float32(0)))
    over = float(np.nextafter(np.float32(bound), np.float32(1)))
    over = float(np.nextafter(np.float32(over), np.float32(1)))
    assert is_stored_as(over, lambda column: above(column, bound))
    assert is_stored_as(over, lambda column: at_least(column, bound))
    under = float(np.nextafter(np.float32(under), np.float32(0)))
    assert is_stored_as(under, lambda column: below(column, bound))


def test_a_server_compares_with_the_nearest_float32():
    column = Column("confidence_factor", Float)
    compiled = at_least(column, 0.01).compile(dialect=mysql.dialect())
    assert next(iter(compiled.params.values())) == float(np.float32(0.01))


def test_movers_have_the_status_and_a_score(survey):
    survey.add_mover(1, confidence_factor=0.06)
    survey.add_mover(2, confidence_factor=0.05)
    survey.add_mover(3, confidence_factor=None)
    survey.add_mover(4, observation_status="SN")
    survey.add_mover(5, observation_status=None)
    survey.add_object(6, GOOD, observation_status="mover")
    assert ask(survey, mover_objects(ATTIC, score_above=0.05)) == [1]


def test_comments_of_other_kinds_and_objects_do_not_come(survey):
    survey.add_mover(1, "EPH: a (1.00 arcsec)", "MPC: b (2.00 arcsec)", "seen EPH: c", None)
    survey.add_mover(12, "EPH: other")
    assert ask(survey, comments_of([1]), "comment") == [
        "EPH: a (1.00 arcsec)",
        "MPC: b (2.00 arcsec)",
    ]


def test_grouped_objects_are_those_of_the_group(survey):
    for identifier, group in ((1, 7), (2, 8), (3, 7)):
        survey.add_object(identifier, GOOD)
        survey.insert("tcs_object_groups", transient_object_id=identifier, object_group_id=group)
    survey.insert("tcs_object_groups", transient_object_id=99, object_group_id=7)
    assert sorted(ask(survey, grouped_objects(7))) == [1, 3]


STAMPS = {
    "a difference stamp": ({}, True),
    "a target stamp": ({"image_type": "target"}, False),
    "a reference stamp": ({"image_type": "ref"}, False),
    "a failed stamp": ({"pss_error_code": 27}, False),
    "a stamp not yet made": ({"pss_error_code": None}, False),
    "the other camera": ({"filter": GPC2}, False),
    "no filter": ({"filter": None}, False),
    "a filter that only contains the ending": ({"filter": "r.00000.x"}, False),
    "a non-detection": ({"name": f"5_{NIGHT}.1_4300000000_0_diff"}, False),
    "a non-detection by its last field": ({"name": f"5_{NIGHT}.1_2_4300000000_diff"}, False),
}


@pytest.mark.parametrize(("changes", "chosen"), STAMPS.values(), ids=STAMPS)
def test_stamps_are_good_difference_stamps_of_the_camera(survey, changes, chosen):
    name = survey.add_stamp(5, file=False, **changes)
    found = ask(survey, stamps_of([5], filter_ending="00000"), "image_filename")
    assert found == [name] * chosen


def test_an_object_whose_own_id_resembles_a_non_detection_keeps_its_stamps(survey):
    identifier = 1014300000000123400
    name = survey.add_stamp(identifier, file=False)
    query = stamps_of([identifier], filter_ending="00000")
    assert ask(survey, query, "image_filename") == [name]


def test_stamps_of_an_object_whose_id_begins_with_another_do_not_come(survey):
    short, wanted, long = (survey.add_stamp(number, file=False) for number in (1, 12, 123))
    found = ask(survey, stamps_of([12], filter_ending="00000"), "image_filename")
    assert found == [wanted]
    assert short not in found and long not in found


@pytest.mark.parametrize("name", ["12-57001", "12", "12a57001", "1257001_1", "012_57001", "12%_1"])
def test_names_that_only_resemble_an_object_do_not_come(survey, name):
    survey.add_stamp(12, name=name, file=False)
    assert ask(survey, stamps_of([12], filter_ending="00000"), "image_filename") == []


def test_stamps_of_many_objects_are_found_by_the_index(survey):
    query = stamps_of(range(1, 101), filter_ending="00000")
    statement = str(query.compile(compile_kwargs={"literal_binds": True}))
    plan = ask(survey, text(f"EXPLAIN QUERY PLAN {statement}"), "detail")
    ranges = [line for line in plan if "idx_image_filename (image_filename>?" in line]
    assert len(ranges) == 100
    assert not [line for line in plan if line.startswith("SCAN")]


@pytest.mark.parametrize(
    ("query", "index"),
    [
        (flagged_objects(GOOD, flagged_after=SINCE), "idx_detection_list"),
        (low_scored(), "idx_detection_list"),
        (mover_objects(ATTIC, score_above=0.05), "idx_detection_list"),
        (comments_of([1, 2]), "idx_transient_object_id"),
    ],
)
def test_objects_and_comments_are_found_by_an_index(survey, query, index):
    statement = str(query.compile(compile_kwargs={"literal_binds": True}))
    plan = ask(survey, text(f"EXPLAIN QUERY PLAN {statement}"), "detail")
    assert any(index in line for line in plan)
