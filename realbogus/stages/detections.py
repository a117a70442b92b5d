"""Scores of all detections of whole nights, straight from the difference images."""

import logging
from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from realbogus.bench import Bench, choose_classifiers, prepare_bench
from realbogus.config import Config, load_config
from realbogus.cutting import Tally
from realbogus.database import Database
from realbogus.detections import (
    DETECTION_FAULTS,
    ExposureScores,
    ScoreJob,
    Scorer,
    score_exposure,
)
from realbogus.errors import ConfigError, DatabaseError, ImageError
from realbogus.fetch import fetch_missing
from realbogus.files import require_writable_folder
from realbogus.models.engines import ENGINES
from realbogus.options import available_cores, require_choice
from realbogus.parallel import Workers, map_threads, open_workers, progress, read_ahead
from realbogus.parquet import ParquetColumn, ParquetFile, open_parquet, read_parquet_recipe
from realbogus.recipes import Recipe, already_made
from realbogus.surveys.atlas import (
    CAMERAS,
    find_exposures,
    image_name,
    read_positions,
    require_camera,
)
from realbogus.surveys.ps1 import database_folder
from realbogus.surveys.stamps import FORMS
from realbogus.verdicts import FALLBACK

__all__ = ["score_detections"]

log = logging.getLogger(__name__)

# Detections that are in memory at a time; as many more are read ahead.
_ROWS = 1_000_000

_COLUMNS: Sequence[ParquetColumn] = (
    ("detection", "uint64", "its id"),
    ("object", "uint64", "the id of its object"),
    ("exposure", "text", "its name"),
    ("camera", "text", "what took it"),
    ("x", "float64", "pixels, centres at half-integers"),
    ("y", "float64", "pixels, centres at half-integers"),
    ("mag", "float64", "magnitude; negative for negative flux"),
    ("score", "float64", "from 0 (bogus) to 1 (real)"),
    ("fallback", "bool", "the score is of the fallback"),
    ("fault", "text", f"why there is no score: {', '.join(DETECTION_FAULTS)}"),
)


def score_detections(
    nights: Sequence[int],
    *,
    output: Path,
    cameras: Sequence[str] = (),
    classifiers: Sequence[str] = (),
    fallback: Path | None = None,
    config_file: Path = Path("config.yaml"),
    architecture: str | None = None,
    engine: str = "auto",
    download_threads: int = 5,
    workers: int | None = None,
    scheduler: str | None = None,
) -> None:
    """Score every detection of some nights of ATLAS, each camera's by its own classifier.

    An exposure is read in one pass, and no stamp is written. Missing images are fetched first, if
    the configuration says from where. One that stays missing, or is damaged, is named; its
    detections are in the file without a score.

    Parameters
    ----------
    nights : sequence of int
        MJD.
    output : Path
        The Parquet file to make: a row a detection, by night, camera, exposure and id.
    cameras : sequence of str
        By default all.
    classifiers, fallback, config_file, architecture, engine
        As `realbogus.stages.score.score_objects` takes them.
    download_threads : int
        Number of connections that fetch missing exposures.
    workers : int, optional
        Number of processes that read and score; by default one for every core.
    scheduler : str, optional
        The address of a Dask scheduler, ``tcp://host:8786``, whose workers do so instead.

    Raises
    ------
    ConfigError, DatabaseError, ImageError, ModelError, RecipeError
        If an option is not allowed, a camera has no classifier, a classifier is none, there is
        nothing to score or no image of it, or the file exists and was made in another way.
    """
    _check_options(nights, output, cameras, engine, download_threads)
    config = load_config(config_file)
    _require_whole_images(config)
    given = choose_classifiers(classifiers, config)
    bench = prepare_bench(given, fallback=fallback, form=FORMS[config.survey])
    recipe = _recipe(bench, nights, cameras, config)
    if already_made(output, read_parquet_recipe(output) if output.exists() else None, recipe):
        return
    require_writable_folder(output.parent)
    targets = _find_targets(config, nights, cameras)
    bench.require_all(targets)
    plan = _Plan(config, bench, _scorers(bench, targets, architecture, engine), download_threads)
    count = available_cores() if workers is None else workers
    with (
        open_workers(count, scheduler=scheduler, preload=["realbogus.detections"]) as crew,
        open_parquet(output, _COLUMNS) as file,
    ):
        found = _write(file, plan, progress(_score(plan, targets, crew), label="exposures"))
        _report(found, output)
        file.recipe = replace(recipe, results=found.results)
    log.info("%s: %d detections", output, found.detections)


