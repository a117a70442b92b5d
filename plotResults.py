#!/usr/bin/env python3
"""Plot the ROC curve and the detection error tradeoff of score files, or the recall of lists."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from realbogus.cli import ArgumentParser, run
from realbogus.options import parse_limits, parse_names, parse_rates


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script with the words of a command line; return the exit status."""
    parser = ArgumentParser(__doc__)
    add = parser.add_argument
    add("inputFiles", nargs="*", type=Path, help="score files (.csv)")
    add("--outputFile", type=Path, required=True, help="the picture to make: .png, .pdf or .svg")
    add("--labels", type=Path, help="object and target, for files of object and score alone")
    add("--names", default="", help="of the files in the legend: new,old")
    add("--mdr", default="0.01,0.04", help="missed detection rates to mark (%(default)s)")
    add("--fpr", default="", help="false positive rates to mark: 0.01,0.001")
    add("--scale", default="mixed", help="mixed, log or linear (%(default)s)")
    add("--fprLimits", default="", help="ends of the axes: 0.001,0.5")
    add("--mdrLimits", default="", help="ends of the axes: 0.001,0.5")
    add("--title", default="", help="above the panels")
    add("--panelLabel", default="", help="in the corners of the two panels: a,b")
    add("--recall", nargs="+", default=[], type=Path, help="scores of known good objects instead")
    add("--threshold", type=float, help="of the recall, unless that of the first score file")
    add("--dataset", type=Path, help="data set with the stamps of the missed (.h5)")
    options = parser.parse_args(argv)
    return run(lambda: _plot(options), verbose=options.verbose)


def _plot(options: argparse.Namespace) -> None:
    mdrs, fprs = (parse_rates(getattr(options, name), name=name) for name in ("mdr", "fpr"))
    if options.recall:
        from realbogus.stages.recall import plot_recall

        plot_recall(
            options.recall,
            options.outputFile,
            threshold=options.threshold,
            input_files=options.inputFiles,
            mdrs=mdrs,
            dataset=options.dataset,
            title=options.title,
        )
        return
    from realbogus.stages.plot import plot_results

    plot_results(
        options.inputFiles,
        options.outputFile,
        labels=options.labels,
        names=parse_names(options.names),
        mdrs=mdrs,
        fprs=fprs,
        scale=options.scale,
        fpr_limits=parse_limits(options.fprLimits, name="fprLimits"),
        mdr_limits=parse_limits(options.mdrLimits, name="mdrLimits"),
        title=options.title,
        panel_labels=parse_names(options.panelLabel),
    )


if __name__ == "__main__":
    sys.exit(main())
