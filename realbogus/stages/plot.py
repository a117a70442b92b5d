"""The ROC curve and the detection error tradeoff of score files."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

from realbogus.errors import ConfigError, FormatError
from realbogus.files import require_writable_folder
from realbogus.intervals import Sample, area, operating_points
from realbogus.options import require_choice
from realbogus.plots.figures import save_figure
from realbogus.plots.formats import read_figure_recipe, require_figure_suffix
from realbogus.plots.rates import SCALES, Look, Run, draw_rates, thin
from realbogus.provenance import identify
from realbogus.recipes import Recipe, already_made
from realbogus.scores import label_files, read_scores

__all__ = ["plot_results"]

log = logging.getLogger(__name__)


def plot_results(
    input_files: Sequence[Path],
    output: Path,
    *,
    labels: Path | None = None,
    names: Sequence[str] = (),
    mdrs: Sequence[float] = (0.01, 0.04),
    fprs: Sequence[float] = (),
    scale: str = "mixed",
    fpr_limits: tuple[float, float] | None = None,
    mdr_limits: tuple[float, float] | None = None,
    title: str = "",
    panel_labels: Sequence[str] = (),
) -> None:
    """Plot the rates of one or more score files, and log their operating points.

    Parameters
    ----------
    input_files : sequence of Path
        Score files.
    output : Path
        The figure to make: ``.png``, ``.pdf`` or ``.svg``.
    labels : Path, optional
        Objects and their targets, for score files that have objects and scores alone.
    names : sequence of str
        Of the files in the legend, unless those of the files themselves.
    mdrs, fprs : sequence of float
        Missed detection and false positive rates whose operating points are marked.
    scale : str
        One of `SCALES`.
    fpr_limits, mdr_limits : tuple of float, optional
        The ends of the axes.
    title : str
        Above the panels.
    panel_labels : sequence of str
        In the corners of the panels.

    Raises
    ------
    ConfigError, FormatError, RecipeError
        If an option is not allowed, a file is not a score file or has one class only, or the
        figure exists and was made in another way.
    """
    require_figure_suffix(output)
    require_choice("scale", scale, SCALES)
    if not input_files:
        raise ConfigError("inputFiles: give at least one score file")
    if names and len(set(names)) != len(input_files):
        raise ConfigError(
            f"names must be as many different ones as score files: {len(input_files)}; "
            f"got {', '.join(names)}"
        )
    look = Look(scale, fpr_limits, mdr_limits, title, tuple(panel_labels))
    files = {f"inputFiles[{i}]": path for i, path in enumerate(input_files)}
    files |= {} if labels is None else {"labels": labels}
    inputs = {name: identify(path) for name, path in files.items()}
    options = {
        "files": len(input_files),
        "names": list(names),
        "mdr": list(mdrs),
        "fpr": list(fprs),
        "scale": scale,
        "fprLimits": fpr_limits,
        "mdrLimits": mdr_limits,
        "title": title,
        "panelLabel": list(panel_labels),
    }
    recipe = Recipe("plot", options, inputs)
    if already_made(output, read_figure_recipe(output) if output.exists() else None, recipe):
        return
    require_writable_folder(output.parent)
    shown = names or label_files(input_files)
    runs = [
        _run(path, name, labels=labels, mdrs=mdrs, fprs=fprs)
        for path, name in zip(input_files, shown, strict=True)
    ]
    results = {run.label: _statistics(run) for run in runs}
    save_figure(draw_rates(runs, look), output, Recipe("plot", options, inputs, results))
    for run in runs:
        _log(run)
    log.info("the picture is %s", output)


def _run(
    path: Path,
    label: str,
    *,
    labels: Path | None,
    mdrs: Sequence[float],
    fprs: Sequence[float],
) -> Run:
    scores = read_scores(path, labels=labels)
    n_real = int(scores.targets.sum())
    n_bogus = len(scores) - n_real
    if not n_real or not n_bogus:
        raise FormatError(f"{path}: holds {n_real} real and {n_bogus} bogus: both are needed")
    sample = Sample.of(scores.targets, scores.scores, scores.objects)
    points = operating_points(sample, mdrs=mdrs, fprs=fprs)
    return Run(label, thin(sample.curve), area(sample), points, n_real, n_bogus)


def _statistics(run: Run) -> Mapping[str, object]:
    """Say a run's statistics as ``value [low, high]``."""
    found: dict[str, object] = {"real": run.n_real, "bogus": run.n_bogus, "auc": str(run.area)}
    for name, point in run.points.items():
        found |= {
            f"threshold at {name}": str(point.threshold),
            f"fpr at {name}": str(point.fpr),
            f"mdr at {name}": str(point.mdr),
        }
    return found


def _log(run: Run) -> None:
    log.info("%s: AUC %s", run.label, run.area)
    for name, point in run.points.items():
        log.info(
            "%s at %s: false positive rate %s, missed %s, threshold %s",
            run.label,
            name,
            point.fpr.as_percent(),
            point.mdr.as_percent(),
            point.threshold,
        )
