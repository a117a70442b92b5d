"""What a classifier is worth: its thresholds, rates and calibration, for its record."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from realbogus.calibration import calibration_error
from realbogus.intervals import Sample, area, operating_points
from realbogus.metrics import Interval, median_scores, number_objects, object_targets
from realbogus.pooling import Pool, pool_objects

__all__ = ["MISSED", "find_thresholds", "judge", "object_scores"]

MISSED = (0.01, 0.04)
"""The missed detection rates at which surveys work."""


def find_thresholds(
    targets: NDArray[np.integer], scores: NDArray[np.floating], objects: NDArray[Any]
) -> dict[str, dict[str, Any]]:
    """Find the thresholds at which so many reals are missed, each with its 95% interval.

    Parameters
    ----------
    targets, scores, objects : ndarray of shape (n,)
        1 for real and 0 for bogus; calibrated scores; the object of each detection.

    Returns
    -------
    dict
        For each of `MISSED`, as ``mdr 0.01``: the threshold, the false positive and the missed
        detection rate there, each as value, low and high.
    """
    points = operating_points(Sample.of(targets, scores, objects), mdrs=MISSED)
    return {
        name: {
            "threshold": _record(point.threshold),
            "fpr": _record(point.fpr),
            "mdr": _record(point.mdr),
        }
        for name, point in points.items()
    }


def judge(
    targets: NDArray[np.integer],
    scores: NDArray[np.floating],
    objects: NDArray[Any],
    *,
    pool: Pool | None = None,
) -> dict[str, Any]:
    """Judge calibrated scores of detections that took no part in the training.

    Returns
    -------
    dict
        The area under the ROC curve and the false positive rates at the rates of `MISSED`, each as
        value, low and high, over whole objects; the expected calibration error; and under
        ``objects`` the same of the median score of each object; with a ``pool``, under ``pooled
        objects`` that of its pooled score.
    """
    found = {"objects": object_scores(targets, scores, objects)}
    if pool is not None:
        found["pooled objects"] = pool_objects(pool, targets, scores, objects)
    whole = {name: _judge(*one, np.arange(len(one[0]))) for name, one in found.items()}
    return {**_judge(targets, scores, objects), **whole}


def object_scores(
    targets: NDArray[np.integer], scores: NDArray[np.floating], objects: NDArray[Any]
) -> tuple[NDArray[np.int8], NDArray[np.float64]]:
    """Give the target and the score of each object, the largest and the median of its own.

    Objects are in the order in which they come.

    Returns
    -------
    tuple of two ndarray of shape (m,)
    """
    _, medians = median_scores(objects, np.asarray(scores, np.float64))
    return object_targets(number_objects(objects), targets), medians


def _judge(
    targets: NDArray[np.integer], scores: NDArray[np.floating], objects: NDArray[Any]
) -> dict[str, Any]:
    sample = Sample.of(targets, scores, objects)
    points = operating_points(sample, mdrs=MISSED)
    return {
        "auc": _record(area(sample)),
        **{f"fpr at {name}": _record(point.fpr) for name, point in points.items()},
        "calibration_error": calibration_error(targets, scores),
    }


def _record(interval: Interval) -> list[float | None]:
    """Give value, low and high as JSON knows them; a bound that is infinite is None."""
    numbers = (interval.value, interval.low, interval.high)
    return [float(number) if np.isfinite(number) else None for number in numbers]
