"""Stamps of labelled ATLAS detections: from the database and the difference images."""

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from realbogus.config import Config, load_config
from realbogus.cutouts import (
    FOLDERS,
    STAMP_FORMATS,
    ExposureJob,
    Outcome,
    Sources,
    cut_exposure,
    finished,
    lines_of,
    make_folders,
)
from realbogus.cutting import list_is_made, require_fraction, too_many_missing
from realbogus.database import Database
from realbogus.errors import ConfigError, DatabaseBusyError, DatabaseError, ImageError
from realbogus.fetch import fetch_missing
from realbogus.files import require_writable_folder
from realbogus.lists import write_list
from realbogus.options import available_cores, require_choice
from realbogus.parallel import Workers, map_threads, open_workers, progress
from realbogus.recipes import Recipe
from realbogus.surveys.atlas import (
    KINDS,
    Exposure,
    Night,
    Selection,
    image_name,
    label_rules,
    require_camera,
    select_night,
)

__all__ = ["cut_atlas"]

log = logging.getLogger(__name__)


def cut_atlas(
    config_file: Path,
    *,
    nights: Sequence[int],
    location: Path,
    camera: str = "02a",
    stamp_size: int = 40,
    stamp_format: str = "files",
    good_as_real: bool = False,
    stamps_to_generate: str = "all",
    bogus_from: str = "garbage",
    bogus_per_exposure: int = 75,
    seed: int = 0,
    download_threads: int = 5,
    stamp_threads: int | None = None,
    scheduler: str | None = None,
    max_missing: float = 0.1,
) -> None:
    """Cut a stamp of every labelled detection of some nights, and list them.

    Exposures that the image root lacks are fetched first, if the configuration says from where.
    Writes ``good/`` and ``bad/`` with the stamps, or ``cubes/``, ``exposures/<exposure>.txt`` with
    the positions in each, and last ``bad.txt`` and ``good.txt``, all under ``location``. One night
    is read and cut after the other; a night that a busy server does not give is left for the next
    run.

    Parameters
    ----------
    config_file : Path
        The configuration: database, images, thresholds of the labels.
    nights : sequence of int
        The nights (MJD).
    location : Path
        The folder to write to.
    camera : str
        One of the cameras of ATLAS.
    stamp_size : int
        Side of a stamp in pixels.
    stamp_format : str
        ``files``, each stamp in a file of its own, or ``cube``, those of an exposure in one.
    good_as_real : bool
        The good list's stamped detections are real, instead of known asteroids.
    stamps_to_generate : str
        The kinds to make, one of `KINDS`.
    bogus_from : str
        ``garbage``, the garbage list's with a low score; or ``unpromoted``, drawn at random.
    bogus_per_exposure, seed : int
        How many unpromoted detections to draw of an exposure, and the seed of the draw.
    download_threads : int
        Number of connections that fetch missing exposures.
    stamp_threads : int, optional
        Number of processes that cut; by default one for every core.
    scheduler : str, optional
        The address of a Dask scheduler, ``tcp://host:8786``, whose workers cut instead.
    max_missing : float
        The fraction of the exposures without which the run may go on.

    Raises
    ------
    ConfigError, DatabaseError, ImageError
        If an option is not allowed, the database has nothing to give, too many images are missing,
        or the lists exist and were made in another way.
    """
    _check_options(nights, stamp_size, download_threads, max_missing)
    require_camera(camera)
    require_choice("stampsToGenerate", stamps_to_generate, KINDS)
    require_choice("stampFormat", stamp_format, STAMP_FORMATS)
    config = load_config(config_file)
    _require_survey(config)
    selection = Selection(
        good_as_real=good_as_real,
        bogus_from=bogus_from,
        bogus_per_exposure=bogus_per_exposure,
        seed=seed,
        rules=label_rules(config.labels),
    )
    recipe = _recipe(nights, camera, stamp_size, stamp_format, selection)
    wanted = [
        FOLDERS[name]
        for name in KINDS[stamps_to_generate]
        if not list_is_made(location / f"{FOLDERS[name]}.txt", recipe)
    ]
    if not wanted:
        return
    require_writable_folder(location)
    plan = _Plan(
        config,
        location,
        camera,
        stamp_size,
        stamp_format,
        selection,
        stamps_to_generate,
        download_threads,
    )
    count = available_cores() if stamp_threads is None else stamp_threads
    with open_workers(count, scheduler=scheduler, preload=["realbogus.cutouts"]) as workers:
        done = _cut_nights(plan, sorted(set(nights)), workers)
    _check_lost(done, location)
    _check_selected(done, plan)
    missing = _check_missing([item for night in done for item in night.outcomes], max_missing)
    _write_lists(plan, wanted, done, replace(recipe, results=_results(done, missing, selection)))


