"""What computes scores: ONNX Runtime, which starts at once and is fast, or Keras, for any network.

A network of known layers goes to ONNX Runtime straight from its file, without Keras or TensorFlow.
"""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Lock
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from realbogus.errors import ModelError
from realbogus.models.description import read_networks, require_known_layers
from realbogus.models.files import read_orientations, user_file
from realbogus.models.graph import IN, graph_of
from realbogus.models.onnx_format import assemble
from realbogus.models.weights import read_trained_layers
from realbogus.recipes import Recipe

__all__ = ["ENGINES", "Network"]

log = logging.getLogger(__name__)

# The layers' values of so many stamps stay in the processor's cache.
_BATCH = 128
_ERRORS_ONLY = 4


class Network(Protocol):
    """Something that scores normalised stamps; any number of threads may ask it at once."""

    def predict(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the probability that each stamp is real.

        Parameters
        ----------
        features : ndarray of shape (n, side, side)
            Treated as the classifier wants them.

        Returns
        -------
        ndarray of shape (n,)
            From 0 (bogus) to 1 (real), before calibration.
        """


class _OnnxNetwork:
    """A network in ONNX Runtime. It uses one core; each thread that asks may use another."""

    def __init__(self, content: bytes) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = _ERRORS_ONLY
        self._session: Any = onnxruntime.InferenceSession(
            content, options, providers=["CPUExecutionProvider"]
        )

    def predict(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        scores = np.empty(len(features))
        for start in range(0, len(features), _BATCH):
            some = features[start : start + _BATCH, ..., np.newaxis]  # (n, ny, nx, 1)
            (probabilities,) = self._session.run(None, {IN: some})
            scores[start : start + _BATCH] = probabilities[:, -1]
        return scores


class _KerasNetwork:
    """A network in Keras, which uses all cores for one thread after the other."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._lock = Lock()

    def predict(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        from realbogus.models.prediction import predict

        with self._lock:
            return predict(self._model, features)


def _onnx(path: Path, recipe: Recipe | None, side: int, own: str | None) -> Network:
    """Make the graph of what the file describes."""
    name = "psat" if recipe is None else recipe.options.get("model")
    if not isinstance(name, str) or user_file(name) is not None:
        raise ModelError(f"{path}: its network is {name!r}, which only Keras can make")
    try:
        described = read_networks(path)
        if described is None:
            raise ModelError(f"{path}: holds weights alone")
        for chain in described:
            require_known_layers(path, chain)
        layers, is_turned = read_trained_layers(path, described), read_orientations(path, recipe)
        graph = graph_of(layers, side=side, is_turned=is_turned)
        return _OnnxNetwork(assemble(graph).SerializeToString())
    except ModelError:
        raise
    except Exception as error:  # ONNX Runtime's own are of no common kind
        reason = (str(error).splitlines() or [type(error).__name__])[0][:120]
        raise ModelError(f"{path}: can't be used by ONNX Runtime ({reason})") from error


def _keras(path: Path, recipe: Recipe | None, side: int, own: str | None) -> Network:
    from realbogus.models.storage import load_model

    return _KerasNetwork(load_model(path, recipe, side=side, own=own))


def _auto(path: Path, recipe: Recipe | None, side: int, own: str | None) -> Network:
    try:
        return _onnx(path, recipe, side, own)
    except ModelError as error:
        network = _keras(path, recipe, side, own)
        log.info("Keras scores, which is slower, not ONNX Runtime: %s", error)
        return network


ENGINES: Mapping[str, Callable[[Path, Recipe | None, int, str | None], Network]] = {
    "auto": _auto,
    "onnx": _onnx,
    "keras": _keras,
}
"""How to load a network, from its file, its recipe, the side of features in pixels, and the user's
own architecture; ``auto`` takes Keras for what ONNX Runtime can't have."""
