"""Networks of Keras, made layer by layer as a file describes them."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from realbogus.errors import ModelError
from realbogus.models.backend import keras, layers
from realbogus.models.description import INPUT, Layer, layer_options, require_known_layers

__all__ = ["build_described"]


def build_described(path: Path, described: Sequence[Layer], *, side: int) -> keras.Model:
    """Make the network that a file describes, for features of shape (side, side).

    Parameters
    ----------
    path : Path
        The file, for messages.
    described : sequence of (str, mapping)
        From `read_networks`: a chain of layers as Keras 2 and 3 describe it.
    side : int
        In pixels.

    Raises
    ------
    ModelError
        If the network has other layers or options, or does not end in one or two scores.
    """
    require_known_layers(path, described)
    chain = [(kind, config) for kind, config in described if kind != INPUT]
    try:
        stack = [keras.Input((side, side, 1)), *(_layer(*layer) for layer in chain)]
        model = keras.Sequential(stack)
    except (ValueError, TypeError, LookupError, OverflowError, AttributeError) as error:
        reason = (str(error).splitlines() or [""])[0][:120]
        raise ModelError(f"{path}: its network can't be made ({reason})") from error
    if model.output_shape not in ((None, 1), (None, 2)):
        raise ModelError(
            f"{path}: its network gives {model.output_shape} for {side} x {side} pixels, not the "
            "probabilities of bogus and real"
        )
    return model


def _layer(kind: str, config: Mapping[str, Any]) -> keras.Layer:
    make: Callable[..., keras.Layer] = getattr(layers, kind)
    return make(**layer_options(kind, config))
