import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realbogus.errors import FormatError
from realbogus.known import KnownObjects, read_known_objects
from realbogus.metrics import median_scores
from realbogus.scores import Scores, write_scores
from tests.helpers import make_recipe

KNOWN = KnownObjects("good", np.array(["7", "8", "9", "3"]), np.array([0.1, 0.5, 0.5, 0.9]))


@given(st.lists(st.tuples(st.integers(0, 5), st.floats(0, 1)), min_size=1, max_size=30))
def test_the_score_of_an_object_is_the_median_of_its_detections(rows):
    objects, scores = map(np.array, zip(*rows, strict=True))
    found = dict(zip(*(part.tolist() for part in median_scores(objects, scores)), strict=True))
    assert found == {item: np.median(scores[objects == item]) for item in set(objects.tolist())}


@pytest.mark.parametrize(
    ("threshold", "missed"), [(0, 0), (0.1, 0), (0.3, 1), (0.5, 1), (0.51, 3), (1, 4)]
)
def test_an_object_at_the_threshold_is_found(threshold, missed):
    assert KNOWN.missed(threshold) == missed
    found = KNOWN.recall(threshold)
    assert found.value == 1 - missed / 4
    assert found.low <= found.value <= found.high


def test_the_detections_of_a_score_file_become_objects_the_lowest_first(tmp_path):
    scores = Scores(
        np.array(["c[1]", "c[2]", "c[3]"]),
        np.array(["7", "8", "7"]),
        np.ones(3, np.int8),
        np.array([0.9, 0.4, 0.5]),
    )
    write_scores(tmp_path / "good.csv", scores, make_recipe("score"))
    known = read_known_objects(tmp_path / "good.csv", "good")
    assert list(known.objects) == ["8", "7"]
    assert list(known.scores) == [0.4, 0.7]


@pytest.mark.parametrize("text", ["7,0.75\n8,0.5\n", "object,score\n7,0.75\n8,0.5\n"])
def test_objects_and_scores_alone_are_all_good(tmp_path, text):
    (tmp_path / "good.csv").write_text(text)
    assert list(read_known_objects(tmp_path / "good.csv", "good").objects) == ["8", "7"]


def test_a_list_with_bogus_is_an_error_that_names_one(tmp_path):
    (tmp_path / "good.csv").write_text("a_1.fits,1,0.5\nb_1.fits,0,0.5\n")
    with pytest.raises(FormatError, match=r"good\.csv: says that 1 are bogus, such as 'b_1\.fits'"):
        read_known_objects(tmp_path / "good.csv", "good")
