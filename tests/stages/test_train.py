import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from realbogus.calibration import Calibration, calibration_error
from realbogus.dataset import Part, read_part, write_dataset
from realbogus.errors import ConfigError, DatasetError, ModelError, RecipeError
from realbogus.metrics import area_under, rates
from realbogus.models.engines import ENGINES
from realbogus.models.files import (
    read_calibration,
    read_cameras,
    read_feature_options,
    read_model_recipe,
)
from realbogus.models.prediction import predict
from realbogus.models.registry import build_model
from realbogus.models.storage import load_model
from realbogus.scores import read_score_recipe, read_scores
from realbogus.seeing import TOLD
from realbogus.stages.train import train_classifier
from tests.helpers import make_recipe


def blobs(count, rng, *, seed_objects=0):
    """Make reals with a bright middle and bogus without, one object each."""
    targets = (np.arange(count) % 3 == 0).astype(np.int8)
    stamps = rng.normal(size=(count, 20, 20)).astype(np.float32)
    stamps[:, 9:12, 9:12] += 3 * targets[:, None, None]
    names = np.array([f"{seed_objects + i}_x_{i}.fits" for i in range(count)])
    objects = np.array([str(seed_objects + i) for i in range(count)])
    return Part(stamps, targets, names, objects, np.full(count, np.nan))


@pytest.fixture(scope="module")
def easy_folder(tmp_path_factory):
    """Make a data set that any network learns; give its folder."""
    folder, rng = tmp_path_factory.mktemp("easy"), np.random.default_rng(0)
    recipe = make_recipe("build", e=10, N="signPreserveNorm")
    write_dataset(folder / "easy.h5", blobs(600, rng), blobs(150, rng, seed_objects=1000), recipe)
    return folder


@pytest.fixture(scope="module")
def learnt_folder(easy_folder, tmp_path_factory):
    """Train on that data set; give the folder of it, the classifier and the scores."""
    return train_in_copy(easy_folder, tmp_path_factory.mktemp("learnt"))


@pytest.fixture(scope="module")
def raw_folder(easy_folder, tmp_path_factory):
    """Train without a calibration; give the folder."""
    return train_in_copy(easy_folder, tmp_path_factory.mktemp("raw"), calibration="none")


@pytest.fixture
def easy(easy_folder, tmp_path):
    """Copy the data set that any network learns; give the file."""
    return copy_to(tmp_path, easy_folder)


@pytest.fixture
def learnt(learnt_folder, tmp_path):
    """Copy the data set with what came of it; asked for again, that is not made anew."""
    return copy_to(tmp_path, learnt_folder)


def copy_to(folder, source):
    shutil.copytree(source, folder, dirs_exist_ok=True)
    return folder / "easy.h5"


def train_in_copy(source, folder, **options):
    train(copy_to(folder, source), **options)
    return folder


def train(dataset, folder=None, suffix=".h5", **options):
    folder = folder or dataset.parent
    train_classifier(
        dataset,
        classifier=folder / f"model{suffix}",
        output_csv=folder / "scores.csv",
        **{"epochs": 4, **options},
    )
    return folder / f"model{suffix}", folder / "scores.csv"


@pytest.mark.parametrize(("suffix", "data"), [(".h5", "learnt"), (".keras", "easy")])
def test_training_learns_and_scores_the_test_part(suffix, data, request):
    dataset = request.getfixturevalue(data)
    classifier, csv = train(dataset, suffix=suffix)
    scores = read_scores(csv)
    test = read_part(dataset, "test")
    assert list(scores.names) == list(test.names)
    assert list(scores.objects) == list(test.objects)
    np.testing.assert_array_equal(scores.targets, test.targets)
    assert area_under(rates(scores.targets, scores.scores)) > 0.95
    assert classifier.exists()


def test_recipe_holds_what_scoring_needs_and_what_came_of_it(learnt):
    classifier, csv = train(learnt)
    recipe = read_model_recipe(classifier)
    assert recipe.options["N"] == "signPreserveNorm"
    assert recipe.options["e"] == 10
    assert len(recipe.results["history"]) == 4
    assert recipe.results["test"]["auc"][0] > 0.95
    assert recipe.results["cameras"] is None  # the names of its stamps do not say
    assert read_score_recipe(csv).inputs["classifierfile"].digest == recipe.digest


def test_best_epoch_has_the_lowest_validation_loss(learnt):
    recipe = read_model_recipe(train(learnt)[0])
    losses = [epoch["val_loss"] for epoch in recipe.results["history"]]
    assert recipe.results["best_epoch"] == 1 + int(np.argmin(losses))


