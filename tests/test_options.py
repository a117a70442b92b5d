import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from realbogus.errors import ConfigError
from realbogus.options import (
    available_cores,
    fill_date,
    free_memory,
    parse_classifiers,
    parse_holdout,
    parse_limits,
    parse_names,
    parse_nights,
    parse_rates,
    require_one_way,
    total_memory,
)


@pytest.mark.parametrize(
    "typed",
    [
        "[58310,58311]",
        "58310,58311",
        "58310-58311",
        " [ 58310 , 58311 ] ",
        '["58310", "58311"]',
        "(58310, 58311)",
        "58311,58310,58310",
        ["58310", "58311"],
        ["58310-58311"],
        (58310, 58311),
    ],
)
def test_nights_are_read_as_people_type_them(typed):
    assert parse_nights(typed) == (58310, 58311)


def test_ranges_and_nights_mix_and_overlap():
    assert parse_nights("58312,58310-58311,58311-58312") == (58310, 58311, 58312)


@pytest.mark.parametrize("typed", ["", "[]", "()", []])
def test_no_nights_are_no_nights(typed):
    assert parse_nights(typed) == ()


@pytest.mark.parametrize(
    "word", ["5831", "583100", "58310.5", "-58310", "58310-", "058310", "tonight", "٥٨٣١٠"]
)
def test_a_word_that_is_no_night_is_named(word):
    with pytest.raises(ConfigError, match=re.escape(f"58310-58320; got {word!r}")):
        parse_nights(f"58310,{word}")


def test_a_range_that_runs_backwards_is_an_error():
    with pytest.raises(ConfigError, match="'58320-58310' ends before it begins"):
        parse_nights("58320-58310")


@pytest.mark.parametrize(
    "typed", ["[a.csv,b.csv]", '["a.csv","b.csv"]', "a.csv,b.csv", "['a.csv', 'b.csv']"]
)
def test_file_names_are_read_as_people_type_them(typed):
    assert parse_names(typed) == ("a.csv", "b.csv")


def test_one_quoted_name_is_a_list_of_one():
    assert parse_names('"a.csv"') == ("a.csv",)


def test_a_name_with_a_comma_can_be_given_as_json():
    assert parse_names('["a,b.csv"]') == ("a,b.csv",)


@pytest.mark.parametrize("typed", ["[1, 2]", '{"a": "b"}', "null", "[[]]"])
def test_a_list_of_something_else_is_an_error(typed):
    with pytest.raises(ConfigError, match=r"must be a list of file names .*; got "):
        parse_names(typed)


def test_there_is_a_core():
    assert available_cores() >= 1


def test_memory_that_is_free_is_part_of_what_there_is():
    assert 0 < free_memory() <= total_memory()


@pytest.mark.parametrize(
    ("line", "limits", "expected"),
    [
        ("0::/a/b", {"a/memory.max": "5000", "a/b/memory.max": "max"}, 5000),
        ("0::/a/b", {"a/memory.max": "5000", "a/b/memory.max": "4000"}, 4000),
        ("3:cpu:/a\n4:memory:/a", {"a/memory.limit_in_bytes": "7000"}, 7000),
    ],
)
def test_memory_is_limited_by_the_control_group(tmp_path, monkeypatch, line, limits, expected):
    for name, text in limits.items():
        path = tmp_path / "groups" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    (tmp_path / "own").write_text(line + "\n")
    groups = {
        "": (tmp_path / "groups", "memory.max"),
        "memory": (tmp_path / "groups", "memory.limit_in_bytes"),
    }
    monkeypatch.setattr("realbogus.options._CONTROL_GROUPS", groups)
    monkeypatch.setattr("realbogus.options._OWN_GROUPS", tmp_path / "own")
    assert free_memory() == expected


def test_brackets_without_end_are_no_traceback():
    assert len(parse_names("[" * 100_000)) == 1


