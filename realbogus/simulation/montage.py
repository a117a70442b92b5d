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
from realbogus.normalisation import sign_preserving_log

__all__ = ["draw_montage", "main"]

_ACROSS = 16
_SIZE = 32
_GAP = 2
_ZOOM = 2
_LABELS = 130
_GREYS = 6
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
    lines = [[stamps[row["detection"]] for row in rows] for rows in kinds.values()]
    _draw(list(kinds), lines, output, across)


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


def _draw(
    kinds: list[str], lines: list[list[NDArray[np.float32]]], output: Path, across: int
) -> None:
    """Draw the stamps, each of their pixels as a square of ``_ZOOM`` pixels of the picture."""
    from matplotlib import colormaps
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    picture = np.vstack([_strip(stamps, across) for stamps in lines])
    height, width = (_ZOOM * side for side in picture.shape)
    figure = Figure(figsize=((width + _LABELS) / 100, height / 100), dpi=100)
    FigureCanvasAgg(figure)
    axis = figure.add_axes((_LABELS / (width + _LABELS), 0, width / (width + _LABELS), 1))
    axis.imshow(picture, colormaps["gray"].with_extremes(bad="navy"), vmin=-1, vmax=1)
    middles = (np.arange(len(kinds)) + 0.5) * (_SIZE + _GAP)
    axis.set_yticks(middles, [kind.replace("_", " ") for kind in kinds], fontsize=11)
    axis.tick_params(length=0)
    axis.set_xticks([])
    axis.set_frame_on(False)
    with atomic_path(output) as part:
        figure.savefig(part)


def _strip(stamps: list[NDArray[np.float32]], across: int) -> NDArray[np.float32]:
    """Put stamps side by side, each on its own scale; masked pixels and gaps are NaN."""
    strip = np.full((_SIZE + _GAP, across * (_SIZE + _GAP)), np.nan, dtype=np.float32)
    for place, stamp in enumerate(stamps):
        left = place * (_SIZE + _GAP)
        shown = np.where(np.isnan(stamp), np.nan, sign_preserving_log(stamp))
        shown = shown / np.nanpercentile(np.abs(shown), 99.5)
        strip[:_SIZE, left : left + _SIZE] = np.round(shown[::-1] * _GREYS) / _GREYS
    return strip


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
