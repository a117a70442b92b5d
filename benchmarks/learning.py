#!/usr/bin/env python3
"""How many labels a new camera needs, with and without the classifier of another camera.

    python benchmarks/learning.py CLASSIFIER.h5 --camera second.h5 --stamps STAMPS.h5 --out l.png

Trains the classifier's own recipe on 100, 300, 1,000 and 3,000 labels of another camera's data set
(built with the classifier's extent, normalisation and PSF), from drawn weights and from those of
the classifier, and tests on its test part; and on real stamps, as far as there are so many, tested
on those of all other objects. Objects are drawn at random, each seed other ones; a fifth of them
chooses the epoch. real_sky.py describes STAMPS.h5.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from quality import fit_and_score, make_part
from real_sky import read_stamps

from realbogus.cli import ArgumentParser, run
from realbogus.dataset import Part, read_part
from realbogus.errors import ModelError
from realbogus.metrics import area_under, rates
from realbogus.models.files import read_feature_options, read_model_recipe
from realbogus.models.prediction import predict
from realbogus.models.storage import load_model
from realbogus.plots.figures import line_style, new_figure, styled

_LABELS = (100, 300, 1000, 3000)
_TICKS = (0.01, 0.02, 0.03, 0.04, 0.05, 0.07, 0.1, 0.2, 0.3)
_BEGINNINGS = ("from drawn weights", "from the other camera's")


@dataclass(frozen=True)
class _Case:
    """A camera: what is trained on and what is tested on."""

    name: str
    train: Part
    test: Part | None


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark with the words of a command line; return the exit status."""
    parser = ArgumentParser(__doc__)
    parser.add_argument("classifier", type=Path, help="of the first camera")
    parser.add_argument("--camera", type=Path, help="the second camera's data set (.h5)")
    parser.add_argument("--stamps", type=Path, help="real stamps (.h5)")
    parser.add_argument("--seeds", type=int, default=4, help="draws (%(default)s)")
    parser.add_argument("--out", type=Path, required=True, help="the picture (.png)")
    options = parser.parse_args(argv)
    return run(lambda: _benchmark(options), verbose=options.verbose)


def _benchmark(options: argparse.Namespace) -> None:
    recipe = read_model_recipe(options.classifier)
    if recipe is None:
        raise ModelError(f"{options.classifier}: does not say what made it")
    extent = int(recipe.options["e"])
    network = load_model(options.classifier, recipe, side=2 * extent)
    cases = []
    if options.camera is not None:
        train_part, test_part = (read_part(options.camera, name) for name in ("train", "test"))
        cases.append(_Case("another simulated camera", train_part, test_part))
    if options.stamps is not None:
        psf = read_feature_options(options.classifier, recipe).psf
        part = make_part(read_stamps(options.stamps), extent, psf=psf)
        cases.append(_Case("real stamps", part, None))
    weights = network.get_weights()
    found = {}
    for case in cases:
        tested = case.train if case.test is None else case.test
        before = _area(tested, predict(network, tested.stamps))
        print(f"{case.name}, untrained: AUC {before:.4f}", flush=True)
        curves = _curves(case, recipe.options, weights, options.seeds)
        found[case.name] = (before, curves)
    _draw(found, options.out)


def _curves(
    case: _Case, options: Any, weights: list[NDArray[np.float32]], seeds: int
) -> dict[str, dict[int, list[float]]]:
    """Give the areas under the ROC curve by beginning and labels, one a seed."""
    curves: dict[str, dict[int, list[float]]] = {name: {} for name in _BEGINNINGS}
    sizes = [size for size in _LABELS if size < len(case.train)]
    for size in sizes:
        for name, start in zip(_BEGINNINGS, ([], weights), strict=True):
            areas = [_learn(case, options, size, start, seed) for seed in range(seeds)]
            curves[name][size] = areas
            words = ", ".join(f"{area:.4f}" for area in areas)
            print(
                f"{case.name}, {size} labels, {name}: AUC {np.mean(areas):.4f} ({words})",
                flush=True,
            )
    return curves


def _learn(case: _Case, options: Any, size: int, start: Sequence[Any], seed: int) -> float:
    some = _some(case.train, size, np.random.default_rng([seed, size]))
    test = case.test
    if test is None:
        test = case.train.select(~np.isin(case.train.objects, some.objects))
    scores = fit_and_score(options["model"], options["scheme"], some, test, seed, start)
    return _area(test, scores)


def _some(part: Part, size: int, rng: np.random.Generator) -> Part:
    """Draw objects, with all their stamps, until there are so many stamps."""
    names, group = np.unique(part.objects, return_inverse=True)
    rank = rng.permutation(len(names))[group]
    return part.select(np.sort(np.argsort(rank, kind="stable")[:size]))


def _area(part: Part, scores: NDArray[np.float64]) -> float:
    return area_under(rates(part.targets, scores))


def _draw(found: dict[str, Any], output: Path) -> None:
    with styled():
        figure = new_figure(4.2 * len(found), 3.6)
        for axes, (name, (before, curves)) in zip(
            figure.subplots(1, len(found), squeeze=False)[0], found.items(), strict=True
        ):
            for index, (label, curve) in enumerate(curves.items()):
                sizes, areas = list(curve), np.array(list(curve.values()))
                axes.plot(
                    sizes, 1 - areas.mean(axis=1), marker="o", label=label, **line_style(index)
                )
                low, high = 1 - areas.max(axis=1), 1 - areas.min(axis=1)
                axes.fill_between(sizes, low, high, alpha=0.15, color=line_style(index)["color"])
            axes.axhline(1 - before, color="0.5", linewidth=1, label="the other camera's, as it is")
            axes.set(xscale="log", yscale="log", title=name, xlabel="labels", ylabel="1 - AUC")
            axes.set_xticks(sizes, [f"{size:,}" for size in sizes])
            axes.minorticks_off()
            low, high = axes.get_ylim()
            shown = [tick for tick in _TICKS if low <= tick <= high]
            axes.set_yticks(shown, [f"{tick:g}" for tick in shown])
            axes.set_ylim(low, high * (high / low) ** 0.3)  # room for the legend
            axes.legend(fontsize=8, loc="upper right")
        figure.savefig(output)


if __name__ == "__main__":
    sys.exit(main())
