#!/usr/bin/env python3
"""Train a classifier on a data set, unless it exists, and score the data set's test part."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from realbogus.cli import ArgumentParser, run


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script with the words of a command line; return the exit status."""
    parser = ArgumentParser(__doc__)
    add = parser.add_argument
    add("trainingset", type=Path, help="the data set (.h5)")
    add("--classifierfile", type=Path, required=True, help="the classifier (.h5 or .keras)")
    add("--outputcsv", type=Path, required=True, help="the score file to make")
    add(
        "--model",
        default="psat",
        help="psat, d4, d4fast, d4psf, d4fastpsf or your own, FILE.py:function (%(default)s)",
    )
    add("--scheme", default="plain", help="how to train: plain, cycle or long (%(default)s)")
    add("--epochs", type=int, help="passes over the training part (as the scheme has it)")
    add("--batch", type=int, help="stamps a step (as the scheme has it)")
    add("--patience", type=int, help="stop after so many epochs that are no better (never)")
    add("--networks", type=int, help="train so many, and take the mean of their scores (1)")
    add("--orientations", action="store_true", help="score the mean over turns and mirror images")
    add("--startFrom", type=Path, help="a classifier to go on from, as of another camera")
    add(
        "--calibration",
        default="auto",
        help="of the scores: temperature, isotonic, none, or auto for the best (%(default)s)",
    )
    add("--tensorboard", type=Path, help="folder of logs for TensorBoard (none)")
    add(
        "--validationFraction",
        type=float,
        default=0.2,
        help="of the training objects, to choose the best epoch and to calibrate (%(default)s)",
    )
    add("--seed", type=int, default=0, help="of weights, order and dropout (%(default)s)")
    options = parser.parse_args(argv)
    return run(lambda: _train(options), verbose=options.verbose)


def _train(options: argparse.Namespace) -> None:
    from realbogus.stages.train import train_classifier

    train_classifier(
        options.trainingset,
        classifier=options.classifierfile,
        output_csv=options.outputcsv,
        model=options.model,
        scheme=options.scheme,
        epochs=options.epochs,
        batch=options.batch,
        patience=options.patience,
        networks=options.networks,
        orientations=options.orientations,
        start_from=options.startFrom,
        calibration=options.calibration,
        validation_fraction=options.validationFraction,
        seed=options.seed,
        tensorboard=options.tensorboard,
    )


if __name__ == "__main__":
    sys.exit(main())
