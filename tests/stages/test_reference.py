"""A table beside a classifier has what good nights are like, without those that were not."""

from dataclasses import replace

import numpy as np
import pytest

from realbogus.breaker import NIGHTS
from realbogus.counts import HELD, PASSED, Counts, counts_path, read_counts, write_counts
from realbogus.errors import ConfigError
from realbogus.holding import Breaker, judge
from realbogus.models.registry import build_model
from realbogus.models.storage import save_model
from realbogus.provenance import identify
from realbogus.recipes import Recipe
from realbogus.scores import read_score_recipe
from realbogus.stages.reference import write_reference
from tests.helpers import make_recipe, save_untrained
from tests.test_breaker import BETAS, make_night, stand_out

ALL = {"survey": "atlas", "database": "atlas4", "detections": [58310]}
LIST = {"survey": "atlas", "database": "atlas4", "listid": 4}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    return save_untrained(tmp_path_factory.mktemp("model") / "02a.h5")


@pytest.fixture
def model(trained, tmp_path):
    (tmp_path / "02a.h5").write_bytes(trained.read_bytes())
    return tmp_path / "02a.h5"


def write_nights(folder, model, options, *, nights=NIGHTS + 2, bad=None, status=PASSED):
    """Write the tables of some nights that a classifier scored, one with a bad exposure."""
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(3)
    recipe = Recipe("score", options, {"classifier[02a]": identify(model)})
    for night in range(nights):
        counts = make_night(rng, 58310 + night, images=100)
        if night == bad:
            scores = rng.beta(*BETAS[0], 100)
            spoiled = stand_out(rng, 100, noise=3)
            counts[3] = Counts.of(counts[3].name, "02a", 58310 + night, scores, spoiled, 0)
        rows = [replace(item, status=status) for item in counts]
        write_counts(counts_path(folder / f"{night}.csv"), rows, recipe)
    return folder


@pytest.mark.parametrize(("options", "kind"), [(ALL, "detections"), (LIST, "list4")])
def test_the_table_is_found_beside_the_classifier_from_the_first_night_on(
    model, tmp_path, caplog, options, kind
):
    lines = write_reference(model, [write_nights(tmp_path / "scores", model, options)])
    table = model.with_name(f"02a.{kind}.exposures.csv")
    assert lines == [f"camera 02a: {8 * (NIGHTS + 2)} exposures of {NIGHTS + 2} nights", str(table)]
    assert read_score_recipe(table).inputs["classifier"] == identify(model)
    (tmp_path / "elsewhere").mkdir()
    rng = np.random.default_rng(8)
    night = make_night(rng, 58400, images=100)
    night[2] = Counts.of(night[2].name, "02a", 58400, rng.beta(*BETAS[0], 100), np.zeros(100), 0)
    for database in ("atlas4", "another"):
        run = {**options, "database": database}
        recipe = Recipe("score", run, {"classifier": identify(model)})
        output = tmp_path / "elsewhere" / "first.csv"
        judgement = judge(night, Breaker(classifiers=[model]), recipe, output=output)
        assert judgement.held == {("02a", night[2].name)}
    assert not caplog.records
    other = {"survey": "atlas", "database": "atlas4", "listid": 5}
    recipe = Recipe("score", other, {"classifier": identify(model)})
    assert not judge(night, Breaker(classifiers=[model]), recipe, output=output).references


def test_what_departs_from_the_other_nights_is_left_out_and_named(model, tmp_path):
    folder = write_nights(tmp_path / "scores", model, ALL, bad=4)
    lines = write_reference(model, [folder])
    assert lines[0].startswith("02a58314o0003c departs from other nights: ")
    assert lines[1] == f"camera 02a: {8 * (NIGHTS + 2) - 1} exposures of {NIGHTS + 2} nights"
    kept = read_counts(model.with_name("02a.detections.exposures.csv"))
    assert "02a58314o0003c" not in {item.name for item in kept}
    assert "departs" not in write_reference(model, [folder], false_alarms=0)[0]


def test_what_was_held_back_is_left_out(model, tmp_path):
    good = write_nights(tmp_path / "scores", model, ALL)
    held = write_nights(tmp_path / "held", model, ALL, status=HELD)
    write_reference(model, [good, held / "3.csv"])
    kept = read_counts(model.with_name("02a.detections.exposures.csv"))
    assert {item.status for item in kept} == {PASSED}


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"nights": NIGHTS - 1}, r"nothing is enough to compare with: camera 02a has too few"),
        ({"options": {"images": ["x"]}}, "is neither of a list nor of all detections"),
    ],
)
def test_what_is_no_reference_is_said(model, tmp_path, change, part):
    folder = write_nights(tmp_path / "s", model, **{"options": ALL, **change})
    with pytest.raises(ConfigError, match=part):
        write_reference(model, [folder])
    assert not list(tmp_path.glob("*.exposures.csv"))


def test_a_mixture_or_another_classifier_is_said(model, tmp_path):
    lists = write_nights(tmp_path / "lists", model, LIST)
    every = write_nights(tmp_path / "all", model, ALL)
    with pytest.raises(ConfigError, match="of another survey or list than the first"):
        write_reference(model, [lists, every])
    other = tmp_path / "other.h5"
    recipe = make_recipe("train", model="psat", e=10, N="spn", seed=1)
    save_model(other, build_model("psat", 20), recipe)
    with pytest.raises(ConfigError, match="is of another classifier"):
        write_reference(other, [lists])
    with pytest.raises(
        ConfigError, match=r"falseAlarms must be from 0, for no comparison, to below 1; got 1"
    ):
        write_reference(model, [lists], false_alarms=1)
    with pytest.raises(ConfigError, match=r"classifier: .*none.h5 does not exist"):
        write_reference(tmp_path / "none.h5", [lists])
