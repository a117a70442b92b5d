"""Scores of objects follow from those of their images."""

import numpy as np
import pytest
from astropy.table import Table

from realbogus.pooling import Pool, pool_images
from realbogus.scores import read_scores
from realbogus.verdicts import ImageScore, combine, faults_path, write_faults, write_verdicts
from tests.helpers import make_recipe


def images(name, *scores, camera="02a", **others):
    return [ImageScore(name, f"{name}_{n}.fits", camera, s, **others) for n, s in enumerate(scores)]


def one(*lists):
    (found,) = combine([image for some in lists for image in some])
    return found


def test_the_score_is_the_median_of_the_camera_with_most_images():
    found = one(images("7", 0.1, 0.2, 0.9), images("7", 0.95, 0.97, camera="04a"))
    assert found.score == 0.2
    assert found.images == 5
    assert found.cameras == {"02a": 0.2, "04a": pytest.approx(0.96)}
    assert found.spread == pytest.approx(np.std([0.1, 0.2, 0.9], ddof=1))


def test_of_cameras_with_as_many_images_the_first_by_name_counts():
    later, earlier = images("7", 0.3, camera="04a"), images("7", 0.6, camera="01a")
    assert one(later, earlier).score == one(earlier, later).score == 0.6


def test_the_calibrated_score_is_made_of_all_images_of_all_cameras():
    pools = {"02a": Pool(0.5, 1.1), "04a": Pool()}
    some = [*images("7", 0.1, 0.2, 0.9), *images("7", 0.95, 0.97, camera="04a")]
    (found,) = combine(some, rule="calibrated", pools=pools)
    scores = {"02a": [0.1, 0.2, 0.9], "04a": [0.95, 0.97]}
    assert found.score == pytest.approx(pool_images(scores, pools))
    assert found.spread == pytest.approx(np.std([0.1, 0.2, 0.9, 0.95, 0.97], ddof=1))
    assert found.cameras == one(some).cameras


def test_one_image_has_no_spread():
    assert one(images("7", 0.5)).spread is None


def test_images_without_a_score_count_only_in_the_flags():
    bad = images("7", np.nan, np.nan, camera="04a", fault="missing")
    found = one(images("7", 0.5), bad, images("7", 0.7, by_fallback=True))
    assert (found.score, found.images) == (pytest.approx(0.6), 2)
    assert found.cameras == {"02a": pytest.approx(0.6)}
    assert found.flags == "missing=2 fallback=1"


def test_an_object_without_images_has_no_score():
    found = one([ImageScore("7")])
    assert (found.score, found.images, found.spread, found.flags) == (None, 0, None, "no_images")


def test_the_file_is_sorted_and_reads_back(tmp_path):
    items = [*images("7", 0.25), ImageScore("8"), *images("9", 0.75, camera="04a")]
    write_verdicts(tmp_path / "s.csv", list(combine(items)), make_recipe("score"))
    table = Table.read(tmp_path / "s.csv", format="ascii.ecsv")
    assert list(table["object"]) == ["9", "7", "8"]
    assert table["score"].mask.tolist() == [False, False, True]
    assert table["score_04a"][0] == 0.75
    assert table.meta["recipe"] == make_recipe("score").to_json()
    assert read_scores(tmp_path / "s.csv", all_real=True).scores.tolist() == [0.75, 0.25]


def test_images_of_no_known_camera_have_a_column_too(tmp_path):
    write_verdicts(tmp_path / "s.csv", list(combine(images("7", 0.5, camera=""))), make_recipe())
    assert "score_unknown" in Table.read(tmp_path / "s.csv", format="ascii.ecsv").colnames


def test_a_list_of_faults_of_an_earlier_run_does_not_stay(tmp_path):
    path = faults_path(tmp_path / "s.csv")
    bad = images("7", np.nan, fault="missing", reason="7_0.fits: no such file, or so")
    write_faults(path, bad, make_recipe())
    table = Table.read(path, format="ascii.ecsv")
    assert table["reason"][0] == "7_0.fits: no such file, or so"
    write_faults(path, [], make_recipe())
    assert not list(tmp_path.iterdir())
