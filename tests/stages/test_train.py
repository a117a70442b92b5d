import shutil

import h5py
import numpy as np
import pytest

from realbogus.dataset import Part, read_part, write_dataset
from realbogus.errors import ConfigError, DatasetError, ModelError, RecipeError
from realbogus.metrics import area_under, rates
from realbogus.models.files import read_model_recipe
from realbogus.scores import read_score_recipe, read_scores
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


@pytest.fixture
def easy(tmp_path):
    """Make a data set that any network learns."""
    rng = np.random.default_rng(0)
    recipe = make_recipe("build", e=10, N="signPreserveNorm")
    write_dataset(tmp_path / "easy.h5", blobs(600, rng), blobs(150, rng, seed_objects=1000), recipe)
    return tmp_path / "easy.h5"


def train(dataset, folder=None, suffix=".h5", **options):
    folder = folder or dataset.parent
    train_classifier(
        dataset,
        classifier=folder / f"model{suffix}",
        output_csv=folder / "scores.csv",
        **{"epochs": 4, **options},
    )
    return folder / f"model{suffix}", folder / "scores.csv"


@pytest.mark.parametrize("suffix", [".h5", ".keras"])
def test_training_learns_and_scores_the_test_part(easy, suffix):
    classifier, csv = train(easy, suffix=suffix)
    scores = read_scores(csv)
    test = read_part(easy, "test")
    assert list(scores.names) == list(test.names)
    assert list(scores.objects) == list(test.objects)
    np.testing.assert_array_equal(scores.targets, test.targets)
    assert area_under(rates(scores.targets, scores.scores)) > 0.95
    assert classifier.exists()


def test_recipe_holds_what_scoring_needs_and_what_came_of_it(easy):
    classifier, csv = train(easy)
    recipe = read_model_recipe(classifier)
    assert recipe.options["N"] == "signPreserveNorm"
    assert recipe.options["e"] == 10
    assert len(recipe.results["history"]) == 4
    assert recipe.results["test"]["auc"] > 0.95
    assert read_score_recipe(csv).inputs["classifierfile"].digest == recipe.digest


def test_best_epoch_has_the_lowest_validation_loss(easy):
    recipe = read_model_recipe(train(easy, epochs=5)[0])
    losses = [epoch["val_loss"] for epoch in recipe.results["history"]]
    assert recipe.results["best_epoch"] == 1 + int(np.argmin(losses))


def test_same_seed_gives_the_same_scores(easy, tmp_path):
    _, first = train(easy, tmp_path / "a")
    _, second = train(easy, tmp_path / "b")
    np.testing.assert_allclose(read_scores(first).scores, read_scores(second).scores, atol=1e-5)


def test_classifier_that_exists_is_used_and_not_trained(easy):
    classifier, csv = train(easy)
    before, scores = classifier.read_bytes(), csv.read_bytes()
    csv.unlink()
    train(easy)
    assert classifier.read_bytes() == before
    assert csv.read_bytes() == scores


def test_second_run_changes_nothing(easy):
    made = [path.stat().st_mtime_ns for path in train(easy)]
    assert [path.stat().st_mtime_ns for path in train(easy)] == made


def test_classifier_of_other_options_is_an_error_that_names_them(easy):
    train(easy)
    with pytest.raises(RecipeError, match=r"model\.h5 exists .* epochs = 4, not 5"):
        train(easy, epochs=5)


def test_classifier_of_another_data_set_is_an_error(easy, tmp_path):
    train(easy)
    rng = np.random.default_rng(9)
    write_dataset(
        tmp_path / "other.h5",
        blobs(60, rng),
        blobs(60, rng, seed_objects=500),
        make_recipe(seed=9),
    )
    with pytest.raises(RecipeError, match=r"another trainingset \(easy\.h5"):
        train(tmp_path / "other.h5")


def test_scores_without_their_classifier_are_an_error(easy):
    classifier, _ = train(easy)
    classifier.unlink()
    with pytest.raises(RecipeError, match=r"model\.h5, which made it, does not"):
        train(easy)


def test_weights_of_the_documented_network_are_accepted_without_a_recipe(easy, tmp_path):
    classifier, csv = train(easy)
    with h5py.File(classifier, "r+") as file:
        del file["recipe"]
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    shutil.copy(classifier, foreign / "model.h5")
    _, again = train(easy, foreign)
    np.testing.assert_allclose(read_scores(again).scores, read_scores(csv).scores, atol=1e-6)


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
        ({"validation_fraction": 0.0}, "validationFraction must be between 0 and 1; got 0.0"),
        ({"model": "vgg"}, "model must be one of psat; got 'vgg'"),
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
    scores = read_scores(trained / "scores.csv")
    assert len(scores.names) == len(read_part(dataset, "test"))
    assert scores.scores.min() >= 0
    assert scores.scores.max() <= 1
