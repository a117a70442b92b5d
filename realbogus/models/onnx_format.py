"""Graphs in the format of ONNX: the only home of the package onnx."""

from typing import TYPE_CHECKING

from realbogus.errors import ModelError
from realbogus.models.graph import IN, OUT, Graph

if TYPE_CHECKING:
    from onnx import ModelProto

__all__ = ["assemble"]

_OPSET = 17
_IR_VERSION = 8


def assemble(graph: Graph) -> "ModelProto":
    """Make the model of a graph, for any number of stamps, once its shapes have proved to fit.

    Raises
    ------
    ModelError
        If they do not, or one or two scores are not what comes out.
    """
    import onnx

    helper, number = onnx.helper, onnx.TensorProto.FLOAT
    made = helper.make_graph(
        [helper.make_node(kind, names, [out], **more) for kind, names, out, more in graph.nodes],
        "classifier",
        [helper.make_tensor_value_info(IN, number, ["n", graph.side, graph.side, 1])],
        [helper.make_tensor_value_info(OUT, number, ["n", _classes(graph)])],
        [onnx.numpy_helper.from_array(values, name) for name, values in graph.constants.items()],
    )
    model = helper.make_model(
        made,
        opset_imports=[helper.make_opsetid("", _OPSET)],
        ir_version=_IR_VERSION,
        producer_name="psat-ml",
    )
    try:
        onnx.checker.check_model(model, full_check=True)
    except (
        onnx.checker.ValidationError,
        onnx.shape_inference.InferenceError,
    ) as error:
        reason = (str(error).splitlines() or [""])[0][:120]
        raise ModelError(
            f"its weights do not fit, for {graph.side} x {graph.side} pixels ({reason})"
        ) from error
    return model


def _classes(graph: Graph) -> int:
    if graph.channels not in (1, 2):
        raise ModelError(
            f"it gives {graph.channels} numbers, not the probabilities of bogus and real"
        )
    return graph.channels
