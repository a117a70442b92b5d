import numpy as np
import pytest

from realbogus.models.backend import keras
from realbogus.models.hiding import HidePsf
from realbogus.models.orientations import ORIENTATIONS, orient
from realbogus.models.prediction import predict
from realbogus.models.registry import SYMMETRIC, WANT_PSF, build_model
from realbogus.models.symmetry import Fovea, OrientedConv
from realbogus.seeing import UNKNOWN


def about_the_source(stamps, element):
    """Turn or mirror stamps about their source, beside the middle where the side is even.

    The first pixel stays: it may say how wide the PSF is, and else no symmetric network sees it.
    """
    turned, first = stamps.copy(), 1 - stamps.shape[1] % 2
    turned[:, first:, first:] = [orient(stamp, element) for stamp in stamps[:, first:, first:]]
    turned[:, 0, 0] = stamps[:, 0, 0]
    return turned


def test_the_eight_orientations_are_all_different_and_closed():
    grid = np.arange(9).reshape(3, 3)
    all_of_them = {orient(grid, e).tobytes() for e in range(ORIENTATIONS)}
    assert len(all_of_them) == ORIENTATIONS
    twice = {orient(orient(grid, a), b).tobytes() for a in range(8) for b in range(8)}
    assert twice == all_of_them


@pytest.mark.parametrize("name", SYMMETRIC)
@pytest.mark.parametrize("side", [10, 20, 21, 30, 32, 40])
def test_the_score_does_not_depend_on_the_direction(name, side):
    rng = np.random.default_rng(side)
    stamps = rng.normal(0, 2, (6, side, side)).astype(np.float32)
    turned = [about_the_source(stamps, element) for element in range(ORIENTATIONS)]
    scores = predict(network(name, side), np.concatenate(turned)).reshape(ORIENTATIONS, 6)
    assert scores[0].std() > 1e-3
    for element in range(1, ORIENTATIONS):
        np.testing.assert_allclose(
            scores[element], scores[0], rtol=0, atol=1e-5, err_msg=f"orientation {element}"
        )


_MADE = {}


def network(name, side):
    if (name, side) not in _MADE:
        keras.utils.set_random_seed(side)
        _MADE[name, side] = build_model(name, side)
    return _MADE[name, side]


@pytest.mark.parametrize("name", SYMMETRIC)
@pytest.mark.parametrize("side", [20, 32])
def test_only_a_network_that_wants_to_know_reads_the_first_pixel(name, side):
    stamps = np.random.default_rng(side).normal(0, 2, (6, side, side)).astype(np.float32)
    other = stamps.copy()
    other[:, 0, 0] += 1
    difference = predict(network(name, side), other) - predict(network(name, side), stamps)
    assert (np.abs(difference).max() > 1e-4) == (name in WANT_PSF)


def test_the_maps_say_how_wide_the_psf_is_and_whether_that_is_known():
    stamps = np.ones((3, 20, 20), np.float32)
    stamps[:, 0, 0] = 0, -1.5, UNKNOWN
    maps = np.asarray(Fovea(psf=True)(stamps[..., np.newaxis]))
    for stamp, told in zip(maps, [(0, 1), (-1.5, 1), (0, 0)], strict=True):
        assert (stamp[..., -2:] == np.float32(told)).all()
    np.testing.assert_array_equal(maps[..., :-2], np.asarray(Fovea()(stamps[..., np.newaxis])))


def test_a_width_that_is_not_known_is_no_usual_one():
    stamps = np.random.default_rng(0).normal(0, 2, (6, 20, 20)).astype(np.float32)
    scores = []
    for width in (0, UNKNOWN):
        stamps[:, 0, 0] = width
        scores.append(predict(network("d4psf", 20), stamps))
    assert np.abs(scores[0] - scores[1]).max() > 1e-3


def test_the_psf_is_hidden_from_a_share_of_the_stamps_in_training_alone():
    keras.utils.set_random_seed(0)
    stamps = np.random.default_rng(0).normal(size=(2000, 6, 6, 1)).astype(np.float32)
    layer = HidePsf(0.2)
    np.testing.assert_array_equal(layer(stamps), stamps)
    first, second = (np.asarray(layer(stamps, training=True)) for _ in range(2))
    for found in (first, second):
        is_hidden = found[:, 0, 0, 0] == UNKNOWN
        assert 0.16 < is_hidden.mean() < 0.24
        np.testing.assert_array_equal(found[~is_hidden], stamps[~is_hidden])
        np.testing.assert_array_equal(found[:, 1:], stamps[:, 1:])
        np.testing.assert_array_equal(found[:, 0, 1:], stamps[:, 0, 1:])
    assert (first != second).any()
    keras.utils.set_random_seed(0)
    np.testing.assert_array_equal(HidePsf(0.2)(stamps, training=True), first)


def test_the_documented_network_depends_on_the_direction():
    stamps = np.random.default_rng(0).normal(0, 2, (6, 20, 20)).astype(np.float32)
    model = build_model("psat", 20)
    difference = predict(model, about_the_source(stamps, 1)) - predict(model, stamps)
    assert np.abs(difference).max() > 1e-3


def test_a_turned_picture_gives_turned_maps():
    """The maps turn, and each orientation's map moves to the place of the turned orientation."""
    first, second = OrientedConv(2, 3, lifts=True), OrientedConv(3, 3)
    picture = np.random.default_rng(1).normal(size=(9, 9)).astype(np.float32)
    maps = np.asarray(second(first(picture[None, ..., None])))[0].reshape(9, 9, ORIENTATIONS, 3)
    turned = np.asarray(second(first(orient(picture, 1)[None, ..., None])))[0]
    expected = orient(maps, 1)
    found = turned.reshape(9, 9, ORIENTATIONS, 3)
    for filter_ in range(3):
        for element in range(ORIENTATIONS):
            same = [
                np.allclose(
                    found[:, :, element, filter_], expected[:, :, other, filter_], atol=1e-5
                )
                for other in range(ORIENTATIONS)
            ]
            assert sum(same) == 1
