"""What a classifier file says of its network: read as data, and made of known layers only.

Keras can keep code in a file's description of a network: a Lambda layer, or a class to import. So
no description is ever given to Keras. Layers that are not known here are refused.
"""

import json
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from realbogus.errors import ModelError
from realbogus.hdf5 import open_hdf5
from realbogus.models.backend import keras, layers

__all__ = ["Layer", "build_described", "read_layers", "require_known_layers"]

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
_OWN = ("Fovea", "OrientedConv", "OrientedPool")
_INPUT = "InputLayer"
_ACTIVATIONS = ("elu", "linear", "relu", "sigmoid", "softmax", "tanh")
_WORDS = {"padding": ("same", "valid"), "activation": _ACTIVATIONS}
_LARGEST = 10_000


def read_layers(path: Path) -> list[Layer] | None:
    """Read the kinds and options of a network's layers; None if the file holds weights alone.

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
        listed = described if isinstance(described, list) else described["layers"]
        return [(str(layer["class_name"]), dict(layer["config"])) for layer in listed]
    except (ValueError, TypeError, LookupError, RecursionError) as error:
        raise ModelError(f"{path}: its description of the network is damaged") from error


def require_known_layers(path: Path, described: Sequence[Layer]) -> None:
    """Check that a file describes known layers only, none of which can hold code.

    Raises
    ------
    ModelError
        If not; it names the first other one.
    """
    known = {*_OPTIONS, *_OWN, _INPUT}
    unknown = [kind for kind, _ in described if kind not in known]
    if unknown:
        raise ModelError(
            f"{path}: has a layer {unknown[0][:40]!r}, which may run code: only "
            f"{', '.join(sorted(known - {_INPUT}))} are loaded"
        )


def build_described(path: Path, described: Sequence[Layer], *, side: int) -> keras.Model:
    """Make the network that a file describes, for features of shape (side, side).

    Parameters
    ----------
    path : Path
        The file, for messages.
    described : sequence of (str, mapping)
        From `read_layers`: a chain of layers as Keras 2 and 3 describe it.
    side : int
        In pixels.

    Raises
    ------
    ModelError
        If the network has other layers or options, or does not end in one or two scores.
    """
    require_known_layers(path, described)
    chain = [(kind, config) for kind, config in described if kind != _INPUT]
    try:
        stack = [keras.Input((side, side, 1)), *(_layer(*layer) for layer in chain)]
        model = keras.Sequential(stack)
    except (ValueError, TypeError, LookupError, OverflowError) as error:
        reason = (str(error).splitlines() or [""])[0][:120]
        raise ModelError(f"{path}: its network can't be made ({reason})") from error
    if model.output_shape not in ((None, 1), (None, 2)):
        raise ModelError(
            f"{path}: its network gives {model.output_shape} for {side} x {side} pixels, not the "
            "probabilities of bogus and real"
        )
    return model


def _read_hdf5(path: Path) -> str | None:
    with open_hdf5(path, error=ModelError) as file:
        text = file.attrs.get("model_config")
    return text.decode() if isinstance(text, bytes) else text


def _read_archive(path: Path) -> str | None:
    with zipfile.ZipFile(path) as archive:
        return archive.read("config.json").decode()


def _layer(kind: str, config: Mapping[str, Any]) -> keras.Layer:
    if config.get("data_format", "channels_last") != "channels_last":
        raise ValueError(f"{kind}: channels come last; got {config['data_format']!r}")
    make: Callable[..., keras.Layer] = getattr(layers, kind)
    given = {name: config[name] for name in _OPTIONS[kind] if config.get(name) is not None}
    return make(**{name: _checked(kind, name, value) for name, value in given.items()})


def _checked(kind: str, name: str, value: Any) -> Any:
    if name in _WORDS:
        if value not in _WORDS[name]:
            raise ValueError(f"{kind}: {name} must be one of {', '.join(_WORDS[name])}")
        return value
    numbers = value if isinstance(value, list) else [value]
    if len(numbers) > 2 or not all(
        isinstance(item, int | float) and 0 <= item <= _LARGEST for item in numbers
    ):
        raise ValueError(f"{kind}: {name} is {str(value)[:40]}")
    return tuple(numbers) if isinstance(value, list) else value
