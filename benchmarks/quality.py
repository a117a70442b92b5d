#!/usr/bin/env python3
"""How good the recipes are: on the embedded survey, on a real sky, and from the one to the other.

    python benchmarks/quality.py FOLDER --training cut --truth survey/truth.csv --stamps STAMPS.h5

(a) trained on the survey's noisy labels and judged by its truth; (b) five-fold cross-validation by
object on real stamps; (c) trained on (a), tested on all real stamps; (d) the same folds as (b), but
from the weights of (a). ``cut`` holds the survey's good.txt and bad.txt. What has been trained
stays in FOLDER and is not trained again, so that a run may be stopped; the real stamps that are
farthest off are drawn there, too, for b, c and d. No test part and no fold chooses anything: the
epoch and the calibration come from a fifth of the training objects, and the recipes were chosen on
that fifth of (a) alone.

Each figure is the mean over the seeds; its 95% interval draws whole objects, and in each draw one
seed for each recipe. STAMPS.h5 is described in real_sky.py.
"""

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from embedded_survey import read_truth
from numpy.typing import NDArray
from real_sky import RealStamps, read_stamps
from sklearn.ensemble import RandomForestClassifier

from realbogus.calibration import calibration_error
from realbogus.cli import ArgumentParser, run
from realbogus.dataset import Part, read_part
from realbogus.evaluation import calibrate
from realbogus.intervals import Sample
from realbogus.metrics import area_under, fpr_at_mdr, rates
from realbogus.models.files import read_model_recipe
from realbogus.models.prediction import predict
from realbogus.models.registry import WANT_PSF
from realbogus.models.schemes import CONTINUED, SCHEMES
from realbogus.models.storage import load_model
from realbogus.models.training import Plan, train
from realbogus.normalisation import normalise
from realbogus.plots.evaluation import draw_calibration
from realbogus.plots.figures import styled
from realbogus.plots.stamps import draw_stamps
from realbogus.recipes import Recipe
from realbogus.scores import Scores, read_scores, write_scores
from realbogus.seeing import describe_seeing
from realbogus.splits import split_by_object
from realbogus.stages.build import build_dataset
from realbogus.stages.train import train_classifier
from realbogus.stamps import crop

_FOLDS = 5
_VALIDATION = 0.2
_DRAWS = 400
_SHOWN_KINDS, _ACROSS = 8, 16
_STATISTICS = ("AUC", "FPR at 4% MDR", "FPR at 1% MDR")

Floats = NDArray[np.float64]

_Table = dict[str, tuple[Floats, Floats]]
"""By recipe: the means of the statistics, (3,), and the statistics of draws, (n, 3)."""


@dataclass(frozen=True)
class _Choice:
    """A recipe: half the side of its features, its architecture and its way to train.

    Also the name of its data set, and of how many networks the mean is taken.
    """

    data: str
    extent: int
    model: str
    scheme: str
    networks: int | None = None

    @property
    def psf(self) -> bool:
        """Whether the features say how wide the PSF is."""
        return self.model in WANT_PSF


_CHOICES = {
    "default": _Choice("default", 10, "psat", "plain"),
    "recommended": _Choice("recommended", 16, "d4psf", "long"),
    "three": _Choice("recommended", 16, "d4psf", "long", networks=3),
    "d4": _Choice("d4", 16, "d4", "long"),
}


