"""The ROC curve and the detection error tradeoff of score files."""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from realbogus.errors import ConfigError, FormatError
from realbogus.files import require_writable_folder
from realbogus.metrics import bootstrap, rates
from realbogus.plots import Run, draw_rates, read_figure_recipe, require_figure_suffix, save_figure
from realbogus.provenance import identify
from realbogus.recipes import Recipe, already_made
from realbogus.scores import read_scores

__all__ = ["plot_results"]

log = logging.getLogger(__name__)

_SEED = 0


def plot_results(input_files: Sequence[Path], output: Path) -> None:
    """Plot the rates of one or more score files, and log their operating points.

    Parameters
    ----------
    input_files : sequence of Path
        Score files.
    output : Path
        The PNG to make.

    Raises
    ------
    ConfigError, FormatError, RecipeError
        If a file is not a score file or has one class only, or the figure exists and was made
        from other files.
    """
    require_figure_suffix(output)
    if not input_files:
        raise ConfigError("inputFiles: give at least one score file")
    inputs = {_key(i): identify(path) for i, path in enumerate(input_files)}
    recipe = Recipe("plot", {"files": len(input_files)}, inputs)
    if already_made(output, read_figure_recipe(output) if output.exists() else None, recipe):
        return
    require_writable_folder(output.parent)
    labels = _labels(input_files)
    runs = [_run(path, label) for path, label in zip(input_files, labels, strict=True)]
    results = {run.label: _statistics(run) for run in runs}
    save_figure(draw_rates(runs), output, Recipe("plot", recipe.options, inputs, results))
    for run in runs:
        log.info("%s: AUC %s", run.label, run.statistics["auc"])
        for mdr in ("0.01", "0.04"):
            interval = run.statistics[f"fpr_at_mdr_{mdr}"]
            log.info(
                "%s: false positive rate %s at %s missed", run.label, interval, f"{float(mdr):.0%}"
            )
    log.info("the picture is %s", output)


def _statistics(run: Run) -> dict[str, object]:
    """Say a run's statistics as ``value [low, high]``."""
    counts = {"real": run.n_real, "bogus": run.n_bogus}
    return {**counts, **{name: str(interval) for name, interval in run.statistics.items()}}


def _key(index: int) -> str:
    return f"inputFiles[{index}]"


def _run(path: Path, label: str) -> Run:
    scores = read_scores(path)
    n_real = int(scores.targets.sum())
    n_bogus = len(scores.targets) - n_real
    if not n_real or not n_bogus:
        raise FormatError(f"{path}: holds {n_real} real and {n_bogus} bogus: both are needed")
    rng = np.random.default_rng(_SEED)
    return Run(
        label,
        rates(scores.targets, scores.scores),
        bootstrap(scores.targets, scores.scores, scores.objects, rng=rng),
        n_real,
        n_bogus,
    )


def _labels(paths: Sequence[Path]) -> list[str]:
    """Name each file as shortly as tells it from the others."""
    stems = [path.stem for path in paths]
    if len(set(stems)) == len(stems):
        return stems
    return [f"{path.parent.name}/{path.stem}" for path in paths]
