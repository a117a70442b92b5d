"""What a run is compared with, and what is released."""

import numpy as np
import pytest

from realbogus.breaker import NIGHTS
from realbogus.counts import (
    HELD,
    PASSED,
    RELEASED,
    UNCHECKED,
    Counts,
    counts_path,
    read_counts,
    write_counts,
)
from realbogus.errors import ConfigError, FormatError
from realbogus.holding import (
    Breaker,
    judge,
    plot_path,
    report_held,
    require_breaker,
    write_judgement,
)
from realbogus.recipes import Input, Recipe
from tests.test_breaker import BETAS, make_night, make_nights, stand_out

NIGHT = 58400
BAD = f"02a{NIGHT}o0003c"


def make_recipe(digest="a", name="classifier", **options):
    chosen = options or {"survey": "atlas", "database": "atlas4", "listid": 4}
    return Recipe("score", chosen, {name: Input("m.h5", digest)})


@pytest.fixture
def nights(tmp_path):
    """Make the tables of twenty accepted nights; give their folder."""
    rng = np.random.default_rng(1)
    for night in range(20):
        write_night(tmp_path / f"{night}.csv", make_night(rng, 58310 + night))
    return tmp_path


def write_night(path, counts, *, status=PASSED, recipe=None):
    rows = [Counts(**{**vars(item), "status": status}) for item in counts]
    write_counts(counts_path(path), rows, recipe or make_recipe())


def bad_night(images=30):
    rng = np.random.default_rng(2)
    night = make_night(rng, NIGHT)
    night[3] = Counts.of(BAD, "02a", NIGHT, rng.beta(*BETAS[0], images), stand_out(rng, images), 0)
    return night


def judged(folder, counts, recipe=None, **options):
    output = folder / "new.csv"
    return judge(counts, Breaker(**options), recipe or make_recipe(), output=output)


def statuses(judgement):
    return {item.name: item.status for item in judgement.exposures}


def test_the_nights_beside_the_output_are_what_a_run_is_compared_with(nights, caplog):
    judgement = judged(nights, bad_night())
    assert judgement.held == {("02a", BAD)}
    assert judgement.compared_with == {"02a": (160, 20)}
    assert set(statuses(judgement).values()) == {HELD, PASSED}
    assert judgement.results["held"][BAD].startswith("0 of 30 scores above 0.8")
    assert not caplog.records


@pytest.mark.parametrize(
    "recipe",
    [
        make_recipe(survey="atlas", database="atlas4", listid=5),
        make_recipe(survey="atlas", database="other", listid=4),
        make_recipe(survey="atlas", database="atlas4", objects=[1, 2]),
    ],
)
def test_nights_of_another_list_are_compared_with_only_if_asked_for(nights, recipe, caplog):
    judgement = judged(nights, bad_night(), recipe)
    assert set(statuses(judgement).values()) == {UNCHECKED}
    assert "camera 02a is not compared with earlier nights: 0 exposures of 0" in caplog.text
    for reference in ([nights], [nights / f"{night}.csv" for night in range(20)]):
        assert judged(nights, bad_night(), recipe, reference=reference).held


def test_too_few_nights_are_said_and_nothing_is_held(tmp_path, caplog):
    for night in range(NIGHTS - 1):
        counts = make_night(np.random.default_rng(night), 58310 + night)
        write_night(tmp_path / f"{night}.csv", counts)
    judgement = judged(tmp_path, bad_night())
    assert not judgement.held
    assert f"72 exposures of {NIGHTS - 1} nights are accepted, and 40 of 10" in caplog.text


def test_held_exposures_are_no_reference_and_released_ones_are(nights):
    rng = np.random.default_rng(9)
    for night, status in ((30, HELD), (31, RELEASED), (32, UNCHECKED)):
        write_night(nights / f"{night}.csv", make_night(rng, 58310 + night), status=status)
    assert judged(nights, bad_night()).compared_with == {"02a": (176, 22)}


def test_an_exposure_counts_once_and_its_night_never_for_itself(nights):
    counts = make_night(np.random.default_rng(1), 58310)  # as in the first night
    write_night(nights / "again.csv", counts)
    assert judged(nights, bad_night()).compared_with == {"02a": (160, 20)}
    assert judged(nights, counts).compared_with == {"02a": (152, 19)}
    write_night(nights / "new.csv", bad_night())
    write_night(nights / "an_hour_before.csv", bad_night())
    assert judged(nights, bad_night()).compared_with == {"02a": (160, 20)}
    assert judged(nights, bad_night()).held