@dataclass(frozen=True)
class _Plan:
    """What every night needs to know."""

    config: Config
    location: Path
    camera: str
    size: int
    stamp_format: str
    selection: Selection
    kind: str
    download_threads: int


@dataclass(frozen=True)
class _NightDone:
    """What came of a night; nothing if the server did not give it."""

    night: int
    exposures: int = 0
    refused: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    rules: Counter[str] = field(default_factory=Counter)
    outcomes: tuple[Outcome, ...] = ()
    fetched: int = 0
    is_lost: bool = False

    @property
    def counts(self) -> dict[str, Any]:
        stamps = {
            name: sum(outcome.counts[name] for outcome in self.outcomes)
            for name in ("good", "bad", "masked")
        }
        return {
            "exposures": self.exposures,
            "refused": self.refused,
            "selected": dict(sorted(self.rules.items())),
            **stamps,
        }


def _check_options(
    nights: Sequence[int], stamp_size: int, download_threads: int, max_missing: float
) -> None:
    if not nights:
        raise ConfigError("mjds: give at least one night, such as 58310 or 58310-58320")
    if not 10 <= stamp_size <= 1000:
        raise ConfigError(f"stampSize must be from 10 to 1000 pixels; got {stamp_size}")
    if download_threads < 1:
        raise ConfigError(f"downloadthreads must be at least 1; got {download_threads}")
    require_fraction(max_missing)


def _require_survey(config: Config) -> None:
    if config.survey != "atlas":
        raise ConfigError(f"{config.path}: survey must be atlas here; got {config.survey!r}")


def _recipe(
    nights: Sequence[int], camera: str, stamp_size: int, stamp_format: str, selection: Selection
) -> Recipe:
    options = {
        "survey": "atlas",
        "camera": camera,
        "mjds": sorted(set(nights)),
        "stampSize": stamp_size,
        "stampFormat": stamp_format,
        **selection.options,
    }
    return Recipe("cut", options)


def _cut_nights(plan: _Plan, nights: Sequence[int], workers: Workers) -> list[_NightDone]:
    """Read and cut each night; only counts of it are kept, so that memory does not grow."""
    with Database.connect(plan.config.database) as database:
        return [
            _cut_night(plan, database, night, workers)
            for night in progress(nights, label="nights", total=len(nights))
        ]


def _cut_night(plan: _Plan, database: Database, night: int, workers: Workers) -> _NightDone:
    try:
        selected = select_night(
            database, camera=plan.camera, night=night, selection=plan.selection, kind=plan.kind
        )
    except DatabaseBusyError as error:
        log.warning("night %d is lost: %s", night, error)
        return _NightDone(night, is_lost=True)
    if not selected.exposures:
        log.warning("night %d: the database has no exposure of camera %s", night, plan.camera)
    jobs = _jobs(plan, selected)
    detections = [item for exposure in selected.exposures for item in exposure.detections]
    return _NightDone(
        night,
        exposures=len(selected.exposures),
        refused=selected.refused,
        kinds=Counter("real" if item.is_real else "bogus" for item in detections),
        rules=Counter(item.rule for item in detections),
        fetched=_fetch_missing(jobs, plan),
        outcomes=_cut_all(jobs, workers),
    )


