#!/usr/bin/env python3
"""Score new objects by their postage stamps, FITS stamps by name, or all detections of nights.

python runKerasTensorflowClassifier.py --configFile config.yaml --outputcsv objects.csv
python runKerasTensorflowClassifier.py --classifier model.h5 stamps/ --outputcsv objects.csv
python runKerasTensorflowClassifier.py --outputcsv objects.csv --outputparquet images.parquet
python runKerasTensorflowClassifier.py --update --outputcsv scores/{date}.csv
python runKerasTensorflowClassifier.py --detections 58310-58312 --outputparquet night.parquet

The exit status is 2 if the scores of an exposure, or of a camera, are held back.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from realbogus.cli import ArgumentParser, run
from realbogus.options import FALSE_ALARMS, fill_date

_CLASSIFIERS = (".h5", ".keras")
_HELD = 2


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script with the words of a command line; return the exit status."""
    parser = ArgumentParser(__doc__)
    add = parser.add_argument
    add("images", nargs="*", help="FITS stamps or cubes, folders of them, or files of their names")
    add(
        "--outputcsv",
        help="the scores of the objects to make; {date} and {hour} stand for those of now (UTC)",
    )
    add(
        "--outputparquet",
        help="the scores of single images to make, besides; of detections, their scores (.parquet)",
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
    _add_detections(parser)
    add("--combine", default="median", help="of an object's images: %(default)s or calibrated")
    _add_breaker(parser)
    options = parser.parse_args(argv)
    given = {name: value != parser.get_default(name) for name, value in vars(options).items()}
    return run(
        lambda: _score(options, given),
        verbose=options.verbose,
        status=lambda is_held: _HELD if is_held else 0,
    )


def _add_breaker(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--falseAlarms",
        type=float,
        default=FALSE_ALARMS,
        help="probability that anything of a good night is held back; 0: compare nothing "
        "(%(default)s)",
    )
    add(
        "--reference",
        nargs="+",
        default=[],
        type=Path,
        help="scores of accepted nights to compare exposures with (those beside the output)",
    )
    add(
        "--release",
        nargs="+",
        default=[],
        metavar="EXPOSURE",
        help="what is not to be held back: exposures, nights such as 02a/58310, cameras, or all",
    )


def _add_detections(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--detections",
        nargs="+",
        default=[],
        metavar="NIGHT",
        help="score all detections of these nights, straight from the images: 58310-58312",
    )
    add("--camera", nargs="+", default=[], help="whose detections (all)")
    add(
        "--downloadthreads", type=int, default=5, help="connections that fetch images (%(default)s)"
    )
    add("--stampThreads", type=int, help="processes that read and score detections (all cores)")
    add("--scheduler", help="address of a Dask scheduler, tcp://host:8786, whose workers do")


def _score(options: argparse.Namespace, given: dict[str, bool]) -> bool:
    from realbogus.options import require_one_way

    classifiers, images = _sorted(options)
    require_one_way(detections=bool(options.detections), given={**given, "images": bool(images)})
    if options.detections:
        return _score_detections(options, classifiers)
    return _score_objects(options, classifiers, images)


def _sorted(options: argparse.Namespace) -> tuple[list[str], list[str]]:
    """Tell the images that follow the classifiers from these."""
    first, others = options.classifier[:1], options.classifier[1:]
    classifiers = [word for word in others if word.endswith(_CLASSIFIERS)]
    following = [word for word in others if not word.endswith(_CLASSIFIERS)]
    return [*first, *classifiers], [*options.images, *following]


def _dated(name: str) -> Path:
    return Path(fill_date(name))


def _score_detections(options: argparse.Namespace, classifiers: list[str]) -> bool:
    from realbogus.options import parse_nights
    from realbogus.stages.detections import score_detections

    return score_detections(
        parse_nights(options.detections),
        output=_dated(options.outputparquet),
        cameras=options.camera,
        classifiers=classifiers,
        fallback=options.fallback,
        config_file=options.configFile,
        architecture=options.architecture,
        engine=options.engine,
        download_threads=options.downloadthreads,
        workers=options.stampThreads,
        scheduler=options.scheduler,
        false_alarms=options.falseAlarms,
        reference=options.reference,
        release=options.release,
    )


def _score_objects(options: argparse.Namespace, classifiers: list[str], images: list[str]) -> bool:
    from realbogus.stages.score import score_objects

    return score_objects(
        [Path(word) for word in images],
        output_csv=_dated(options.outputcsv),
        output_parquet=_dated(options.outputparquet) if options.outputparquet else None,
        classifiers=classifiers,
        fallback=options.fallback,
        config_file=options.configFile,
        list_id=options.listid,
        objects=options.objects,
        image_root=options.imageRoot,
        architecture=options.architecture,
        engine=options.engine,
        update=options.update,
        rescore=options.rescore,
        combine=options.combine,
        false_alarms=options.falseAlarms,
        reference=options.reference,
        release=options.release,
    )


if __name__ == "__main__":
    sys.exit(main())
