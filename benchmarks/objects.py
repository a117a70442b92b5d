#!/usr/bin/env python3
"""How well objects are told apart: the median of their images against the calibrated combination.

    python benchmarks/objects.py FOLDER --survey survey

FOLDER is that of quality.py, with the data sets and classifiers of experiment (a); the combination
is fitted to the validation part of each training. Judged by the survey's truth, on two samples
that no training has seen: (test) the objects of the test part, whose reals have one image each,
and (lists) the objects of all lists of the survey with up to four images, cut at the positions of
its truth, without those that trained. There the fraction of reals is another, so that the
calibration error is also given with the known fraction in place of that of training.

Each figure is the mean over the trainings; its 95% interval draws objects, and in each draw one
training. The gain is that of the combination over the median in the same draws.
"""

import argparse
import csv
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from embedded_survey import read_truth
from numpy.typing import NDArray

from realbogus.blocks import Crops, Cut, crop_stamps
from realbogus.calibration import calibration_error
from realbogus.cli import ArgumentParser, run
from realbogus.dataset import read_columns, read_part
from realbogus.features import Treatment, treat_crops
from realbogus.images import cut_stamps, masked_core_fraction, read_image
from realbogus.metrics import area_under, fpr_at_mdr, rates
from realbogus.models.files import (
    FeatureOptions,
    read_calibration,
    read_feature_options,
    read_model_recipe,
)
from realbogus.models.prediction import predict
from realbogus.models.storage import load_model
from realbogus.pooling import Pool, fit_pool, pool_objects
from realbogus.quality import object_scores
from realbogus.recipes import Recipe
from realbogus.scores import read_scores
from realbogus.splits import split_by_object

_DRAWS = 400
_EXTENT = 16
_MOST_MASKED = 0.5
_STATISTICS = ("AUC", "FPR at 4% MDR", "FPR at 1% MDR", "calibration error")
_ALONE = ("known", "ordinary")

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class _Detections:
    """What no training has seen: the middles of n stamps in ADU, objects and truth."""

    crops: Crops
    objects: NDArray[Any]
    is_real: NDArray[np.int8]


