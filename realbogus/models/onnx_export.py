"""Classifiers in ONNX, for other pipelines.

The graph is made layer by layer: tf2onnx does not know NumPy 2, and the filters of a symmetric
network become those of plain convolutions.
"""

from pathlib import Path
from typing import Any

import numpy as np

from realbogus.errors import ModelError
from realbogus.files import atomic_path
from realbogus.models.backend import keras
from realbogus.models.committee import members
from realbogus.models.graph import IN, TrainedLayer, graph_of
from realbogus.models.onnx_format import assemble
from realbogus.models.prediction import predict
from realbogus.models.turning import is_turned
from realbogus.recipes import Recipe
from realbogus.seeing import UNKNOWN

__all__ = ["export_onnx"]

_AGREEMENT = 1e-5


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
        A chain of known layers, or the mean of several, or over the orientations.
    recipe : Recipe or None
        What made the network.

    Raises
    ------
    ModelError
        If a layer is not known, or the result does not agree with the network.
    """
    import onnx

    side = int(model.input_shape[1])
    networks = [[_layer(item) for item in network.layers] for network in members(model)]
    exported = assemble(graph_of(networks, side=side, is_turned=is_turned(model)))
    if recipe is not None:
        onnx.helper.set_model_props(exported, {"recipe": recipe.to_json()})
    _require_agreement(exported, model, side)
    with atomic_path(path) as part:
        onnx.save(exported, part)


def _layer(layer: keras.Layer) -> TrainedLayer:
    weights = [np.asarray(item, np.float32) for item in layer.get_weights()]
    return TrainedLayer(type(layer).__name__, layer.get_config(), weights)


def _require_agreement(exported: Any, model: keras.Model, side: int) -> None:
    from onnx.reference import ReferenceEvaluator

    stamps = np.random.default_rng(0).normal(0, 2, (4, side, side)).astype(np.float32)
    stamps[:, : side // 4] = 0  # masked pixels
    stamps[0, 0, 0] = UNKNOWN
    evaluator: Any = ReferenceEvaluator(exported)
    (found,) = evaluator.run(None, {IN: stamps[..., np.newaxis]})
    difference = float(np.abs(found[:, -1] - predict(model, stamps)).max())
    if not difference <= _AGREEMENT:
        raise ModelError(f"the exported network differs from its original by {difference:.1g}")