def test_same_seed_gives_the_same_scores(learnt, tmp_path):
    _, first = train(learnt)
    _, second = train(learnt, tmp_path / "again")
    np.testing.assert_allclose(read_scores(first).scores, read_scores(second).scores, atol=1e-5)


def test_classifier_that_exists_is_used_and_not_trained(learnt):
    classifier, csv = train(learnt)
    before, scores = classifier.read_bytes(), csv.read_bytes()
    csv.unlink()
    train(learnt)
    assert classifier.read_bytes() == before
    assert csv.read_bytes() == scores


def test_second_run_changes_nothing(learnt):
    made = [(learnt.parent / name).stat().st_mtime_ns for name in ("model.h5", "scores.csv")]
    assert [path.stat().st_mtime_ns for path in train(learnt)] == made


def test_scores_of_another_classifier_than_the_one_at_hand_are_an_error(easy):
    from realbogus.models.backend import keras

    for seed in (1, 2):
        keras.utils.set_random_seed(seed)
        build_model("psat", 20).save(easy.parent / "model.keras")  # which says nothing of itself
        if seed == 1:
            _, csv = train(easy, suffix=".keras")
            before = csv.stat().st_mtime_ns
            train(easy, suffix=".keras")
    with pytest.raises(RecipeError, match=r"another classifierfile \(model\.keras"):
        train(easy, suffix=".keras")
    assert csv.stat().st_mtime_ns == before


def test_classifier_of_other_options_is_an_error_that_names_them(learnt):
    with pytest.raises(RecipeError, match=r"model\.h5 exists .* epochs = 4, not 5"):
        train(learnt, epochs=5)


def test_classifier_of_another_data_set_is_an_error(learnt, tmp_path):
    rng = np.random.default_rng(9)
    write_dataset(
        tmp_path / "other.h5",
        blobs(60, rng),
        blobs(60, rng, seed_objects=500),
        make_recipe(seed=9),
    )
    with pytest.raises(RecipeError, match=r"another trainingset \(easy\.h5"):
        train(tmp_path / "other.h5")


def test_scores_without_their_classifier_are_an_error(learnt):
    (learnt.parent / "model.h5").unlink()
    with pytest.raises(RecipeError, match=r"model\.h5, which made it, does not"):
        train(learnt)


def test_weights_of_the_documented_network_are_accepted_without_a_recipe(easy, raw_folder):
    shutil.copy(raw_folder / "model.h5", easy.parent)
    with h5py.File(easy.parent / "model.h5", "r+") as file:
        del file["recipe"]
    _, again = train(easy, calibration="none")
    expected = read_scores(raw_folder / "scores.csv").scores
    np.testing.assert_allclose(read_scores(again).scores, expected, atol=1e-6)


def test_classifier_that_is_not_one_is_an_error(easy):
    (easy.parent / "model.h5").write_text("no")
    with pytest.raises(ModelError, match=r"model\.h5: not a readable HDF5 file"):
        train(easy)
    assert not (easy.parent / "scores.csv").exists()


def test_data_set_that_is_not_one_is_an_error(tmp_path):
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["a"] = [1]
    with pytest.raises(DatasetError, match="not a data set: it has no X, y"):
        train(tmp_path / "other.h5")


def test_one_class_only_is_an_error_and_leaves_nothing(tmp_path):
    part = blobs(30, np.random.default_rng(0)).select(np.arange(0, 30, 3))
    write_dataset(tmp_path / "one.h5", part, part, make_recipe())
    with pytest.raises(DatasetError, match="0 bogus objects can't be split"):
        train(tmp_path / "one.h5")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.h5"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 0}, "epochs must be at least 1; got 0"),
        ({"batch": 0}, "batch must be at least 1; got 0"),
        ({"patience": 0}, "patience must be at least 1; got 0"),
        ({"scheme": "slow"}, "scheme must be one of plain, cycle, long; got 'slow'"),
        ({"calibration": "b"}, "calibration must be one of auto, none, temperature, isotonic; got"),
        ({"start_from": Path("none.h5")}, "startFrom: none.h5 does not exist"),
        ({"model": "none.py:f"}, "model: none.py does not exist"),
        ({"validation_fraction": 0.0}, "validationFraction must be between 0 and 1; got 0.0"),
        ({"networks": 0}, "networks must be from 1 to 32; got 0"),
        ({"networks": 33}, "networks must be from 1 to 32; got 33"),
        ({"model": "d4", "orientations": True}, "orientations: d4 scores a stamp alike in all of"),
        ({"model": "d4psf"}, r"d4psf wants to know how wide the PSF is: build .*easy\.h5 with psf"),
        ({"model": "vgg"}, r"model must be one of psat, d4, .*, FILE\.py:function; got 'vgg'"),
    ],
)
def test_option_that_is_not_allowed_is_an_error(easy, options, message):
    with pytest.raises(ConfigError, match=message):
        train(easy, **options)
    assert not (easy.parent / "model.h5").exists()