def test_what_waits_for_long_does_not_use_up_the_reference(nights):
    again = make_nights(np.random.default_rng(1), 20)
    judgement = judged(nights, [*again, *bad_night(images=60)])
    assert judgement.compared_with == {"02a": (160, 20)}
    assert judgement.held == {("02a", BAD)}


def test_nights_of_the_same_classifier_come_first(nights, caplog):
    caplog.set_level("INFO")
    other = make_recipe("b", name="classifier[02a]")
    judgement = judged(nights, bad_night(), other)
    assert judgement.held
    assert "02a is compared with the nights of another classifier" in caplog.text
    rng = np.random.default_rng(3)
    for night in range(NIGHTS):
        counts = make_night(rng, 58340 + night, fraction=0.1)
        write_night(nights / f"b{night}.csv", counts, recipe=make_recipe("b"))
    judgement = judged(nights, bad_night(), other)
    assert judgement.compared_with == {"02a": (80, 10)}


@pytest.mark.parametrize("release", ["all", f"02a/{NIGHT}", BAD])
def test_what_is_released_is_not_held_but_said(nights, release, caplog):
    judgement = judged(nights, bad_night(), release=[release])
    assert not judgement.held
    assert statuses(judgement)[BAD] == RELEASED
    assert list(judgement.results["released"]) == [BAD]
    assert not report_held(nights / "new.csv", judgement.results)
    assert "1 would be held back and are released" in caplog.text


def test_an_exposure_of_a_held_night_is_released_by_its_name(nights):
    counts = make_night(np.random.default_rng(4), NIGHT, fraction=0.35, exposures=30)
    names = {item.name for item in counts}
    judgement = judged(nights, counts)
    assert f"02a/{NIGHT}" in judgement.results["held"]
    first = sorted(names)[0]
    again = judged(nights, counts, release=[first])
    assert {name for _, name in judgement.held} - {name for _, name in again.held} == {first}
    assert not judged(nights, counts, release=sorted(names)).results["held"]


def test_a_release_of_something_else_is_an_error(nights):
    with pytest.raises(ConfigError, match=r"release: '02a58400o0003d' is no exposure of this run"):
        judged(nights, bad_night(), release=[f"02a{NIGHT}o0003d"])


def test_no_false_alarms_at_all_compare_nothing(nights, caplog):
    judgement = judged(nights, bad_night(), false_alarms=0.0)
    assert not judgement.held
    assert set(statuses(judgement).values()) == {UNCHECKED}
    assert not caplog.records


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"false_alarms": 1.0}, r"falseAlarms must be from 0.*; got 1.0"),
        ({"false_alarms": -0.1}, r"falseAlarms must be from 0.*; got -0.1"),
        ({"false_alarms": float("nan")}, "falseAlarms must be"),
    ],
)
def test_what_is_not_allowed_is_said(options, part):
    with pytest.raises(ConfigError, match=part):
        require_breaker(Breaker(**options))


def test_a_reference_that_is_not_there_is_said(tmp_path):
    with pytest.raises(ConfigError, match=r"reference: .*a.exposures.csv does not exist"):
        require_breaker(Breaker(reference=[tmp_path / "a.csv"]))
    with pytest.raises(ConfigError, match=r"reference: .* holds no table of exposures"):
        require_breaker(Breaker(reference=[tmp_path]))


def test_a_damaged_reference_is_said(nights):
    (nights / "3.exposures.csv").write_text("x,y\n1,2\n")
    with pytest.raises(FormatError, match=r"3.exposures.csv: has no column"):
        judged(nights, bad_night(), reference=[nights])


def test_the_table_and_the_picture_tell_what_is_held(nights, caplog):
    output = nights / "new.csv"
    judgement = judged(nights, bad_night())
    recipe = Recipe("score", {}, {}, judgement.results)
    write_judgement(output, judgement, recipe)
    (row,) = [item for item in read_counts(counts_path(output)) if item.status == HELD]
    assert row.reason == f"{BAD}: {judgement.results['held'][BAD]}"
    assert plot_path(output).read_bytes().startswith(b"\x89PNG")
    assert report_held(output, recipe.results)
    assert f"{BAD} is held back: 0 of 30" in caplog.text
    assert f"--release {BAD}" in caplog.text
    good = judged(nights, make_nights(np.random.default_rng(7), 1))
    write_judgement(output, good, recipe)
    assert not plot_path(output).exists()
