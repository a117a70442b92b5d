#!/usr/bin/env python3
"""Score the confirmed and the good objects of a simulated survey, for the picture of the recall.

    python tools/known_objects.py SURVEY MODEL TRAININGSET FOLDER --mjds 58310-58312

The pipeline cuts stamps of the good list alone, so the lists change places in a copy of the
database; what the classifier was trained on is left out.
"""

import argparse
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from realbogus.cli import ArgumentParser, run
from realbogus.dataset import read_columns
from realbogus.lists import read_list, write_list
from realbogus.options import parse_nights
from realbogus.recipes import Recipe
from realbogus.stages.cut_atlas import cut_atlas
from realbogus.stages.score import score_objects

_GOOD = 2
_LISTS = {"confirmed": 1, "good": _GOOD}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the tool with the words of a command line; return the exit status."""
    parser = ArgumentParser(__doc__)
    parser.add_argument("survey", type=Path, help="folder of the simulated survey")
    parser.add_argument("model", type=Path, help="the classifier")
    parser.add_argument("trainingset", type=Path, help="what it was trained on")
    parser.add_argument("folder", type=Path, help="where to write confirmed.csv and good.csv")
    parser.add_argument("--mjds", type=parse_nights, required=True)
    options = parser.parse_args(argv)
    return run(lambda: _score_lists(options), verbose=options.verbose)


def _score_lists(options: argparse.Namespace) -> None:
    trained = set(read_columns(options.trainingset, "train").objects.tolist())
    for name, number in _LISTS.items():
        with tempfile.TemporaryDirectory() as folder:
            config = _with_good_list(options.survey, Path(folder), number)
            stamps = Path(folder, "stamps")
            cut_atlas(
                config,
                nights=options.mjds,
                location=stamps,
                good_as_real=True,
                stamps_to_generate="real",
            )
            rows = [row for row in read_list(stamps / "good.txt") if row.object not in trained]
            write_list(stamps / "untrained.txt", rows, Recipe("list", {"list": name}))
            score_objects(
                [stamps / "untrained.txt"],
                output_csv=options.folder / f"{name}.csv",
                classifiers=[str(options.model)],
            )


def _with_good_list(survey: Path, folder: Path, number: int) -> Path:
    """Copy a survey's configuration and database, with another list in place of the good one."""
    for name in ("config.yaml", "survey.db"):
        shutil.copy(survey / name, folder)
    (folder / "diff").symlink_to((survey / "diff").resolve())
    with sqlite3.connect(folder / "survey.db") as database:
        if number != _GOOD:
            change = "UPDATE atlas_diff_objects SET detection_list_id=? WHERE detection_list_id=?"
            database.execute(change, (0, _GOOD))
            database.execute(change, (_GOOD, number))
    database.close()
    return folder / "config.yaml"


if __name__ == "__main__":
    sys.exit(main())
