"""Several networks in one classifier score as the mean of them, wherever they are computed."""

import json
import zipfile

import h5py
import numpy as np
import onnxruntime
import pytest

from realbogus.errors import ModelError
from realbogus.models.backend import keras, layers
from realbogus.models.checkpoint import checkpoint_path, history_path
from realbogus.models.committee import forget_progress, join, members, train_networks
from realbogus.models.engines import ENGINES
from realbogus.models.files import read_model_recipe
from realbogus.models.onnx_export import export_onnx
from realbogus.models.prediction import predict
from realbogus.models.registry import build_model
from realbogus.models.storage import load_model, save_model
from realbogus.models.training import train
from tests.helpers import make_recipe, network_of_other_layers
from tests.test_models_training import PART, VALIDATION, StoppedError, plan

SUFFIXES = (".h5", ".keras")


def make_stamps(n=40, side=20):
    stamps = np.random.default_rng(n).normal(0, 2, (n, side, side)).astype(np.float32)
    stamps[::2, : side // 3] = 0  # masked
    return stamps


def networks(name="psat", count=3):
    keras.utils.set_random_seed(0)
    return [build_model(name, 20) for _ in range(count)]


def save(path, name="psat", count=3):
    joined = join(networks(name, count))
    recipe = make_recipe("train", model=name, networks=count, e=10, N="noNorm", m=None)
    save_model(path, joined, recipe)
    return joined, recipe


def test_a_joined_network_gives_the_mean_of_the_probabilities():
    several, stamps = networks(), make_stamps()
    each = [predict(network, stamps) for network in several]
    assert np.std(each, axis=0).max() > 1e-3
    joined = join(several)
    np.testing.assert_allclose(predict(joined, stamps), np.mean(each, axis=0), atol=1e-6)
    assert members(joined) == several


def test_a_single_network_stays_itself():
    (one,) = networks(count=1)
    assert join([one]) is one
    assert members(one) == [one]


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("name", ["psat", "d4psf"])
def test_a_saved_one_scores_the_same_by_every_engine(name, suffix, tmp_path):
    path, stamps = tmp_path / f"model{suffix}", make_stamps()
    joined, recipe = save(path, name)
    expected = predict(joined, stamps)
    assert expected.std() > 1e-3
    assert read_model_recipe(path) == recipe
    for engine in ("onnx", "keras"):
        found = ENGINES[engine](path, recipe, 20, None).predict(stamps)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


def test_an_exported_one_scores_the_same(tmp_path):
    joined, stamps = join(networks("d4", 2)), make_stamps()
    export_onnx(tmp_path / "model.onnx", joined, None)
    session = onnxruntime.InferenceSession(
        tmp_path / "model.onnx", providers=["CPUExecutionProvider"]
    )
    (found,) = session.run(["probabilities"], {"stamps": stamps[..., np.newaxis]})
    np.testing.assert_allclose(found[:, 1], predict(joined, stamps), rtol=0, atol=1e-5)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_one_without_a_recipe_is_made_as_its_file_describes_it(suffix, tmp_path):
    joined, stamps = join([network_of_other_layers() for _ in range(2)]), make_stamps()
    joined.save(tmp_path / f"old{suffix}")
    with pytest.raises(ModelError, match="holds several networks with layers BatchNormalization"):
        ENGINES["onnx"](tmp_path / f"old{suffix}", None, 20, None)
    for engine in ("auto", "keras"):
        found = ENGINES[engine](tmp_path / f"old{suffix}", None, 20, None).predict(stamps)
        np.testing.assert_allclose(found, predict(joined, stamps), rtol=0, atol=1e-5)


@pytest.mark.parametrize("count", [0, -1, 33, 10**9, 2.0, True, "3"])
def test_a_recipe_with_no_such_number_is_one_line(count, tmp_path):
    save(tmp_path / "model.h5")
    recipe = make_recipe("train", model="psat", networks=count)
    with pytest.raises(ModelError, match="its recipe gives no number of networks; got"):
        load_model(tmp_path / "model.h5", recipe, side=20)


@pytest.mark.parametrize("count", [1, 2, 4])
def test_a_recipe_with_another_number_than_its_file_is_one_line(count, tmp_path):
    save(tmp_path / "model.h5")
    recipe = make_recipe("train", model="psat", networks=count)
    with pytest.raises(ModelError, match="does not hold weights of the network 'psat'"):
        load_model(tmp_path / "model.h5", recipe, side=20)


def change_description(path, change):
    with h5py.File(path, "r+") as file:
        content = json.loads(file.attrs["model_config"])
        change(content["config"]["layers"])
        del file.attrs["model_config"]
        file.attrs["model_config"] = json.dumps(content)


def add_inner(kind):
    """Put a layer into the second network."""
    return lambda listed: listed[2]["config"]["layers"].append({"class_name": kind, "config": {}})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (add_inner("Lambda"), "has a layer 'Lambda', which may run code"),
        (add_inner("Sequential"), "has a layer 'Sequential', which may run code"),
        (add_inner("Average"), "has a layer 'Average', which may run code"),
        (lambda listed: listed.append(listed[-1]), "has a layer 'Sequential', which may run code"),
        (lambda listed: listed.insert(1, listed[0]), "has a layer 'Sequential', which may run"),
        (lambda listed: listed.pop(), "has a layer 'Sequential', which may run code"),
        (lambda listed: listed[2].update(config={}), "its description of the network is damaged"),
        (lambda listed: listed.__setitem__(slice(1, 2), [listed[1]] * 40), "is damaged"),
        (lambda listed: listed.insert(1, listed[1]), "does not hold the weights of the layers"),
        (lambda listed: listed.pop(1), "does not hold the weights of the layers"),
    ],
)
def test_a_hostile_description_is_refused(change, message, tmp_path):
    _, recipe = save(tmp_path / "model.h5", count=2)
    change_description(tmp_path / "model.h5", change)
    with pytest.raises(ModelError, match=message):
        ENGINES["onnx"](tmp_path / "model.h5", recipe, 20, None)


