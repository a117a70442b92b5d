"""Files of nights are joined in their order, or made anew where they can't be used."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pyarrow.parquet
import pytest

from realbogus.bench import Scorer
from realbogus.blocks import Cut
from realbogus.counts import Counts
from realbogus.detections import ExposureScores, ScoreJob
from realbogus.errors import FormatError
from realbogus.features import Treatment
from realbogus.nights import Found, NightFiles, hold_anew
from realbogus.parquet import open_parquet, read_parquet_recipe
from realbogus.surveys.atlas import Positions
from tests.helpers import make_recipe

NIGHTS = (58310, 58311)


@pytest.fixture
def files(tmp_path):
    recipes = {night: make_recipe("score", detections=[night]) for night in NIGHTS}
    return NightFiles(tmp_path / "d.parquet", recipes)


def exposure(night, number, n=3, problem=None):
    """Make what came of an exposure, whose last detection is masked."""
    ids = np.arange(10 * number, 10 * number + n, dtype=np.uint64)
    x = np.linspace(1, 2, n) + number
    obs = f"02a{night}o{number:04d}c"
    job = ScoreJob(
        obs, None, Scorer(None, "", Treatment(Cut(10), "spn")), Positions(*[ids] * 2, *[x] * 3)
    )
    if problem is not None:
        return job, ExposureScores.none(job, problem)
    scores = np.append(np.linspace(0, 1, n - 1), np.nan)
    faults = np.array([*[""] * (n - 1), "masked"])
    return job, ExposureScores(scores, faults, np.linspace(3, 9, n, dtype=np.float32))


def write(files, night, *exposures):
    with files.open(night) as file:
        for job, done in exposures:
            file.add(job, done, is_fallback=False)


def test_the_whole_has_the_rows_and_the_counts_of_all_nights(files):
    write(files, 58310, exposure(58310, 1), exposure(58310, 2, problem="no such file"))
    write(files, 58311, exposure(58311, 3))
    found = files.found()
    assert found.results == {
        "exposures": 3,
        "detections": 9,
        "scored": 4,
        "by_fallback": 0,
        "faults": {"masked": 2, "image": 3},
        "missing": ["02a58310o0002c"],
        "counts": [vars(item) for item in found.counts],
    }
    assert found.counts == [
        Counts("02a58310o0001c", "02a", 58310, 2, 1, (1, 1, 1, 1, 1), (1, 0)),
        Counts("02a58311o0003c", "02a", 58311, 2, 1, (1, 1, 1, 1, 1), (1, 0)),
    ]
    files.join(make_recipe("score", detections=[*NIGHTS]))
    table = pyarrow.parquet.read_table(files.output)
    assert table["detection"].to_pylist() == [10, 11, 12, 20, 21, 22, 30, 31, 32]
    assert table["score"].to_pylist() == [0, 1, None, None, None, None, 0, 1, None]
    assert read_parquet_recipe(files.output).options["detections"] == [*NIGHTS]
    assert list(files.output.parent.iterdir()) == [files.output]


def test_scores_that_are_held_are_kept_apart_and_come_back(files):
    write(files, 58310, exposure(58310, 1), exposure(58310, 2))
    write(files, 58311, exposure(58311, 3))
    found = files.found()
    files.join(make_recipe("score"), ["02a58310o0002c"])
    held = pyarrow.parquet.read_table(files.output)
    assert held["score"].to_pylist() == [0, 1, None, None, None, None, 0, 1, None]
    assert held["held_score"].to_pylist() == [*[None] * 3, 0, 1, None, *[None] * 3]
    assert held["fault"].to_pylist() == [
        *(None, None, "masked", "held", "held", "masked", None, None, "masked")
    ]
    assert found.judged(["02a58310o0002c"]).results == {
        **{name: value for name, value in found.results.items() if name != "counts"},
        "scored": 4,
        "faults": {"masked": 3, "held": 2},
    }
    hold_anew(files.output, make_recipe("score", release=["all"]), [])
    free = pyarrow.parquet.read_table(files.output)
    assert free["score"].to_pylist() == [0, 1, None, 0, 1, None, 0, 1, None]
    assert free["held_score"].null_count == free.num_rows
    assert free["fault"].to_pylist() == [None, None, "masked"] * 3
    assert read_parquet_recipe(files.output).options == {"release": ["all"]}
    hold_anew(files.output, make_recipe("score"), ["02a58310o0002c"])
    assert pyarrow.parquet.read_table(files.output).equals(held)


def test_what_is_no_longer_held_counts_again():
    counts = [Counts("02a58310o0001c", "02a", 58310, 5, 1, (1,) * 5, (1, 1))]
    found = replace(Found(2, 12, 10, counts=counts), faults=Counter({"masked": 2}))
    held = found.judged(["02a58310o0001c"])
    assert (held.scored, held.faults) == (5, {"masked": 2, "held": 5})
    assert replace(held, counts=counts).judged([]) == replace(found, counts=[])


def test_only_whole_files_of_the_same_recipe_are_finished(files):
    write(files, 58310, exposure(58310, 1))
    write(files, 58311, exposure(58311, 2))
    assert files.finished() == [*NIGHTS]
    other = replace(files, recipes={**files.recipes, 58310: make_recipe("score", detections=[1])})
    assert other.finished() == [58311]
    (files.output.parent / "d.nights" / "58311.parquet").write_bytes(b"PAR1")
    assert files.finished() == [58310]


def test_a_night_that_fails_leaves_no_file(files):
    with pytest.raises(KeyError), files.open(58310) as file:
        file.add(*exposure(58310, 1), is_fallback=False)
        raise KeyError
    assert files.finished() == []
    files.remove()
    assert list(files.output.parent.iterdir()) == []


@pytest.mark.parametrize(
    ("recipe", "part"),
    [(None, "does not say what made it"), (make_recipe("score"), "does not say what it holds")],
)
def test_a_file_that_does_not_say_what_it_holds_is_not_used(files, recipe, part):
    with open_parquet(files.output.parent / "d.nights" / "58310.parquet", []) as file:
        file.recipe = recipe
    assert files.finished() == []
    with pytest.raises(FormatError, match=part):
        files.of([58310]).found()


def test_nothing_found_is_nothing():
    assert Found.sum([]).results == Found().results
