"""A classifier from a data set, and its scores of the test part."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from realbogus.calibration import CALIBRATIONS, choose_calibration
from realbogus.dataset import Part, read_dataset_recipe, read_part
from realbogus.errors import ConfigError, DatasetError, ModelError, RecipeError
from realbogus.files import errors_name, require_readable_file, require_writable_folder
from realbogus.models.committee import forget_progress, join, members, train_networks
from realbogus.models.files import (
    MOST_NETWORKS,
    read_calibration,
    read_model_recipe,
    require_suffix,
    user_file,
)
from realbogus.models.prediction import predict
from realbogus.models.registry import WANT_PSF, build_model, require_architecture
from realbogus.models.schemes import CONTINUED, require_scheme
from realbogus.models.storage import load_model, save_model
from realbogus.models.training import Plan, Trained
from realbogus.options import require_choice, total_memory
from realbogus.pooling import fit_pool
from realbogus.provenance import identify
from realbogus.quality import find_thresholds, judge
from realbogus.recipes import Input, Recipe, already_made
from realbogus.scores import Scores, read_score_recipe, write_scores
from realbogus.seeing import says_seeing
from realbogus.splits import split_by_object

__all__ = ["train_classifier"]

log = logging.getLogger(__name__)

_FEATURE_OPTIONS = ("e", "N", "m", "psf")
_AUTO = "auto"
_CLASSIFIER = "classifierfile"
_MEMORY_SHARE = 0.25


def train_classifier(
    trainingset: Path,
    *,
    classifier: Path,
    output_csv: Path,
    model: str = "psat",
    scheme: str = "plain",
    epochs: int | None = None,
    batch: int | None = None,
    patience: int | None = None,
    networks: int | None = None,
    start_from: Path | None = None,
    calibration: str = "auto",
    validation_fraction: float = 0.2,
    seed: int = 0,
    tensorboard: Path | None = None,
) -> None:
    """Train a classifier unless it exists, and score the test part of the data set with it.

    A training that was stopped goes on after its last epoch. What each epoch gave is in
    ``<classifier>.history.csv``.

    Parameters
    ----------
    trainingset : Path
        The data set.
    classifier : Path
        The classifier, ``.h5`` or ``.keras``; made if it does not exist.
    output_csv : Path
        The score file to make.
    model : str
        The architecture, or ``FILE.py:function``: a function from the side of a feature in pixels
        to a Keras model.
    scheme : str
        How to train.
    epochs, batch : int, optional
        Passes over the training part, and stamps a step; by default as the scheme has it.
    patience : int, optional
        Stop after so many epochs without a lower validation loss.
    networks : int, optional
        Train so many, with other seeds, and take the mean of their probabilities; by default one.
    start_from : Path, optional
        A classifier of the same architecture to start from, of one network or of as many.
    calibration : str
        How the validation part turns the network's output into probabilities, ``none`` for not at
        all, or ``auto`` for the way that does best on its other half.
    validation_fraction : float
        Of the training part's objects, set aside to choose the best epoch and to calibrate.
    seed : int
        Of the weights, the order, the dropout and the validation part.
    tensorboard : Path, optional
        Folder of logs for TensorBoard.

    Raises
    ------
    ConfigError, DatasetError, ModelError, RecipeError
        If an option is not allowed, the data set is not one or has one class only, or the
        classifier or the scores exist and were made in another way.
    """
    require_suffix(classifier)
    require_architecture(model)
    require_scheme(scheme)
    require_choice("calibration", calibration, (_AUTO, *CALIBRATIONS))
    _check_options(epochs, batch, patience, networks, validation_fraction)
    if tensorboard is not None and find_spec("tensorboard") is None:
        raise ConfigError("tensorboard needs the package: pip install psat-ml[tensorboard]")
    require_readable_file(trainingset, name="trainingset")
    options = {
        "model": model,
        "scheme": scheme,
        "epochs": epochs,
        "batch": batch,
        "patience": patience,
        "networks": networks,
        "calibration": calibration,
        "validationFraction": validation_fraction,
        "seed": seed,
    }
    wanted = Recipe("train", options, _inputs(trainingset, model, start_from))
    if _all_made(classifier, output_csv, wanted):
        return
    for path in (classifier, output_csv):
        require_writable_folder(path.parent)
    if classifier.exists():
        log.info("%s is there already: it is used, not trained", classifier)
    else:
        recipe = _with_features(wanted, read_dataset_recipe(trainingset))
        told = says_seeing(trainingset, recipe.options["psf"], error=DatasetError)
        if model in WANT_PSF and not told:
            raise ConfigError(
                f"model {model} wants to know how wide the PSF is: build {trainingset} with psf"
            )
        _train(_Job(trainingset, classifier, start_from, tensorboard), recipe)
    _score(trainingset, classifier, output_csv, wanted)


@dataclass(frozen=True)
class _Job:
    trainingset: Path
    classifier: Path
    start_from: Path | None
    tensorboard: Path | None


@dataclass(frozen=True)
class _Split:
    train: Part
    validation: Part


def _check_options(
    epochs: int | None,
    batch: int | None,
    patience: int | None,
    networks: int | None,
    validation_fraction: float,
) -> None:
    for name, value in (("epochs", epochs), ("batch", batch), ("patience", patience)):
        if value is not None and value < 1:
            raise ConfigError(f"{name} must be at least 1; got {value}")
    if networks is not None and not 1 <= networks <= MOST_NETWORKS:
        raise ConfigError(f"networks must be from 1 to {MOST_NETWORKS}; got {networks}")
    if not 0 < validation_fraction < 1:
        raise ConfigError(f"validationFraction must be between 0 and 1; got {validation_fraction}")


def _inputs(trainingset: Path, model: str, start_from: Path | None) -> dict[str, Input]:
    inputs = {"trainingset": identify(trainingset)}
    own = user_file(model)
    if own is not None:
        inputs["model"] = identify(own)
    if start_from is not None:
        require_readable_file(start_from, name="startFrom")
        require_suffix(start_from)
        inputs["startFrom"] = identify(start_from)
    return inputs


def _all_made(classifier: Path, output_csv: Path, wanted: Recipe) -> bool:
    """Say whether both outputs are there; refuse those of another recipe before any work."""
    has_classifier = classifier.exists()
    if has_classifier:
        recorded = read_model_recipe(classifier)
        if recorded is not None:
            already_made(classifier, recorded, wanted)
    scored = read_score_recipe(output_csv) if output_csv.exists() else None
    made_by = None if scored is None else scored.inputs.get(_CLASSIFIER)
    made_by = identify(classifier) if has_classifier else made_by
    has_scores = already_made(output_csv, scored, _of_scores(wanted, made_by))
    if has_scores and not has_classifier:
        raise RecipeError(
            f"{output_csv} exists, but {classifier}, which made it, does not: remove the scores, "
            "or name another outputcsv"
        )
    return has_scores


def _of_scores(wanted: Recipe, classifier: Input | None) -> Recipe:
    """Give the recipe of the scores that a classifier gives."""
    made_by = {} if classifier is None else {_CLASSIFIER: classifier}
    return Recipe("score", wanted.options, {**wanted.inputs, **made_by})


def _with_features(wanted: Recipe, dataset: Recipe | None) -> Recipe:
    """Note how the features were made, since new stamps must be treated the same way."""
    made = {} if dataset is None else dataset.options
    features = {name: made.get(name) for name in _FEATURE_OPTIONS}
    return Recipe(wanted.stage, {**wanted.options, **features}, wanted.inputs)


def _train(job: _Job, recipe: Recipe) -> None:
    part = _read(job.trainingset, "train")
    options = recipe.options
    rng = np.random.default_rng(options["seed"])
    split = _split(part, options["validationFraction"], rng)
    log.info("training on %d stamps, %d for validation", len(split.train), len(split.validation))
    plan, count = _plan(options, len(split.train), is_new=job.start_from is None), _count(options)
    with errors_name(job.classifier):  # also where its progress can't be kept
        trained = train_networks(
            plan,
            count,
            split.train,
            split.validation,
            classifier=job.classifier,
            key=recipe.digest,
            starts=_starts(job, plan, part.stamps.shape[-1], count),
            tensorboard=job.tensorboard,
        )
    model, test = join([one.model for one in trained]), _read(job.trainingset, "test")
    results = {
        "epochs": plan.epochs,
        "batch": plan.batch,
        **_told(trained),
        **_judge(model, split.validation, test, options["calibration"], rng),
    }
    save_model(job.classifier, model, Recipe(recipe.stage, options, recipe.inputs, results))
    forget_progress(job.classifier, count)
    best = ", ".join(str(one.best_epoch) for one in trained)
    log.info("%s: best of %d epochs is %s", job.classifier, plan.epochs, best)


def _count(options: Mapping[str, Any]) -> int:
    return int(options["networks"] or 1)


def _told(trained: Sequence[Trained]) -> dict[str, Any]:
    """Give what the epochs gave: of several networks, one after the other."""
    names = ("best_epoch", "history")
    told = {name: [getattr(one, name) for one in trained] for name in names}
    return {name: values[0] if len(trained) == 1 else values for name, values in told.items()}


def _read(trainingset: Path, which: str) -> Part:
    """Read a part; pixels that would take much of the memory stay in the file."""
    return read_part(trainingset, which, largest=int(total_memory() * _MEMORY_SHARE))


def _plan(options: Mapping[str, Any], count: int, *, is_new: bool) -> Plan:
    scheme = require_scheme(options["scheme"])
    epochs, batch = scheme.fit_to(count)
    batch = options["batch"] or batch
    return Plan(
        options["model"],
        options["scheme"],
        options["epochs"] or epochs,
        batch,
        options["seed"],
        rate=scheme.rate_at(batch) * (1 if is_new else CONTINUED),
        patience=options["patience"],
    )


def _starts(job: _Job, plan: Plan, side: int, count: int) -> list[list[NDArray[np.float32]]]:
    """Read the weights to start from: of one network, or of each."""
    if job.start_from is None:
        return []
    recipe = read_model_recipe(job.start_from)
    _require_same_features(job, recipe)
    model = load_model(job.start_from, recipe, side=side, own=plan.model)
    weights = [network.get_weights() for network in members(model)]
    if len(weights) not in (1, count):
        raise ModelError(
            f"startFrom: {job.start_from} has {len(weights)} networks, and {count} are asked for"
        )
    shapes = [weight.shape for weight in build_model(plan.model, side).get_weights()]
    if [weight.shape for weight in weights[0]] != shapes:
        raise ModelError(f"startFrom: {job.start_from} holds another network than {plan.model!r}")
    return weights


def _require_same_features(job: _Job, recipe: Recipe | None) -> None:
    """Refuse to go on from a classifier that knows pixels normalised in another way."""
    dataset = read_dataset_recipe(job.trainingset)
    if recipe is None or dataset is None:
        return
    for name in ("N", "psf"):
        learned, offered = (item.options.get(name) for item in (recipe, dataset))
        if learned != offered:
            raise ModelError(
                f"startFrom: {job.start_from} was trained on {name} = {learned}; "
                f"{job.trainingset} has {name} = {offered}"
            )


def _split(part: Part, fraction: float, rng: np.random.Generator) -> _Split:
    is_validation = split_by_object(part.objects, part.targets, fraction=fraction, rng=rng)
    return _Split(part.select(~is_validation), part.select(is_validation))


def _judge(
    model: Any, validation: Part, test: Part, calibration: str, rng: np.random.Generator
) -> dict[str, Any]:
    """Fit what turns outputs into scores on the validation part, and judge the test part."""
    raw = predict(model, validation.stamps)
    if calibration == _AUTO:
        fitted, losses = choose_calibration(validation.targets, raw, validation.objects, rng=rng)
    else:
        fitted, losses = CALIBRATIONS[calibration](validation.targets, raw), {}
    scores = fitted.apply(raw)
    tested = fitted.apply(predict(model, test.stamps))
    pool = fit_pool(validation.targets, scores, validation.objects)
    return {
        "calibration": {**asdict(fitted), "losses": losses},
        "thresholds": find_thresholds(validation.targets, scores, validation.objects),
        "pool": asdict(pool),
        "test": judge(test.targets, tested, test.objects, pool=pool),
    }


def _score(trainingset: Path, classifier: Path, output_csv: Path, wanted: Recipe) -> None:
    test = _read(trainingset, "test")
    if not len(test):
        raise DatasetError(f"{trainingset}: its test part is empty")
    recorded = read_model_recipe(classifier)
    model = load_model(
        classifier, recorded, side=test.stamps.shape[-1], own=wanted.options["model"]
    )
    probabilities = read_calibration(recorded).apply(predict(model, test.stamps))
    scores = Scores(test.names, test.objects, test.targets, probabilities)
    write_scores(output_csv, scores, _of_scores(wanted, identify(classifier)))
    log.info("%s: %d scores", output_csv, len(test))