def test_suffix_that_keras_does_not_write_is_an_error(easy):
    with pytest.raises(ModelError, match=r"must end in \.h5 or \.keras; got 'model\.pkl'"):
        train(easy, suffix=".pkl")


def test_missing_data_set_is_an_error(tmp_path):
    with pytest.raises(ConfigError, match=r"trainingset: .*none\.h5 does not exist"):
        train(tmp_path / "none.h5")


def test_training_on_the_simulated_survey_gives_a_score_for_every_test_stamp(dataset, trained):
    assert read_cameras(trained, read_model_recipe(trained / "model.h5")) == ["02a"]
    scores = read_scores(trained / "scores.csv")
    assert len(scores.names) == len(read_part(dataset, "test"))
    assert scores.scores.min() >= 0
    assert scores.scores.max() <= 1


OWN = """
from realbogus.models.backend import keras, layers

def tiny(side):
    stack = [keras.Input((side, side, 1)), layers.Flatten(), layers.Dense(2, "softmax")]
    return keras.Sequential(stack)

def wrong(side):
    return keras.Sequential([keras.Input((side, side, 1)), layers.Flatten()])

def broken(side):
    return {}
"""


@pytest.fixture
def own(tmp_path):
    """Write a user's own architectures."""
    path = tmp_path / "own.py"
    path.write_text(OWN)
    return path


def test_a_users_own_network_is_trained_and_scores_when_it_is_asked_for_again(easy, own):
    classifier, csv = train(easy, model=f"{own}:tiny", epochs=8)
    scores = csv.read_bytes()
    csv.unlink()
    train(easy, model=f"{own}:tiny", epochs=8)
    assert csv.read_bytes() == scores
    assert read_model_recipe(classifier).inputs["model"].name == "own.py"


def test_a_classifier_never_has_a_file_run_that_the_user_does_not_name(easy, own):
    classifier, _ = train(easy, model=f"{own}:tiny")
    own.write_text(f"import pathlib; pathlib.Path({str(easy.parent / 'ran')!r}).touch()")
    recipe = read_model_recipe(classifier)
    with pytest.raises(ModelError, match=r"its network is .*own\.py:tiny: give that as model"):
        load_model(classifier, recipe, side=20)
    assert not (easy.parent / "ran").exists()


def test_another_content_of_a_users_own_file_is_an_error(easy, own):
    train(easy, model=f"{own}:tiny")
    own.write_text(OWN + "\n")
    with pytest.raises(RecipeError, match=r"another model \(own\.py"):
        train(easy, model=f"{own}:tiny")


@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("wrong", r"must go from \(None, 20, 20, 1\) to \(None, 2\); got .* to \(None, 400\)"),
        ("broken", "gives dict, not a Keras model"),
        ("missing", r"AttributeError: .*missing"),
        ("OWN", r"AttributeError|is not a function"),
    ],
)
def test_a_users_own_function_that_gives_no_such_network_is_one_line(easy, own, function, message):
    with pytest.raises(ValueError, match=message) as caught:
        train(easy, model=f"{own}:{function}")
    assert type(caught.value) in (ConfigError, ModelError)
    assert not (easy.parent / "model.h5").exists()


def test_the_scores_are_those_of_the_recorded_calibration(easy, raw_folder):
    classifier, csv = train(easy, calibration="temperature")
    raw = raw_folder / "scores.csv"
    record = read_model_recipe(classifier).results["calibration"]
    assert record["method"] == "temperature"
    calibrated = Calibration.from_record(record).apply(read_scores(raw).scores)
    np.testing.assert_allclose(read_scores(csv).scores, calibrated, atol=1e-5)
    assert np.abs(calibrated - read_scores(raw).scores).max() > 1e-3


