"""The weights in a classifier file, read as the numbers that they are: no Keras is needed."""

import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from itertools import islice
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
# What the layers with weights are called in a .keras archive, and each of several networks.
_NETWORK = "sequential"
# Of several networks in .h5, what this layer does not train comes after all else.
_SPLIT = "BatchNormalization"
_NAMES = {
    "BatchNormalization": "batch_normalization",
    "Conv2D": "conv2d",
    "Dense": "dense",
    "OrientedConv": "oriented_conv",
}


def read_trained_layers(
    path: Path, described: Sequence[Sequence[Layer]]
) -> list[list[TrainedLayer]]:
    """Read the weights that belong to the layers of a file.

    Parameters
    ----------
    path : Path
        ``.h5`` of Keras 2 or 3, or ``.keras``.
    described : sequence of sequence of (str, mapping)
        From `realbogus.models.description.read_networks`.

    Raises
    ------
    ModelError
        If they are not all there.
    """
    if len(described) > 1 and _SPLIT in {kind for chain in described for kind, _ in chain}:
        raise ModelError(f"{path}: holds several networks with layers {_SPLIT}")
    counts = [[weight_count(*layer) for layer in chain] for chain in described]
    wanted = [count for chain in counts for count in chain if count]
    if path.suffix != ".h5":
        found = _of_archive(path, described)
    else:
        found = _of_hdf5(path)
        wanted = wanted if len(counts) == 1 else [sum(chain) for chain in counts]
    if [len(group) for group in found] != wanted:
        raise ModelError(f"{path}: does not hold the weights of the layers that it describes")
    weights = (item for group in found for item in group)
    return [[_trained(layer, weights) for layer in chain] for chain in described]


def _trained(layer: Layer, weights: Iterator[NDArray[np.float32]]) -> TrainedLayer:
    """Give a layer the next of the weights."""
    return TrainedLayer(*layer, list(islice(weights, weight_count(*layer))))


def _of_hdf5(path: Path) -> list[list[NDArray[np.float32]]]:
    """Read the groups that have weights: a layer each, or a network each of several."""
    with open_hdf5(path, error=ModelError) as file:
        root = file["model_weights"]
        names_of_layers: Sequence[Any] = root.attrs["layer_names"]
        groups = [(root[name], root[name].attrs["weight_names"]) for name in names_of_layers]
        return [
            [_numbers(path, group[name]) for name in names] for group, names in groups if len(names)
        ]


def _of_archive(
    path: Path, described: Sequence[Sequence[Layer]]
) -> list[list[NDArray[np.float32]]]:
    """Read those of an archive: a layer each, of one network after the other."""
    several = [f"layers/{name}/" for name in _numbered([_NETWORK] * len(described))]
    places = zip(several if len(described) > 1 else [""], described, strict=True)
    names = [f"{place}layers/{name}/vars" for place, chain in places for name in _names(chain)]
    with tempfile.TemporaryDirectory() as folder:
        file = _unpacked(path, Path(folder))
        with open_hdf5(file, error=ModelError) as content:
            groups = [content.get(name, {}) for name in names]
            return [
                [_numbers(path, group[str(place)]) for place in range(len(group))]
                for group in groups
            ]


def _names(chain: Sequence[Layer]) -> list[str]:
    return _numbered([_NAMES[kind] for kind, config in chain if weight_count(kind, config)])


def _unpacked(path: Path, folder: Path) -> Path:
    with zipfile.ZipFile(path) as archive:
        if archive.getinfo(_MEMBER).file_size > _MOST_BYTES:
            raise ModelError(f"{path}: its weights are too many")
        return Path(archive.extract(_MEMBER, folder))


def _numbered(names: Sequence[str]) -> list[str]:
    """Give the second of a name, and those after it, a number as Keras does: dense, dense_1."""
    seen: dict[str, int] = {}
    numbered = []
    for name in names:
        count = seen.get(name, 0)
        numbered.append(f"{name}_{count}" if count else name)
        seen[name] = count + 1
    return numbered


def _numbers(path: Path, stored: Any) -> NDArray[np.float32]:
    """Read an array that is in this file and small enough."""
    if stored.external or stored.is_virtual or 4 * stored.size > _MOST_BYTES:
        raise ModelError(f"{path}: its weights are too many, or in another file")
    return np.asarray(stored[()], np.float32)