@pytest.mark.parametrize(
    ("text", "nights"),
    [("", ()), ("2", (2,)), (" 12 ", (12,)), ("58310", (58310,)), ("58310-58311", (58310, 58311))],
)
def test_nights_to_hold_out_are_named_or_counted(text, nights):
    assert parse_holdout(text) == nights


@pytest.mark.parametrize("text", ["0", "-1", "2,3", "two", "123456"])
def test_what_is_no_nights_to_hold_out_is_an_error(text):
    with pytest.raises(ConfigError, match=r"holdoutNights must be nights .* got"):
        parse_holdout(text)


@pytest.mark.parametrize(
    ("text", "rates"), [("0.01,0.04", (0.01, 0.04)), ("[1e-3]", (0.001,)), ("", ()), ("[]", ())]
)
def test_rates_as_people_type_them(text, rates):
    assert parse_rates(text, name="mdr") == rates


@pytest.mark.parametrize("text", ["0", "1", "1%", "nan", "-0.1", "0.1;0.2"])
def test_what_is_no_rate_is_an_error(text):
    with pytest.raises(ConfigError, match="mdr must be rates between 0 and 1 such as"):
        parse_rates(text, name="mdr")


def test_limits_as_people_type_them():
    assert parse_limits("0.001,0.5", name="fprLimits") == (0.001, 0.5)
    assert parse_limits("", name="fprLimits") is None


@pytest.mark.parametrize("text", ["0.5", "0.5,0.1", "0,2", "a,b", "0.1,nan", "0.1,0.2,0.3"])
def test_what_are_no_limits_is_an_error(text):
    with pytest.raises(ConfigError, match="fprLimits must be two rates such as"):
        parse_limits(text, name="fprLimits")


def test_classifiers_are_one_for_all_or_one_a_camera():
    assert parse_classifiers(["m.h5"]) == {"": Path("m.h5")}
    assert parse_classifiers(["02a=a.h5", "04a = b=1.h5"]) == {
        "02a": Path("a.h5"),
        "04a": Path("b=1.h5"),
    }


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["02a="], "must be MODEL or CAMERA=MODEL"),
        (["=a.h5"], "must be MODEL or CAMERA=MODEL"),
        (["a.h5", "b.h5"], "all cameras has two, a.h5 and b.h5"),
        (["02a=a.h5", "02a=b.h5"], "camera 02a has two"),
        (["a.h5", "02a=b.h5"], "give the one for all others as fallback"),
    ],
)
def test_classifiers_that_contradict_each_other_are_refused(words, part):
    with pytest.raises(ConfigError, match=part):
        parse_classifiers(words)


def test_the_date_and_the_hour_are_put_into_names():
    now = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
    assert fill_date("s/{date}T{hour}.csv", now=now) == "s/2026-01-02T03.csv"
    assert fill_date("objects.csv") == "objects.csv"
    assert fill_date("{x}{date}", now=now) == "{x}2026-01-02"


@pytest.mark.parametrize(
    ("detections", "given", "message"),
    [
        (False, ["outputcsv", "camera"], "camera: can't be given without detections"),
        (False, ["outputparquet"], "outputcsv: name the file to make"),
        (True, ["outputparquet", "images"], "images: can't be given with detections"),
        (True, ["outputparquet", "outputcsv"], "outputcsv: can't be given with detections"),
        (True, [], "outputparquet: name the file to make"),
        (False, ["images"], "outputcsv: name the file to make"),
    ],
)
def test_options_of_the_other_way_to_score_are_refused(detections, given, message):
    with pytest.raises(ConfigError, match=message):
        require_one_way(detections=detections, given=dict.fromkeys(given, True))


def test_options_of_one_way_to_score_are_taken():
    require_one_way(detections=True, given={"outputparquet": True, "scheduler": True})
    require_one_way(detections=False, given={"outputcsv": True, "images": True, "camera": False})
    require_one_way(detections=False, given={"outputcsv": True, "outputparquet": True})
