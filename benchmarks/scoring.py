#!/usr/bin/env python3
"""How fast stamps are scored, beside Keras.

    python benchmarks/scoring.py [MODEL ...]

Networks with the weights that they begin with score made-up features, by the engine that scoring
takes, on all cores, and by Keras's own ``predict`` in batches of 32 and of 1024. All take turns;
the figures are medians, by the clock and by the processor's time, which other work on the machine
changes less. First their scores are compared.

    python simulateSurvey.py full --exposures 1
    python benchmarks/scoring.py psat --survey full/config.yaml

then also takes the exposure of a survey from its packed image to the scores of all its detections,
beside decoding the image alone with astropy; and scores a night of copies of that exposure with the
whole command, from the database to the Parquet file.
"""

import argparse
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from realbogus.bench import Scorer, prepare_bench
from realbogus.cli import ArgumentParser, run
from realbogus.config import load_config
from realbogus.database import Database
from realbogus.detections import ScoreJob, score_exposure
from realbogus.models.engines import ENGINES, Network
from realbogus.options import available_cores
from realbogus.parallel import map_ordered
from realbogus.recipes import Recipe
from realbogus.surveys.atlas import image_name, read_positions

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

_NIGHT_OF_EXPOSURES = 2_000
# At real-time priority, its processes would starve what they wait for.
_WHOLE_RUN = """
import os, sys, time
from pathlib import Path
os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
begun = time.perf_counter()
from realbogus.stages.detections import score_detections
if __name__ == "__main__":
    config, model, output, night = sys.argv[1:]
    score_detections(
        [int(night)], output=Path(output), classifiers=[model], config_file=Path(config)
    )
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
    parser.add_argument("--survey", type=Path, help="config.yaml of a survey with an exposure")
    parser.add_argument("--exposures", type=int, default=24, help="copies of it for the night")
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
    for name in options.models if options.survey else ():
        with tempfile.TemporaryDirectory(dir=Path.cwd(), prefix=".bench") as folder:
            path = _save(name, Path(folder))
            _compare_exposure(name, path, options)
            _score_night(name, path, Path(folder), options)


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


def _compare_exposure(name: str, path: Path, options: argparse.Namespace) -> None:
    """Take an exposure from its packed image to scores, beside decoding alone, on one core."""
    config = load_config(options.survey)
    with Database.connect(config.database) as database:
        number, obs = _exposure(options.survey.parent / "survey.db")
        positions = read_positions(database, number, obs)
    bench = prepare_bench({"": path}, fallback=None, form=None)
    scorer = Scorer(path, name, bench.seats[""].treatment)
    job = ScoreJob(obs, config.images.root / image_name(obs), scorer, positions)
    done = score_exposure(job)
    scored = int(np.isfinite(done.scores).sum())
    took = _race(
        {"decoding": partial(_decode, job.image), "ours": partial(score_exposure, job)},
        options.rounds,
    )
    clock, processor = (took["ours"][place] / took["decoding"][place] for place in (0, 1))
    print(
        f"\n{name}: {scored:,} of {len(positions):,} detections scored in {took['ours'][0]:.2f} s, "
        f"decoding {took['decoding'][0]:.2f} s: {clock:.2f} times, {processor:.2f} of the processor"
    )


def _decode(image: Path) -> object:
    with fits.open(image, memmap=False) as hdus:
        return hdus[1].data


def _exposure(file: Path) -> tuple[int, str]:
    with sqlite3.connect(file) as connection:
        (found,) = connection.execute("SELECT id, obs FROM atlas_metadataddc LIMIT 1")
    connection.close()
    return int(found[0]), str(found[1])


def _score_night(name: str, path: Path, folder: Path, options: argparse.Namespace) -> None:
    """Run the whole command, in two sizes, whose difference tells what an exposure takes."""
    counts = (options.exposures // 4, options.exposures)
    runs = []
    for count in counts:
        config = _repeat(options.survey.parent, folder / str(count), count)
        night = _exposure(config.parent / "survey.db")[1][3:8]
        (folder / "run.py").write_text(_WHOLE_RUN)
        words = [folder / "run.py", config, path, folder / f"{count}.parquet", night]
        runs.append(_watch([sys.executable, *map(str, words)]))
        print(
            f"{name}: {count} exposures in {runs[-1].seconds:.1f} s, {runs[-1].processor:.1f} s of "
            f"processors; {runs[-1].memory:.0f} MB in all processes"
        )
    more = counts[1] - counts[0]
    each = (runs[1].seconds - runs[0].seconds) / more
    used = (runs[1].processor - runs[0].processor) / more
    print(
        f"{name}: {each:.2f} s more for an exposure more, {used:.2f} s of processors: "
        f"{_NIGHT_OF_EXPOSURES:,} exposures take {each * _NIGHT_OF_EXPOSURES / 60:.0f} minutes, "
        f"{used * _NIGHT_OF_EXPOSURES / 60 / available_cores():.0f} if nothing else runs"
    )


@dataclass
class _Run:
    """What a command took: seconds that it prints, those of processors, and the most MB."""

    seconds: float = 0.0
    processor: float = 0.0
    memory: float = 0.0


def _watch(command: Sequence[str]) -> _Run:
    """Run a command, and look at all its processes meanwhile."""
    took, used = _Run(), dict[int, float]()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        while process.poll() is None:
            family = _family(process.pid)
            took.memory = max(took.memory, sum(map(_memory, family)))
            used |= {pid: seconds for pid in family if (seconds := _used(pid))}
            time.sleep(0.1)
        assert process.stdout is not None
        took.seconds, took.processor = float(process.stdout.read()), sum(used.values())
    return took


def _family(pid: int) -> Sequence[int]:
    """Give a process and all that come of it."""
    family = [pid]
    for parent in family:
        for children in Path(f"/proc/{parent}/task").glob("*/children"):
            with suppress(OSError):
                family += map(int, children.read_text().split())
    return family


def _used(pid: int) -> float:
    """Give the processor's seconds of a process."""
    with suppress(OSError):
        words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")
    return 0.0


