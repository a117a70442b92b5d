"""A network as a graph of a few operators on arrays, named and meant as ONNX has them.

It is made of chains of known layers and their weights: of those in a file, which need no Keras, or
of a network of Keras.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from realbogus.errors import ModelError
from realbogus.models.description import INPUT, layer_options
from realbogus.models.orientations import (
    ORIENTATIONS,
    arrange,
    fovea_window,
    one_hot_places,
    turned_places,
)
from realbogus.seeing import UNKNOWN

__all__ = ["IN", "OUT", "Graph", "TrainedLayer", "graph_of", "weight_count"]

IN = "stamps"
"""The name of what goes in, (n, side, side, 1)."""

OUT = "probabilities"
"""The name of what comes out, (n, classes)."""

_ACTIVATIONS = {
    "elu": "Elu",
    "relu": "Relu",
    "sigmoid": "Sigmoid",
    "softmax": "Softmax",
    "tanh": "Tanh",
}
_PADDING = {"same": "SAME_UPPER", "valid": "VALID"}
# What works on each pixel of the maps alone.
_PIXELWISE = {"BatchNormalization", *_ACTIVATIONS.values()}
_CHANNELS = 1
_FOVEA_MAPS = {False: 5, True: 7}  # with the width of the PSF, and whether it is known
_BATCH_NORM = 4

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class TrainedLayer:
    """A layer: its kind, its options as Keras names them, and its weights in Keras's order."""

    kind: str
    config: Mapping[str, Any]
    weights: Sequence[Floats] = ()


@dataclass
class Graph:
    """Nodes as (operator, inputs, output, attributes), and the constants they use.

    Maps have shape (n, channels, ny, nx), with sides (ny, nx), until a layer makes them flat:
    (n, channels).
    """

    side: int
    nodes: list[tuple[str, list[str], str, dict[str, Any]]] = field(default_factory=list)
    constants: dict[str, NDArray[Any]] = field(default_factory=dict)
    current: str = IN
    channels: int = 1
    sides: tuple[int, int] = (0, 0)

    def step(self, operator: str, *constants: NDArray[Any], **attributes: Any) -> str:
        """Add an operator on the current value and constants; its output is the current value."""
        return self.join(operator, [self.current, *map(self.constant, constants)], **attributes)

    def join(self, operator: str, inputs: Sequence[str], **attributes: Any) -> str:
        """Add an operator on any values; its output is the current value."""
        self.current = f"v{len(self.nodes)}"
        self.nodes.append((operator, list(inputs), self.current, attributes))
        return self.current

    def constant(self, values: NDArray[Any]) -> str:
        """Keep a constant, and give its name."""
        name = f"c{len(self.constants)}"
        self.constants[name] = values
        return name


def graph_of(
    networks: Sequence[Sequence[TrainedLayer]], *, side: int, is_turned: bool = False
) -> Graph:
    """Make the graph of a chain of layers, or of the mean of several, for (side, side) features.

    Parameters
    ----------
    networks : sequence of sequence of TrainedLayer
        The chains.
    side : int
        Of a feature, in pixels.
    is_turned : bool
        Whether to give the mean over the orientations of a stamp.

    Raises
    ------
    ModelError
        If a layer, or an option of one, is not known, or its weights are not as it wants them.
    """
    graph = Graph(side)
    if is_turned:
        _turn(graph)
    stamps = graph.step("Reshape", np.array([-1, 1, side, side], np.int64))
    outputs = [_add_chain(graph, stamps, layers) for layers in networks]
    if len(outputs) > 1:
        graph.join("Mean", outputs)
    if is_turned:
        graph.step("Reshape", np.array([-1, ORIENTATIONS, graph.channels], np.int64))
        graph.step("ReduceMean", axes=[1], keepdims=0)
    operator, inputs, _, attributes = graph.nodes.pop()
    graph.nodes.append((operator, inputs, OUT, attributes))
    return graph


def weight_count(kind: str, config: Mapping[str, Any]) -> int:
    """Say how many arrays of weights a layer has."""
    if kind in ("Conv2D", "Dense"):
        return 2 if config.get("use_bias", True) else 1
    return {"BatchNormalization": _BATCH_NORM, "OrientedConv": 2}.get(kind, 0)


_Options = Mapping[str, Any]
_Weights = Sequence[Floats]


