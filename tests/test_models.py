import json
import marshal
import pickle
import sys
import zipfile
from base64 import b64encode
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from realbogus.dataset import Part
from realbogus.errors import ConfigError, ModelError
from realbogus.models.backend import keras
from realbogus.models.files import read_model_recipe, require_suffix
from realbogus.models.prediction import predict
from realbogus.models.registry import ARCHITECTURES, build_model, require_architecture
from realbogus.models.storage import load_model, save_model
from realbogus.models.training import Plan, train
from tests.helpers import make_recipe

RECIPE = make_recipe("train", model="psat", e=10, N="signPreserveNorm")
SUFFIXES = (".h5", ".keras")


def make_part(n=64, side=10, seed=0):
    rng = np.random.default_rng(seed)
    targets = np.arange(n, dtype=np.int8) % 2
    stamps = rng.normal(0, 1, (n, side, side)).astype(np.float32)
    stamps[targets == 1, side // 2, side // 2] += 8
    names = np.arange(n).astype(str)
    return Part(stamps, targets, names, names, np.zeros(n))


@pytest.fixture(scope="module")
def model():
    return build_model("psat", 20)


@pytest.fixture(scope="module", params=SUFFIXES)
def saved(request, model, tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / f"model{request.param}"
    save_model(path, model, RECIPE)
    return path


def copy_of(path, folder):
    copy = folder / path.name
    copy.write_bytes(path.read_bytes())
    return copy


def test_the_documented_network_has_its_parameters(model):
    assert model.count_params() == 139_918
    kinds = [type(layer).__name__ for layer in model.layers]
    assert kinds == ["Conv2D", "MaxPooling2D"] * 3 + [
        *("Dropout", "Flatten", "Dense", "Dropout", "Dense")
    ]


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_network_gives_two_probabilities(name):
    stamps = make_part(5, 20).stamps
    probabilities = build_model(name, 20).predict(stamps[..., np.newaxis], verbose=0)
    assert probabilities.shape == (5, 2)
    assert probabilities.sum(axis=1) == pytest.approx(1, abs=1e-5)


def test_an_unknown_network_is_told_the_known_ones():
    with pytest.raises(
        ConfigError,
        match=r"model must be one of psat, d4, .*, d4fastpsf, FILE\.py:function; got 'vgg'",
    ):
        require_architecture("vgg")
    with pytest.raises(ConfigError, match="got 'vgg'"):
        build_model("vgg", 20)


def test_the_score_is_the_probability_of_real(model):
    stamps = make_part(5, 20).stamps
    expected = model.predict(stamps[..., np.newaxis], verbose=0)[:, 1]
    assert predict(model, stamps) == pytest.approx(expected, abs=1e-6)
    assert predict(model, stamps).dtype == np.float64


def test_a_saved_network_scores_as_before_and_keeps_its_recipe(saved, model):
    stamps = make_part(9, 20).stamps
    recipe = read_model_recipe(saved)
    assert recipe == RECIPE
    again = load_model(saved, recipe, side=20)
    assert np.array_equal(predict(again, stamps), predict(model, stamps))
    assert list(saved.parent.iterdir()) == [saved]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_network_without_recipe_is_made_as_its_file_describes_it(tmp_path, model, suffix):
    path = tmp_path / f"old{suffix}"
    model.save(path)
    assert read_model_recipe(path) is None
    stamps = make_part(3, 20).stamps
    assert np.array_equal(predict(load_model(path, None, side=20), stamps), predict(model, stamps))


@pytest.mark.parametrize("name", ARCHITECTURES)
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_network_is_saved_and_loaded_by_its_recipe(tmp_path, name, suffix):
    path, recipe = tmp_path / f"model{suffix}", make_recipe("train", model=name)
    model = build_model(name, 20)
    save_model(path, model, recipe)
    stamps = make_part(9, 20).stamps
    again = load_model(path, read_model_recipe(path), side=20)
    assert np.array_equal(predict(again, stamps), predict(model, stamps))


def test_a_network_for_another_side_is_one_line(saved):
    with pytest.raises(ModelError, match="'psat' for 40 x 40 pixels"):
        load_model(saved, RECIPE, side=40)


def test_a_recipe_without_a_network_is_one_line(saved):
    with pytest.raises(ModelError, match="its recipe names no network"):
        load_model(saved, make_recipe("build"), side=20)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("content", [b"", b"not a model", b"PK\x03\x04", b"\x89HDF\r\n\x1a\n"])
def test_what_is_no_model_is_one_line(tmp_path, suffix, content):
    path = tmp_path / f"model{suffix}"
    path.write_bytes(content)
    with pytest.raises(ModelError, match="not a "):
        read_model_recipe(path)
    with pytest.raises(ModelError, match="not a "):
        load_model(path, None, side=20)


@pytest.mark.parametrize("kept", [0.5, 0.99])
def test_a_truncated_model_is_one_line(saved, tmp_path, kept):
    path = copy_of(saved, tmp_path)
    path.write_bytes(path.read_bytes()[: int(kept * path.stat().st_size)])
    with pytest.raises(ModelError, match=r"not a |does not hold"):
        load_model(path, read_model_recipe(path), side=20)


@pytest.mark.parametrize("seed", range(12))
def test_a_model_with_damaged_bytes_loads_or_is_one_line(saved, tmp_path, seed):
    path = copy_of(saved, tmp_path)
    content = bytearray(path.read_bytes())
    rng = np.random.default_rng(seed)
    ends = [*range(2000), *range(len(content) - 2000, len(content))]
    for place in rng.choice(ends, 40):
        content[place] = rng.integers(256)
    path.write_bytes(bytes(content))
    try:
        load_model(path, read_model_recipe(path), side=20)
    except ValueError as error:
        assert type(error).__module__ == "realbogus.errors"


@pytest.mark.parametrize("name", ["model.hdf5", "model", "model.keras.zip"])
def test_another_suffix_is_one_line(name, model, tmp_path):
    with pytest.raises(ModelError, match=rf"must end in \.h5 or \.keras; got '{name}'"):
        require_suffix(tmp_path / name)
    with pytest.raises(ModelError, match="must end in"):
        save_model(tmp_path / name, model, RECIPE)


def lambda_config(marker):
    """Describe a network with a layer that makes a file when it is made or used."""
    source = f"lambda x: (__import__('pathlib').Path({str(marker)!r}).touch(), x)[1]"
    code = b64encode(marshal.dumps(eval(source).__code__)).decode()
    function = {"class_name": "__lambda__", "config": {"code": code, "defaults": None}}
    layers = [
        {"class_name": "InputLayer", "config": {"batch_shape": [None, 20, 20, 1]}},
        {
            "class_name": "Lambda",
            "config": {
                "function": {
                    **function,
                    "config": {"code": code, "defaults": None, "closure": None},
                }
            },
        },
    ]
    for layer in layers:
        layer |= {"module": "keras.layers", "registered_name": None}
    return {
        "module": "keras",
        "class_name": "Sequential",
        "config": {"name": "psat", "layers": layers},
        "registered_name": None,
    }


def plant(path, config):
    """Put another description of the network into a saved one."""
    if path.suffix == ".h5":
        with h5py.File(path, "r+") as file:
            file.attrs["model_config"] = json.dumps(config)
        return
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, json.dumps(config) if name == "config.json" else content)


def test_a_layer_that_may_run_code_is_refused_and_never_run(saved, tmp_path):
    marker = tmp_path / "ran"
    path = copy_of(saved, tmp_path)
    plant(path, lambda_config(marker))
    with pytest.raises(ModelError, match=r"has a layer 'Lambda', which may run code: only Act"):
        load_model(path, read_model_recipe(path), side=20)
    assert not marker.exists()
    with suppress(ValueError):  # afterwards, since the weights are of another network
        keras.saving.load_model(path, compile=False, safe_mode=False)
    assert marker.exists()


def test_a_class_that_the_file_names_is_refused_and_not_imported(saved, tmp_path):
    path = copy_of(saved, tmp_path)
    config = lambda_config(tmp_path)
    config["config"]["layers"][1] = {
        "module": "this",
        "class_name": "Evil",
        "registered_name": "this>Evil",
        "config": {},
    }
    plant(path, config)
    sys.modules.pop("this", None)
    with pytest.raises(ModelError, match="has a layer 'Evil', which may run code"):
        load_model(path, read_model_recipe(path), side=20)
    assert "this" not in sys.modules


class Payload:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return Path.touch, (self.marker,)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_pickle_is_never_run(tmp_path, suffix):
    marker, path = tmp_path / "ran", tmp_path / f"model{suffix}"
    path.write_bytes(pickle.dumps(Payload(marker)))
    with pytest.raises(ModelError, match="not a "):
        load_model(path, None, side=20)
    assert not marker.exists()
    pickle.loads(path.read_bytes())
    assert marker.exists()


def plan(model="psat", scheme="plain", epochs=1, batch=32, seed=0, **more):
    return Plan(model, scheme, epochs, batch, seed, **more)


def test_the_same_seed_gives_the_same_network():
    part = make_part()
    first, again, other = (train(plan(seed=seed), part, part).model for seed in (1, 1, 2))
    assert np.array_equal(predict(first, part.stamps), predict(again, part.stamps))
    assert not np.array_equal(predict(first, part.stamps), predict(other, part.stamps))


def test_the_best_epoch_is_kept_and_every_epoch_is_told():
    part, validation = make_part(), make_part(seed=1)
    # Labels turned round: the validation loss only grows, so that the first epoch is the best.
    validation = replace(validation, targets=1 - validation.targets)
    trained = train(plan(epochs=4, batch=16), part, validation)
    losses = [row["val_loss"] for row in trained.history]
    assert trained.best_epoch == int(np.argmin(losses)) + 1 < 4
    targets = keras.utils.to_categorical(validation.targets, 2)
    trained.model.compile(loss="categorical_crossentropy")
    loss = trained.model.evaluate(validation.stamps[..., np.newaxis], targets, verbose=0)
    assert loss == pytest.approx(min(losses), rel=1e-4)


def test_training_that_diverges_is_one_line():
    part = make_part()
    part.stamps[:] = 3e38
    with pytest.raises(ModelError, match="the training diverged: no epoch has a finite loss"):
        train(plan(), part, part)


def test_a_recipe_that_unpacks_without_end_is_refused(tmp_path):
    path = tmp_path / "bomb.keras"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("recipe.json", b" " * (2**26 + 1))
    with pytest.raises(ModelError, match=r"bomb\.keras: its recipe is too large"):
        read_model_recipe(path)