def _memory(pid: int) -> float:
    """Give the MB of a process; those that several share count in parts."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1024
    return 0.0


def _repeat(survey: Path, folder: Path, count: int) -> Path:
    """Make a survey of copies of an exposure, whose images are links; give its configuration."""
    number, obs = _exposure(survey / "survey.db")
    folder.mkdir()
    (folder / "config.yaml").write_bytes((survey / "config.yaml").read_bytes())
    (folder / "survey.db").write_bytes((survey / "survey.db").read_bytes())
    images = folder / "diff"
    (images / image_name(obs)).parent.mkdir(parents=True)
    with sqlite3.connect(folder / "survey.db") as connection:
        names = [f"{obs[:9]}{copy:04d}{obs[-1]}" for copy in range(count)]
        for copy, name in enumerate([obs, *(other for other in names if other != obs)][:count]):
            (images / image_name(name)).symlink_to((survey / "diff" / image_name(obs)).resolve())
            if name != obs:
                _copy_rows(connection, number, 10**6 + copy, name)
    connection.close()
    return folder / "config.yaml"


def _copy_rows(connection: sqlite3.Connection, number: int, copy: int, name: str) -> None:
    """Copy an exposure and its detections under other ids."""
    for table, key, values in (
        ("atlas_metadataddc", "id", {"id": copy, "obs": f"'{name}'", "filename": f"'{name}'"}),
        (
            "atlas_detectionsddc",
            "atlas_metadata_id",
            {"id": f"id + {copy} * 1000000", "atlas_metadata_id": copy},
        ),
    ):
        columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
        taken = ", ".join(f"{values.get(column, chr(34) + column + chr(34))}" for column in columns)
        connection.execute(
            f"INSERT INTO {table} SELECT {taken} FROM {table} WHERE {key} = ?", (number,)
        )


def _loading(path: Path, engine: str) -> float:
    """Give the seconds from a classifier file to the engine in a fresh process."""
    code = _START.format(path=str(path), engine=engine, side=_SIDE)
    words = [sys.executable, "-c", code]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    return float(done.stdout)


if __name__ == "__main__":
    raise SystemExit(main())
