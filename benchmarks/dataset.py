#!/usr/bin/env python3
"""How fast a data set is built, against a bare read of the same bytes, and in how much memory.

    python benchmarks/dataset.py FOLDER --singles 10000,100000 --cubes 10000,100000,1000000

Stamps of 40 x 40 pixels, one real in four, are made in FOLDER once: in files of their own, and in
cubes of one exposure each. Builds and bare reads take turns, each in a process of its own; the
medians count. A bare read opens each file, the lists too, reads its bytes and closes it, and does
nothing else: it is told the names. With ``--cold`` the files are put out of the machine's memory
before each turn, as those of a large set are: then both read the disk.

Before its turn each process waits for the disk, touches some memory and gives it back: see
`turns.begin_turn`.
"""

import argparse
import json
import multiprocessing
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from turns import begin_turn

from realbogus.cli import ArgumentParser, run
from realbogus.fitsfiles import encode_cards
from realbogus.lists import Row, read_columns, write_list
from realbogus.options import available_cores
from realbogus.parallel import progress
from realbogus.recipes import Recipe
from realbogus.stages.build import build_dataset
from realbogus.stamps import plane_name, split_plane, write_cube, write_stamp

_SIDE = 40
_PER_EXPOSURE = 4000
_REAL_IN = 4
_CARDS = [("FILTER", "c"), ("MJD-OBS", 59897.19), ("MAGZPT", 22.35), ("FWHM", 2.2)]
_READ = 2**22
_OUTPUT = "dataset.h5"
_TOUCHED = 2**28
# What proc(5) has for the peak of a process's memory.
_FORGET_PEAK = "5"


@dataclass(frozen=True)
class _Result:
    """Seconds, and the peak memory of the process in MB."""

    seconds: float
    memory: float


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark with the words of a command line; return the exit status."""
    parser = ArgumentParser(__doc__)
    parser.add_argument("folder", type=Path, help="where to make the stamps, once")
    parser.add_argument("--singles", type=_counts, default=(10_000, 100_000))
    parser.add_argument("--cubes", type=_counts, default=(10_000, 100_000, 1_000_000))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cold", action="store_true", help="read the disk, not the memory")
    parser.add_argument("--workers", type=_counts, default=(1, available_cores()))
    options = parser.parse_args(argv)
    return run(lambda: _benchmark(options), verbose=options.verbose)


def _counts(text: str) -> tuple[int, ...]:
    return tuple(int(word) for word in text.split(",") if word)


def _benchmark(options: argparse.Namespace) -> None:
    print("| stamps | in | workers | stamps/s | us each | bare read/s | ratio | peak MB |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for kind, make in (("singles", _make_singles), ("cubes", _make_cubes)):
        for count in getattr(options, kind):
            folder = options.folder / f"{kind}{count}"
            if not (folder / "good.txt").exists():
                make(folder, count)
            _compare(folder, kind, count, options)


def _compare(folder: Path, kind: str, count: int, options: argparse.Namespace) -> None:
    """Let builds and bare reads take turns, and print their medians."""
    reads, builds = [], {number: list[_Result]() for number in options.workers}
    files = _files(folder)
    _bare_read(files)  # into the machine's memory
    for _ in range(options.rounds):
        _prepare(files, folder, options)
        reads.append(_in_a_process(_bare_read, files).seconds)
        for number in options.workers:
            _prepare(files, folder, options)
            builds[number].append(_in_a_process(_build, folder, number))
    (folder / _OUTPUT).unlink()
    bare = statistics.median(reads)
    for number, results in builds.items():
        seconds = statistics.median(result.seconds for result in results)
        memory = max(result.memory for result in results)
        print(
            f"| {count:,} | {kind} | {number} | {count / seconds:,.0f} | "
            f"{seconds / count * 1e6:.1f} | {count / bare:,.0f} | {bare / seconds:.2f} | "
            f"{memory:.0f} |",
            flush=True,
        )


def _in_a_process(function: Callable[..., None], *arguments: object) -> _Result:
    """Call a function in a new process, and take its time without the start of Python."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_measured, args=(sender, function, arguments))
    process.start()
    sender.close()
    result = _Result(**json.loads(receiver.recv()))
    process.join()
    return result


