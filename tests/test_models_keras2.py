"""Classifiers that Keras 2 wrote, as the predecessor has them."""

import json
import warnings

import h5py
import numpy as np
import pytest
import tf_keras

from realbogus.errors import ModelError
from realbogus.models.engines import ENGINES
from realbogus.models.files import read_model_recipe
from realbogus.models.prediction import predict
from realbogus.models.storage import load_model

LAYERS = tf_keras.layers
SEED = 1
STAMPS = np.random.default_rng(0).normal(0, 1.5, (50, 20, 20)).astype(np.float32)


def documented():
    stack = [LAYERS.Input((20, 20, 1))]
    for filters in (16, 32, 64):
        stack.append(LAYERS.Conv2D(filters, 2, padding="same", activation="relu"))
        stack.append(LAYERS.MaxPooling2D(pool_size=2))
    return [
        *stack,
        LAYERS.Dropout(0.3),
        LAYERS.Flatten(),
        LAYERS.Dense(500, activation="relu"),
        LAYERS.Dropout(0.4),
        LAYERS.Dense(2, activation="softmax"),
    ]


def another():
    """Make a network of other layers, with one score, as a team may have changed it."""
    return [
        LAYERS.Conv2D(8, (3, 3), strides=2, input_shape=(20, 20, 1), use_bias=False),
        LAYERS.BatchNormalization(epsilon=0.01),
        LAYERS.Activation("elu"),
        LAYERS.AveragePooling2D((2, 2), padding="same"),
        LAYERS.GlobalAveragePooling2D(),
        LAYERS.Dense(1, activation="sigmoid"),
    ]


@pytest.fixture(autouse=True)
def drawn_weights():
    """Draw the same weights whatever tests came before."""
    tf_keras.utils.set_random_seed(SEED)


def trained(stack):
    """Give a network whose weights are not those that it was made with."""
    model = tf_keras.Sequential(stack)
    rng = np.random.default_rng(SEED)
    weights = [w + rng.normal(0, 0.1, w.shape) for w in model.get_weights()]
    model.set_weights([np.abs(w) if w.ndim == 1 else w for w in weights])
    return model


def expected(model):
    return model.predict(STAMPS[..., np.newaxis], verbose=0)[:, -1]


def save(model, path, *, whole=True):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # Keras 2 itself prefers another format
        model.save(path, save_format="h5") if whole else model.save_weights(path)
    return path


@pytest.mark.parametrize("stack", [documented, another])
def test_a_full_model_scores_as_under_keras_2(stack, tmp_path):
    model = trained(stack())
    path = save(model, tmp_path / "old.h5")
    assert read_model_recipe(path) is None
    scores = predict(load_model(path, None, side=20), STAMPS)
    assert scores.std() > 1e-3
    np.testing.assert_allclose(scores, expected(model), rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", ["old.h5", "old.weights.h5"])
def test_weights_alone_score_as_under_keras_2(name, tmp_path):
    model = trained(documented())
    path = save(model, tmp_path / name, whole=False)
    scores = predict(load_model(path, None, side=20), STAMPS)
    np.testing.assert_allclose(scores, expected(model), rtol=0, atol=1e-5)


def change(path, **changes):
    """Change the description of the first convolution in a file."""
    with h5py.File(path, "r+") as file:
        content = json.loads(file.attrs["model_config"])
        config = next(x for x in content["config"]["layers"] if x["class_name"] == "Conv2D")
        config["config"] |= changes
        file.attrs["model_config"] = json.dumps(content)


def test_the_description_of_early_versions_is_read_too(tmp_path):
    model = trained(documented())
    path = save(model, tmp_path / "old.h5")
    with h5py.File(path, "r+") as file:
        content = json.loads(file.attrs["model_config"])
        file.attrs["model_config"] = json.dumps({**content, "config": content["config"]["layers"]})
    scores = predict(load_model(path, None, side=20), STAMPS)
    np.testing.assert_allclose(scores, expected(model), rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"activation": "__main__.evil"}, "activation must be one of elu, linear"),
        ({"padding": "causal"}, "padding must be one of same, valid"),
        ({"filters": 10**9}, "filters is 1000000000"),
        ({"filters": {"class_name": "Evil"}}, "filters is {'class_name': 'Evil'}"),
        ({"data_format": "channels_first"}, "channels come last"),
        ({"filters": 17}, "does not hold weights of the network 'that it describes'"),
    ],
)
def test_options_that_are_not_plain_numbers_and_words_are_one_line(tmp_path, changes, message):
    path = save(trained(documented()), tmp_path / "old.h5")
    change(path, **changes)
    with pytest.raises(ModelError, match=message):
        load_model(path, None, side=20)


def test_a_network_for_another_side_is_one_line(tmp_path):
    path = save(trained(documented()), tmp_path / "old.h5")
    with pytest.raises(ModelError, match=r"does not hold weights .* for 40 x 40 pixels"):
        load_model(path, None, side=40)


def test_a_network_of_more_classes_is_one_line(tmp_path):
    stack = [*documented()[:-1], LAYERS.Dense(3, activation="softmax")]
    path = save(trained(stack), tmp_path / "old.h5")
    with pytest.raises(ModelError, match=r"gives \(None, 3\) .* not the probabilities"):
        load_model(path, None, side=20)


def test_a_lambda_layer_of_keras_2_is_refused(tmp_path):
    model = trained([*documented(), LAYERS.Lambda(lambda scores: scores)])
    path = save(model, tmp_path / "old.h5")
    with pytest.raises(ModelError, match="has a layer 'Lambda', which may run code"):
        load_model(path, None, side=20)


@pytest.mark.parametrize("stack", [documented, another])
def test_a_full_model_scores_as_under_keras_2_in_onnx_runtime(stack, tmp_path):
    model = trained(stack())
    path = save(model, tmp_path / "old.h5")
    scores = ENGINES["onnx"](path, None, 20, None).predict(STAMPS)
    np.testing.assert_allclose(scores, expected(model), rtol=0, atol=1e-5)


def test_weights_alone_go_to_keras(tmp_path, caplog):
    model = trained(documented())
    path = save(model, tmp_path / "old.h5", whole=False)
    with caplog.at_level("INFO"):
        scores = ENGINES["auto"](path, None, 20, None).predict(STAMPS)
    assert "not ONNX Runtime" in caplog.text
    np.testing.assert_allclose(scores, expected(model), rtol=0, atol=1e-5)
