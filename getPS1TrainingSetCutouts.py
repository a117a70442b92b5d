#!/usr/bin/env python3
"""List the stamps of labelled Pan-STARRS objects, which stay where they are."""

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
        "--stampLocation",
        type=Path,
        default=Path("training"),
        help="folder for lists (%(default)s)",
    )
    parser.add_argument(
        "--imageRoot",
        type=Path,
        help="folder with <database>/<night>/<stamp>.fits (images.root of the configuration)",
    )
    parser.add_argument("--camera", default="gpc1", help="gpc1 or gpc2 (%(default)s)")
    _add_selection(parser)
    parser.add_argument("--imagetype", default="all", help="good, bad or all (%(default)s)")
    parser.add_argument(
        "--maxMissing",
        type=float,
        default=0.1,
        help="fraction of stamps that may be missing (%(default)s)",
    )
    options = parser.parse_args(argv)
    return run(lambda: _cut(options), verbose=options.verbose)


def _add_selection(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--goodlist", type=int, default=2, help="list of the real objects (%(default)s)"
    )
    parser.add_argument(
        "--moverlist", type=int, help="list whose known movers are real too (none; 5 is the attic)"
    )
    parser.add_argument(
        "--badlist", type=int, default=0, help="list of the bogus objects (%(default)s)"
    )
    parser.add_argument("--badaugment", type=int, help="group of more bogus objects (none)")
    parser.add_argument(
        "--badrblower", type=float, help="lowest score of a bogus object (0.01, or labels')"
    )
    parser.add_argument(
        "--badrbupper", type=float, help="score that a bogus object is below (0.3, or labels')"
    )
    parser.add_argument(
        "--flagdate",
        default="2009-01-01",
        help="objects count when flagged after this day (%(default)s)",
    )


def _cut(options: argparse.Namespace) -> None:
    from realbogus.options import parse_date
    from realbogus.stages.cut_ps1 import cut_ps1

    cut_ps1(
        options.configFile,
        location=options.stampLocation,
        image_root=options.imageRoot,
        camera=options.camera,
        good_list=options.goodlist,
        bad_list=options.badlist,
        bad_augment=options.badaugment,
        bad_rb_lower=options.badrblower,
        bad_rb_upper=options.badrbupper,
        flag_date=parse_date(options.flagdate, name="flagdate"),
        mover_list=options.moverlist,
        image_type=options.imagetype,
        max_missing=options.maxMissing,
    )


if __name__ == "__main__":
    sys.exit(main())
