#!/usr/bin/env python3
"""Score new objects: of a list of the database by their postage stamps, or FITS stamps by name.

python runKerasTensorflowClassifier.py --configFile config.yaml --outputcsv objects.csv
python runKerasTensorflowClassifier.py --classifier model.h5 stamps/ --outputcsv objects.csv
python runKerasTensorflowClassifier.py --update --outputcsv scores/{date}.csv
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from realbogus.cli import ArgumentParser, run
from realbogus.options import fill_date

_CLASSIFIERS = (".h5", ".keras")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script with the words of a command line; return the exit status."""
    parser = ArgumentParser(__doc__)
    add = parser.add_argument
    add("images", nargs="*", help="FITS stamps or cubes, folders of them, or files of their names")
    add(
        "--outputcsv",
        required=True,
        help="the scores of the objects to make; {date} and {hour} stand for those of now (UTC)",
    )
    add(
        "--classifier",
        nargs="+",
        default=[],
        metavar="[CAMERA=]MODEL",
        help="one for all cameras, or one each (those of the configuration); images may follow",
    )
    add("--fallback", type=Path, help="for cameras without one; flags every score it gives (none)")
    add("--configFile", type=Path, default=Path("config.yaml"), help="%(default)s")
    add("--listid", type=int, default=4, help="the list of the objects to score (%(default)s)")
    add("--objects", nargs="+", default=[], help="their ids instead, or files with one a line")
    add(
        "--imageRoot", type=Path, help="folder with <database>/<night>/<stamp>.fits (images.stamps)"
    )
    add("--architecture", help="your own, if a classifier has one: FILE.py:function")
    add("--engine", default="auto", help="onnx, keras, or auto, which takes the first it can")
    add("--update", action="store_true", help="write scores to the database where it has none")
    add("--rescore", action="store_true", help="… and where it has one, too")
    options = parser.parse_args(argv)
    return run(lambda: _score(options), verbose=options.verbose)


def _score(options: argparse.Namespace) -> None:
    from realbogus.stages.score import score_objects

    first, others = options.classifier[:1], options.classifier[1:]
    classifiers = [word for word in others if word.endswith(_CLASSIFIERS)]
    following = [word for word in others if not word.endswith(_CLASSIFIERS)]
    score_objects(
        [Path(word) for word in [*options.images, *following]],
        output_csv=Path(fill_date(options.outputcsv)),
        classifiers=[*first, *classifiers],
        fallback=options.fallback,
        config_file=options.configFile,
        list_id=options.listid,
        objects=options.objects,
        image_root=options.imageRoot,
        architecture=options.architecture,
        engine=options.engine,
        update=options.update,
        rescore=options.rescore,
    )


if __name__ == "__main__":
    sys.exit(main())
