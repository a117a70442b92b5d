#!/usr/bin/env python3
"""Build a data set for training from lists of stamps of real and of bogus detections."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from realbogus.cli import ArgumentParser, run


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script with the words of a command line; return the exit status."""
    parser = ArgumentParser(__doc__)
    add = parser.add_argument
    add("-p", "--good", type=Path, required=True, help="list of the stamps of real detections")
    add("-n", "--bad", type=Path, required=True, help="list of the stamps of bogus detections")
    add("-o", "--outputFile", type=Path, required=True, help="the data set to make (.h5)")
    add("-e", type=int, default=10, help="extent: half the side of a feature, px (%(default)s)")
    add("-E", type=int, default=0, help="extension: the stamps' HDU with the pixels (%(default)s)")
    add("-s", type=float, default=3, help="skew: bogus for every real (%(default)s)")
    add("-r", type=int, help="rotation: step in degrees, 90 or 180, of training copies (none)")
    add(
        "-N",
        default="signPreserveNorm",
        help="normalisation: noNorm, signPreserveNorm (spn), bg_sub_signPreserveNorm "
        "(bg_sub_spn) (%(default)s)",
    )
    add("-m", type=float, help="value of masked pixels in stamps of integers (none)")
    add("--psf", action="store_true", help="tell networks such as d4psf how wide the PSF is")
    add("--testFraction", type=float, default=0.25, help="of the objects (%(default)s)")
    add(
        "--holdoutNights",
        default="",
        help="test on these nights, or on so many of the newest, instead (none)",
    )
    add("--seed", type=int, default=0, help="of the draws (%(default)s)")
    options = parser.parse_args(argv)
    return run(lambda: _build(options), verbose=options.verbose)


def _build(options: argparse.Namespace) -> None:
    from realbogus.options import parse_holdout
    from realbogus.stages.build import build_dataset

    build_dataset(
        options.good,
        options.bad,
        options.outputFile,
        extent=options.e,
        extension=options.E,
        skew=options.s,
        rotation=options.r,
        normalisation=options.N,
        mask_value=options.m,
        psf=options.psf,
        test_fraction=options.testFraction,
        holdout_nights=parse_holdout(options.holdoutNights),
        seed=options.seed,
    )


if __name__ == "__main__":
    sys.exit(main())