@dataclass(frozen=True)
class _Sample:
    """Detections and the scores of every recipe for each seed."""

    targets: NDArray[np.int8]
    objects: NDArray[Any]
    scores: dict[str, list[Floats]]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark with the words of a command line; return the exit status."""
    parser = ArgumentParser(__doc__)
    parser.add_argument("folder", type=Path, help="where to work")
    parser.add_argument("--training", type=Path, required=True, help="folder of good.txt, bad.txt")
    parser.add_argument("--truth", type=Path, required=True, help="the survey's truth.csv")
    parser.add_argument("--stamps", type=Path, help="real stamps (.h5), for b, c and d")
    parser.add_argument("--only", default="abcd", help="the experiments (%(default)s)")
    parser.add_argument("--seeds", type=int, default=5, help="trainings (%(default)s)")
    parser.add_argument(
        "--recipes",
        nargs="+",
        choices=_CHOICES,
        default=["default", "recommended"],
        help="three is the mean of three recommended networks, for a and c; d4 is the recommended "
        "one without the PSF (%(default)s)",
    )
    parser.add_argument("--pictures", type=Path, help="folder for calibration and failures of (a)")
    options = parser.parse_args(argv)
    return run(lambda: _benchmark(options), verbose=options.verbose)


def _benchmark(options: argparse.Namespace) -> None:
    for name in options.recipes:
        build_dataset(
            options.training / "good.txt",
            options.training / "bad.txt",
            options.folder / f"{_CHOICES[name].data}.h5",
            extent=_CHOICES[name].extent,
            psf=_CHOICES[name].psf,
        )
    print(f"| | recipe | {' | '.join(_STATISTICS)} |\n| --- | --- | --- | --- | --- |")
    for word in options.only:
        _EXPERIMENTS[word](word, options)


def _survey(word: str, options: argparse.Namespace) -> None:
    """Train on the survey's labels, and judge by its truth."""
    names = [_trained(options.folder, "default", seed)[1] for seed in range(options.seeds)]
    first = read_scores(names[0])
    rows = read_truth(options.truth, first)
    is_real = np.array([int(row["real"]) for row in rows], np.int8)
    magnitude = np.array([float(row["mag"]) for row in rows])
    scores = {
        name: [
            _scores_of(_trained(options.folder, name, seed)[1], first)
            for seed in range(options.seeds)
        ]
        for name in options.recipes
    }
    train_part = read_part(options.folder / "default.h5", "train")
    test_part = read_part(options.folder / "default.h5", "test")
    scores["*random forest on moments*"] = _forests(train_part, test_part, options.seeds)
    scores["*magnitude alone*"] = [_oriented(is_real, magnitude)]
    sample = _Sample(is_real, first.objects, scores)
    _print_shares(_print(word, sample), options.recipes)
    for name in options.recipes:
        errors = [calibration_error(first.targets, values) for values in scores[name]]
        print(f"{name}: calibration error {np.mean(errors):.4f}, at most {max(errors):.4f}")
    if options.pictures is not None:
        kinds = np.array([row["kind"] for row in rows])
        _draw_pictures(options, first, is_real, kinds, scores["recommended"][0])


def _draw_pictures(
    options: argparse.Namespace,
    first: Scores,
    is_real: NDArray[np.int8],
    kinds: NDArray[np.str_],
    scores: Floats,
) -> None:
    """Draw the calibration of the recommended recipe, and its worst failures by kind."""
    sample = Sample.of(first.targets, scores, first.objects)
    with styled():
        draw_calibration(calibrate(sample)).savefig(options.pictures / "calibration.png")
    part = read_part(options.folder / "recommended.h5", "test")
    places = {name: place for place, name in enumerate(part.names.tolist())}
    rows = np.array([places[name] for name in first.names.tolist()])
    threshold = fpr_at_mdr(rates(is_real, scores), 0.04).threshold
    lines = {}
    for real, wrong in ((0, scores >= threshold), (1, scores < threshold)):
        chosen = np.flatnonzero(wrong & (is_real == real))
        names, counts = np.unique(kinds[chosen], return_counts=True)
        for name in names[np.argsort(-counts)][: _SHOWN_KINDS if real == 0 else 2]:
            of_kind = chosen[kinds[chosen] == name]
            order = of_kind[np.argsort(scores[of_kind] if real else -scores[of_kind])]
            label = f"{name.replace('_', ' ')}\n{len(of_kind)} {'missed' if real else 'passed'}"
            lines[label] = [part.stamps[rows[place]] for place in order[:_ACROSS]]
    draw_stamps(lines).savefig(options.pictures / "failures.png")