@dataclass(frozen=True)
class _Plan:
    """What every exposure needs to know."""

    config: Config
    bench: Bench
    scorers: Mapping[str, Scorer]
    download_threads: int


@dataclass(frozen=True)
class _Targets:
    """The exposures, as (id in the database, name), and how many are of each camera."""

    exposures: Sequence[tuple[int, str]]

    @property
    def cameras(self) -> Mapping[str, int]:
        return Counter(_camera(obs) for _, obs in self.exposures)

    @property
    def examples(self) -> Mapping[str, str]:
        return {_camera(obs): obs for _, obs in reversed(self.exposures)}


@dataclass
class _Found:
    """What came of all exposures."""

    exposures: int = 0
    detections: int = 0
    scored: int = 0
    by_fallback: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    bad: list[str] = field(default_factory=list)
    first_problem: str = ""

    @property
    def results(self) -> dict[str, Any]:
        """What a recipe says of it."""
        return {
            "exposures": self.exposures,
            "detections": self.detections,
            "scored": self.scored,
            "faults": dict(self.faults),
            "missing": self.bad,
        }

    def add(self, job: ScoreJob, done: ExposureScores, *, by_fallback: bool) -> None:
        """Count an exposure."""
        counts = Counter(done.faults.tolist())
        scored = counts.pop("", 0)
        self.exposures += 1
        self.detections += len(job.positions)
        self.scored += scored
        self.by_fallback += scored * by_fallback
        self.faults.update(counts)
        if done.problem is not None:
            log.warning("%s", done.problem)
            self.bad.append(job.obs)
            self.first_problem = self.first_problem or done.problem


def _check_options(
    nights: Sequence[int], output: Path, cameras: Sequence[str], engine: str, threads: int
) -> None:
    if not nights:
        raise ConfigError("detections: give at least one night, such as 58310 or 58310-58320")
    if output.suffix != ".parquet":
        raise ConfigError(f"outputparquet must end in .parquet; got {output.name!r}")
    for camera in cameras:
        require_camera(camera)
    require_choice("engine", engine, ENGINES)
    if threads < 1:
        raise ConfigError(f"downloadthreads must be at least 1; got {threads}")


def _require_whole_images(config: Config) -> None:
    if config.survey != "atlas":
        raise ConfigError(
            f"detections: {config.path} is for {config.survey}, of which only stamps are at hand, "
            "no whole difference images; score its objects, by listid or objects"
        )


def _recipe(bench: Bench, nights: Sequence[int], cameras: Sequence[str], config: Config) -> Recipe:
    options = {
        "survey": config.survey,
        "database": database_folder(config.database),
        "detections": sorted(set(nights)),
        "camera": sorted(set(cameras)),
    }
    return Recipe("score", options, bench.inputs)


def _find_targets(config: Config, nights: Sequence[int], cameras: Sequence[str]) -> _Targets:
    with Database.connect(config.database) as database:
        found = [
            exposure
            for night in sorted(set(nights))
            for camera in sorted(set(cameras or CAMERAS))
            for exposure in find_exposures(database, camera=camera, night=night)[0]
        ]
    if not found:
        asked = ", ".join(map(str, sorted(set(nights))))
        of = f" of camera {', '.join(cameras)}" if cameras else ""
        raise DatabaseError(f"the database has no exposure{of} in night {asked}")
    return _Targets(found)