def _jobs(plan: _Plan, selected: Night) -> list[ExposureJob]:
    return [
        ExposureJob(
            exposure.obs,
            plan.config.images.root / image_name(exposure.obs),
            plan.location,
            plan.size,
            plan.stamp_format,
            plan.kind,
            _sources(exposure),
        )
        for exposure in selected.exposures
        if exposure.detections
    ]


def _sources(exposure: Exposure) -> Sources:
    try:
        return Sources.of_rows([detection[:-1] for detection in exposure.detections])
    except (TypeError, ValueError, OverflowError) as error:
        raise DatabaseError(
            f"exposure {exposure.obs}: a detection has an id or a position that is no number"
        ) from error


def _fetch_missing(jobs: Sequence[ExposureJob], plan: _Plan) -> int:
    """Fetch the images that the jobs still need, and count those that came."""
    images = plan.config.images
    if images.remote is None:
        return 0
    names = [image_name(job.obs) for job in jobs if not job.image.exists() and not finished(job)]
    threads = partial(map_threads, workers=plan.download_threads, label="missing images")
    fetched = fetch_missing(names, remote=images.remote, root=images.root, spread=threads)
    return len(fetched.names)


def _cut_all(jobs: Sequence[ExposureJob], workers: Workers) -> tuple[Outcome, ...]:
    for job in jobs[:1]:
        make_folders(job.location, job.stamp_format)
    results = workers.map(cut_exposure, jobs, on_death=_worker_died)
    outcomes = progress(results, label="exposures", total=len(jobs))
    return tuple(sorted(outcomes, key=lambda outcome: outcome.obs))


def _worker_died(job: ExposureJob) -> Outcome:
    return Outcome(
        job.obs,
        problem=f"{job.image}: the process that read it died, perhaps because the memory is full",
    )


def _check_lost(done: Sequence[_NightDone], location: Path) -> None:
    lost = [str(item.night) for item in done if item.is_lost]
    if lost:
        raise DatabaseBusyError(
            f"{len(lost)} of {len(done)} nights are lost: {', '.join(lost)}; what was cut of the "
            f"others is kept in {location}: run again"
        )


def _check_selected(done: Sequence[_NightDone], plan: _Plan) -> None:
    if not any(item.exposures for item in done):
        asked = ", ".join(str(item.night) for item in done)
        raise DatabaseError(
            f"the database has no exposure of camera {plan.camera} in night {asked}"
        )
    for kind in KINDS[plan.kind]:
        if not any(item.kinds[kind] for item in done):
            raise DatabaseError(f"these nights of camera {plan.camera} have no {kind} detection")


def _check_missing(outcomes: Sequence[Outcome], max_missing: float) -> list[str]:
    """Name the exposures that gave nothing, and stop the run if they are too many."""
    problems = {item.obs: item.problem for item in outcomes if item.problem is not None}
    for problem in problems.values():
        log.warning("%s", problem)
    too_many = too_many_missing(
        len(problems), len(outcomes), max_missing=max_missing, things="exposures"
    )
    if too_many is not None:
        raise ImageError(f"{too_many}: {', '.join(problems)}")
    return list(problems)


def _results(
    done: Sequence[_NightDone], missing: Sequence[str], selection: Selection
) -> dict[str, Any]:
    if missing:
        exposures = sum(len(item.outcomes) for item in done)
        log.warning("going on without %d of %d exposures", len(missing), exposures)
    return {
        "nights": {str(item.night): item.counts for item in done},
        "missing": list(missing),
        "fetched": sum(item.fetched for item in done),
        "labels": selection.description,
    }


def _write_lists(
    plan: _Plan, folders: Sequence[str], done: Sequence[_NightDone], recipe: Recipe
) -> None:
    for folder in sorted(folders):
        path = plan.location / f"{folder}.txt"
        write_list(path, _lines(plan.location, folder, done), recipe)
        log.info("%s: %d stamps", path, sum(item.counts[folder] for item in done))


def _lines(location: Path, folder: str, done: Sequence[_NightDone]) -> Iterator[str]:
    """Give the lines of a list out of the lists of the exposures."""
    for night in done:
        for outcome in night.outcomes:
            yield from lines_of(location, outcome, folder)