def _draw_worst(
    word: str, options: argparse.Namespace, stamps: RealStamps, scores: dict[str, list[Floats]]
) -> None:
    """Draw the real stamps that are farthest off by the mean of the recommended trainings.

    They belong to somebody else, and stay in FOLDER.
    """
    if "recommended" not in scores:
        return
    mean = np.mean(scores["recommended"], axis=0)
    pixels = make_part(stamps, _CHOICES["recommended"].extent).stamps
    lines = {}
    for label, target, sign in (("bogus, highest", 0, -1), ("real, lowest", 1, 1)):
        chosen = np.flatnonzero(stamps.labels == target)
        order = chosen[np.argsort(sign * mean[chosen])][:_ACROSS]
        lines[f"{label}\n{mean[order[0]]:.2f} to {mean[order[-1]]:.2f}"] = [
            pixels[place] for place in order
        ]
    draw_stamps(lines).savefig(options.folder / f"failures_{word}.png")


def _trained(folder: Path, name: str, seed: int) -> tuple[Path, Path]:
    """Give the classifier of a recipe and seed, and its scores of the test part."""
    files = (folder / "a" / f"{name}{seed}.h5", folder / "a" / f"{name}{seed}.csv")
    choice = _CHOICES[name]
    train_classifier(
        folder / f"{choice.data}.h5",
        classifier=files[0],
        output_csv=files[1],
        model=choice.model,
        scheme=choice.scheme,
        networks=choice.networks,
        seed=seed,
    )
    return files


def _scores_of(path: Path, first: Scores) -> Floats:
    """Read scores in the order of others."""
    scores = read_scores(path)
    places = {name: place for place, name in enumerate(scores.names.tolist())}
    return scores.scores[[places[name] for name in first.names.tolist()]]


def _folds_alone(word: str, options: argparse.Namespace) -> None:
    """Train and test on real stamps, in folds of objects."""
    stamps = read_stamps(options.stamps)
    scores = {
        name: [_in_folds(word, options, stamps, name, seed) for seed in range(options.seeds)]
        for name in options.recipes
    }
    small = make_part(stamps, _CHOICES["default"].extent)
    scores["*random forest on moments*"] = [
        fold_scores(small, partial(_forest, seed=seed)) for seed in range(options.seeds)
    ]
    known = np.isfinite(stamps.mag)
    magnitude = np.where(known, stamps.mag, np.median(stamps.mag[known]))
    scores["*magnitude alone*"] = [_oriented(stamps.labels, magnitude)]
    _print(word, _Sample(stamps.labels, stamps.objects, scores))
    _draw_worst(word, options, stamps, scores)


def _across(word: str, options: argparse.Namespace) -> None:
    """Test on real stamps what was trained on the survey alone."""
    stamps = read_stamps(options.stamps)
    scores = {}
    for name in options.recipes:
        choice = _CHOICES[name]
        part = make_part(stamps, choice.extent, psf=choice.psf)
        files = [_trained(options.folder, name, seed)[0] for seed in range(options.seeds)]
        scores[name] = [predict(_load(path, choice), part.stamps) for path in files]
    train_part = read_part(options.folder / "default.h5", "train")
    test_part = make_part(stamps, _CHOICES["default"].extent)
    scores["*random forest on moments*"] = _forests(train_part, test_part, options.seeds)
    _print(word, _Sample(stamps.labels, stamps.objects, scores))
    _draw_worst(word, options, stamps, scores)


def _folds_begun(word: str, options: argparse.Namespace) -> None:
    """Go on in folds of real stamps from what was trained on the survey; beside (b)."""
    stamps = read_stamps(options.stamps)
    scores = {}
    for name in options.recipes:
        for label, begun in (("(b) ", "b"), ("", "d")):
            scores[label + name] = [
                _in_folds(begun, options, stamps, name, seed) for seed in range(options.seeds)
            ]
    sample = _Sample(stamps.labels, stamps.objects, scores)
    table = _print(word, sample)
    (old, old_drawn), (new, new_drawn) = table["(b) recommended"], table["recommended"]
    low, high = np.percentile(new_drawn[:, 0] - old_drawn[:, 0], [2.5, 97.5])
    gain = new[0] - old[0]
    print(f"recommended, AUC of (d) less that of (b): {gain:+.4f} ({low:+.4f} to {high:+.4f})")
    _draw_worst(word, options, stamps, scores)