def _scorers(
    bench: Bench, targets: _Targets, architecture: str | None, engine: str
) -> Mapping[str, Scorer]:
    """Load each classifier once here, so that what is wrong with it shows before any work."""
    digests = {
        key: item.digest
        for key, item in zip([*bench.seats, FALLBACK], bench.inputs.values(), strict=False)
    }
    scorers = {
        key: Scorer(seat.path.absolute(), digests[key], seat.treatment, architecture, engine)
        for key, seat in bench.used_by(targets).items()
    }
    for scorer in scorers.values():
        scorer.load()
    return scorers


_Pair = tuple[ScoreJob, ExposureScores]


def _score(plan: _Plan, targets: _Targets, workers: Workers) -> Iterator[_Pair]:
    """Score exposures, in their order; the next are read while these are scored."""
    for jobs in read_ahead(_read_jobs(plan, targets)):
        places = {job.obs: job for job in jobs}
        done = dict(workers.map(_score_named, jobs, on_death=_worker_died))
        yield from ((places[obs], done[obs]) for obs in places)


def _score_named(job: ScoreJob) -> tuple[str, ExposureScores]:
    return job.obs, score_exposure(job)


def _worker_died(job: ScoreJob) -> tuple[str, ExposureScores]:
    reason = "the process that read it died, perhaps because the memory is full"
    return job.obs, ExposureScores.none(job, f"{job.image}: {reason}")


def _read_jobs(plan: _Plan, targets: _Targets) -> Generator[list[ScoreJob], None, None]:
    """Give as many exposures at a time as have about so many detections, and fetch their images."""
    root = plan.config.images.root
    with Database.connect(plan.config.database) as database:
        jobs: list[ScoreJob] = []
        for number, obs in targets.exposures:
            scorer = plan.scorers[plan.bench.key(_camera(obs))]
            positions = read_positions(database, number, obs)
            jobs.append(ScoreJob(obs, root / image_name(obs), scorer, positions))
            if sum(len(job.positions) for job in jobs) >= _ROWS:
                yield _fetched(jobs, plan)
                jobs = []
    if jobs:
        yield _fetched(jobs, plan)


def _fetched(jobs: list[ScoreJob], plan: _Plan) -> list[ScoreJob]:
    images = plan.config.images
    if images.remote is not None:
        names = [image_name(job.obs) for job in jobs if len(job.positions)]
        threads = partial(map_threads, workers=plan.download_threads, label="missing images")
        fetch_missing(names, remote=images.remote, root=images.root, spread=threads)
    return jobs


def _write(file: ParquetFile, plan: _Plan, pairs: Iterable[_Pair]) -> _Found:
    """Write the rows of exposures, and count them."""
    found = _Found()
    for job, done in pairs:
        by_fallback = plan.bench.key(_camera(job.obs)) == FALLBACK
        found.add(job, done, by_fallback=by_fallback)
        file.add(_columns(job, done, by_fallback=by_fallback))
    return found


def _columns(
    job: ScoreJob, done: ExposureScores, *, by_fallback: bool
) -> dict[str, NDArray[Any] | str]:
    positions, is_scored = job.positions, done.faults == ""
    return {
        "detection": positions.detection,
        "object": np.ma.masked_array(positions.object, positions.object == 0),
        "exposure": job.obs,
        "camera": _camera(job.obs),
        "x": positions.x,
        "y": positions.y,
        "mag": positions.mag,
        "score": done.scores,
        "fallback": is_scored & by_fallback,
        "fault": np.ma.masked_array(done.faults, is_scored),
    }


def _report(found: _Found, output: Path) -> None:
    """Say what has no score, and stop if that is everything."""
    if not found.scored:
        raise ImageError(
            f"none of {found.detections} detections can be scored"
            + (f": {found.first_problem}" if found.first_problem else "")
        )
    if found.bad:
        names = Tally.sum([Tally(1, [obs]) for obs in found.bad])
        text = "%d of %d exposures are missing or unreadable: %s; their detections have no score"
        log.warning(text, len(found.bad), found.exposures, names)
    if found.by_fallback:
        log.warning("%d detections have scores of the fallback", found.by_fallback)


def _camera(obs: str) -> str:
    return obs[:3]
