"""Classifiers in ONNX, for other pipelines.

The graph is made layer by layer: tf2onnx does not know NumPy 2, and the filters of a symmetric
network become those of plain convolutions.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from realbogus.errors import ConfigError, ModelError
from realbogus.files import atomic_path
from realbogus.models.backend import keras
from realbogus.models.prediction import predict
from realbogus.models.symmetry import ORIENTATIONS
from realbogus.recipes import Recipe

__all__ = ["export_onnx"]

_OPSET = 17
_IR_VERSION = 8
_AGREEMENT = 1e-5
_INPUT, _OUTPUT = "stamps", "probabilities"
_ACTIVATIONS = {
    "elu": "Elu",
    "relu": "Relu",
    "sigmoid": "Sigmoid",
    "softmax": "Softmax",
    "tanh": "Tanh",
}
_PADDING = {"same": "SAME_UPPER", "valid": "VALID"}


def export_onnx(path: Path, model: keras.Model, recipe: Recipe | None) -> None:
    """Write a network as ONNX, whole or not at all, once it has proved to score as before.

    Its input is ``stamps``, float32 of shape (n, side, side, 1), normalised as the recipe says; its
    output ``probabilities``, of shape (n, 2): of bogus and of real, before calibration. The recipe
    is in the metadata, as ``recipe``.

    Parameters
    ----------
    path : Path
        The file to make.
    model : keras.Model
        A chain of known layers.
    recipe : Recipe or None
        What made the network.

    Raises
    ------
    ConfigError
        If the package onnx is missing.
    ModelError
        If a layer is not known, or the result does not agree with the network.
    """
    try:
        import onnx
    except ImportError as error:
        raise ConfigError("export needs the package onnx: pip install psat-ml[onnx]") from error
    side = int(model.input_shape[1])
    graph = _Graph()
    for layer in model.layers:
        graph.add(layer)
    exported = _assemble(onnx, graph, side, int(model.output_shape[-1]))
    if recipe is not None:
        onnx.helper.set_model_props(exported, {"recipe": recipe.to_json()})
    onnx.checker.check_model(exported)
    _require_agreement(onnx, exported, model, side)
    with atomic_path(path) as part:
        onnx.save(exported, part)


@dataclass
class _Graph:
    """Nodes as (operator, inputs, output, attributes), and the constants they use.

    Maps have shape (n, channels, ny, nx) until a layer makes them flat.
    """

    nodes: list[tuple[str, list[str], str, dict[str, Any]]] = field(default_factory=list)
    constants: dict[str, NDArray[Any]] = field(default_factory=dict)
    current: str = _INPUT

    def __post_init__(self) -> None:
        self.step("Transpose", perm=[0, 3, 1, 2])  # (n, 1, ny, nx)

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

    def add(self, layer: keras.Layer) -> None:
        """Add a layer of Keras."""
        kind = type(layer).__name__
        if kind not in _LAYERS:
            raise ModelError(f"a layer {kind} can't be exported: only {', '.join(sorted(_LAYERS))}")
        _LAYERS[kind](self, layer)


def _activate(graph: _Graph, activation: Any) -> None:
    name = getattr(activation, "__name__", str(activation))
    if name == "linear":
        return
    if name not in _ACTIVATIONS:
        raise ModelError(f"an activation {name} can't be exported")
    graph.step(_ACTIVATIONS[name], **({"axis": -1} if name == "softmax" else {}))


def _convolve(graph: _Graph, kernel: Any, bias: Any, stride: Sequence[int], padding: str) -> None:
    filters = np.asarray(kernel, np.float32).transpose(3, 2, 0, 1)  # (out, in, ny, nx)
    graph.step(
        "Conv",
        filters,
        np.asarray(bias, np.float32),
        strides=list(stride),
        auto_pad=_PADDING[padding],
    )


def _conv(graph: _Graph, layer: Any) -> None:
    bias = layer.bias if layer.use_bias else np.zeros(layer.filters)
    _convolve(graph, layer.kernel, bias, layer.strides, layer.padding)
    _activate(graph, layer.activation)


def _oriented_conv(graph: _Graph, layer: Any) -> None:
    _convolve(graph, layer.kernel(), layer.bias(), [layer.stride] * 2, layer.padding)


def _oriented_pool(graph: _Graph, layer: Any) -> None:
    ny, nx, filters = layer.output.shape[1:]
    graph.step("Reshape", np.array([-1, ORIENTATIONS, filters, ny, nx], np.int64))
    graph.step("ReduceMean", axes=[1], keepdims=0)


def _fovea(graph: _Graph, layer: Any) -> None:
    """Follow `realbogus.models.symmetry.Fovea`."""
    _slice(graph, layer.first, layer.last)
    whole = graph.current
    zero = graph.constant(np.zeros(1, np.float32))
    graph.join("Equal", [whole, zero])
    mask = graph.step("Cast", to=1)
    both = graph.join("Concat", [whole, mask], axis=1)
    size = graph.join("Abs", [whole])
    graph.join("Concat", [both, size], axis=1)
    far = graph.step("AveragePool", kernel_shape=[3, 3], strides=[2, 2])
    graph.current = both
    _slice(graph, layer.margin, layer.margin + layer.steps)
    graph.join("Concat", [graph.current, far], axis=1)


def _slice(graph: _Graph, start: int, end: int) -> None:
    bounds = ([start] * 2, [end] * 2, [2, 3])
    graph.step("Slice", *(np.array(item, np.int64) for item in bounds))


def _pool(operator: str) -> Callable[[_Graph, Any], None]:
    def add(graph: _Graph, layer: Any) -> None:
        graph.step(
            operator,
            kernel_shape=list(layer.pool_size),
            strides=list(layer.strides),
            auto_pad=_PADDING[layer.padding],
        )

    return add


def _norm(graph: _Graph, layer: Any) -> None:
    numbers = (layer.gamma, layer.beta, layer.moving_mean, layer.moving_variance)
    graph.step("BatchNormalization", *map(np.asarray, numbers), epsilon=float(layer.epsilon))


def _flatten(graph: _Graph, layer: Any) -> None:
    graph.step("Transpose", perm=[0, 2, 3, 1])  # as Keras has it: (n, ny, nx, channels)
    graph.step("Flatten", axis=1)


def _global_pool(graph: _Graph, layer: Any) -> None:
    graph.step("GlobalAveragePool")
    graph.step("Flatten", axis=1)


def _dense(graph: _Graph, layer: Any) -> None:
    bias = layer.bias if layer.use_bias else np.zeros(layer.units)
    graph.step("Gemm", np.asarray(layer.kernel), np.asarray(bias, np.float32))
    _activate(graph, layer.activation)


_LAYERS: dict[str, Callable[[_Graph, Any], None]] = {
    "Activation": lambda graph, layer: _activate(graph, layer.activation),
    "AveragePooling2D": _pool("AveragePool"),
    "BatchNormalization": _norm,
    "Conv2D": _conv,
    "Dense": _dense,
    "Dropout": lambda graph, layer: None,
    "Flatten": _flatten,
    "Fovea": _fovea,
    "GlobalAveragePooling2D": _global_pool,
    "MaxPooling2D": _pool("MaxPool"),
    "OrientedConv": _oriented_conv,
    "OrientedPool": _oriented_pool,
    "ReLU": lambda graph, layer: _activate(graph, "relu"),
    "SpatialDropout2D": lambda graph, layer: None,
}


def _assemble(onnx: Any, graph: _Graph, side: int, classes: int) -> Any:
    """Make the model of a graph, for any number of stamps."""
    helper, number = onnx.helper, onnx.TensorProto.FLOAT
    graph.join("Identity", [graph.current])
    operator, inputs, _, attributes = graph.nodes.pop()
    graph.nodes.append((operator, inputs, _OUTPUT, attributes))
    made = helper.make_graph(
        [helper.make_node(kind, names, [out], **more) for kind, names, out, more in graph.nodes],
        "classifier",
        [helper.make_tensor_value_info(_INPUT, number, ["n", side, side, 1])],
        [helper.make_tensor_value_info(_OUTPUT, number, ["n", classes])],
        [onnx.numpy_helper.from_array(values, name) for name, values in graph.constants.items()],
    )
    opset = [helper.make_opsetid("", _OPSET)]
    return helper.make_model(
        made, opset_imports=opset, ir_version=_IR_VERSION, producer_name="psat-ml"
    )


def _require_agreement(onnx: Any, exported: Any, model: keras.Model, side: int) -> None:
    from onnx.reference import ReferenceEvaluator

    stamps = np.random.default_rng(0).normal(0, 2, (4, side, side)).astype(np.float32)
    stamps[:, : side // 4] = 0  # masked pixels
    evaluator: Any = ReferenceEvaluator(exported)
    (found,) = evaluator.run(None, {_INPUT: stamps[..., np.newaxis]})
    difference = float(np.abs(found[:, -1] - predict(model, stamps)).max())
    if not difference <= _AGREEMENT:
        raise ModelError(f"the exported network differs from its original by {difference:.1g}")