def _measured(sender, function: Callable[..., None], arguments: Sequence[object]) -> None:  # type: ignore[no-untyped-def]
    begin_turn(_TOUCHED)
    Path("/proc/self/clear_refs").write_text(_FORGET_PEAK)
    start = time.perf_counter()
    function(*arguments)
    seconds = time.perf_counter() - start
    # What getrusage(2) has is not less than what the process that started this one had.
    peak = Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]
    sender.send(json.dumps({"seconds": seconds, "memory": int(peak) / 1024}))


def _prepare(files: Sequence[bytes], folder: Path, options: argparse.Namespace) -> None:
    """Undo the last build, and with ``--cold`` put the files out of the machine's memory."""
    (folder / _OUTPUT).unlink(missing_ok=True)
    if options.cold:
        _forget(files)


def _build(folder: Path, workers: int) -> None:
    build_dataset(folder / "good.txt", folder / "bad.txt", folder / _OUTPUT, workers=workers)


def _bare_read(files: Sequence[bytes]) -> None:
    for path in files:
        descriptor = os.open(path, os.O_RDONLY)
        while os.read(descriptor, _READ):
            pass
        os.close(descriptor)


def _forget(files: Sequence[bytes]) -> None:
    for path in files:
        descriptor = os.open(path, os.O_RDONLY)
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)


def _files(folder: Path) -> list[bytes]:
    """Name the lists and the files of the stamps in them."""
    stamps = np.concatenate([read_columns(folder / f"{n}.txt").stamps for n in ("good", "bad")])
    names = dict.fromkeys(split_plane(stamp.decode())[0] for stamp in stamps.tolist())
    return [os.fsencode(folder / name) for name in ("good.txt", "bad.txt", *names)]


def _make_singles(folder: Path, count: int) -> None:
    for name in ("good", "bad"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    _write_lists(folder, _singles(folder, count))


def _make_cubes(folder: Path, count: int) -> None:
    (folder / "cubes").mkdir(parents=True, exist_ok=True)
    _write_lists(folder, _cubes(folder, count))


def _singles(folder: Path, count: int) -> Iterator[tuple[bool, Row]]:
    rng = np.random.default_rng(0)
    for number in progress(range(count), label="singles", total=count):
        is_real, obs = number % _REAL_IN == 0, _exposure(number)
        name = f"{'good' if is_real else 'bad'}/{_object(number)}_{obs}_{number}.fits"
        pixels = rng.normal(0, 30, (_SIDE, _SIDE)).astype(np.float32)
        write_stamp(folder / name, pixels, shared="", cards=_CARDS)
        yield is_real, _row(number, name)


def _cubes(folder: Path, count: int) -> Iterator[tuple[bool, Row]]:
    rng = np.random.default_rng(0)
    firsts = range(0, count, _PER_EXPOSURE)
    for first in progress(firsts, label="cubes", total=len(firsts)):
        numbers = np.arange(first, min(first + _PER_EXPOSURE, count))
        name = f"cubes/{_exposure(first)}.fits"
        pixels = rng.standard_normal((len(numbers), _SIDE, _SIDE), np.float32)
        columns = {
            "x": numbers + 0.5,
            "y": numbers + 0.5,
            "object": np.array([_object(number) for number in numbers.tolist()]),
            "detection": numbers,
        }
        write_cube(folder / name, 30 * pixels, shared=encode_cards(_CARDS), columns=columns)
        for plane, number in enumerate(numbers.tolist()):
            yield number % _REAL_IN == 0, _row(number, plane_name(name, plane))


def _object(number: int) -> str:
    """Give one object to the two real, and one to the six bogus, of every eight."""
    return str(1101010101101010100 + number // 8 * 2 + (number % _REAL_IN == 0))


def _exposure(number: int) -> str:
    exposure = number // _PER_EXPOSURE
    return f"02a{58310 + exposure // 100}o{exposure % 100:04d}c"


def _row(number: int, stamp: str) -> Row:
    nan = float("nan")
    return Row(nan, nan, 18.5, 0.11, nan, nan, _exposure(number), _object(number), stamp)


def _write_lists(folder: Path, rows: Iterator[tuple[bool, Row]]) -> None:
    kept: dict[bool, list[Row]] = {True: [], False: []}
    for is_real, row in rows:
        kept[is_real].append(row)
    for is_real, name in ((False, "bad"), (True, "good")):
        write_list(folder / f"{name}.txt", kept[is_real], Recipe("benchmark", {}))


if __name__ == "__main__":
    sys.exit(main())
