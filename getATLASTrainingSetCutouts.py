#!/usr/bin/env python3
"""Cut stamps of labelled ATLAS detections out of the difference images of some nights."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from realbogus.cli import ArgumentParser, run


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script with the words of a command line; return the exit status."""
    parser = ArgumentParser(__doc__)
    parser.add_argument("configFile", type=Path, help="YAML file with the database credentials")
    parser.add_argument(
        "mjds", nargs="+", help="nights: 58310 58311, [58310,58311], or a range 58310-58320"
    )
    parser.add_argument(
        "--stampSize", type=int, default=40, help="side of a stamp, px (%(default)s)"
    )
    parser.add_argument(
        "--stampFormat",
        default="files",
        help="files: each stamp in its own; cube: those of an exposure in one (%(default)s)",
    )
    parser.add_argument(
        "--stampLocation",
        type=Path,
        default=Path("training"),
        help="folder for stamps and lists (%(default)s)",
    )
    parser.add_argument(
        "--camera",
        default="02a",
        help="01a Mauna Loa, 02a Haleakala, 03a Sutherland, 04a El Sauce, 05r Teide (%(default)s)",
    )
    _add_selection(parser)
    parser.add_argument(
        "--downloadthreads", type=int, default=5, help="connections that fetch images (%(default)s)"
    )
    parser.add_argument("--stampThreads", type=int, help="processes that cut (all cores)")
    parser.add_argument(
        "--scheduler", help="address of a Dask scheduler, tcp://host:8786, whose workers cut"
    )
    parser.add_argument(
        "--maxMissing",
        type=float,
        default=0.1,
        help="fraction of exposures that may be missing or unreadable (%(default)s)",
    )
    options = parser.parse_args(argv)
    return run(lambda: _cut(options), verbose=options.verbose)


def _add_selection(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--stampsToGenerate", default="all", help="real, bogus or all (%(default)s)"
    )
    parser.add_argument(
        "--goodAsReal",
        action="store_true",
        help="the good list's detections are real, instead of known asteroids",
    )
    parser.add_argument(
        "--bogusFrom",
        default="garbage",
        help="garbage: the garbage list's with a low score; unpromoted: at random (%(default)s)",
    )
    parser.add_argument(
        "--bogusPerExposure",
        type=int,
        default=75,
        help="unpromoted detections to draw of an exposure (%(default)s)",
    )
    parser.add_argument("--seed", type=int, default=0, help="of that draw (%(default)s)")


def _cut(options: argparse.Namespace) -> None:
    from realbogus.options import parse_nights
    from realbogus.stages.cut_atlas import cut_atlas

    cut_atlas(
        options.configFile,
        nights=parse_nights(options.mjds),
        location=options.stampLocation,
        camera=options.camera,
        stamp_size=options.stampSize,
        stamp_format=options.stampFormat,
        good_as_real=options.goodAsReal,
        stamps_to_generate=options.stampsToGenerate,
        bogus_from=options.bogusFrom,
        bogus_per_exposure=options.bogusPerExposure,
        seed=options.seed,
        download_threads=options.downloadthreads,
        stamp_threads=options.stampThreads,
        scheduler=options.scheduler,
        max_missing=options.maxMissing,
    )


if __name__ == "__main__":
    sys.exit(main())
