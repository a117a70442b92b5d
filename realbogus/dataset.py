"""Training sets in HDF5, and their split by object.

========================  ==========================================================
``X``, ``testX``          normalised stamps, float32 of shape (n, ny, nx)
``y``, ``testy``          targets, int8 of shape (n,): 1 real, 0 bogus
``train_files``, ``test_files``      names of the stamps
``train_objects``, ``test_objects``  objects; none is in both parts
``train_mag``, ``test_mag``          magnitudes, NaN where unknown
``recipe``                what made the set
========================  ==========================================================
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from realbogus.errors import DatasetError
from realbogus.files import atomic_path
from realbogus.hdf5 import File, open_hdf5, read_recipe, write_recipe
from realbogus.recipes import Recipe

__all__ = ["Part", "read_dataset_recipe", "read_part", "split_by_object", "write_dataset"]

_NAMES = {"train": ("X", "y"), "test": ("testX", "testy")}


@dataclass(frozen=True)
class Part:
    """The training or the test part of a data set.

    Attributes
    ----------
    stamps : ndarray of shape (n, ny, nx)
        Normalised pixels.
    targets : ndarray of shape (n,)
        1 for real, 0 for bogus.
    names, objects : ndarray of shape (n,)
        The stamps' file names, and the objects that they show.
    mag : ndarray of shape (n,)
        Magnitudes, NaN where unknown.
    """

    stamps: NDArray[np.float32]
    targets: NDArray[np.int8]
    names: NDArray[np.str_]
    objects: NDArray[np.str_]
    mag: NDArray[np.float64]

    def __len__(self) -> int:
        """Return the number of stamps."""
        return len(self.targets)

    def select(self, rows: NDArray[np.integer] | NDArray[np.bool_]) -> "Part":
        """Return the part with these rows only."""
        return Part(
            self.stamps[rows],
            self.targets[rows],
            self.names[rows],
            self.objects[rows],
            self.mag[rows],
        )


def split_by_object(
    objects: NDArray[np.str_],
    targets: NDArray[np.integer],
    *,
    fraction: float,
    rng: np.random.Generator,
) -> NDArray[np.bool_]:
    """Set a fraction of the objects aside, of the real and of the bogus alike.

    Parameters
    ----------
    objects : ndarray of shape (n,)
        The object of each detection.
    targets : ndarray of shape (n,)
        1 for real, 0 for bogus. An object of both counts as real.
    fraction : float
        Of the objects of each kind; at least one is set aside, and at least one is kept.
    rng : numpy.random.Generator
        The source of the draw.

    Returns
    -------
    ndarray of shape (n,)
        True where the detection's object is set aside.

    Raises
    ------
    DatasetError
        If either kind has fewer than two objects.
    """
    _, group = np.unique(objects, return_inverse=True)
    kinds = np.zeros(group.max(initial=-1) + 1, np.int8)
    np.maximum.at(kinds, group, targets)
    aside = np.zeros(len(kinds), bool)
    for kind, name in ((1, "real"), (0, "bogus")):
        members = np.flatnonzero(kinds == kind)
        if len(members) < 2:
            raise DatasetError(
                f"{len(members)} {name} objects can't be split: at least 2 are needed"
            )
        count = int(np.clip(round(fraction * len(members)), 1, len(members) - 1))
        aside[rng.choice(members, count, replace=False)] = True
    return aside[group]


def write_dataset(path: Path, train: Part, test: Part, recipe: Recipe) -> None:
    """Write a data set, whole or not at all."""
    with atomic_path(path) as part:
        with open_hdf5(part, "w") as file:
            _write_part(file, "train", train)
            _write_part(file, "test", test)
        write_recipe(part, recipe, error=DatasetError)


def read_part(path: Path, which: str) -> Part:
    """Read the ``train`` or the ``test`` part of a data set.

    Raises
    ------
    DatasetError
        If the file is not a data set, or its arrays do not belong together.
    """
    stamps, targets = _NAMES[which]
    with open_hdf5(path) as file:
        columns = [f"{which}_{name}" for name in ("files", "objects", "mag")]
        missing = [name for name in (stamps, targets, *columns) if name not in file]
        if missing:
            raise DatasetError(f"{path}: not a data set: it has no {', '.join(missing)}")
        names = file[f"{which}_files"].asstr()[:].astype(str)
        labels = file[targets][:]
        part = Part(
            file[stamps][:].astype(np.float32),
            np.where(np.isin(labels, (0, 1)), labels, -1).astype(np.int8),
            names,
            file[f"{which}_objects"].asstr()[:].astype(str),
            file[f"{which}_mag"][:].astype(np.float64),
        )
    _check(part, path)
    return part


def read_dataset_recipe(path: Path) -> Recipe | None:
    """Read the recipe of a data set; None if it has none."""
    return read_recipe(path, error=DatasetError)


def _write_part(file: File, which: str, part: Part) -> None:
    stamps, targets = _NAMES[which]
    file[stamps] = part.stamps
    file[targets] = part.targets
    file[f"{which}_files"] = part.names.astype(object)
    file[f"{which}_objects"] = part.objects.astype(object)
    file[f"{which}_mag"] = part.mag


def _check(part: Part, path: Path) -> None:
    if part.stamps.ndim != 3 or part.stamps.shape[1] != part.stamps.shape[2]:
        raise DatasetError(f"{path}: its stamps are not square images")
    columns = (part.targets, part.names, part.objects, part.mag)
    if any(column.ndim != 1 for column in columns):
        raise DatasetError(f"{path}: its columns are not one number a stamp")
    if any(len(column) != len(part.stamps) for column in columns):
        raise DatasetError(f"{path}: its columns have different lengths")
    if not np.isin(part.targets, (0, 1)).all():
        raise DatasetError(f"{path}: its targets are not all 0 or 1")
    if not np.isfinite(part.stamps).all():
        raise DatasetError(f"{path}: some of its pixels are not finite")
