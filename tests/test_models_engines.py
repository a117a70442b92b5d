"""Networks score the same in ONNX Runtime as in Keras, straight from their files."""

import json
import subprocess
import sys
from threading import Barrier

import h5py
import numpy as np
import pytest

from realbogus.errors import ModelError
from realbogus.models.backend import keras
from realbogus.models.description import read_networks
from realbogus.models.engines import ENGINES
from realbogus.models.graph import graph_of
from realbogus.models.registry import ARCHITECTURES, build_model
from realbogus.models.storage import save_model
from realbogus.models.weights import read_trained_layers
from realbogus.parallel import map_ordered
from realbogus.seeing import UNKNOWN
from tests.helpers import make_recipe, network_of_other_layers

RECIPE = make_recipe("train", model="psat", e=10)


def make_stamps(n, side=20):
    stamps = np.random.default_rng(n).normal(0, 2, (n, side, side)).astype(np.float32)
    stamps[::2, : side // 3] = 0  # masked
    return stamps


def save(path, name="psat", side=20, seed=0):
    keras.utils.set_random_seed(seed)
    recipe = make_recipe("train", model=name, e=side // 2, N="noNorm", m=None)
    save_model(path, build_model(name, side), recipe)
    return path, recipe


def both(path, recipe, stamps):
    side = stamps.shape[1]
    return [ENGINES[name](path, recipe, side, None).predict(stamps) for name in ("onnx", "keras")]


@pytest.mark.parametrize("name", ARCHITECTURES)
@pytest.mark.parametrize(
    ("suffix", "side"), [(".h5", 20), (".keras", 20), (".h5", 32), (".h5", 15)]
)
def test_every_network_scores_as_in_keras(name, suffix, side, tmp_path):
    path, recipe = save(tmp_path / f"model{suffix}", name, side)
    stamps = make_stamps(300, side)
    stamps[::3, 0, 0] = UNKNOWN
    found, expected = both(path, recipe, stamps)
    assert found.std() > 1e-3
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("suffix", [".h5", ".keras"])
def test_a_predecessors_network_of_other_layers_scores_as_in_keras(suffix, tmp_path):
    model = network_of_other_layers()
    path = tmp_path / f"model{suffix}"
    model.save(path)
    found, expected = both(path, None, make_stamps(50))
    assert found.std() > 1e-3
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("kernel", "pool", "padding"),
    [
        (2, 3, [0, 0, 1, 1]),  # 2 of 20 rows are in no window, and the padding is 1
        (3, 7, [1, 1, 1, 1]),
        ((4, 5), 3, [1, 2, 0, 0]),  # 2 rows and 2 columns of 20 are in no window of 3
        (2, (2, 4), [0, 0, 1, 1]),
    ],
)
def test_pixels_that_no_pooling_asks_for_are_not_computed(kernel, pool, padding, tmp_path):
    layers = keras.layers
    stack = [
        keras.Input((20, 20, 1)),
        layers.Conv2D(4, kernel, padding="same", activation="tanh"),
        layers.BatchNormalization(),
        layers.ReLU(),
        layers.MaxPooling2D(pool),
        layers.Flatten(),
        layers.Dense(1, activation="sigmoid"),
    ]
    path = tmp_path / "model.h5"
    keras.Sequential(stack).save(path)
    made = graph_of(read_trained_layers(path, read_networks(path)), side=20)
    (found,) = (attributes for operator, *_, attributes in made.nodes if operator == "Conv")
    assert pads_of(found, kernel) == padding
    found, expected = both(path, None, make_stamps(50))
    assert found.std() > 1e-3
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


def pads_of(attributes, kernel):
    """Give the padding at the start and the end of both axes."""
    sides = (kernel, kernel) if isinstance(kernel, int) else kernel
    whole = [(side - 1) // 2 for side in sides] + [side // 2 for side in sides]
    return attributes.get("pads", whole)


def test_the_last_convolution_of_the_default_computes_four_rows_of_five(tmp_path):
    path, _ = save(tmp_path / "model.h5")
    made = graph_of(read_trained_layers(path, read_networks(path)), side=20)
    convolutions = [found for operator, *_, found in made.nodes if operator == "Conv"]
    assert [pads_of(found, 2) for found in convolutions] == [[0, 0, 1, 1]] * 2 + [[0, 0, 0, 0]]


def test_many_threads_may_ask_one_network(tmp_path):
    network = ENGINES["onnx"](*save(tmp_path / "model.h5"), 20, None)
    stamps = [make_stamps(n) for n in (300, 301, 302, 303)]
    expected = [network.predict(some) for some in stamps]
    barrier = Barrier(len(stamps))

    def ask(some):
        barrier.wait(timeout=20)
        return network.predict(some)

    for found, alone in zip(map_ordered(ask, stamps, workers=4), expected, strict=True):
        np.testing.assert_array_equal(found, alone)


def test_the_score_of_a_stamp_does_not_depend_on_its_neighbours(tmp_path):
    for name in ARCHITECTURES:
        network = ENGINES["onnx"](*save(tmp_path / f"{name}.h5", name), 20, None)
        stamps = make_stamps(257)
        alone = [network.predict(stamps[row : row + 1])[0] for row in (0, 100, 256)]
        np.testing.assert_allclose(network.predict(stamps)[[0, 100, 256]], alone, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("recipe", "change", "message"),
    [
        (
            make_recipe("train", model="o.py:f", e=10),
            {},
            r"'o\.py:f', which only Keras",
        ),
        (make_recipe("train", e=10), {}, "its network is None, which only Keras"),
        (RECIPE, {"padding": "causal"}, "padding must be one of same, valid"),
        (RECIPE, {"dilation_rate": [2, 2]}, "dilation_rate is not known here"),
        (RECIPE, {"use_bias": False}, "does not hold the weights of the layers that it describes"),
        (RECIPE, {"filters": 10**9}, "filters is 1000000000"),
        (RECIPE, {"strides": [3, 3]}, "its weights do not fit, for 20 x 20 pixels"),
    ],
)
def test_what_can_not_be_had_is_one_line(recipe, change, message, tmp_path):
    path, _ = save(tmp_path / "model.h5")
    with h5py.File(path, "r+") as file:
        content = json.loads(file.attrs["model_config"])
        conv = next(x for x in content["config"]["layers"] if x["class_name"] == "Conv2D")
        conv["config"] |= change
        file.attrs["model_config"] = json.dumps(content)
    with pytest.raises(ModelError, match=message):
        ENGINES["onnx"](path, recipe, 20, None)


def test_a_network_for_another_side_is_one_line(tmp_path):
    path, recipe = save(tmp_path / "model.h5")
    with pytest.raises(ModelError, match="its weights do not fit, for 40 x 40 pixels"):
        ENGINES["onnx"](path, recipe, 40, None)


def test_weights_that_are_damaged_or_in_another_file_are_one_line(tmp_path):
    path, recipe = save(tmp_path / "model.h5")
    with h5py.File(path, "r+") as file:
        dense = next(name for name in file["model_weights"] if name.startswith("dense"))
        group = file["model_weights"][dense]
        name = group.attrs["weight_names"][0]
        shape = group[name].shape
        del group[name]
        group.create_dataset(name, shape, "f4", external=[("/dev/zero", 0, h5py.h5f.UNLIMITED)])
    with pytest.raises(ModelError, match="its weights are too many, or in another file"):
        ENGINES["onnx"](path, recipe, 20, None)
    with h5py.File(path, "r+") as file:
        del file["model_weights"][dense]
    with pytest.raises(ModelError, match=r"model\.h5: not a readable HDF5 file"):
        ENGINES["onnx"](path, recipe, 20, None)


def test_a_network_that_only_keras_can_make_goes_to_keras_and_says_so(tmp_path, caplog):
    (tmp_path / "own.py").write_text(
        "import keras\n"
        "def build(side):\n"
        "    stack = [keras.Input((side, side, 1)), keras.layers.Flatten()]\n"
        "    return keras.Sequential([*stack, keras.layers.Dense(2, activation='softmax')])\n"
    )
    own = f"{tmp_path / 'own.py'}:build"
    path, recipe = save(tmp_path / "model.h5", own)
    with caplog.at_level("INFO"):
        network = ENGINES["auto"](path, recipe, 20, own)
    assert "Keras scores, which is slower, not ONNX Runtime" in caplog.text
    expected = ENGINES["keras"](path, recipe, 20, own).predict(make_stamps(9))
    np.testing.assert_array_equal(network.predict(make_stamps(9)), expected)


def test_loading_and_scoring_need_no_keras_and_no_tensorflow(tmp_path):
    path, _ = save(tmp_path / "model.h5", "d4")
    code = (
        "import sys, numpy as np; from pathlib import Path\n"
        "from realbogus.models.files import read_feature_options, read_model_recipe\n"
        "from realbogus.models.serving import load_classifier\n"
        f"path = Path({str(path)!r}); recipe = read_model_recipe(path)\n"
        "options = read_feature_options(path, recipe)\n"
        "scores = load_classifier(path, recipe, options).score(np.ones((3, 20, 20), np.float32))\n"
        "assert scores.shape == (3,)\n"
        "print(*sorted({'tensorflow', 'keras'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
