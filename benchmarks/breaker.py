#!/usr/bin/env python3
"""How often good nights are held back, and how often bad ones are.

    python benchmarks/breaker.py FOLDER

Makes and keeps in FOLDER a survey a night, with as many images an exposure as the surveys have,
about 21, and some two hundred detections; and a classifier of its camera and one of another,
trained on other nights. Each night is scored as a nightly job does it, beside those before it: ten
unchecked, fifty that are good. Then more nights are spoiled, each in every way, one exposure of it
or all, or scored by the other classifier, given for all cameras or for theirs: they are compared
with the sixty. All this once for objects, and once for all detections.
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
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from realbogus.breaker import NIGHTS, Reference, find_alarms, fit_reference
from realbogus.cli import ArgumentParser, run
from realbogus.counts import HELD, Counts, counts_path, read_counts
from realbogus.options import FALSE_ALARMS
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
_RATES = (0.002, 0.01, 0.1, 0.3)
_FOR_ALL = "another camera's model, given for all"
_BY_NAME = "another camera's model, given for this one"


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
            survey, output = folder / str(night), _output(folder / way, way, night)
            held += _WAYS[way](survey, output, f"{_CAMERA}={models[_CAMERA]}")
        paths = {night: counts_path(_output(folder / way, way, night)) for night in good}
        tables = {night: read_counts(path) for night, path in paths.items()}
        print(f"\n{way}\ngood nights held, of {_GOOD}: {held}", flush=True)
        _print_rates(tables)
        spoiled = _score_spoiled(folder, way, bad, models, options.threads)
        _print_faults([item for some in tables.values() for item in some], spoiled)


def _output(folder: Path, way: str, name: object) -> Path:
    return folder / f"{name}.{'csv' if way == 'objects' else 'parquet'}"


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


def _score_objects(
    survey: Path, output: Path, classifier: str, reference: Sequence[Path] = ()
) -> bool:
    return score_objects(
        output_csv=output,
        config_file=survey / "config.yaml",
        classifiers=[classifier],
        reference=reference,
    )


def _score_detections(
    survey: Path, output: Path, classifier: str, reference: Sequence[Path] = ()
) -> bool:
    (night,) = [int(path.name) for path in (survey / "diff" / _CAMERA).iterdir()]
    return score_detections(
        [night],
        output=output,
        config_file=survey / "config.yaml",
        classifiers=[classifier],
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


@dataclass(frozen=True)
class _Job:
    """A night to score that something is wrong with: so many exposures of it, or the classifier."""

    folder: Path
    way: str
    night: int
    fault: str
    count: int
    classifier: str

    @property
    def output(self) -> Path:
        """Give where its scores are, which are no reference there."""
        name = f"{self.fault}, {self.count}, {self.night}"
        return _output(self.folder / self.way / "spoiled", self.way, name)


def _score_spoiled(
    folder: Path, way: str, nights: range, models: Mapping[str, Path], threads: int
) -> Sequence[_Job]:
    """Score every night with each fault, unless it has been."""
    right, wrong = f"{_CAMERA}={models[_CAMERA]}", str(models[_OTHER])
    kinds = [
        *((fault, count, right) for fault in FAULTS for count in (1, _EXPOSURES)),
        (_FOR_ALL, _EXPOSURES, wrong),
        (_BY_NAME, _EXPOSURES, f"{_CAMERA}={wrong}"),
    ]
    jobs = [_Job(folder, way, night, *kind) for kind in kinds for night in nights]
    (folder / way / "spoiled").mkdir(exist_ok=True)
    left = [job for job in jobs if not job.output.exists()]
    for _ in map_unordered(_score_one, left, workers=threads, label="spoiled"):
        pass
    return jobs


def _score_one(job: _Job) -> None:
    logging.getLogger("realbogus").setLevel(logging.ERROR)
    with TemporaryDirectory(dir=job.folder) as name:
        survey = Path(name) / "survey"
        unneeded = shutil.ignore_patterns(*([] if job.way == "objects" else ["*_diff.fits"]))
        shutil.copytree(job.folder / str(job.night), survey, ignore=unneeded)
        if job.fault in FAULTS:
            spoil(survey, _chosen(job), job.fault)
        _WAYS[job.way](survey, job.output, job.classifier, [job.folder / job.way])


def _chosen(job: _Job) -> Sequence[str]:
    """Give the exposures that are spoiled."""
    images = sorted((job.folder / str(job.night) / "diff" / _CAMERA / str(job.night)).iterdir())
    return [path.name[:14] for path in images][: job.count]


def _print_faults(good: Sequence[Counts], jobs: Sequence[_Job]) -> None:
    """Say what is held at the rates that come into question."""
    reference = fit_reference(good)
    assert reference is not None
    print("\n| fault | rate | of one exposure: held | of all: nights with any | exposures held |")
    print("| --- | --- | --- | --- | --- |")
    for fault in dict.fromkeys(job.fault for job in jobs):
        for rate in _RATES[:2]:
            cells = [fault, f"{rate:g}"]
            one, every = (
                [_held(job, reference, rate) for job in jobs if (job.fault, job.count) == kind]
                for kind in ((fault, 1), (fault, _EXPOSURES))
            )
            cells.append(f"{sum(map(bool, one))} of {len(one)}" if one else "")
            cells.append(f"{sum(map(bool, every))} of {len(every)}")
            cells.append(f"{sum(map(len, every))} of {_EXPOSURES * len(every)}")
            print("|", " | ".join(cells), "|", flush=True)


def _held(job: _Job, reference: Reference, rate: float) -> set[str]:
    """Give the spoiled exposures that are held at a rate; at the default, those that were."""
    counts = read_counts(counts_path(job.output))
    was_held = {item.name for item in counts if item.status == HELD}
    if job.fault == _BY_NAME:
        return was_held
    alarms = find_alarms(counts, {_CAMERA: reference}, false_alarms=rate)
    names = {alarm.unit.name for alarm in alarms}
    held = {item.name for item in counts if names & {item.name, item.night_name}}
    assert rate != FALSE_ALARMS or held == was_held
    return held & set(_chosen(job))


if __name__ == "__main__":
    sys.exit(main())
