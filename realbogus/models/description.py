"""What a classifier file says of its network: read as data, and made of known layers only.

Keras can keep code in a file's description of a network: a Lambda layer, or a class to import. So
no description is ever given to Keras. Layers that are not known here are refused.
"""

import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from realbogus.errors import ModelError
from realbogus.hdf5 import open_hdf5
from realbogus.models.files import MOST_NETWORKS

__all__ = ["INPUT", "Layer", "layer_options", "read_networks", "require_known_layers"]

Layer = tuple[str, Mapping[str, Any]]
"""The kind of a layer, and its options."""

_OPTIONS: Mapping[str, tuple[str, ...]] = {
    "Activation": ("activation",),
    "AveragePooling2D": ("pool_size", "strides", "padding"),
    "BatchNormalization": ("epsilon",),
    "Conv2D": ("filters", "kernel_size", "strides", "padding", "activation", "use_bias"),
    "Dense": ("units", "activation", "use_bias"),
    "Dropout": ("rate",),
    "Flatten": (),
    "GlobalAveragePooling2D": (),
    "MaxPooling2D": ("pool_size", "strides", "padding"),
    "ReLU": (),
    "SpatialDropout2D": ("rate",),
}
_OWN: Mapping[str, tuple[str, ...]] = {
    "Fovea": ("psf",),
    "HidePsf": ("share",),
    "OrientedConv": ("filters", "size", "padding", "stride", "lifts"),
    "OrientedPool": (),
}
# Options of Keras's layers that are not read: values that change nothing.
_PLAIN: Mapping[str, tuple[Any, ...]] = {
    "dilation_rate": (1, [1, 1], (1, 1)),
    "groups": (1,),
    "scale": (True,),
    "center": (True,),
    "max_value": (None,),
    "negative_slope": (0, None),
    "threshold": (0, None),
    "keepdims": (False,),
}
INPUT = "InputLayer"
"""The kind of layer that only says what comes in."""

# What Keras calls a chain of layers, and the mean of several.
_NETWORK, _MEAN = "Sequential", "Average"

_ACTIVATIONS = ("elu", "linear", "relu", "sigmoid", "softmax", "tanh")
_WORDS = {"padding": ("same", "valid"), "activation": _ACTIVATIONS}
_LARGEST = 10_000


def read_networks(path: Path) -> list[list[Layer]] | None:
    """Read the kinds and options of the layers of a network, or of several whose mean is taken.

    Returns
    -------
    list of list of (str, mapping) or None
        A chain of layers for each network; None if the file holds weights alone.

    Raises
    ------
    ModelError
        If the description is damaged.
    """
    text = _read_hdf5(path) if path.suffix == ".h5" else _read_archive(path)
    if text is None:
        return None
    try:
        content = json.loads(text)
        described = content["config"]
        # Before version 2.2.3 Keras wrote the list of layers alone.
        return _networks(described if isinstance(described, list) else described["layers"])
    except (ValueError, TypeError, LookupError, RecursionError) as error:
        raise ModelError(f"{path}: its description of the network is damaged") from error


def require_known_layers(path: Path, described: Sequence[Layer]) -> None:
    """Check that a network consists of known layers only, none of which can hold code.

    Raises
    ------
    ModelError
        If not; it names the first other one.
    """
    known = {*_OPTIONS, *_OWN, INPUT}
    unknown = [kind for kind, _ in described if kind not in known]
    if unknown:
        raise ModelError(
            f"{path}: has a layer {unknown[0][:40]!r}, which may run code: only "
            f"{', '.join(sorted(known - {INPUT}))} are loaded"
        )


def layer_options(kind: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """Give the options of a known layer that decide what it computes: plain numbers and words.

    Raises
    ------
    ValueError
        If one is something else.
    """
    if config.get("data_format", "channels_last") != "channels_last":
        raise ValueError(f"{kind}: channels come last; got {config['data_format']!r}")
    for name, plain in _PLAIN.items():
        if config.get(name, plain[0]) not in plain:
            raise ValueError(f"{kind}: {name} is not known here")
    names = [*_OPTIONS.get(kind, ()), *_OWN.get(kind, ())]
    given = {name: config[name] for name in names if config.get(name) is not None}
    return {name: _checked(kind, name, value) for name, value in given.items()}


def _networks(listed: Sequence[Any]) -> list[list[Layer]]:
    """Tell a mean of networks from a single chain of layers."""
    chain = _chain(listed)
    inner = [config["layers"] for kind, config in chain if kind == _NETWORK]
    if [kind for kind, _ in chain] != [INPUT, *[_NETWORK] * len(inner), _MEAN]:
        return [chain]
    if not 1 <= len(inner) <= MOST_NETWORKS:
        raise ValueError(f"{len(inner)} networks")
    return [_chain(layers) for layers in inner]


def _chain(listed: Sequence[Any]) -> list[Layer]:
    return [(str(layer["class_name"]), dict(layer["config"])) for layer in listed]


def _read_hdf5(path: Path) -> str | None:
    with open_hdf5(path, error=ModelError) as file:
        text = file.attrs.get("model_config")
    return text.decode() if isinstance(text, bytes) else text


def _read_archive(path: Path) -> str | None:
    with zipfile.ZipFile(path) as archive:
        return archive.read("config.json").decode()


def _checked(kind: str, name: str, value: Any) -> Any:
    if name in _WORDS:
        if value not in _WORDS[name]:
            raise ValueError(f"{kind}: {name} must be one of {', '.join(_WORDS[name])}")
        return value
    numbers = value if isinstance(value, list | tuple) else [value]
    if len(numbers) > 2 or not all(
        isinstance(item, int | float) and 0 <= item <= _LARGEST for item in numbers
    ):
        raise ValueError(f"{kind}: {name} is {str(value)[:40]}")
    return tuple(numbers) if isinstance(value, list | tuple) else value