def test_the_record_has_thresholds_with_intervals_and_what_the_calibration_left(learnt):
    classifier, csv = train(learnt)
    results = read_model_recipe(classifier).results
    for name in ("mdr 0.01", "mdr 0.04"):
        threshold, low, high = results["thresholds"][name]["threshold"]
        assert 0 <= low <= threshold <= (1 if high is None else high)
    scores = read_scores(csv)
    expected = calibration_error(scores.targets, scores.scores)
    assert results["test"]["calibration_error"] == pytest.approx(expected, abs=1e-5)
    assert set(results["pool"]) == {"offset", "slope", "prior", "objects"}
    assert results["pool"]["slope"] > 0
    assert 0.5 < results["test"]["pooled objects"]["auc"][0] <= 1
    assert set(results["calibration"]["losses"]) == {"none", "temperature", "isotonic"}


def test_a_start_from_a_classifier_is_recorded_and_required_again(learnt, tmp_path):
    first, _ = train(learnt)
    second, csv = train(learnt, tmp_path / "b", start_from=first, epochs=1)
    recipe = read_model_recipe(second)
    assert recipe.inputs["startFrom"].digest == read_model_recipe(first).digest
    before = read_model_recipe(first).results["history"][0]["val_loss"]
    assert recipe.results["history"][0]["val_loss"] < before
    train(learnt, tmp_path / "b", start_from=first, epochs=1)
    csv.unlink()
    with pytest.raises(RecipeError, match=r"startFrom = model\.h5, not None"):
        train(learnt, tmp_path / "b", epochs=1)


def test_a_start_from_another_network_is_one_line(learnt, tmp_path):
    first, _ = train(learnt)
    with pytest.raises(ModelError, match="holds another network than 'd4'"):
        train(learnt, tmp_path / "b", model="d4", start_from=first)
    assert not (tmp_path / "b" / "model.h5").exists()


def test_a_start_from_another_normalisation_is_one_line(learnt, tmp_path):
    first, _ = train(learnt)
    rng = np.random.default_rng(1)
    recipe = make_recipe("build", e=10, N="noNorm")
    parts = blobs(60, rng), blobs(60, rng, seed_objects=500)
    write_dataset(tmp_path / "other.h5", *parts, recipe)
    with pytest.raises(ModelError, match=r"was trained on N = signPreserveNorm; .* has N = noNorm"):
        train(tmp_path / "other.h5", tmp_path / "b", start_from=first)


def test_several_networks_are_one_classifier_that_says_so(easy):
    suffix = ".keras"
    classifier, csv = train(easy, suffix=suffix, networks=2, epochs=2)
    recipe, scores = read_model_recipe(classifier), csv.read_bytes()
    assert recipe.options["networks"] == 2
    assert [len(history) for history in recipe.results["history"]] == [2, 2]
    assert len(recipe.results["best_epoch"]) == 2
    hidden = [path.name for path in easy.parent.iterdir() if path.name.startswith(".")]
    assert not hidden
    csv.unlink()
    train(easy, suffix=suffix, networks=2, epochs=2)
    assert csv.read_bytes() == scores
    with pytest.raises(RecipeError, match=r"exists and was made with networks = 2, not None"):
        train(easy, suffix=suffix, epochs=2)


def test_the_mean_over_the_orientations_is_in_the_recipe_and_all_that_follows(easy, tmp_path):
    classifier, csv = train(easy, orientations=True, epochs=2)
    recipe, scores = read_model_recipe(classifier), read_scores(csv)
    assert recipe.options["orientations"] is True
    test = read_part(easy, "test")
    raw = ENGINES["onnx"](classifier, recipe, 20, None).predict(test.stamps)
    found = read_calibration(recipe).apply(raw)
    np.testing.assert_allclose(found, scores.scores, rtol=0, atol=1e-5)
    plain = replace(recipe, options={**recipe.options, "orientations": None})
    alone = ENGINES["onnx"](classifier, plain, 20, None).predict(test.stamps)
    assert np.abs(raw - alone).max() > 1e-3
    with pytest.raises(RecipeError, match=r"was made with orientations = (True|yes), not None"):
        train(easy, epochs=2)
    again, _ = train(easy, tmp_path / "again", start_from=classifier, epochs=1)
    assert read_model_recipe(again).options["orientations"] is None


