#!/usr/bin/env python3
"""How fast one core scores stamps by several engines, and by how much their scores differ.

    pip install -e '.[bench]'
    python benchmarks/engines.py model.h5 dataset.h5 [another.h5 its_dataset.h5 ...]

Each engine gets the graph that scoring takes of the classifier, and scores features of the test
part of its data set: ONNX Runtime in float32, which scoring takes, and with weights and values of
eight bits, whose ranges come of the features themselves; and OpenVINO in float32 and bfloat16. They
take turns; the rates are of the processor's time, medians of several rounds. Last comes the rate at
which NumPy multiplies two large matrices, beside that of the multiplications of a float32 network.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from realbogus.cli import ArgumentParser, run
from realbogus.models.description import read_networks
from realbogus.models.files import read_feature_options, read_model_recipe
from realbogus.models.graph import IN, graph_of
from realbogus.models.onnx_format import assemble
from realbogus.models.weights import read_trained_layers

_BATCHES = {"onnxruntime": 128, "openvino": 256}
_RANGES_FROM = 2048
_MATRIX = 2000

_Features = NDArray[np.float32]
_Predict = Callable[[_Features], NDArray[np.float32]]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark with the words of a command line; return the exit status."""
    parser = ArgumentParser(__doc__)
    parser.add_argument("files", nargs="+", type=Path, help="classifiers and their data sets")
    parser.add_argument("--stamps", type=int, default=8192)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args(argv)
    return run(lambda: _benchmark(options), verbose=options.verbose)


def _benchmark(options: argparse.Namespace) -> None:
    print("| classifier | engine | stamps a second | largest difference | root mean square |")
    print("| --- | --- | --- | --- | --- |")
    for path, data in zip(options.files[::2], options.files[1::2], strict=True):
        with tempfile.TemporaryDirectory() as folder:
            _compare(path, data, Path(folder), options)
    print(f"\na product of {_MATRIX} x {_MATRIX}: {_product():.0f} GFLOP/s")


def _compare(path: Path, data: Path, folder: Path, options: argparse.Namespace) -> None:
    with h5py.File(data) as file:
        features = file["testX"][: options.stamps].astype(np.float32)[..., np.newaxis]
    side = 2 * read_feature_options(path, read_model_recipe(path)).extent
    described = read_networks(path)
    assert described is not None
    file = folder / "model.onnx"
    file.write_bytes(
        assemble(graph_of(read_trained_layers(path, described), side=side)).SerializeToString()
    )
    engines = {
        "ONNX Runtime, float32": _onnxruntime(file),
        "ONNX Runtime, 8 bits": _onnxruntime(_quantised(file, features[:_RANGES_FROM])),
        "OpenVINO, float32": _openvino(file, "f32"),
        "OpenVINO, bfloat16": _openvino(file, "bf16"),
    }
    scores = {name: predict(features) for name, predict in engines.items()}
    rates = _race(engines, features, options.rounds)
    exact = next(iter(scores.values()))
    for name, found in scores.items():
        apart = np.abs(found - exact)
        size = float(np.sqrt((apart**2).mean()))
        print(f"| {path.stem} | {name} | {rates[name]:,.0f} | {apart.max():.1g} | {size:.1g} |")


def _race(engines: dict[str, _Predict], features: _Features, rounds: int) -> dict[str, float]:
    took: dict[str, list[float]] = {name: [] for name in engines}
    for _ in range(rounds):
        for name, predict in engines.items():
            start = time.process_time()
            predict(features)
            took[name].append(time.process_time() - start)
    return {name: len(features) / median(times) for name, times in took.items()}


def _onnxruntime(file: Path) -> _Predict:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    return _in_batches(lambda some: session.run(None, {IN: some})[0], _BATCHES["onnxruntime"])


def _openvino(file: Path, precision: str) -> _Predict:
    import openvino

    words = {"INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1, "INFERENCE_PRECISION_HINT": precision}
    core = openvino.Core()
    request = core.compile_model(core.read_model(file), "CPU", words).create_infer_request()
    return _in_batches(
        lambda some: request.infer([some], share_inputs=True)[0].copy(), _BATCHES["openvino"]
    )


def _in_batches(predict: Callable[[_Features], Any], batch: int) -> _Predict:
    def score(features: _Features) -> NDArray[np.float32]:
        starts = range(0, len(features), batch)
        return np.concatenate([predict(features[at : at + batch])[:, -1] for at in starts])

    return score


def _quantised(file: Path, features: _Features) -> Path:
    from onnxruntime import quantization

    class Reader(quantization.CalibrationDataReader):  # type: ignore[misc]
        batches: Iterator[_Features] = iter(np.array_split(features, 8))

        def get_next(self) -> dict[str, _Features] | None:
            return next(({IN: some} for some in self.batches), None)

    target = file.with_name("quantised.onnx")
    quantization.quantize_static(
        file,
        target,
        Reader(),
        quant_format=quantization.QuantFormat.QOperator,
        activation_type=quantization.QuantType.QUInt8,
        weight_type=quantization.QuantType.QInt8,
        per_channel=True,
    )
    return target


def _product() -> float:
    """Multiply two matrices on one core; give GFLOP/s of the processor's time."""
    matrix = np.ones((_MATRIX, _MATRIX), np.float32)
    times = []
    for _ in range(5):
        start = time.process_time()
        matrix @ matrix
        times.append(time.process_time() - start)
    return 2 * _MATRIX**3 / median(times) / 1e9


if __name__ == "__main__":
    raise SystemExit(main())
