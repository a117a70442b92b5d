"""A picture of a simulated survey's stamps, kind by kind.

Run it as ``python -m realbogus.simulation.montage FOLDER PICTURE.png``. It reads the truth, which
the pipeline never does.
"""

import argparse
import csv
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from realbogus.files import atomic_path
from realbogus.images import cut_stamps, read_image
from realbogus.plots.stamps import draw_stamps

__all__ = ["draw_montage", "main"]

_ACROSS = 16
_SIZE = 32
_Row = dict[str, str]


def draw_montage(folder: Path, output: Path, *, across: int = _ACROSS) -> None:
    """Draw one line of labelled stamps for each kind of detection of an ATLAS survey.

    Parameters
    ----------
    folder : Path
        Of the survey, with ``truth.csv``.
    output : Path
        PNG to make.
    across : int
        Stamps of each kind.
    """
    kinds = _choose(folder / "truth.csv", across)
    stamps = _cut(folder / "diff", [row for rows in kinds.values() for row in rows])
    lines = {kind: [stamps[row["detection"]] for row in rows] for kind, rows in kinds.items()}
    with atomic_path(output) as part:
        draw_stamps(lines).savefig(part)


def _choose(truth: Path, across: int) -> dict[str, list[_Row]]:
    """Give some labelled rows of each kind, spread over the magnitudes; real kinds come first."""
    kinds: dict[str, list[_Row]] = defaultdict(list)
    with truth.open(encoding="utf-8") as stream:
        for row in csv.DictReader(stream):
            if row["label"] == row["real"]:
                kinds[row["kind"]].append(row)
    order = sorted(kinds, key=lambda kind: (-int(kinds[kind][0]["real"]), -len(kinds[kind])))
    return {kind: _spread(kinds[kind], across) for kind in order}


def _spread(rows: list[_Row], count: int) -> list[_Row]:
    bright_first = sorted(rows, key=lambda row: float(row["mag"]))
    places = np.linspace(0, len(rows) - 1, min(count, len(rows))).astype(int)
    return [bright_first[place] for place in places]


def _cut(root: Path, rows: list[_Row]) -> dict[str, NDArray[np.float32]]:
    """Cut the stamps of rows, by detection."""
    stamps: dict[str, NDArray[np.float32]] = {}
    for obs in sorted({row["exposure"] for row in rows}):
        chosen = [row for row in rows if row["exposure"] == obs]
        image = read_image(root / obs[:3] / obs[3:8] / f"{obs}.diff.fz")
        x, y = (np.array([float(row[axis]) for row in chosen]) for axis in ("x", "y"))
        cut = cut_stamps(image, x, y, size=_SIZE)
        stamps.update((row["detection"], stamp) for row, stamp in zip(chosen, cut, strict=True))
    return stamps


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="of a simulated ATLAS survey")
    parser.add_argument("output", type=Path, help="the picture to make (.png)")
    options = parser.parse_args(argv)
    draw_montage(options.folder, options.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
