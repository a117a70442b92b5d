#!/usr/bin/env python3
"""How fast stamps are scored, beside Keras.

    python benchmarks/scoring.py [MODEL ...]

Networks with the weights that they begin with score made-up features, by the engine that scoring
takes, on all cores, and by Keras's own ``predict`` in batches of 32 and of 1024. All take turns;
the figures are medians, by the clock and by the processor's time, which other work on the machine
changes less. First their scores are compared.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
from numpy.typing import NDArray

from realbogus.cli import ArgumentParser, run
from realbogus.models.engines import ENGINES, Network
from realbogus.options import available_cores
from realbogus.parallel import map_ordered
from realbogus.recipes import Recipe

_SIDE = 20
_BLOCK = 1024
_BATCHES = (32, 1024)
_AGREEMENT = 1e-4
_START = """
import time
from pathlib import Path
from realbogus.models.engines import ENGINES
from realbogus.models.files import read_model_recipe
begun = time.perf_counter()
path = Path({path!r})
ENGINES[{engine!r}](path, read_model_recipe(path), {side}, None)
print(time.perf_counter() - begun)
"""

_Features = NDArray[np.float32]
_Scores = NDArray[np.float64]
_Racer = Callable[[], _Scores]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark with the words of a command line; return the exit status."""
    parser = ArgumentParser(__doc__)
    parser.add_argument("models", nargs="*", default=["psat", "d4"], help="architectures (all)")
    parser.add_argument("--stamps", type=int, default=49_152)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args(argv)
    return run(lambda: _benchmark(options), verbose=options.verbose)


def _benchmark(options: argparse.Namespace) -> None:
    print(f"{available_cores()} cores, {options.stamps:,} stamps of {_SIDE} x {_SIDE} px")
    columns = ["ours", "one core", *(f"Keras at {batch}" for batch in _BATCHES)]
    more = ["ratio to the last", "of the processor", "difference", "loaded in"]
    print(f"\n| stamps a second | {' | '.join([*columns, *more])} |")
    print("| --- " * (1 + len(columns) + len(more)) + "|")
    for name in options.models:
        with tempfile.TemporaryDirectory() as folder:
            _compare(name, _save(name, Path(folder)), options)


def _save(name: str, folder: Path) -> Path:
    from realbogus.models.registry import build_model
    from realbogus.models.storage import save_model

    path = folder / f"{name}.h5"
    recipe = Recipe("train", {"model": name, "e": _SIDE // 2, "N": "signPreserveNorm", "m": None})
    save_model(path, build_model(name, _SIDE), recipe)
    return path


def _compare(name: str, path: Path, options: argparse.Namespace) -> None:
    from realbogus.models.files import read_model_recipe
    from realbogus.models.storage import load_model

    recipe = read_model_recipe(path)
    rng = np.random.default_rng(0)
    features = rng.standard_normal((options.stamps, _SIDE, _SIDE), np.float32)
    network = ENGINES["onnx"](path, recipe, _SIDE, None)
    keras = load_model(path, recipe, side=_SIDE)
    racers: dict[str, _Racer] = {
        "ours": partial(_on_all_cores, network, features),
        "one": partial(network.predict, features),
        **{str(batch): partial(_with_keras, keras, features, batch) for batch in _BATCHES},
    }
    scores = {key: racer() for key, racer in racers.items()}
    difference = max(float(abs(found - scores["32"]).max()) for found in scores.values())
    if not difference < _AGREEMENT:
        raise ValueError(f"{name}: the scores differ by {difference}")
    took = _race(racers, options.rounds)
    clock, processor = (took[str(_BATCHES[-1])][place] / took["ours"][place] for place in (0, 1))
    rates = " | ".join(f"{options.stamps / seconds:,.0f}" for seconds, _ in took.values())
    print(
        f"| {name} | {rates} | {clock:.2f} | {processor:.2f} | {difference:.1g} | "
        f"{_loading(path, 'onnx'):.2f} s |"
    )


def _on_all_cores(network: Network, features: _Features) -> _Scores:
    """Score block by block, each thread another, as scoring does."""
    blocks = [features[start : start + _BLOCK] for start in range(0, len(features), _BLOCK)]
    return np.concatenate(list(map_ordered(network.predict, blocks, workers=available_cores())))


def _with_keras(model: object, features: _Features, batch: int) -> _Scores:
    predict: Callable[..., NDArray[np.float32]] = getattr(model, "predict")  # noqa: B009
    return predict(features[..., np.newaxis], batch_size=batch, verbose=0)[:, -1].astype(float)


def _race(
    racers: Mapping[str, Callable[[], object]], rounds: int
) -> dict[str, tuple[float, float]]:
    """Let racers take turns; give the medians of their seconds, by the clock and by processors."""
    took: dict[str, list[tuple[float, float]]] = {name: [] for name in racers}
    for _ in range(rounds):
        for name, racer in racers.items():
            start = (time.perf_counter(), time.process_time())
            racer()
            took[name].append((time.perf_counter() - start[0], time.process_time() - start[1]))
    return {
        name: (median(clock for clock, _ in times), median(used for _, used in times))
        for name, times in took.items()
    }


def _loading(path: Path, engine: str) -> float:
    """Give the seconds from a classifier file to the engine in a fresh process."""
    code = _START.format(path=str(path), engine=engine, side=_SIDE)
    words = [sys.executable, "-c", code]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    return float(done.stdout)


if __name__ == "__main__":
    raise SystemExit(main())
