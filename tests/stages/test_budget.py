import pytest

from realbogus.errors import ConfigError, FormatError
from realbogus.stages.budget import find_budget


@pytest.fixture
def scores(tmp_path):
    """Write 100 real objects with two detections each, and 200 bogus with one."""
    real = [f"r{i}_{d},1,{0.5 + i / 250 + d / 1000:.4f}\n" for i in range(100) for d in (0, 1)]
    bogus = [f"b{i}_0,0,{i / 250:.4f}\n" for i in range(200)]
    (tmp_path / "scores.csv").write_text("".join(real + bogus))
    return tmp_path / "scores.csv"


def test_budget_counts_objects_by_their_median(scores):
    lines = find_budget(scores, candidates=3000, ratio=2, mdr=0.05)
    assert lines[0] == "threshold: 0.5165"
    assert lines[1].startswith("eyeballs a night: 1660 (1469 to 1830) of 3000, of which 1000 are")
    assert "of 200 bogus objects" in lines[2]
    assert lines[3].startswith("missed detection rate: 4.0% (1.1 to 9.9%), of 100 real objects")


def test_eyeballs_give_a_threshold_that_keeps_them(scores):
    lines = find_budget(scores, candidates=3000, ratio=2, eyeballs=1500)
    assert lines[0] == "threshold: 0.6000001"
    assert float(lines[1].split()[3]) <= 1500


def test_object_of_both_kinds_is_an_error(tmp_path):
    (tmp_path / "scores.csv").write_text("7_a,1,0.9\n7_b,0,0.1\n")
    with pytest.raises(FormatError, match="object '7' is there as real and as bogus"):
        find_budget(tmp_path / "scores.csv", candidates=3000, ratio=2, mdr=0.05)


def test_one_kind_alone_is_an_error(tmp_path):
    (tmp_path / "scores.csv").write_text("7_a,1,0.9\n")
    with pytest.raises(FormatError, match="has no bogus objects"):
        find_budget(tmp_path / "scores.csv", candidates=3000, ratio=2, mdr=0.05)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"candidates": 0, "mdr": 0.1}, "candidates must be above 0; got 0"),
        ({"ratio": -1, "mdr": 0.1}, "ratio must be above 0; got -1"),
        ({"eyeballs": float("nan")}, "eyeballs must be above 0; got nan"),
        ({"mdr": 1.5}, "give eyeballs, or an mdr between 0 and 1"),
        ({}, "give eyeballs, or an mdr between 0 and 1"),
    ],
)
def test_number_that_is_not_allowed_is_an_error(scores, options, message):
    with pytest.raises(ConfigError, match=message):
        find_budget(scores, **{"candidates": 3000, "ratio": 2, **options})
