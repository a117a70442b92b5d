"""What a threshold costs in eyeballs a night."""

from pathlib import Path

import numpy as np

from realbogus.budgets import Budget, Night, budget_of_eyeballs, budget_of_mdr
from realbogus.errors import ConfigError, FormatError
from realbogus.metrics import median_scores, number_objects
from realbogus.scores import Scores, read_scores

__all__ = ["find_budget"]


def find_budget(
    scores: Path,
    *,
    candidates: float,
    ratio: float,
    eyeballs: float | None = None,
    mdr: float | None = None,
    labels: Path | None = None,
) -> list[str]:
    """Find the threshold for so many eyeballs or so many missed, and say what it costs.

    Objects count, not detections: the score of an object is the median of its detections'.

    Parameters
    ----------
    scores : Path
        The score file of a test.
    candidates : float
        Objects that a night brings to the classifier.
    ratio : float
        Bogus for every real among them.
    eyeballs, mdr : float
        One of them: objects a night to look at, or the fraction of the reals that may be missed.
    labels : Path, optional
        Objects and their targets, if the score file has objects and scores alone.

    Returns
    -------
    list of str
        Lines that say the threshold, both rates and the eyeballs.

    Raises
    ------
    ConfigError, FormatError, DatasetError
        If a number is not allowed, the file is not a score file, or it has too few objects.
    """
    _require_positive(candidates=candidates, ratio=ratio, eyeballs=eyeballs, mdr=mdr)
    targets, medians = _by_object(scores, read_scores(scores, labels=labels))
    night = Night(candidates, ratio)
    if eyeballs is not None:
        return _lines(budget_of_eyeballs(targets, medians, night, eyeballs=eyeballs), night)
    if mdr is None or mdr >= 1:
        raise ConfigError("give eyeballs, or an mdr between 0 and 1")
    return _lines(budget_of_mdr(targets, medians, night, mdr=mdr), night)


def _require_positive(**values: float | None) -> None:
    for name, value in values.items():
        if value is not None and not 0 < value < float("inf"):
            raise ConfigError(f"{name} must be above 0; got {value:g}")


def _by_object(
    path: Path, scores: Scores
) -> tuple[np.ndarray[tuple[int], np.dtype[np.int8]], np.ndarray[tuple[int], np.dtype[np.float64]]]:
    """Give the target and the median score of each object."""
    numbers = number_objects(scores.objects)
    objects, medians = median_scores(scores.objects, scores.scores)
    reals, sizes = np.bincount(numbers, scores.targets), np.bincount(numbers)
    mixed = np.flatnonzero((reals > 0) & (reals < sizes))
    if len(mixed):
        raise FormatError(f"{path}: object {objects[mixed[0]]!r} is there as real and as bogus")
    targets = (reals > 0).astype(np.int8)
    for kind, name in ((1, "real"), (0, "bogus")):
        if kind not in targets:
            raise FormatError(f"{path}: has no {name} objects")
    return targets, medians


def _lines(budget: Budget, night: Night) -> list[str]:
    eyeballs = budget.eyeballs
    return [
        f"threshold: {budget.threshold:.7g}",
        f"eyeballs a night: {eyeballs.value:.0f} ({eyeballs.low:.0f} to {eyeballs.high:.0f}) "
        f"of {night.candidates:.0f}, of which {night.real:.0f} are real",
        f"false positive rate: {budget.fpr.as_percent()}, of {budget.n_bogus:,} bogus objects",
        f"missed detection rate: {budget.mdr.as_percent()}, of {budget.n_real:,} real objects",
        "intervals: 95%, Clopper-Pearson; the threshold is a split conformal quantile",
    ]