_EXPERIMENTS: dict[str, Callable[[str, argparse.Namespace], None]] = {
    "a": _survey,
    "b": _folds_alone,
    "c": _across,
    "d": _folds_begun,
}


def _load(path: Path, choice: _Choice) -> Any:
    return load_model(path, read_model_recipe(path), side=2 * choice.extent)


def make_part(stamps: RealStamps, extent: int, *, psf: bool = False) -> Part:
    """Make features of real stamps as those of the survey are made; of their PSF nothing is known.

    It is about as wide as is usual. The FWHM in STAMPS.h5 is that of the source itself.
    """
    crops = np.array([crop(stamp, extent=extent)[:-1, :-1] for stamp in stamps.pixels])
    names = np.arange(len(crops)).astype(str)
    pixels = normalise(crops, "signPreserveNorm")
    if psf:
        pixels[:, 0, 0] = describe_seeing(np.full(len(pixels), np.nan))
    return Part(pixels, stamps.labels, names, stamps.objects, stamps.mag)


def _in_folds(
    word: str, options: argparse.Namespace, stamps: RealStamps, name: str, seed: int
) -> Floats:
    """Score every real stamp by a network that was not trained on its object."""
    output = options.folder / word / f"{name}{seed}.csv"
    if output.exists():
        return read_scores(output).scores
    choice = _CHOICES[name]
    start: list[NDArray[np.float32]] = []
    if word == "d":
        start = _load(_trained(options.folder, name, seed)[0], choice).get_weights()

    def score(train_part: Part, test_part: Part) -> Floats:
        return fit_and_score(choice.model, choice.scheme, train_part, test_part, seed, start)

    scores = fold_scores(make_part(stamps, choice.extent, psf=choice.psf), score)
    names = np.arange(len(scores)).astype(str)
    write_scores(
        output, Scores(names, stamps.objects, stamps.labels, scores), Recipe("quality", {})
    )
    return scores


def fold_scores(part: Part, score: Callable[[Part, Part], Floats]) -> Floats:
    """Score each fold by what was trained on the others."""
    folds, scores = _folds(part), np.empty(len(part))
    for fold in range(_FOLDS):
        scores[folds == fold] = score(part.select(folds != fold), part.select(folds == fold))
    return scores


def _folds(part: Part) -> NDArray[np.intp]:
    """Deal the objects, those with a real stamp and the others, into folds."""
    names, group = np.unique(part.objects, return_inverse=True)
    kinds = np.zeros(len(names), np.int8)
    np.maximum.at(kinds, group, part.targets)
    order = np.random.default_rng(0).permutation(len(names))
    order = order[np.argsort(kinds[order], kind="stable")]
    folds = np.empty(len(names), np.intp)
    folds[order] = np.arange(len(names)) % _FOLDS
    return folds[group]


def fit_and_score(
    model: str, scheme_name: str, train_part: Part, test_part: Part, seed: int, start: Sequence[Any]
) -> Floats:
    """Train on one part, a fifth of its objects aside to choose the epoch, and score another."""
    rng = np.random.default_rng(seed)
    aside = split_by_object(train_part.objects, train_part.targets, fraction=_VALIDATION, rng=rng)
    scheme = SCHEMES[scheme_name]
    epochs, batch = scheme.fit_to(int((~aside).sum()))
    rate = scheme.rate_at(batch) * (CONTINUED if start else 1)
    plan = Plan(model, scheme_name, epochs, batch, seed, rate=rate)
    trained = train(plan, train_part.select(~aside), train_part.select(aside), start=start)
    return predict(trained.model, test_part.stamps)


def _forests(train_part: Part, test_part: Part, seeds: int) -> list[Floats]:
    return [_forest(train_part, test_part, seed) for seed in range(seeds)]


