"""The weights in a classifier file, read as the numbers that they are: no Keras is needed."""

import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from realbogus.errors import ModelError
from realbogus.hdf5 import open_hdf5
from realbogus.models.description import Layer
from realbogus.models.graph import TrainedLayer, weight_count

__all__ = ["read_trained_layers"]

_MEMBER = "model.weights.h5"
_MOST_BYTES = 2**30
# What the layers with weights are called in a .keras archive; the second is dense_1.
_NAMES = {
    "BatchNormalization": "batch_normalization",
    "Conv2D": "conv2d",
    "Dense": "dense",
    "OrientedConv": "oriented_conv",
}


def read_trained_layers(path: Path, described: Sequence[Layer]) -> list[TrainedLayer]:
    """Read the weights that belong to the layers of a file.

    Parameters
    ----------
    path : Path
        ``.h5`` of Keras 2 or 3, or ``.keras``.
    described : sequence of (str, mapping)
        From `realbogus.models.description.read_layers`.

    Raises
    ------
    ModelError
        If they are not all there.
    """
    counts = [weight_count(kind, config) for kind, config in described]
    wanted = [kind for (kind, _), count in zip(described, counts, strict=True) if count]
    found = _of_hdf5(path) if path.suffix == ".h5" else _of_archive(path, wanted)
    if [len(group) for group in found] != [count for count in counts if count]:
        raise ModelError(f"{path}: does not hold the weights of the layers that it describes")
    remaining = iter(found)
    return [
        TrainedLayer(kind, config, next(remaining) if count else ())
        for (kind, config), count in zip(described, counts, strict=True)
    ]


def _of_hdf5(path: Path) -> list[list[NDArray[np.float32]]]:
    """Read the groups that have weights, in the order of the layers."""
    with open_hdf5(path, error=ModelError) as file:
        root = file["model_weights"]
        names_of_layers: Sequence[Any] = root.attrs["layer_names"]
        groups = [(root[name], root[name].attrs["weight_names"]) for name in names_of_layers]
        return [
            [_numbers(path, group[name]) for name in names] for group, names in groups if len(names)
        ]


def _of_archive(path: Path, kinds: Sequence[str]) -> list[list[NDArray[np.float32]]]:
    with tempfile.TemporaryDirectory() as folder:
        file = _unpacked(path, Path(folder))
        with open_hdf5(file, error=ModelError) as content:
            groups = [content[f"layers/{name}/vars"] for name in _archive_names(kinds)]
            return [
                [_numbers(path, group[str(place)]) for place in range(len(group))]
                for group in groups
            ]


def _unpacked(path: Path, folder: Path) -> Path:
    with zipfile.ZipFile(path) as archive:
        if archive.getinfo(_MEMBER).file_size > _MOST_BYTES:
            raise ModelError(f"{path}: its weights are too many")
        return Path(archive.extract(_MEMBER, folder))


def _archive_names(kinds: Sequence[str]) -> list[str]:
    seen: dict[str, int] = {}
    names = []
    for kind in kinds:
        count = seen.get(kind, 0)
        names.append(f"{_NAMES[kind]}_{count}" if count else _NAMES[kind])
        seen[kind] = count + 1
    return names


def _numbers(path: Path, stored: Any) -> NDArray[np.float32]:
    """Read an array that is in this file and small enough."""
    if stored.external or stored.is_virtual or 4 * stored.size > _MOST_BYTES:
        raise ModelError(f"{path}: its weights are too many, or in another file")
    return np.asarray(stored[()], np.float32)
