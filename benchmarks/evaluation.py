#!/usr/bin/env python3
"""How long the picture of a million scores takes, and the report of 300 thousand stamps.

    python benchmarks/evaluation.py FOLDER

Score files and a data set are made in FOLDER once. Each command runs as people run it, in a process
of its own with the start of Python, and takes turns with a rival that does less: scikit-learn's
curve and area of the columns as Python's csv reads them, without intervals or a picture; and a bare
read of the data set. Medians of the times and the highest memory count; the ratio is that of the
processor's times, since others may use the machine.
"""

import argparse
import multiprocessing
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

import numpy as np

from realbogus.cli import ArgumentParser, run
from realbogus.dataset import DatasetWriter, Part
from realbogus.errors import RealBogusError
from realbogus.recipes import Recipe
from realbogus.scores import Scores, write_scores

_ROOT = Path(__file__).parent.parent
_SIDE = 20
_BLOCK = 10_000
_SKLEARN = """
import csv, sys
from sklearn.metrics import roc_auc_score, roc_curve
with open(sys.argv[1]) as stream:
    rows = [row for row in csv.reader(line for line in stream if line[0] != "#")][1:]
targets, scores = [int(row[2]) for row in rows], [float(row[3]) for row in rows]
roc_curve(targets, scores)
print(roc_auc_score(targets, scores))
"""
_BARE_READ = """
import h5py, sys
with h5py.File(sys.argv[1]) as file:
    print(sum(len(file[name][:]) for name in file if name != "recipe"))
"""


@dataclass(frozen=True)
class _Result:
    """Seconds, those of the processor, and the peak memory in MB."""

    seconds: float
    processor: float
    memory: float


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark with the words of a command line; return the exit status."""
    parser = ArgumentParser(__doc__)
    parser.add_argument("folder", type=Path, help="where to make the files, once")
    parser.add_argument("--scores", type=int, default=1_000_000)
    parser.add_argument("--stamps", type=int, default=300_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args(argv)
    return run(lambda: _benchmark(options), verbose=options.verbose)


def _benchmark(options: argparse.Namespace) -> None:
    many, few = options.folder / f"{options.scores}.csv", options.folder / f"{options.stamps}.csv"
    dataset = options.folder / f"{options.stamps}.h5"
    # In a process of its own: what this one holds would count as that of each that it starts.
    files = (many, options.scores, few, options.stamps, dataset)
    maker = multiprocessing.get_context("spawn").Process(target=_make_files, args=files)
    maker.start()
    maker.join()
    picture, page = options.folder / "plots.png", options.folder / "report.html"
    print("| what | seconds | of processor | ratio | peak MB |")
    print("| --- | --- | --- | --- | --- |")
    plot = [_ROOT / "plotResults.py", many, "--outputFile", picture]
    _compare(
        {
            f"plot {options.scores:,} scores": plot,
            "*rival: csv and scikit-learn*": ["-c", _SKLEARN, many],
        },
        picture,
        options.rounds,
    )
    report = ["-m", "realbogus", "report", few, "--dataset", dataset, "--out", page]
    _compare(
        {
            f"report of {options.stamps:,} stamps": report,
            "*rival: bare read of the data set*": ["-c", _BARE_READ, dataset],
        },
        page,
        options.rounds,
    )


def _make_files(many: Path, scores: int, few: Path, stamps: int, dataset: Path) -> None:
    dataset.parent.mkdir(parents=True, exist_ok=True)
    for path, count in ((many, scores), (few, stamps)):
        if not path.exists():
            write_scores(path, _draw_scores(count), Recipe("benchmark", {}))
    if not dataset.exists():
        _write_dataset(dataset, _draw_scores(stamps))


def _compare(commands: Mapping[str, Sequence[object]], made: Path, rounds: int) -> None:
    """Let a command and its rival take turns, and print their medians."""
    results: dict[str, list[_Result]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, words in commands.items():
            made.unlink(missing_ok=True)
            results[name].append(_measure(words))
    medians = {
        name: [statistics.median(each) for each in zip(*map(astuple, found), strict=True)]
        for name, found in results.items()
    }
    rival = list(medians.values())[-1][1]
    for name, (seconds, processor, _) in medians.items():
        memory = max(item.memory for item in results[name])
        ratio = processor / rival
        print(f"| {name} | {seconds:.1f} | {processor:.1f} | {ratio:.2f} | {memory:.0f} |")


def _measure(words: Sequence[object]) -> _Result:
    command = [sys.executable, *map(str, words)]
    start = time.perf_counter()
    process = subprocess.Popen(
        command, cwd=_ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise RealBogusError(f"failed: {' '.join(command)[:200]}")
    seconds, processor = time.perf_counter() - start, usage.ru_utime + usage.ru_stime
    return _Result(seconds, processor, usage.ru_maxrss / 1024)


def _draw_scores(count: int) -> Scores:
    """Draw one real for every three bogus, three detections an object."""
    rng = np.random.default_rng(0)
    numbers = np.arange(count) // 3
    targets = (numbers % 4 == 0).astype(np.int8)
    logits = rng.normal(-3 + 5 * targets, 1.5) + rng.normal(0, 0.7, count // 3 + 1)[numbers]
    objects = np.array([str(1101010101101010100 + number) for number in numbers.tolist()])
    names = [
        f"{name}_02a{58310 + place % 40}o{place % 999:04d}c_{place}.fits"
        for place, name in enumerate(objects.tolist())
    ]
    return Scores(np.array(names), objects, targets, 1 / (1 + np.exp(-logits)))


def _write_dataset(path: Path, scores: Scores) -> None:
    rng = np.random.default_rng(0)
    with DatasetWriter.create(path) as writer:
        for first in range(0, len(scores), _BLOCK):
            rows = slice(first, first + _BLOCK)
            writer.append("test", _part(scores, rows, rng))
        writer.append("train", _part(scores, slice(0, 2), rng))
        writer.finish(Recipe("benchmark", {}))


def _part(scores: Scores, rows: slice, rng: np.random.Generator) -> Part:
    targets = scores.targets[rows]
    count = len(targets)
    mag = rng.uniform(15, 20, count)
    nights = np.array([int(name.partition("_02a")[2][:5]) for name in scores.names[rows].tolist()])
    traits = {
        "snr": 10 ** ((21.5 - mag) / 2.5),
        "night": nights,
        "camera": np.full(count, "02a"),
        "filter": np.full(count, "c"),
        "seeing": rng.uniform(1.8, 4.5, count),
        "masked": rng.choice([0, 0, 0, 0.03, 0.1], count),
    }
    pixels = rng.standard_normal((count, _SIDE, _SIDE), np.float32)
    return Part(pixels, targets, scores.names[rows], scores.objects[rows], mag, traits)


if __name__ == "__main__":
    sys.exit(main())
