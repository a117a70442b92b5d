"""The recall of lists of known good objects."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from realbogus.dataset import read_columns, read_stamps
from realbogus.errors import ConfigError
from realbogus.files import require_writable_folder
from realbogus.intervals import Sample, point
from realbogus.known import KnownObjects, read_known_objects
from realbogus.plots.figures import save_figure
from realbogus.plots.formats import read_figure_recipe, require_figure_suffix
from realbogus.plots.recall import SHOWN, draw_recall
from realbogus.provenance import identify
from realbogus.recipes import Recipe, already_made
from realbogus.scores import label_files, read_scores

__all__ = ["plot_recall"]

log = logging.getLogger(__name__)


def plot_recall(
    recall: Sequence[Path],
    output: Path,
    *,
    threshold: float | None = None,
    input_files: Sequence[Path] = (),
    mdrs: Sequence[float] = (0.01,),
    dataset: Path | None = None,
    title: str = "",
) -> None:
    """Plot which objects of lists of known good ones are found, and log and show the missed.

    Parameters
    ----------
    recall : sequence of Path
        Score files of known good objects, or objects and scores in two columns.
    output : Path
        The figure to make: ``.png``, ``.pdf`` or ``.svg``.
    threshold : float, optional
        Objects at or above it are found.
    input_files : sequence of Path
        Of a test: the threshold of the first, at the first of ``mdrs``, is taken if none is given.
    mdrs : sequence of float
        Missed detection rates.
    dataset : Path, optional
        The data set whose parts have the stamps of missed objects, to show them.
    title : str
        Above the panels.

    Raises
    ------
    ConfigError, FormatError, DatasetError, RecipeError
        If there is no threshold, a file is not what it should be, or the figure exists and was
        made in another way.
    """
    require_figure_suffix(output)
    files = {f"recall[{i}]": path for i, path in enumerate(recall)}
    if threshold is None:
        if not input_files or not mdrs:
            raise ConfigError("threshold: give one, or a score file and an mdr to take it from")
        files["inputFiles[0]"] = input_files[0]
    files |= {} if dataset is None else {"dataset": dataset}
    options: dict[str, Any] = {"recall": len(recall), "threshold": threshold, "title": title}
    options |= {"mdr": list(mdrs[:1])} if threshold is None else {}
    inputs = {name: identify(path) for name, path in files.items()}
    recipe = Recipe("recall", options, inputs)
    if already_made(output, read_figure_recipe(output) if output.exists() else None, recipe):
        return
    require_writable_folder(output.parent)
    lists = [
        read_known_objects(path, label)
        for path, label in zip(recall, label_files(recall), strict=True)
    ]
    limit = _threshold(input_files[0], mdrs[0]) if threshold is None else threshold
    stamps = [_stamps(dataset, known, limit) for known in lists]
    results = {"threshold": limit, **{known.label: _results(known, limit) for known in lists}}
    figure = draw_recall(lists, limit, stamps=stamps, title=title)
    save_figure(figure, output, Recipe("recall", options, inputs, results))
    for known in lists:
        found = known.recall(limit).as_percent()
        log.info("%s: %s of %d found at %.4g", known.label, found, len(known.scores), limit)
        for name in known.objects[: min(known.missed(limit), SHOWN)].tolist():
            log.info("%s: missed %s", known.label, name)
    log.info("the picture is %s; its recipe names all that are missed", output)


def _threshold(input_file: Path, mdr: float) -> float:
    scores = read_scores(input_file)
    sample = Sample.of(scores.targets, scores.scores, scores.objects)
    return point(sample, mdr=mdr).threshold.value


def _results(known: KnownObjects, threshold: float) -> Mapping[str, object]:
    missed = known.missed(threshold)
    return {
        "objects": len(known.scores),
        "recall": str(known.recall(threshold)),
        "missed": known.objects[:missed].tolist(),
    }


def _stamps(
    dataset: Path | None, known: KnownObjects, threshold: float
) -> Mapping[str, NDArray[np.float32]]:
    """Give a stamp of each missed object to show, if the data set has one."""
    if dataset is None:
        return {}
    wanted = known.objects[: min(known.missed(threshold), SHOWN)].tolist()
    found: dict[str, NDArray[np.float32]] = {}
    for which in ("test", "train"):
        objects = read_columns(dataset, which).objects.tolist()
        rows = {name: objects.index(name) for name in wanted if name in objects}
        new = {name: row for name, row in rows.items() if name not in found}
        found |= dict(zip(new, read_stamps(dataset, which, list(new.values())), strict=True))
    return found
