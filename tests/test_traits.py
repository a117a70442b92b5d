from dataclasses import replace

import numpy as np
import pytest

from realbogus.dataset import GIVEN_TRAITS, read_columns, read_part
from realbogus.errors import DatasetError
from realbogus.scores import Scores, read_scores
from realbogus.traits import TITLES, groups_of, match, read_traits


def make_scores(names, objects=None):
    count = len(names)
    objects = np.array(objects or [name.partition("_")[0] for name in names])
    return Scores(np.array(names), objects, np.ones(count, np.int8), np.full(count, 0.5))


@pytest.fixture
def shuffled(dataset, trained):
    scores = read_scores(trained / "scores.csv")
    order = np.random.default_rng(0).permutation(len(scores))[:50]
    return Scores(*(getattr(scores, n)[order] for n in ("names", "objects", "targets", "scores")))


def test_traits_come_from_the_rows_of_the_data_set_in_any_order(dataset, shuffled):
    traits = read_traits(shuffled, dataset)
    part = read_part(dataset, "test")
    assert list(part.names[traits.rows]) == list(shuffled.names)
    np.testing.assert_array_equal(traits.values["mag"], part.mag[traits.rows])
    assert list(traits.values) == [name for name in TITLES if name not in GIVEN_TRAITS]
    assert set(traits.values["night"]) == {58310, 58311}


def test_detections_that_the_data_set_has_not_are_an_error(dataset, shuffled):
    other = replace(shuffled, names=np.array([f"{name}x" for name in shuffled.names]))
    with pytest.raises(DatasetError, match=r"dataset\.h5: its test part has no '"):
        read_traits(other, dataset)


def test_without_a_data_set_the_names_say_camera_filter_and_night():
    values = read_traits(make_scores(["1_02a58310o0123c_7.fits", "1_03a58311o0123o_8.fits"]), None)
    assert list(values.values["camera"]) == ["02a", "03a"]
    assert list(values.values["filter"]) == ["c", "o"]
    assert list(values.values["night"]) == [58310, 58311]
    assert values.rows is None


def test_names_that_say_nothing_give_no_traits():
    assert read_traits(make_scores(["a.fits", "b.fits"]), None).values == {}


def test_the_same_name_of_two_objects_is_told_apart_by_the_object():
    there = make_scores(["c[1]", "c[1]"], ["7", "8"])
    assert list(match(make_scores(["c[1]", "c[1]"], ["8", "7"]), there)) == [1, 0]


def test_detections_that_can_not_be_told_apart_are_matched_only_in_order():
    twice = make_scores(["a", "a", "b"])
    assert list(match(twice, twice)) == [0, 1, 2]
    with pytest.raises(DatasetError, match="can't be told apart"):
        match(make_scores(["b", "a", "a"]), twice)


@pytest.mark.parametrize("name", [name for name in TITLES if name not in GIVEN_TRAITS])
def test_every_detection_of_which_a_trait_is_known_is_in_one_group(dataset, name):
    part = read_columns(dataset, "test")
    values = {"mag": part.mag, **part.traits}[name]
    groups = groups_of(name, values)
    assert all(mask.any() for mask in groups.values())
    known = np.isfinite(values) if values.dtype.kind == "f" else np.ones(len(values), bool)
    np.testing.assert_array_equal(sum(mask.astype(int) for mask in groups.values()), known)


def test_numbers_are_grouped_between_edges():
    groups = groups_of("snr", np.array([4, 5, 6, 60, np.nan]))
    assert {label: mask.sum() for label, mask in groups.items()} == {
        "below 5": 1,
        "5 to 7": 2,
        "50 and more": 1,
    }


def test_magnitudes_are_grouped_by_whole_ones():
    values = np.linspace(15.2, 19.8, 1000)
    assert list(groups_of("mag", values)) == [
        *("below 16", "16 to 17", "17 to 18", "18 to 19", "19 and more"),
    ]


def test_one_magnitude_makes_one_group():
    assert len(groups_of("mag", np.full(9, 18.2))) == 1


def test_unknown_words_and_nights_are_in_no_group():
    assert list(groups_of("camera", np.array(["02a", "", "01a"]))) == ["01a", "02a"]
    assert list(groups_of("night", np.array([58310, -1]))) == ["58310"]