@dataclass(frozen=True)
class _Sample:
    """Objects and their scores in each training, by rule."""

    is_real: NDArray[np.int8]
    scores: dict[str, list[Floats]]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark with the words of a command line; return the exit status."""
    parser = ArgumentParser(__doc__)
    parser.add_argument("folder", type=Path, help="where quality.py has worked")
    parser.add_argument("--survey", type=Path, required=True, help="with truth.csv and images")
    parser.add_argument("--seeds", type=int, default=3, help="trainings (%(default)s)")
    options = parser.parse_args(argv)
    return run(lambda: _benchmark(options), verbose=options.verbose)


def _benchmark(options: argparse.Namespace) -> None:
    detections = _on_lists(options.survey, options.folder / "default.h5")
    print(f"| sample | recipe | rule | {' | '.join(_STATISTICS)} |\n| {'--- | ' * 7}")
    for name in ("default", "recommended"):
        test: list[dict[str, Floats]] = []
        lists: list[dict[str, Floats]] = []
        for seed in range(options.seeds):
            path = options.folder / "a" / f"{name}{seed}.h5"
            pool = _fitted(options.folder / f"{name}.h5", path)
            scores = read_scores(path.with_suffix(".csv"))
            rows = read_truth(options.survey / "truth.csv", scores)
            is_real = np.array([int(row["real"]) for row in rows], np.int8)
            objects = np.array(scores.objects.tolist())
            test.append(_by_rule(pool, is_real, scores.scores, objects))
            lists.append(
                _by_rule(pool, detections.is_real, _scored(path, detections), detections.objects)
            )
        for sample, found in (("test", test), ("lists", lists)):
            _print(sample, name, _joined(found))


def _on_lists(survey: Path, dataset: Path) -> _Detections:
    """Cut the stamps of all objects on lists that are not in the training part."""
    seen = set(np.asarray(read_columns(dataset, "train").objects).tolist())
    seen = {item.decode() if isinstance(item, bytes) else str(item) for item in seen}
    by_exposure: dict[str, list[dict[str, str]]] = defaultdict(list)
    with (survey / "truth.csv").open(encoding="utf-8") as stream:
        for row in csv.DictReader(stream):
            if row["role"] not in _ALONE and row["object"] not in seen:
                by_exposure[row["exposure"]].append(row)
    rows = [row for some in by_exposure.values() for row in some]
    each = [_cut(survey, obs, some) for obs, some in by_exposure.items()]
    pixels, seeing = (
        np.concatenate([getattr(crops, name) for crops in each]) for name in ("pixels", "seeing")
    )
    kept = masked_core_fraction(pixels) <= _MOST_MASKED
    objects = np.array([row["object"] for row in rows])
    is_real = np.array([int(row["real"]) for row in rows], np.int8)
    return _Detections(Crops(pixels[kept], seeing[kept]), objects[kept], is_real[kept])


def _cut(survey: Path, obs: str, rows: Sequence[dict[str, str]]) -> Crops:
    image = read_image(survey / "diff" / obs[:3] / obs[3:8] / f"{obs}.diff.fz")
    x, y = (np.array([float(row[name]) for row in rows]) for name in "xy")
    cut = Cut(_EXTENT)
    return crop_stamps(cut_stamps(image, x, y, size=cut.side), cut, header=image.header)


def _fitted(dataset: Path, classifier: Path) -> Pool:
    """Fit the combination to the validation part of a training, as the training itself does."""
    recipe, options = _recipe(classifier)
    part = read_part(dataset, "train")
    aside = split_by_object(
        part.objects,
        part.targets,
        fraction=recipe.options["validationFraction"],
        rng=np.random.default_rng(recipe.options["seed"]),
    )
    validation = part.select(aside)
    scores = _predicted(classifier, recipe, options, validation.stamps)
    return fit_pool(validation.targets, scores, validation.objects)


def _scored(classifier: Path, detections: _Detections) -> Floats:
    recipe, options = _recipe(classifier)
    edge = _EXTENT - options.extent
    middle = slice(edge, detections.crops.pixels.shape[1] - edge)
    crops = replace(detections.crops, pixels=detections.crops.pixels[:, middle, middle])
    treatment = Treatment(Cut(options.extent), options.normalisation, psf=options.psf)
    features = treat_crops(crops, treatment, is_train=np.zeros(len(crops.seeing), np.bool_))
    return _predicted(classifier, recipe, options, features.pixels)


def _recipe(classifier: Path) -> tuple[Recipe, FeatureOptions]:
    recipe = read_model_recipe(classifier)
    assert recipe is not None
    return recipe, read_feature_options(classifier, recipe)


def _predicted(
    classifier: Path, recipe: Recipe, options: FeatureOptions, pixels: NDArray[np.float32]
) -> Floats:
    model = load_model(classifier, recipe, side=2 * options.extent)
    return read_calibration(recipe).apply(predict(model, pixels))


def _by_rule(
    pool: Pool, is_real: NDArray[np.int8], scores: Floats, objects: NDArray[Any]
) -> dict[str, Floats]:
    """Give the truth of objects and their scores by each rule, in the order in which they come."""
    given = is_real, scores, objects
    kinds, pooled = pool_objects(pool, *given)
    known = _with_prior(pool, float(np.mean(kinds)))
    return {
        "truth": kinds.astype(np.float64),
        "median": object_scores(*given)[1],
        "calibrated": pooled,
        "calibrated, known fraction": pool_objects(known, *given)[1],
    }


def _with_prior(pool: Pool, prior: float) -> Pool:
    """Replace the fraction of reals that a pool takes for granted (Saerens et al. 2002)."""
    change = np.log(prior / (1 - prior)) - np.log(pool.prior / (1 - pool.prior))
    return replace(pool, offset=pool.offset + float(change), prior=prior)


def _joined(found: Sequence[dict[str, Floats]]) -> _Sample:
    rules = [name for name in found[0] if name != "truth"]
    scores = {name: [one[name] for one in found] for name in rules}
    return _Sample(found[0]["truth"].astype(np.int8), scores)


def _print(sample_name: str, recipe: str, sample: _Sample) -> None:
    drawn: dict[str, list[list[float]]] = {name: [] for name in sample.scores}
    for rows, pick in _draws(sample):
        for name, seeds in sample.scores.items():
            scores = seeds[int(pick * len(seeds))][rows]
            drawn[name].append(_statistics(sample.is_real[rows], scores))
    means = {
        name: np.mean([_statistics(sample.is_real, scores) for scores in seeds], axis=0)
        for name, seeds in sample.scores.items()
    }
    begin = f"| {sample_name} | {recipe}"
    for name, values in means.items():
        print(f"{begin} | {name} | {_cells(values, np.array(drawn[name]))} |")
    gain = means["calibrated"] - means["median"]
    draws = np.array(drawn["calibrated"]) - np.array(drawn["median"])
    print(f"{begin} | *gain* | {_cells(gain, draws)} |", flush=True)


def _draws(sample: _Sample) -> Iterator[tuple[NDArray[np.intp], float]]:
    rng = np.random.default_rng(0)
    for _ in range(_DRAWS):
        yield rng.integers(len(sample.is_real), size=len(sample.is_real)), float(rng.uniform())


def _statistics(is_real: NDArray[np.int8], scores: Floats) -> list[float]:
    curve = rates(is_real, scores)
    passed = [fpr_at_mdr(curve, mdr).fpr for mdr in (0.04, 0.01)]
    return [area_under(curve), *passed, calibration_error(is_real, scores)]


_SHOWN: tuple[Callable[[float], str], ...] = (
    "{:.4f}".format,
    "{:.1%}".format,
    "{:.1%}".format,
    "{:.4f}".format,
)


def _cells(values: Floats, drawn: Floats) -> str:
    low, high = np.percentile(drawn, [2.5, 97.5], axis=0)
    numbers = zip(_SHOWN, values, low, high, strict=True)
    return " | ".join(f"{show(v)} ({show(a)} to {show(b)})" for show, v, a, b in numbers)


if __name__ == "__main__":
    sys.exit(main())