def _add_chain(graph: Graph, stamps: str, layers: Sequence[TrainedLayer]) -> str:
    """Add a network, and give the name of what comes out."""
    graph.current, graph.channels, graph.sides = stamps, 1, (graph.side, graph.side)
    for layer in layers:
        if layer.kind not in _LAYERS:
            known = ", ".join(sorted(set(_LAYERS) - {INPUT}))
            raise ModelError(f"a layer {layer.kind} can't be exported: only {known}")
        try:
            options = layer_options(layer.kind, layer.config)
            _LAYERS[layer.kind](graph, options, layer.weights)
        except (ValueError, TypeError, LookupError) as error:
            raise ModelError(f"a layer {layer.kind} can't be exported ({error})") from error
    return graph.current


def _turn(graph: Graph) -> None:
    """Put all orientations of each stamp one after the other: (8 n, ny, nx, 1)."""
    graph.step("Reshape", np.array([-1, graph.side**2], np.int64))
    graph.step("Gather", turned_places(graph.side).ravel(), axis=1)
    graph.step("Reshape", np.array([-1, graph.side, graph.side, 1], np.int64))


def _activate(graph: Graph, activation: str) -> None:
    if activation == "linear":
        return
    more = {"axis": _CHANNELS} if activation == "softmax" else {}
    graph.step(_ACTIVATIONS[activation], **more)


def _pair(value: Any) -> list[int]:
    pair = [value] * 2 if isinstance(value, int | float) else list(value)
    return [int(item) for item in pair]


def _convolve(graph: Graph, kernel: Floats, bias: Floats, stride: Any, padding: str) -> None:
    filters = np.ascontiguousarray(kernel.transpose(3, 2, 0, 1))  # (out, in, ny, nx)
    graph.step("Conv", filters, bias, strides=_pair(stride), auto_pad=_PADDING[padding])
    graph.channels = len(filters)
    _slide(graph, filters.shape[2:], _pair(stride), padding)


