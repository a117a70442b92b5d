#!/usr/bin/env python3
"""How often good nights are held back, and how often bad ones are.

    python benchmarks/breaker.py FOLDER

Makes and keeps in FOLDER a survey a night, with as many images an exposure as the surveys have,
about 21, and some two hundred detections; and a classifier of its camera and one of another,
trained on other nights. Each night is scored as a nightly job does it, beside those before it: ten
unchecked, fifty that are good. Then more nights are spoiled, each in every way, one exposure of it
or all: they are compared with the sixty. All this once for objects, and once for all detections.
What is on the lists 1 to 13 of the embedded survey is on the eyeball list here.

Prints how many nights, and exposures, raise an alarm at several rates of false alarms, and how many
of the spoiled ones are held.
"""

import argparse
import logging
import shutil
import sqlite3
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

from realbogus.breaker import NIGHTS, find_alarms, fit_reference
from realbogus.cli import ArgumentParser, run
from realbogus.counts import HELD, Counts, counts_path, read_counts
from realbogus.parallel import map_unordered
from realbogus.simulation import simulate
from realbogus.simulation.faults import FAULTS, spoil
from realbogus.stages.build import build_dataset
from realbogus.stages.cut_atlas import cut_atlas
from realbogus.stages.detections import score_detections
from realbogus.stages.score import score_objects
from realbogus.stages.train import train_classifier

