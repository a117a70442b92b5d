#!/usr/bin/env python3
"""Make a simulated survey: configuration, database, difference images, and the truth."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from realbogus.cli import ArgumentParser, run


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script with the words of a command line; return the exit status."""
    parser = ArgumentParser(__doc__)
    parser.add_argument("folder", type=Path, help="to make; new or empty")
    parser.add_argument("--survey", default="atlas", help="atlas or ps1 (%(default)s)")
    parser.add_argument(
        "--camera",
        nargs="+",
        default=["02a"],
        help="one or more of 01a, 02a, 03a, 04a, 05r (02a); atlas only",
    )
    parser.add_argument(
        "--mjds", nargs="+", default=["58310"], help="nights: 58310 58311, or a range 58310-58312"
    )
    parser.add_argument(
        "--exposures", type=int, default=4, help="of each camera in each night (%(default)s)"
    )
    parser.add_argument(
        "--size", type=int, default=10560, help="side of a difference image, px (%(default)s)"
    )
    parser.add_argument("--seed", type=int, default=1, help="of all that is random (%(default)s)")
    parser.add_argument(
        "--database", help="URL of an empty database to fill (an SQLite file in the folder)"
    )
    parser.add_argument(
        "--asteroids", type=int, help="known asteroids an exposure (25 at full size)"
    )
    parser.add_argument(
        "--garbage", type=int, help="bogus detections an exposure (4 times the asteroids)"
    )
    parser.add_argument(
        "--detections", type=int, help="other detections an exposure (about 12,500 at full size)"
    )
    parser.add_argument(
        "--stamps",
        nargs="*",
        type=int,
        default=[4],
        help="lists whose objects have postage stamps as files (4); atlas only",
    )
    parser.add_argument("--threads", type=int, help="processes (all cores)")
    options = parser.parse_args(argv)
    return run(lambda: _simulate(options), verbose=options.verbose)


def _simulate(options: argparse.Namespace) -> None:
    from realbogus.options import available_cores, parse_nights
    from realbogus.simulation import simulate

    simulate(
        options.folder,
        survey=options.survey,
        cameras=options.camera,
        nights=parse_nights(options.mjds),
        exposures=options.exposures,
        size=options.size,
        seed=options.seed,
        database=options.database,
        asteroids=options.asteroids,
        garbage=options.garbage,
        detections=options.detections,
        stamps=options.stamps,
        workers=available_cores() if options.threads is None else options.threads,
    )


if __name__ == "__main__":
    sys.exit(main())
