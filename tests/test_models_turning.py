import numpy as np
import onnxruntime
import pytest

from realbogus.errors import ModelError
from realbogus.models.backend import keras
from realbogus.models.committee import join, members
from realbogus.models.engines import ENGINES
from realbogus.models.onnx_export import export_onnx
from realbogus.models.orientations import ORIENTATIONS
from realbogus.models.prediction import predict
from realbogus.models.registry import build_model
from realbogus.models.storage import load_model, save_model
from realbogus.models.turning import is_turned, turn, unturned
from tests.helpers import make_recipe
from tests.test_models_committee import make_stamps
from tests.test_models_symmetry import about_the_source


def networks(count=1, side=20):
    keras.utils.set_random_seed(0)
    return join([build_model("psat", side) for _ in range(count)])


def mean_by_hand(model, stamps):
    turned = [about_the_source(stamps, element) for element in range(ORIENTATIONS)]
    each = np.array([predict(model, some) for some in turned])
    assert np.abs(each - each[0]).max() > 1e-2
    return each.mean(axis=0)


@pytest.mark.parametrize("side", [20, 32])
@pytest.mark.parametrize("count", [1, 2])
def test_the_score_is_the_mean_over_the_orientations(count, side):
    model, stamps = networks(count, side), make_stamps(side=side)
    turned = turn(model)
    found = predict(turned, stamps)
    np.testing.assert_allclose(found, mean_by_hand(model, stamps), rtol=0, atol=1e-6)
    again = predict(turned, about_the_source(stamps, 5))
    np.testing.assert_allclose(again, found, rtol=0, atol=1e-6)
    assert unturned(turned) is model
    assert (is_turned(turned), is_turned(model)) == (True, False)
    assert members(turned) == members(model)


@pytest.mark.parametrize("suffix", [".h5", ".keras"])
@pytest.mark.parametrize("count", [1, 2])
def test_a_saved_one_scores_the_same_by_every_engine_if_its_recipe_says_so(count, suffix, tmp_path):
    path, stamps = tmp_path / f"model{suffix}", make_stamps(300)
    model = networks(count)
    made = {"model": "psat", "networks": count, "e": 10, "N": "noNorm", "m": None}
    save_model(path, turn(model), make_recipe("train", orientations=True, **made))
    for orientations, expected in (
        (True, predict(turn(model), stamps)),
        (None, predict(model, stamps)),
    ):
        recipe = make_recipe("train", orientations=orientations, **made)
        for engine in ("onnx", "keras"):
            found = ENGINES[engine](path, recipe, 20, None).predict(stamps)
            np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


def test_an_exported_one_scores_the_same(tmp_path):
    model, stamps = turn(networks(2)), make_stamps()
    export_onnx(tmp_path / "model.onnx", model, None)
    session = onnxruntime.InferenceSession(
        tmp_path / "model.onnx", providers=["CPUExecutionProvider"]
    )
    (found,) = session.run(["probabilities"], {"stamps": stamps[..., np.newaxis]})
    np.testing.assert_allclose(found[:, 1], predict(model, stamps), rtol=0, atol=1e-5)


@pytest.mark.parametrize("said", ["yes", 8, [True]])
def test_a_recipe_that_says_neither_yes_nor_no_is_one_line(said, tmp_path):
    path = tmp_path / "model.h5"
    recipe = make_recipe("train", model="psat", orientations=said)
    save_model(path, networks(), recipe)
    with pytest.raises(ModelError, match=r"model\.h5: its recipe says .* of orientations, not yes"):
        load_model(path, recipe, side=20)
    with pytest.raises(ModelError, match=r"model\.h5: its recipe says .* of orientations, not yes"):
        ENGINES["onnx"](path, recipe, 20, None)
