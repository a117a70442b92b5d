#!/usr/bin/env python3
"""Draw the pictures of the README: the pipeline and the network.

python tools/images.py imgs
"""

import sys
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Rectangle

from realbogus.models.registry import build_model

_INK, _TASK, _FILE, _SOURCE = "#1b2733", "#d5e8f5", "#ffffff", "#f6e3c8"
_TASKS = (
    ("GetCutOuts", "getATLASTrainingSetCutouts.py\ngetPS1TrainingSetCutouts.py"),
    ("BuildMLDataset", "buildMLDataset.py"),
    ("KerasTensorflowClassifier", "kerasTensorflowClassifier.py"),
    ("PlotResults", "plotResults.py"),
)
_FILES = ("good.txt  bad.txt\ngood/  bad/", "dataset.h5", "scores.csv\nmodel.h5", "plots.png")
_SIDE = 20


def main() -> int:
    """Draw into the folder of the command line."""
    folder = Path(sys.argv[1])
    folder.mkdir(exist_ok=True)
    _save(_draw_pipeline(), folder / "classification_pipeline.png")
    _save(_draw_network(), folder / "model.png")
    return 0


def _draw_pipeline() -> Figure:
    figure, axes = _canvas(13, 5.2, (-0.6, 15.7), (-1.75, 4.6))
    _box(axes, (0, 3.0), (2.5, 1.0), "survey database", colour=_SOURCE)
    _box(axes, (0, 1.1), (2.5, 1.0), "difference images", colour=_SOURCE)
    for index, ((task, script), made) in enumerate(zip(_TASKS, _FILES, strict=True)):
        x = 3.3 + 3.15 * index
        _box(axes, (x, 2.9), (2.75, 1.2), task, script, colour=_TASK)
        _box(axes, (x + 0.2, 0.9), (2.35, 1.1), made, colour=_FILE)
        _arrow(axes, (x + 1.375, 2.9), (x + 1.375, 2.0))
        if index:
            _arrow(axes, (x - 0.6, 1.75), (x + 0.4, 2.9))
    _arrow(axes, (2.5, 3.5), (3.3, 3.5))
    _arrow(axes, (2.5, 1.75), (3.5, 2.9))
    _draw_scoring(axes)
    axes.text(
        9.2,
        4.4,
        "asking for any task runs those before it that are missing; a file at hand is used, and "
        "nothing before it is needed",
        ha="center",
    )
    return figure


def _draw_scoring(axes: Axes) -> None:
    """Draw the way of new objects: from the database by the classifier to scores."""
    task, script = "RunKerasTensorflowClassifier", "runKerasTensorflowClassifier.py"
    _box(axes, (0, -0.8), (2.5, 1.0), "postage stamps\nof new objects", colour=_SOURCE)
    _box(axes, (9.3, -1.0), (3.35, 1.2), task, script, colour=_TASK)
    _box(axes, (13.2, -0.95), (2.35, 1.1), "objects.csv", colour=_FILE)
    _arrow(axes, (2.5, -0.3), (9.3, -0.3))
    _arrow(axes, (10.97, 0.9), (10.97, 0.2))
    _arrow(axes, (12.65, -0.4), (13.2, -0.4))
    axes.text(5.9, -0.05, "those of the eyeball list, or any", ha="center", fontsize=9)
    _draw_return(axes)


def _draw_return(axes: Axes) -> None:
    """Draw the way of scores back to the database."""
    axes.plot([14.4, 14.4, -0.45, -0.45], [-0.95, -1.45, -1.45, 3.5], color=_INK, lw=1.2)
    _arrow(axes, (-0.45, 3.5), (0, 3.5))
    axes.text(
        7.5, -1.36, "with --update: scores, each change in the ledger", ha="center", fontsize=9
    )


def _draw_network() -> Figure:
    model = build_model("psat", _SIDE)
    layers = [layer for layer in model.layers if layer.name.split("_")[0] != "dropout"]
    figure, axes = _canvas(12, 4.2, (-0.5, 12.4), (-1.5, 3.1))
    x = _block(axes, 0.0, (_SIDE, _SIDE, 1), "stamp\n20 x 20")
    for layer in layers:
        x = _block(axes, x, layer.output.shape[1:], _caption(layer))
    axes.text(
        5.9,
        2.85,
        f"{model.count_params():,} parameters; ReLU, same padding; dropout 0.3 before the "
        "flattening and 0.4 after the dense 500",
        ha="center",
    )
    return figure


def _caption(layer: Any) -> str:
    kind = type(layer).__name__
    if kind == "Conv2D":
        return f"conv {layer.filters}\n2 x 2"
    if kind == "MaxPooling2D":
        return "max pool\n2 x 2"
    if kind == "Dense":
        return f"dense {layer.units}\n{'softmax: bogus, real' if layer.units == 2 else 'ReLU'}"
    return "flatten"


def _block(axes: Axes, x: float, shape: tuple[int, ...], caption: str) -> float:
    """Draw a layer's output to scale, and give the place of the next."""
    height = 0.1 * shape[0] if len(shape) == 3 else max(0.35, 0.0045 * shape[0])
    width = 0.12 + 0.009 * shape[-1] if len(shape) == 3 else 0.16
    axes.add_patch(Rectangle((x, 1 - height / 2), width, height, fc=_TASK, ec=_INK, lw=1.2))
    size = " x ".join(map(str, shape[:2] + shape[2:]))
    axes.text(x + width / 2, -0.25, size, ha="center", va="top", fontsize=8, color="#47617a")
    axes.text(x + width / 2, -0.6, caption, ha="center", va="top", fontsize=8)
    step = 1.18
    if x < 10.5:
        _arrow(axes, (x + width + 0.06, 1), (x + step - 0.06, 1))
    return x + step


def _canvas(
    width: float, height: float, x: tuple[float, float], y: tuple[float, float]
) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.set(xlim=x, ylim=y)
    axes.axis("off")
    return figure, axes


def _box(
    axes: Axes,
    corner: tuple[float, float],
    size: tuple[float, float],
    text: str,
    small: str = "",
    *,
    colour: str,
) -> None:
    style = "round,pad=0,rounding_size=0.08"
    axes.add_patch(FancyBboxPatch(corner, *size, boxstyle=style, fc=colour, ec=_INK, lw=1.2))
    x, y = corner[0] + size[0] / 2, corner[1] + size[1] / 2
    axes.text(x, y + (0.28 if small else 0), text, ha="center", va="center", fontsize=10)
    axes.text(x, y - 0.22, small, ha="center", va="center", fontsize=7.5, color="#47617a")


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    style = {"arrowstyle": "-|>", "mutation_scale": 12, "color": _INK, "lw": 1.2}
    axes.add_patch(FancyArrowPatch(start, end, shrinkA=0, shrinkB=0, **style))


def _save(figure: Figure, path: Path) -> None:
    figure.savefig(path, dpi=110, facecolor="white")


if __name__ == "__main__":
    sys.exit(main())
