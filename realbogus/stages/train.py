"""A classifier from a data set, and its scores of the test part."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from realbogus.calibration import CALIBRATIONS, Calibration, choose_calibration
from realbogus.dataset import Part, cameras_of, read_dataset_recipe, read_part
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
from realbogus.models.registry import SYMMETRIC, WANT_PSF, build_model, require_architecture
from realbogus.models.schemes import CONTINUED, require_scheme
from realbogus.models.storage import load_model, save_model
from realbogus.models.training import Plan, Trained
from realbogus.models.turning import turn
from realbogus.options import require_choice, total_memory
from realbogus.pooling import Pool, fit_pool
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
    orientations: bool = False,
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
    orientations : bool
        Score a stamp in its four turns and their mirror images, and take the mean.
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
    options = {
        "model": model,
        "scheme": scheme,
        "epochs": epochs,
        "batch": batch,
        "patience": patience,
        "networks": networks,
        "orientations": orientations or None,
        "calibration": calibration,
        "validationFraction": validation_fraction,
        "seed": seed,
    }
    require_suffix(classifier)
    _check_options(options)
    if tensorboard is not None and find_spec("tensorboard") is None:
        raise ConfigError("tensorboard needs the package: pip install psat-ml[tensorboard]")
    require_readable_file(trainingset, name="trainingset")
    job = _Job(trainingset, classifier, start_from, tensorboard)
    wanted = Recipe("train", options, _inputs(job, model))
    if _all_made(classifier, output_csv, wanted):
        return
    for path in (classifier, output_csv):
        require_writable_folder(path.parent)
    if classifier.exists():
        log.info("%s is there already: it is used, not trained", classifier)
        scores = _score(job, model)
    else:
        scores = _train(job, _with_features(wanted, trainingset))
    write_scores(output_csv, scores, _of_scores(wanted, identify(classifier)))
    log.info("%s: %d scores", output_csv, len(scores.scores))


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


@dataclass(frozen=True)
class _Fitted:
    """What the validation part tells: how to make scores, and what the recipe says of it."""

    calibration: Calibration
    pool: Pool
    results: Mapping[str, Any]


def _check_options(options: Mapping[str, Any]) -> None:
    require_architecture(options["model"])
    require_scheme(options["scheme"])
    require_choice("calibration", options["calibration"], (_AUTO, *CALIBRATIONS))
    for name in ("epochs", "batch", "patience"):
        if options[name] is not None and options[name] < 1:
            raise ConfigError(f"{name} must be at least 1; got {options[name]}")
    networks, fraction = options["networks"], options["validationFraction"]
    if networks is not None and not 1 <= networks <= MOST_NETWORKS:
        raise ConfigError(f"networks must be from 1 to {MOST_NETWORKS}; got {networks}")
    if options["orientations"] and options["model"] in SYMMETRIC:
        raise ConfigError(
            f"orientations: {options['model']} scores a stamp alike in all of them anyway"
        )
    if not 0 < fraction < 1:
        raise ConfigError(f"validationFraction must be between 0 and 1; got {fraction}")


def _inputs(job: _Job, model: str) -> dict[str, Input]:
    inputs = {"trainingset": identify(job.trainingset)}
    own = user_file(model)
    if own is not None:
        inputs["model"] = identify(own)
    if job.start_from is not None:
        require_readable_file(job.start_from, name="startFrom")
        require_suffix(job.start_from)
        inputs["startFrom"] = identify(job.start_from)
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


def _with_features(wanted: Recipe, trainingset: Path) -> Recipe:
    """Note how the features were made, since new stamps must be treated the same way."""
    dataset = read_dataset_recipe(trainingset)
    made = {} if dataset is None else dataset.options
    features = {name: made.get(name) for name in _FEATURE_OPTIONS}
    is_told = says_seeing(trainingset, features["psf"], error=DatasetError)
    if wanted.options["model"] in WANT_PSF and not is_told:
        raise ConfigError(
            f"model {wanted.options['model']} wants to know how wide the PSF is: build "
            f"{trainingset} with psf"
        )
    return Recipe(wanted.stage, {**wanted.options, **features}, wanted.inputs)


def _train(job: _Job, recipe: Recipe) -> Scores:
    """Make the classifier, and give its scores of the test part."""
    options, part = recipe.options, _read(job.trainingset, "train")
    rng = np.random.default_rng(options["seed"])
    split = _split(part, options["validationFraction"], rng)
    log.info("training on %d stamps, %d for validation", len(split.train), len(split.validation))
    plan = _plan(options, len(split.train), is_new=job.start_from is None)
    trained = _train_networks(job, recipe, plan, split)
    model = join([one.model for one in trained])
    if options["orientations"]:
        model = turn(model)
    fitted = _fit(model, split.validation, options["calibration"], rng)
    scores = _scores(model, fitted.calibration, _test_part(job))
    results = {
        "epochs": plan.epochs,
        "batch": plan.batch,
        "cameras": cameras_of(part),
        **_told(trained),
        **fitted.results,
        "test": judge(scores.targets, scores.scores, scores.objects, pool=fitted.pool),
    }
    save_model(job.classifier, model, Recipe(recipe.stage, options, recipe.inputs, results))
    forget_progress(job.classifier, len(trained))
    best = ", ".join(str(one.best_epoch) for one in trained)
    log.info("%s: best of %d epochs is %s", job.classifier, plan.epochs, best)
    return scores


def _train_networks(job: _Job, recipe: Recipe, plan: Plan, split: _Split) -> list[Trained]:
    count = int(recipe.options["networks"] or 1)
    with errors_name(job.classifier):  # also where its progress can't be kept
        return train_networks(
            plan,
            count,
            split.train,
            split.validation,
            classifier=job.classifier,
            key=recipe.digest,
            starts=_starts(job, plan, split.train.stamps.shape[-1], count),
            tensorboard=job.tensorboard,
        )


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


def _fit(model: Any, validation: Part, name: str, rng: np.random.Generator) -> _Fitted:
    """Fit what turns outputs into scores, and find the thresholds."""
    raw = predict(model, validation.stamps)
    if name == _AUTO:
        calibration, losses = choose_calibration(
            validation.targets, raw, validation.objects, rng=rng
        )
    else:
        calibration, losses = CALIBRATIONS[name](validation.targets, raw), {}
    found = validation.targets, calibration.apply(raw), validation.objects
    pool = fit_pool(*found)
    results = {
        "calibration": {**asdict(calibration), "losses": losses},
        "thresholds": find_thresholds(*found),
        "pool": asdict(pool),
    }
    return _Fitted(calibration, pool, results)


def _score(job: _Job, own: str) -> Scores:
    """Score the test part with the classifier that is there."""
    recorded, test = read_model_recipe(job.classifier), _test_part(job)
    model = load_model(job.classifier, recorded, side=test.stamps.shape[-1], own=own)
    return _scores(model, read_calibration(recorded), test)


def _test_part(job: _Job) -> Part:
    test = _read(job.trainingset, "test")
    if not len(test):
        raise DatasetError(f"{job.trainingset}: its test part is empty")
    return test


def _scores(model: Any, calibration: Calibration, test: Part) -> Scores:
    probabilities = calibration.apply(predict(model, test.stamps))
    return Scores(test.names, test.objects, test.targets, probabilities)
