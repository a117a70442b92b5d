#!/usr/bin/env python3
"""Plot the ROC curve and the detection error tradeoff of score files."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from realbogus.cli import ArgumentParser, run


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script with the words of a command line; return the exit status."""
    parser = ArgumentParser(__doc__)
    parser.add_argument("inputFiles", nargs="+", type=Path, help="score files (.csv)")
    parser.add_argument("--outputFile", type=Path, required=True, help="the picture to make (.png)")
    options = parser.parse_args(argv)
    return run(lambda: _plot(options), verbose=options.verbose)


def _plot(options: argparse.Namespace) -> None:
    from realbogus.stages.plot import plot_results

    plot_results(options.inputFiles, options.outputFile)


if __name__ == "__main__":
    sys.exit(main())
