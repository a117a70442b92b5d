"""A classifier from a data set, and its scores of the test part."""

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from realbogus.dataset import Part, read_dataset_recipe, read_part
from realbogus.errors import ConfigError, DatasetError, RecipeError
from realbogus.files import require_readable_file, require_writable_folder
from realbogus.metrics import area_under, fpr_at_mdr, rates
from realbogus.models.files import read_model_recipe, require_suffix
from realbogus.models.prediction import predict
from realbogus.models.registry import require_architecture
from realbogus.models.storage import load_model, save_model
from realbogus.models.training import train
from realbogus.provenance import identify
from realbogus.recipes import Recipe, already_made
from realbogus.scores import Scores, read_score_recipe, write_scores
from realbogus.splits import split_by_object

__all__ = ["train_classifier"]

log = logging.getLogger(__name__)

_FEATURE_OPTIONS = ("e", "N")


def train_classifier(
    trainingset: Path,
    *,
    classifier: Path,
    output_csv: Path,
    model: str = "psat",
    epochs: int = 20,
    batch: int = 128,
    validation_fraction: float = 0.2,
    seed: int = 0,
) -> None:
    """Train a classifier unless it exists, and score the test part of the data set with it.

    Parameters
    ----------
    trainingset : Path
        The data set.
    classifier : Path
        The classifier, ``.h5`` or ``.keras``; made if it does not exist.
    output_csv : Path
        The score file to make.
    model : str
        The architecture.
    epochs, batch : int
        Passes over the training part, and stamps a step.
    validation_fraction : float
        Of the training part's objects, set aside to choose the best epoch.
    seed : int
        Of the weights, the order, the dropout and the validation part.

    Raises
    ------
    ConfigError, DatasetError, ModelError, RecipeError
        If an option is not allowed, the data set is not one or has one class only, or the
        classifier or the scores exist and were made in another way.
    """
    require_suffix(classifier)
    require_architecture(model)
    _check_options(epochs, batch, validation_fraction)
    require_readable_file(trainingset, name="trainingset")
    dataset_recipe = read_dataset_recipe(trainingset)
    options = {
        "model": model,
        "epochs": epochs,
        "batch": batch,
        "validationFraction": validation_fraction,
        "seed": seed,
    }
    inputs = {"trainingset": identify(trainingset)}
    wanted = Recipe("train", options, inputs)
    if _all_made(classifier, output_csv, wanted):
        return
    for path in (classifier, output_csv):
        require_writable_folder(path.parent)
    if classifier.exists():
        log.info("%s is there already: it is used, not trained", classifier)
    else:
        _train(trainingset, classifier, _with_features(wanted, dataset_recipe))
    _score(trainingset, classifier, output_csv, wanted)


@dataclass(frozen=True)
class _Split:
    train: Part
    validation: Part


def _check_options(epochs: int, batch: int, validation_fraction: float) -> None:
    if epochs < 1:
        raise ConfigError(f"epochs must be at least 1; got {epochs}")
    if batch < 1:
        raise ConfigError(f"batch must be at least 1; got {batch}")
    if not 0 < validation_fraction < 1:
        raise ConfigError(f"validationFraction must be between 0 and 1; got {validation_fraction}")


def _all_made(classifier: Path, output_csv: Path, wanted: Recipe) -> bool:
    """Say whether both outputs are there; refuse those of another recipe before any work."""
    has_classifier = classifier.exists()
    if has_classifier:
        recorded = read_model_recipe(classifier)
        if recorded is not None:
            already_made(classifier, recorded, wanted)
    has_scores = already_made(
        output_csv, read_score_recipe(output_csv) if output_csv.exists() else None, wanted
    )
    if has_scores and not has_classifier:
        raise RecipeError(
            f"{output_csv} exists, but {classifier}, which made it, does not: remove the scores, "
            "or name another outputcsv"
        )
    return has_scores


def _with_features(wanted: Recipe, dataset: Recipe | None) -> Recipe:
    """Note how the features were made, since new stamps must be treated the same way."""
    made = {} if dataset is None else dataset.options
    features = {name: made.get(name) for name in _FEATURE_OPTIONS}
    return Recipe(wanted.stage, {**wanted.options, **features}, wanted.inputs)


def _train(trainingset: Path, classifier: Path, recipe: Recipe) -> None:
    part = read_part(trainingset, "train")
    options = recipe.options
    split = _split(part, options["validationFraction"], np.random.default_rng(options["seed"]))
    log.info("training on %d stamps, %d for validation", len(split.train), len(split.validation))
    trained = train(
        options["model"],
        split.train,
        split.validation,
        epochs=options["epochs"],
        batch=options["batch"],
        seed=options["seed"],
    )
    test = read_part(trainingset, "test")
    results = {
        "best_epoch": trained.best_epoch,
        "history": trained.history,
        "test": _rates(test.targets, predict(trained.model, test.stamps)),
    }
    complete = Recipe(recipe.stage, options, recipe.inputs, results)
    save_model(classifier, trained.model, complete)
    log.info("%s: best of %d epochs is %d", classifier, options["epochs"], trained.best_epoch)


def _split(part: Part, fraction: float, rng: np.random.Generator) -> _Split:
    is_validation = split_by_object(part.objects, part.targets, fraction=fraction, rng=rng)
    return _Split(part.select(~is_validation), part.select(is_validation))


def _rates(targets: NDArray[np.int8], scores: NDArray[np.float64]) -> dict[str, float]:
    curve = rates(targets, scores)
    return {
        "auc": area_under(curve),
        "fpr_at_mdr_0.01": fpr_at_mdr(curve, 0.01).fpr,
        "fpr_at_mdr_0.04": fpr_at_mdr(curve, 0.04).fpr,
    }


def _score(trainingset: Path, classifier: Path, output_csv: Path, wanted: Recipe) -> None:
    test = read_part(trainingset, "test")
    if not len(test):
        raise DatasetError(f"{trainingset}: its test part is empty")
    recorded = read_model_recipe(classifier)
    model = load_model(classifier, recorded, side=test.stamps.shape[-1])
    scores = Scores(test.names, test.objects, test.targets, predict(model, test.stamps))
    inputs = {**wanted.inputs, "classifierfile": identify(classifier)}
    write_scores(output_csv, scores, Recipe("score", wanted.options, inputs))
    log.info("%s: %d scores", output_csv, len(test))
