#!/usr/bin/env python3
"""How well a classifier does on the embedded survey, and what it finds hardest.

Joins the scores of a run's test part with the survey's truth, which the pipeline never reads.

    python benchmarks/embedded_survey.py demo/training/scores.csv demo/survey/truth.csv

Intervals of the rates are bootstraps by object; those of the kinds are of Wilson (1927), 95%.
"""

import argparse
import csv
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from realbogus.cli import ArgumentParser, run
from realbogus.errors import FormatError
from realbogus.metrics import area_under, bootstrap, fpr_at_mdr, rates
from realbogus.scores import Scores, read_scores

_Z = 1.96
_MAGNITUDES = (0, 17, 18, 18.5, 19, 19.5, 30)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark with the words of a command line; return the exit status."""
    parser = ArgumentParser(__doc__)
    parser.add_argument("scores", type=Path, help="scores of the test part (.csv)")
    parser.add_argument("truth", type=Path, help="the survey's truth.csv")
    options = parser.parse_args(argv)
    return run(lambda: _report(options), verbose=options.verbose)


def _report(options: argparse.Namespace) -> None:
    scores = read_scores(options.scores)
    truth = read_truth(options.truth, scores)
    is_real = np.array([int(row["real"]) for row in truth], np.int8)
    magnitude = np.array([float(row["mag"]) for row in truth])
    for judge, targets in (("labels", scores.targets), ("truth", is_real)):
        statistics = bootstrap(targets, scores.scores, scores.objects, rng=np.random.default_rng(0))
        words = ", ".join(f"{name} {interval}" for name, interval in statistics.items())
        print(f"judged by {judge}: {len(targets)} stamps, {targets.sum()} real, {words}")
    print(f"labels that are wrong: {np.mean(is_real != scores.targets):.2%}")
    area = area_under(rates(scores.targets, magnitude))
    print(f"rival, magnitude alone: auc {max(area, 1 - area):.4f}")
    threshold = fpr_at_mdr(rates(is_real, scores.scores), 0.04).threshold
    called_real = scores.scores >= threshold
    print(f"at a threshold of {threshold:.3f}, where 4% of the real are missed:")
    _report_kinds(truth, is_real, called_real)
    _report_magnitudes(magnitude[is_real == 1], ~called_real[is_real == 1])


def read_truth(path: Path, scores: Scores) -> list[dict[str, str]]:
    """Give the truth of every scored detection, whose id ends the stamp's name."""
    with path.open(encoding="utf-8") as stream:
        known = {row["detection"]: row for row in csv.DictReader(stream)}
    detections = [Path(name).stem.split("_")[-1] for name in scores.names]
    unknown = [name for name in detections if name not in known]
    if unknown:
        raise FormatError(f"{path}: has no detection {unknown[0]}: not the truth of these scores")
    return [known[name] for name in detections]


def _report_kinds(
    truth: list[dict[str, str]], is_real: NDArray[np.int8], called_real: NDArray[np.bool_]
) -> None:
    kinds = np.array([row["kind"] for row in truth])
    for real, verb in ((0, "passed as real"), (1, "missed")):
        print(f"  {'real' if real else 'bogus'} kinds, {verb}:")
        wrong = called_real if not real else ~called_real
        rows = []
        for kind in np.unique(kinds[is_real == real]):
            chosen = wrong[(kinds == kind) & (is_real == real)]
            rows.append((chosen.mean(), kind, chosen))
        for _, kind, chosen in sorted(rows, key=lambda row: -row[0]):
            print(f"    {kind:16s} {_wilson(chosen)} of {len(chosen)}")


def _report_magnitudes(magnitude: NDArray[np.float64], missed: NDArray[np.bool_]) -> None:
    print("  real, missed by magnitude:")
    for low, high in pairwise(_MAGNITUDES):
        chosen = missed[(magnitude >= low) & (magnitude < high)]
        if len(chosen):
            print(f"    {low:>4} to {high:<4}     {_wilson(chosen)} of {len(chosen)}")


def _wilson(wrong: NDArray[np.bool_]) -> str:
    n, p = len(wrong), float(wrong.mean())
    centre = (p + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
    half = _Z / (1 + _Z**2 / n) * np.sqrt(p * (1 - p) / n + _Z**2 / (4 * n**2))
    return f"{p:6.1%} [{max(centre - half, 0):.1%}, {min(centre + half, 1):.1%}]"


if __name__ == "__main__":
    sys.exit(main())