def test_an_archive_without_all_weights_is_one_line(tmp_path):
    _, recipe = save(tmp_path / "model.keras", count=2)
    with zipfile.ZipFile(tmp_path / "model.keras") as archive:
        kept = {name: archive.read(name) for name in archive.namelist()}
    (tmp_path / "weights.h5").write_bytes(kept["model.weights.h5"])
    with h5py.File(tmp_path / "weights.h5", "r+") as file:
        del file["layers/sequential_1/layers/dense"]
    with zipfile.ZipFile(tmp_path / "model.keras", "w") as archive:
        for name, content in kept.items():
            is_weights = name == "model.weights.h5"
            content = (tmp_path / "weights.h5").read_bytes() if is_weights else content
            archive.writestr(name, content)
    with pytest.raises(ModelError, match="does not hold the weights of the layers"):
        ENGINES["onnx"](tmp_path / "model.keras", recipe, 20, None)


def test_networks_differ_and_the_first_is_that_of_a_training_alone(tmp_path):
    trained = train_networks(
        plan(epochs=2), 2, PART, VALIDATION, classifier=tmp_path / "m.h5", key="k"
    )
    scores = [predict(one.model, PART.stamps) for one in trained]
    alone = train(plan(epochs=2), PART, VALIDATION)
    np.testing.assert_allclose(scores[0], predict(alone.model, PART.stamps), atol=1e-4)
    assert np.abs(scores[0] - scores[1]).max() > 1e-2
    tables = [history_path(tmp_path / "m.h5", network) for network in (1, 2)]
    assert [len(path.read_text().splitlines()) for path in tables] == [3, 3]
    assert [path.name for path in tables] == ["m.history.csv", "m.history2.csv"]


def test_several_that_were_stopped_go_on_with_the_network_that_was_left(tmp_path, monkeypatch):
    def run():
        return train_networks(plan(), 2, PART, VALIDATION, classifier=tmp_path / "m.h5", key="k")

    def stop(path, history):
        if path.name == "m.history2.csv" and len(history) == 2:
            raise StoppedError

    monkeypatch.setattr("realbogus.models.committee.write_history", stop)
    with pytest.raises(StoppedError):
        run()
    epochs = []
    monkeypatch.setattr(
        "realbogus.models.committee.write_history", lambda path, _: epochs.append(path.name)
    )
    again = run()
    assert epochs == ["m.history2.csv"] * 2
    assert [len(one.history) for one in again] == [4, 4]
    forget_progress(tmp_path / "m.h5", 2)
    assert not [n for n in (1, 2) if checkpoint_path(tmp_path / "m.h5", n).exists()]


def test_each_network_starts_from_its_own_weights(tmp_path):
    starts = [build_model("psat", 10).get_weights() for _ in range(2)]
    trained = train_networks(
        *(plan(epochs=1, rate=1e-9), 2, PART, VALIDATION),
        **{"classifier": tmp_path / "m.h5", "key": "k", "starts": starts},
    )
    for one, start in zip(trained, starts, strict=True):
        for weight, expected in zip(one.model.get_weights(), start, strict=True):
            np.testing.assert_allclose(weight, expected, atol=1e-4)


def test_a_mean_of_layers_that_are_no_networks_is_a_network_of_its_own():
    stamps = keras.Input((10, 10, 1))
    flat = layers.Flatten()(stamps)
    two = [layers.Dense(2, "softmax")(flat) for _ in range(2)]
    model = keras.Model(stamps, layers.Average()(two))
    assert members(model) == [model]
