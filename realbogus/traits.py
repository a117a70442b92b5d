"""What is known of scored detections, and the groups that it makes of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from realbogus.dataset import Part, read_columns
from realbogus.errors import DatasetError
from realbogus.exposures import read_exposure_name
from realbogus.scores import Scores

__all__ = ["TITLES", "Traits", "groups_of", "match", "read_traits"]

TITLES: Mapping[str, str] = {
    "mag": "magnitude",
    "snr": "signal to noise",
    "seeing": "seeing, FWHM in pixels",
    "masked": "masked fraction",
    "camera": "camera",
    "filter": "filter",
    "night": "night (MJD)",
    "star_distance": "distance to the nearest bright star, arcsec",
}
"""The traits that make groups, and what they are."""

# Edges of groups, in the trait's unit; those of magnitudes and seeing follow from the values.
_EDGES: Mapping[str, Sequence[float]] = {
    "snr": (5, 7, 10, 20, 50),
    "masked": (0, 0.01, 0.05, 0.2),
    "star_distance": (10, 20, 40, 80, 160),
}
_STEPS: Mapping[str, float] = {"mag": 1.0, "seeing": 0.5}


@dataclass(frozen=True)
class Traits:
    """What is known of detections.

    Attributes
    ----------
    values : mapping of str to ndarray of shape (n,)
        By the names of `TITLES`; those of which nothing is known are left out.
    rows : ndarray of shape (n,), optional
        The rows of the detections in the test part of the data set, if one was given.
    """

    values: Mapping[str, NDArray[Any]]
    rows: NDArray[np.intp] | None = None


def read_traits(scores: Scores, dataset: Path | None) -> Traits:
    """Read what a data set says of scored detections; without one, what their names say.

    Raises
    ------
    DatasetError
        If the file is not a data set, or its test part has not all of the detections.
    """
    if dataset is None:
        return Traits(_known(_of_names(scores)))
    part = read_columns(dataset, "test")
    try:
        rows = match(scores, part)
    except KeyError as error:
        raise DatasetError(f"{dataset}: its test part has no {error.args[0]!r}") from error
    values = {"mag": part.mag, **part.traits}
    return Traits(_known({name: column[rows] for name, column in values.items()}), rows)


def match(wanted: Scores, found: Part | Scores) -> NDArray[np.intp]:
    """Return the row of each wanted detection, of shape (n,), by name and object.

    Raises
    ------
    KeyError
        The first name that was not found.
    DatasetError
        If a name is there twice, unless all rows are in the same order.
    """
    keys, others = _keys(wanted), _keys(found)
    if keys == others:
        return np.arange(len(keys))
    rows = {key: row for row, key in enumerate(others)}
    if len(rows) != len(others):
        raise DatasetError("detections of the same name and object can't be told apart")
    missing = next((key for key in keys if key not in rows), None)
    if missing is not None:
        raise KeyError(missing[0])
    return np.array([rows[key] for key in keys], np.intp)


def groups_of(name: str, values: NDArray[Any]) -> dict[str, NDArray[np.bool_]]:
    """Return the groups that a trait makes of detections: a mask of shape (n,) for each label.

    Those of which it is not known are in no group, and groups without detections are left out.
    """
    if name in _EDGES or name in _STEPS:
        return _intervals(values, _EDGES.get(name) or _steps(values, _STEPS[name]))
    known = np.unique(values[_is_known(values)])
    return {str(value): values == value for value in known.tolist()}


def _keys(detections: Part | Scores) -> list[tuple[str, str]]:
    return list(zip(detections.names.tolist(), detections.objects.tolist(), strict=True))


def _of_names(scores: Scores) -> Mapping[str, NDArray[Any]]:
    found = [read_exposure_name(name) for name in scores.names.tolist()]
    return {
        "camera": np.array([item.camera for item in found]),
        "filter": np.array([item.filter for item in found]),
        "night": np.array([item.night for item in found]),
    }


def _known(values: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Leave out the traits of which nothing is known; the others in the order of `TITLES`."""
    return {
        name: values[name] for name in TITLES if name in values and _is_known(values[name]).any()
    }


def _is_known(values: NDArray[Any]) -> NDArray[np.bool_]:
    is_known: NDArray[np.bool_]
    if values.dtype.kind == "f":
        is_known = np.isfinite(values)
    else:
        is_known = values >= 0 if values.dtype.kind in "iu" else values != ""
    return is_known


def _steps(values: NDArray[np.floating], step: float) -> Sequence[float]:
    """Give whole steps, such that the groups at both ends have a hundredth of the detections."""
    low, high = np.nanpercentile(values, [1, 99])
    first, last = np.floor(low / step) + 1, np.ceil(high / step) - 1
    return [float(step * place) for place in np.arange(first, max(first, last) + 1)]


def _intervals(
    values: NDArray[np.floating], edges: Sequence[float]
) -> dict[str, NDArray[np.bool_]]:
    """Group numbers: below the first edge, from each edge to the next, from the last on."""
    found = {f"below {edges[0]:g}": values < edges[0]}
    for low, high in pairwise(edges):
        found[f"{low:g} to {high:g}"] = (values >= low) & (values < high)
    found[f"{edges[-1]:g} and more"] = values >= edges[-1]
    return {label: mask for label, mask in found.items() if mask.any()}
