import numpy as np
import onnx
import onnxruntime
import pytest

from realbogus.__main__ import main
from realbogus.errors import ConfigError, ModelError
from realbogus.models.backend import keras, layers
from realbogus.models.graph import graph_of
from realbogus.models.onnx_export import export_onnx
from realbogus.models.prediction import predict
from realbogus.models.registry import ARCHITECTURES, build_model
from realbogus.models.storage import save_model
from realbogus.recipes import Recipe
from realbogus.stages.export import export_classifier
from tests.helpers import make_recipe, network_of_other_layers


def run_onnx(path, stamps):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(["probabilities"], {"stamps": stamps[..., np.newaxis]})[0]


def make_stamps(n, side):
    stamps = np.random.default_rng(n).normal(0, 2, (n, side, side)).astype(np.float32)
    stamps[::2, : side // 3] = 0  # masked
    return stamps


@pytest.mark.parametrize("name", ARCHITECTURES)
@pytest.mark.parametrize("extent", [10, 15, 16])
def test_every_network_scores_the_same_in_onnx_runtime(name, extent, tmp_path):
    keras.utils.set_random_seed(0)
    model = build_model(name, 2 * extent)
    save_model(tmp_path / "model.h5", model, make_recipe("train", model=name, e=extent))
    export_classifier(tmp_path / "model.h5", tmp_path / "model.onnx")
    for count in (1, 33):
        stamps = make_stamps(count, 2 * extent)
        found = run_onnx(tmp_path / "model.onnx", stamps)
        np.testing.assert_allclose(found[:, 1], predict(model, stamps), rtol=0, atol=1e-5)
        np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-5)


def test_layers_of_other_classifiers_are_exported_too(tmp_path):
    model = network_of_other_layers()
    export_onnx(tmp_path / "other.onnx", model, None)
    stamps = make_stamps(9, 20)
    found = run_onnx(tmp_path / "other.onnx", stamps)
    assert found.std() > 1e-3
    np.testing.assert_allclose(found[:, 0], predict(model, stamps), rtol=0, atol=1e-5)


def test_the_recipe_travels_along(tmp_path):
    recipe = make_recipe("train", model="psat", e=10)
    save_model(tmp_path / "model.h5", build_model("psat", 20), recipe)
    assert main(["export", str(tmp_path / "model.h5"), str(tmp_path / "model.onnx")]) == 0
    properties = {
        item.key: item.value for item in onnx.load(tmp_path / "model.onnx").metadata_props
    }
    assert Recipe.from_json(properties["recipe"]) == recipe


def test_a_layer_that_can_not_be_exported_is_one_line_and_leaves_nothing(tmp_path):
    model = keras.Sequential([keras.Input((20, 20, 1)), layers.UpSampling2D(), layers.Flatten()])
    with pytest.raises(ModelError, match=r"a layer UpSampling2D can't be exported: only Activ"):
        export_onnx(tmp_path / "model.onnx", model, None)
    assert list(tmp_path.iterdir()) == []


def test_a_network_that_would_score_otherwise_is_not_written(tmp_path, monkeypatch):
    keras.utils.set_random_seed(0)
    monkeypatch.setitem(graph_of.__globals__["_ACTIVATIONS"], "relu", "Neg")
    with pytest.raises(ModelError, match=r"the exported network differs from its original by"):
        export_onnx(tmp_path / "model.onnx", build_model("psat", 20), None)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"output": "model.pb"}, r"must end in \.onnx; got 'model\.pb'"),
        ({"side": 4}, "side must be at least 10 pixels; got 4"),
        ({"classifier": "none.h5"}, r"classifier: .*none\.h5 does not exist"),
    ],
)
def test_an_option_that_is_not_allowed_is_one_line(tmp_path, words, message):
    save_model(tmp_path / "model.h5", build_model("psat", 20), make_recipe("train", model="psat"))
    files = {"classifier": "model.h5", "output": "model.onnx", **words}
    with pytest.raises(ConfigError, match=message):
        export_classifier(
            tmp_path / files["classifier"], tmp_path / files["output"], side=files.get("side")
        )