def _forest(train_part: Part, test_part: Part, seed: int) -> Floats:
    forest = RandomForestClassifier(100, min_samples_leaf=2, n_jobs=-1, random_state=seed)
    forest.fit(_moments(train_part.stamps), train_part.targets)
    found: Floats = forest.predict_proba(_moments(test_part.stamps))[:, 1]
    return found


def _moments(stamps: NDArray[np.float32]) -> Floats:
    """Describe stamps of shape (n, side, side) by their light within 3 and 7 pixels: (n, 20)."""
    y, x = np.indices(stamps.shape[1:]) - stamps.shape[1] // 2
    columns: list[Any] = []
    for radius in (3, 7):
        inside = (np.hypot(x, y) <= radius).astype(np.float64)
        light = stamps * inside
        total = np.abs(light).sum(axis=(1, 2)) + 1e-9
        columns += [light.sum(axis=(1, 2)), total, light.min(axis=(1, 2)), light.max(axis=(1, 2))]
        for weight in (x, y, x**2, y**2, x * y):
            columns.append((light * weight).sum(axis=(1, 2)) / total)
        columns.append((light == 0).sum(axis=(1, 2)) - (inside == 0).sum())
    return np.column_stack(columns)


def _oriented(targets: NDArray[np.int8], values: Floats) -> Floats:
    """Turn a quantity so that it is higher for the real."""
    return values if area_under(rates(targets, values)) > 0.5 else -values


def _print(word: str, sample: _Sample) -> _Table:
    """Print and give the statistics of every recipe."""
    draws, table = list(_draws(sample)), {}
    for name, scores in sample.scores.items():
        means = np.mean([_statistics(sample.targets, values) for values in scores], axis=0)
        drawn = np.array([_statistics(*_drawn(sample, name, draw)) for draw in draws])
        low, high = np.percentile(drawn, [2.5, 97.5], axis=0)
        cells = [_cell(*numbers) for numbers in zip(means, low, high, range(3), strict=True)]
        print(f"| ({word}) | {name} | {' | '.join(cells)} |", flush=True)
        table[name] = means, drawn
    return table


def _cell(value: float, low: float, high: float, place: int) -> str:
    if place == 0:
        return f"{value:.4f} ({low:.4f} to {high:.4f})"
    return f"{value:.1%} ({low:.1%} to {high:.1%})"


def _draws(sample: _Sample) -> Iterator[tuple[NDArray[np.intp], float]]:
    """Draw objects with replacement, as rows of detections, and a number that picks the seed."""
    rng = np.random.default_rng(0)
    _, group = np.unique(sample.objects, return_inverse=True)
    order = np.argsort(group, kind="stable")
    bounds = np.searchsorted(group[order], np.arange(group.max() + 2))
    members = [order[start:end] for start, end in pairwise(bounds)]
    for _ in range(_DRAWS):
        picked = rng.integers(len(members), size=len(members))
        yield np.concatenate([members[place] for place in picked]), float(rng.uniform())


def _drawn(
    sample: _Sample, name: str, draw: tuple[NDArray[np.intp], float]
) -> tuple[NDArray[np.int8], Floats]:
    rows, pick = draw
    seeds = sample.scores[name]
    return sample.targets[rows], seeds[int(pick * len(seeds))][rows]


def _print_shares(table: _Table, recipes: Sequence[str]) -> None:
    """Say which share of the default's false positives the others have."""
    others = [name for name in recipes if name != "default"] if "default" in recipes else []
    for name in others:
        (default, default_drawn), (means, drawn) = table["default"], table[name]
        shares = means / default
        low, high = np.percentile(drawn / default_drawn, [2.5, 97.5], axis=0)
        words = (
            f"{_STATISTICS[place]} {shares[place]:.3f} ({low[place]:.2f} to {high[place]:.2f})"
            for place in (1, 2)
        )
        print(f"{name}, of the default's: {', '.join(words)}")


def _statistics(targets: NDArray[np.int8], scores: Floats) -> tuple[float, float, float]:
    curve = rates(targets, scores)
    return area_under(curve), fpr_at_mdr(curve, 0.04).fpr, fpr_at_mdr(curve, 0.01).fpr


if __name__ == "__main__":
    sys.exit(main())