def _slide(graph: Graph, window: Sequence[int], steps: Sequence[int], padding: str) -> None:
    """Say what sides are left of the maps once a window went over them."""
    within = [1, 1] if padding == "same" else window
    ny, nx = ((graph.sides[axis] - within[axis]) // steps[axis] + 1 for axis in (0, 1))
    graph.sides = ny, nx


def _conv(graph: Graph, options: _Options, weights: _Weights) -> None:
    kernel, *bias = weights
    padding = options.get("padding", "valid")
    zeros = np.zeros(kernel.shape[-1], np.float32)
    _convolve(graph, kernel, bias[0] if bias else zeros, options.get("strides", 1), padding)
    _activate(graph, options.get("activation", "linear"))


def _oriented_conv(graph: Graph, options: _Options, weights: _Weights) -> None:
    base, bias = weights
    size, lifts = int(options["size"]), bool(options.get("lifts", False))
    places = one_hot_places(size, lifts=lifts)
    kernel = arrange(np, places, base, size=size, filters=int(options["filters"]), lifts=lifts)
    stride, padding = options.get("stride", 1), options.get("padding", "same")
    _convolve(graph, kernel, np.tile(bias, ORIENTATIONS), stride, padding)


def _oriented_pool(graph: Graph, options: _Options, weights: _Weights) -> None:
    """Take the mean over orientations, which is a convolution of single pixels."""
    filters = graph.channels // ORIENTATIONS
    mean = np.tile(np.eye(filters, dtype=np.float32), (ORIENTATIONS, 1))
    mean *= np.float32(1 / ORIENTATIONS)
    none = np.zeros(filters, np.float32)
    _convolve(graph, mean[np.newaxis, np.newaxis], none, 1, "valid")  # (1, 1, in, out)


def _fovea(graph: Graph, options: _Options, weights: _Weights) -> None:
    """Do what `realbogus.models.symmetry.Fovea` does."""
    window, stamps = fovea_window(graph.side), graph.current
    _slice(graph, window.first, window.last)
    whole = graph.current
    graph.join("Equal", [whole, graph.constant(np.zeros(1, np.float32))])
    mask = graph.step("Cast", to=1)
    both = graph.join("Concat", [whole, mask], axis=_CHANNELS)
    size = graph.join("Abs", [whole])
    graph.join("Concat", [both, size], axis=_CHANNELS)
    far = graph.step("AveragePool", kernel_shape=[3, 3], strides=[2, 2])
    graph.current = both
    _slice(graph, window.margin, window.margin + window.steps)
    maps, has_psf = [graph.current, far], bool(options.get("psf"))
    if has_psf:
        maps.append(_seeing(graph, stamps, window.steps))
    graph.join("Concat", maps, axis=_CHANNELS)
    graph.channels, graph.sides = _FOVEA_MAPS[has_psf], (window.steps, window.steps)


def _seeing(graph: Graph, stamps: str, side: int) -> str:
    """Give two maps of that side: the width of the PSF by the first pixel, and if it is known."""
    graph.current = stamps
    _slice(graph, 0, 1)
    width = graph.current
    graph.step("Equal", np.full(1, UNKNOWN, np.float32))
    graph.step("Not")
    is_known = graph.step("Cast", to=1)
    known_width = graph.join("Mul", [width, is_known])
    graph.join("Concat", [known_width, is_known], axis=_CHANNELS)
    return graph.step("Mul", np.ones((1, 1, side, side), np.float32))


def _slice(graph: Graph, start: int, end: int) -> None:
    bounds = ([start] * 2, [end] * 2, [2, 3])
    graph.step("Slice", *(np.array(item, np.int64) for item in bounds))


def _pool(operator: str) -> Callable[[Graph, _Options, _Weights], None]:
    def add(graph: Graph, options: _Options, weights: _Weights) -> None:
        size = _pair(options.get("pool_size", 2))
        steps, padding = _pair(options.get("strides", size)), options.get("padding", "valid")
        if padding == "valid":
            _leave_out(graph, [(graph.sides[axis] - size[axis]) % steps[axis] for axis in (0, 1)])
        graph.step(operator, kernel_shape=size, strides=steps, auto_pad=_PADDING[padding])
        _slide(graph, size, steps, padding)

    return add


def _leave_out(graph: Graph, unused: Sequence[int]) -> None:
    """Let a convolution not compute the last rows and columns of its maps, which nobody asks for.

    It then needs less of the padding, and all that it gives stays the same.
    """
    value = graph.current
    for operator, inputs, output, attributes in reversed(graph.nodes):
        if output != value:
            return
        if operator == "Conv" and attributes == {"strides": [1, 1], "auto_pad": _PADDING["same"]}:
            window = graph.constants[inputs[1]].shape[2:]
            before = [(length - 1) // 2 for length in window]
            after = [window[axis] // 2 - unused[axis] for axis in (0, 1)]
            if min(after) >= 0:
                del attributes["auto_pad"]
                attributes["pads"] = [*before, *after]
        if operator not in _PIXELWISE:
            return
        value = inputs[0]


def _norm(graph: Graph, options: _Options, weights: _Weights) -> None:
    gamma, beta, mean, variance = weights
    epsilon = float(options.get("epsilon", 1e-3))
    graph.step("BatchNormalization", gamma, beta, mean, variance, epsilon=epsilon)


def _flatten(graph: Graph, options: _Options, weights: _Weights) -> None:
    graph.step("Transpose", perm=[0, 2, 3, 1])  # as Keras has it: (n, ny, nx, channels)
    graph.step("Flatten", axis=1)


def _global_pool(graph: Graph, options: _Options, weights: _Weights) -> None:
    graph.step("GlobalAveragePool")
    graph.step("Flatten", axis=1)


def _dense(graph: Graph, options: _Options, weights: _Weights) -> None:
    kernel, *bias = weights
    graph.channels = kernel.shape[-1]
    graph.step("Gemm", kernel, bias[0] if bias else np.zeros(graph.channels, np.float32))
    _activate(graph, options.get("activation", "linear"))


def _nothing(graph: Graph, options: _Options, weights: _Weights) -> None:
    """Add nothing, for layers that work in training only."""


_LAYERS: dict[str, Callable[[Graph, _Options, _Weights], None]] = {
    INPUT: _nothing,
    "Activation": lambda graph, options, _: _activate(graph, options["activation"]),
    "AveragePooling2D": _pool("AveragePool"),
    "BatchNormalization": _norm,
    "Conv2D": _conv,
    "Dense": _dense,
    "Dropout": _nothing,
    "Flatten": _flatten,
    "Fovea": _fovea,
    "GlobalAveragePooling2D": _global_pool,
    "HidePsf": _nothing,
    "MaxPooling2D": _pool("MaxPool"),
    "OrientedConv": _oriented_conv,
    "OrientedPool": _oriented_pool,
    "ReLU": lambda graph, *_: _activate(graph, "relu"),
    "SpatialDropout2D": _nothing,
}