_CAMERA, _OTHER = "02a", "05r"
_FIRST_TRAINED, _FIRST = 58100, 58310
_TRAINED, _GOOD = 6, 50
_EXPOSURES = 8
_LISTS = tuple(range(1, 14))
_simulate = partial(
    simulate, exposures=_EXPOSURES, size=1024, asteroids=25, garbage=120, detections=20
)
_RATES = (0.01, 0.1, 0.3)
_WRONG_MODEL = "wrong camera's model"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark with the words of a command line; return the exit status."""
    parser = ArgumentParser(__doc__)
    parser.add_argument("folder", type=Path, help="where everything is made, and kept")
    parser.add_argument("--bad", type=int, default=10, help="nights to spoil (%(default)s)")
    parser.add_argument("--threads", type=int, default=2, help="processes (%(default)s)")
    options = parser.parse_args(argv)
    return run(lambda: _benchmark(options), verbose=options.verbose)


def _benchmark(options: argparse.Namespace) -> None:
    logging.getLogger("realbogus").setLevel(logging.ERROR)
    folder: Path = options.folder
    folder.mkdir(parents=True, exist_ok=True)
    models = {camera: _train(folder, camera, options.threads) for camera in (_CAMERA, _OTHER)}
    good = range(_FIRST, _FIRST + NIGHTS + _GOOD)
    bad = range(good.stop, good.stop + options.bad)
    jobs = [(folder, night) for night in (*good, *bad)]
    for _ in map_unordered(_make_night, jobs, workers=options.threads, label="nights"):
        pass
    for way in _WAYS:
        held = 0
        (folder / way).mkdir(exist_ok=True)
        for night in good:
            held += _WAYS[way](folder / str(night), _output(folder, way, night), models[_CAMERA])
        paths = {night: counts_path(_output(folder, way, night)) for night in good}
        print(f"\n{way}\ngood nights held, of {_GOOD}: {held}", flush=True)
        _print_rates({night: read_counts(path) for night, path in paths.items()})
        _print_faults(folder, way, bad, models)


def _output(folder: Path, way: str, night: int) -> Path:
    return folder / way / f"{night}.{'csv' if way == 'objects' else 'parquet'}"


def _train(folder: Path, camera: str, threads: int) -> Path:
    """Train a classifier of a camera, unless it is there."""
    survey, model = folder / f"training-{camera}", folder / f"{camera}.h5"
    if model.exists():
        return model
    nights = range(_FIRST_TRAINED, _FIRST_TRAINED + _TRAINED)
    _simulate(survey, cameras=(camera,), nights=nights, stamps=(), workers=threads)
    location = survey / "training"
    cut_atlas(
        survey / "config.yaml",
        nights=nights,
        location=location,
        camera=camera,
        stamp_threads=threads,
    )
    build_dataset(location / "good.txt", location / "bad.txt", location / "dataset.h5")
    scores = location / "scores.csv"
    train_classifier(location / "dataset.h5", classifier=model, output_csv=scores, epochs=8)
    return model


def _make_night(job: tuple[Path, int]) -> None:
    """Make the survey of a night, whose objects all wait for a person, unless it is there."""
    folder, night = job
    survey = folder / str(night)
    if not (survey / "config.yaml").exists():
        shutil.rmtree(survey, ignore_errors=True)
        _simulate(survey, nights=(night,), stamps=_LISTS)
        with closing(sqlite3.connect(survey / "survey.db")) as connection, connection:
            connection.execute(
                "UPDATE atlas_diff_objects SET detection_list_id = 4 WHERE detection_list_id > 0"
            )


def _score_objects(survey: Path, output: Path, model: Path, reference: Sequence[Path] = ()) -> bool:
    return score_objects(
        output_csv=output,
        config_file=survey / "config.yaml",
        classifiers=[str(model)],
        reference=reference,
    )


def _score_detections(
    survey: Path, output: Path, model: Path, reference: Sequence[Path] = ()
) -> bool:
    (night,) = [int(path.name) for path in (survey / "diff" / _CAMERA).iterdir()]
    return score_detections(
        [night],
        output=output,
        config_file=survey / "config.yaml",
        classifiers=[str(model)],
        reference=reference,
        workers=1,
    )


_WAYS: Mapping[str, Callable[..., bool]] = {
    "objects": _score_objects,
    "detections": _score_detections,
}


def _print_rates(tables: dict[int, list[Counts]]) -> None:
    """Compare each good night with those before it, at several rates."""
    nights = list(tables)
    for rate in _RATES:
        alarms = []
        for place in range(NIGHTS, len(nights)):
            before = [item for night in nights[:place] for item in tables[night]]
            references = {_CAMERA: fit_reference(before)}
            fitted = {camera: fit for camera, fit in references.items() if fit is not None}
            alarms.append(find_alarms(tables[nights[place]], fitted, false_alarms=rate))
        count = sum(bool(some) for some in alarms)
        print(
            f"falseAlarms {rate:g}: {count} of {len(alarms)} nights, {sum(map(len, alarms))} alarms"
        )


def _print_faults(folder: Path, way: str, nights: range, models: dict[str, Path]) -> None:
    print("\n| fault | of one exposure: held | of all: nights with any held | exposures held |")
    print("| --- | --- | --- | --- |")
    for fault in FAULTS:
        how = partial(spoil, fault=fault)
        one = [_spoiled(folder, way, night, models, how, 1) for night in nights]
        every = [_spoiled(folder, way, night, models, how, _EXPOSURES) for night in nights]
        _print_row(fault, [f"{sum(map(bool, one))} of {len(one)}"], every)
    wrong = {_CAMERA: models[_OTHER]}
    every = [_spoiled(folder, way, night, wrong, None, 0) for night in nights]
    _print_row(_WRONG_MODEL, [""], every)


def _print_row(fault: str, one: Sequence[str], every: Sequence[Sequence[str]]) -> None:
    count = sum(map(len, every))
    held = f"{sum(map(bool, every))} of {len(every)}"
    cells = [fault, *one, held, f"{count} of {_EXPOSURES * len(every)}"]
    print("|", " | ".join(cells), "|", flush=True)


def _spoiled(
    folder: Path,
    way: str,
    night: int,
    models: dict[str, Path],
    spoil_some: Callable[[Path, Sequence[str]], None] | None,
    count: int,
) -> list[str]:
    """Spoil some exposures of a copy of a night, and give those that are held."""
    survey, output = folder / "spoiled", folder / f"spoiled{_output(folder, way, night).suffix}"
    for path in (survey, output, counts_path(output)):
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    shutil.copytree(folder / str(night), survey)
    images = sorted((survey / "diff" / _CAMERA / str(night)).iterdir())
    chosen = [path.name[:14] for path in images][:count]
    if spoil_some is not None:
        spoil_some(survey, chosen)
    _WAYS[way](survey, output, models[_CAMERA], [folder / way])
    held = [item.name for item in read_counts(counts_path(output)) if item.status == HELD]
    return [name for name in held if spoil_some is None or name in chosen]


if __name__ == "__main__":
    sys.exit(main())