def test_the_test_part_is_scored_once(easy, monkeypatch):
    seen = []

    def count(model, stamps):
        seen.append(len(stamps))
        return predict(model, stamps)

    monkeypatch.setattr("realbogus.stages.train.predict", count)
    classifier, csv = train(easy, epochs=1)
    recipe, scores = read_model_recipe(classifier), read_scores(csv)
    assert len(seen) == 2  # the validation and the test part
    assert seen[1] == len(scores.scores)
    area = area_under(rates(scores.targets, scores.scores))
    assert recipe.results["test"]["auc"][0] == pytest.approx(area)


def test_a_start_from_another_number_of_networks_is_one_line(easy, tmp_path):
    first, _ = train(easy, tmp_path / "a", networks=2, epochs=1)
    with pytest.raises(ModelError, match="has 2 networks, and 3 are asked for"):
        train(easy, tmp_path / "b", networks=3, start_from=first)


def test_a_start_from_features_without_the_psf_is_one_line(learnt, tmp_path):
    first, _ = train(learnt)
    rng = np.random.default_rng(1)
    recipe = make_recipe("build", e=10, N="signPreserveNorm", psf=TOLD)
    parts = blobs(60, rng), blobs(60, rng, seed_objects=500)
    write_dataset(tmp_path / "other.h5", *parts, recipe)
    with pytest.raises(ModelError, match=r"was trained on psf = None; .* has psf = octaves"):
        train(tmp_path / "other.h5", tmp_path / "b", start_from=first)


def test_a_network_that_knows_the_psf_tells_its_scorers_to_say_it(learnt, tmp_path):
    rng = np.random.default_rng(1)
    recipe = make_recipe("build", e=10, N="signPreserveNorm", psf=TOLD)
    parts = blobs(120, rng), blobs(60, rng, seed_objects=500)
    write_dataset(tmp_path / "psf.h5", *parts, recipe)
    classifier, _ = train(tmp_path / "psf.h5", tmp_path / "psf", model="d4psf", epochs=1)
    assert read_feature_options(classifier, read_model_recipe(classifier)).psf is True
    plain, _ = train(learnt)
    assert read_feature_options(plain, read_model_recipe(plain)).psf is False


def test_features_that_do_not_tell_an_unknown_psf_from_a_usual_one_are_refused(tmp_path):
    rng = np.random.default_rng(1)
    recipe = make_recipe("build", e=10, N="signPreserveNorm", psf=True)
    write_dataset(tmp_path / "old.h5", blobs(60, rng), blobs(60, rng, seed_objects=500), recipe)
    with pytest.raises(DatasetError, match=r"old\.h5: its recipe says True of the PSF .* anew"):
        train(tmp_path / "old.h5", model="d4psf")
    assert not (tmp_path / "model.h5").exists()


def test_a_training_that_is_killed_goes_on_after_its_last_epoch(easy):
    folder, epochs = easy.parent, 12
    history, hidden = folder / "model.history.csv", folder / ".model.h5.training.npz"
    command = [
        *(sys.executable, Path(__file__).parents[2] / "kerasTensorflowClassifier.py", easy),
        *("--classifierfile", folder / "model.h5", "--outputcsv", folder / "scores.csv"),
        *("--epochs", str(epochs), "--batch", "4"),
    ]
    process = subprocess.Popen([*map(str, command)], stderr=subprocess.PIPE)
    until(lambda: hidden.exists() and rows(history) >= 2, process)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    done, before = rows(history), history.read_text()
    assert 2 <= done < epochs
    assert not (folder / "model.h5").exists()
    again = subprocess.run([*map(str, command)], capture_output=True, text=True, check=True)
    assert "the training goes on after epoch" in again.stderr
    assert history.read_text().splitlines()[:2] == before.splitlines()[:2]
    recipe = read_model_recipe(folder / "model.h5")
    assert len(recipe.results["history"]) == epochs == rows(history)
    assert recipe.results["test"]["auc"][0] > 0.95
    assert not hidden.exists()
    assert not list(folder.glob(".*.npz"))


def test_without_tensorboard_the_message_says_what_to_install(easy, monkeypatch):
    monkeypatch.setitem(train_classifier.__globals__, "find_spec", lambda name: None)
    with pytest.raises(
        ConfigError, match=r"tensorboard needs .*pip install psat-ml\[tensorboard\]"
    ):
        train(easy, tensorboard=easy.parent / "logs")


def rows(history):
    return len(history.read_text().splitlines()) - 1 if history.exists() else 0


def until(condition, process):
    for _ in range(1200):
        if condition():
            return
        assert process.poll() is None, process.stderr.read().decode()
        time.sleep(0.05)
    pytest.fail("nothing happened in a minute")
