"""Stamps of labelled ATLAS detections: from the database and the difference images."""

import hashlib
import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from realbogus.config import Config, load_config
from realbogus.cutting import list_is_made, require_fraction, too_many_missing
from realbogus.database import Database
from realbogus.errors import ConfigError, DatabaseBusyError, DatabaseError, ImageError
from realbogus.fetch import fetch_missing
from realbogus.files import require_writable_folder
from realbogus.fitsfiles import Header, header_value
from realbogus.images import cut_stamps, masked_core_fraction, read_image
from realbogus.lists import Row, read_list, read_list_recipe, write_list
from realbogus.options import available_cores, require_choice
from realbogus.parallel import map_threads, map_unordered, progress
from realbogus.recipes import Recipe
from realbogus.stamps import sky_cards, write_stamp
from realbogus.surveys.atlas import (
    KINDS,
    Detection,
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

_MASKED_CORE = 0.5
_FOLDERS = {"real": "good", "bogus": "bad"}


def cut_atlas(
    config_file: Path,
    *,
    nights: Sequence[int],
    location: Path,
    camera: str = "02a",
    stamp_size: int = 40,
    good_as_real: bool = False,
    stamps_to_generate: str = "all",
    bogus_from: str = "garbage",
    bogus_per_exposure: int = 75,
    seed: int = 0,
    download_threads: int = 5,
    stamp_threads: int | None = None,
    max_missing: float = 0.1,
) -> None:
    """Cut a stamp of every labelled detection of some nights, and list them.

    Exposures that the image root lacks are fetched first, if the configuration says from where.
    Writes ``good/`` and ``bad/`` with the stamps, ``exposures/<exposure>.txt`` with the positions
    in each, and last ``bad.txt`` and ``good.txt``, all under ``location``. One night is read and
    cut after the other; a night that a busy server does not give is left for the next run.

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
    config = load_config(config_file)
    _require_survey(config)
    selection = Selection(
        good_as_real=good_as_real,
        bogus_from=bogus_from,
        bogus_per_exposure=bogus_per_exposure,
        seed=seed,
        rules=label_rules(config.labels),
    )
    recipe = _recipe(nights, camera, stamp_size, selection)
    wanted = [
        _FOLDERS[name]
        for name in KINDS[stamps_to_generate]
        if not list_is_made(location / f"{_FOLDERS[name]}.txt", recipe)
    ]
    if not wanted:
        return
    require_writable_folder(location)
    plan = _Plan(
        config,
        location,
        camera,
        stamp_size,
        selection,
        stamps_to_generate,
        download_threads,
        workers=stamp_threads or available_cores(),
    )
    done = _cut_nights(plan, sorted(set(nights)))
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
    selection: Selection
    kind: str
    download_threads: int
    workers: int


@dataclass(frozen=True)
class _Job:
    exposure: Exposure
    image_root: Path
    location: Path
    size: int

    @property
    def positions(self) -> Path:
        return self.location / "exposures" / f"{self.exposure.obs}.txt"

    @property
    def recipe(self) -> Recipe:
        selection = repr(self.exposure.detections).encode()
        return Recipe(
            "cut",
            {"stampSize": self.size, "selection": hashlib.sha256(selection).hexdigest()},
        )


@dataclass(frozen=True)
class _Outcome:
    """How many stamps of an exposure were made, and not for being masked; or why there are none."""

    obs: str
    good: int = 0
    bad: int = 0
    masked: int = 0
    problem: str | None = None

    @property
    def counts(self) -> dict[str, int]:
        return {"good": self.good, "bad": self.bad, "masked": self.masked}


@dataclass(frozen=True)
class _NightDone:
    """What came of a night; nothing if the server did not give it."""

    night: int
    exposures: int = 0
    refused: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    rules: Counter[str] = field(default_factory=Counter)
    outcomes: tuple[_Outcome, ...] = ()
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


def _recipe(nights: Sequence[int], camera: str, stamp_size: int, selection: Selection) -> Recipe:
    options = {
        "survey": "atlas",
        "camera": camera,
        "mjds": sorted(set(nights)),
        "stampSize": stamp_size,
        **selection.options,
    }
    return Recipe("cut", options)


def _cut_nights(plan: _Plan, nights: Sequence[int]) -> list[_NightDone]:
    """Read and cut each night; only counts of it are kept, so that memory does not grow."""
    with Database.connect(plan.config.database) as database:
        return [_cut_night(plan, database, night) for night in progress(nights, label="nights")]


def _cut_night(plan: _Plan, database: Database, night: int) -> _NightDone:
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
    chosen = [detection for job in jobs for detection in job.exposure.detections]
    return _NightDone(
        night,
        exposures=len(selected.exposures),
        refused=selected.refused,
        kinds=Counter("real" if detection.is_real else "bogus" for detection in chosen),
        rules=Counter(detection.rule for detection in chosen),
        fetched=_fetch_missing(jobs, plan),
        outcomes=_cut_all(jobs, workers=plan.workers),
    )


def _jobs(plan: _Plan, selected: Night) -> list[_Job]:
    return [
        _Job(exposure, plan.config.images.root, plan.location, plan.size)
        for exposure in selected.exposures
        if exposure.detections
    ]


def _fetch_missing(jobs: Sequence[_Job], plan: _Plan) -> int:
    """Fetch the images that the jobs still need, and count those that came."""
    images = plan.config.images
    if images.remote is None:
        return 0
    names = [image_name(job.exposure.obs) for job in jobs if _needs_image(job)]
    threads = partial(map_threads, workers=plan.download_threads, label="missing images")
    fetched = fetch_missing(names, remote=images.remote, root=images.root, spread=threads)
    return len(fetched.names)


def _needs_image(job: _Job) -> bool:
    path = job.image_root / image_name(job.exposure.obs)
    return not path.exists() and _finished(job) is None


def _cut_all(jobs: Sequence[_Job], *, workers: int) -> tuple[_Outcome, ...]:
    for job in jobs[:1]:
        for folder in ("good", "bad", "exposures"):
            (job.location / folder).mkdir(exist_ok=True)
    outcomes = map_unordered(_cut_exposure, jobs, workers=workers, label="exposures")
    return tuple(sorted(outcomes, key=lambda outcome: outcome.obs))


def _cut_exposure(job: _Job) -> _Outcome:
    """Cut one exposure, unless an earlier try finished it."""
    obs = job.exposure.obs
    earlier = _finished(job)
    if earlier is not None:
        return earlier
    try:
        image = read_image(job.image_root / image_name(obs))
    except ImageError as error:
        return _Outcome(obs, problem=str(error))
    x, y = _positions(job.exposure.detections)
    stamps = cut_stamps(image, x, y, size=job.size)
    usable = masked_core_fraction(stamps) <= _MASKED_CORE
    shared = sky_cards(image.header)
    rows = tuple(
        _write(job, detection, stamp, image.header, shared)
        for detection, stamp, use in zip(job.exposure.detections, stamps, usable, strict=True)
        if use
    )
    good = sum(row.stamp.startswith("good/") for row in rows)
    outcome = _Outcome(obs, good, len(rows) - good, int((~usable).sum()))
    write_list(job.positions, rows, replace(job.recipe, results=outcome.counts))
    return outcome


def _finished(job: _Job) -> _Outcome | None:
    if not job.positions.exists():
        return None
    recorded = read_list_recipe(job.positions)
    if recorded is None or recorded.options != job.recipe.options:
        return None
    return _Outcome(job.exposure.obs, **recorded.results)


def _positions(detections: Sequence[Detection]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return np.array([item.x for item in detections]), np.array([item.y for item in detections])


def _write(
    job: _Job, detection: Detection, stamp: NDArray[np.float32], header: Header, shared: str
) -> Row:
    obs = job.exposure.obs
    folder = _FOLDERS["real" if detection.is_real else "bogus"]
    name = f"{folder}/{detection.object}_{obs}_{detection.id}.fits"
    write_stamp(
        job.location / name,
        stamp,
        shared=shared,
        cards=_cards(detection, obs, header, job.size),
    )
    return Row(
        detection.x,
        detection.y,
        detection.mag,
        detection.dmag,
        detection.ra,
        detection.dec,
        obs,
        str(detection.object),
        name,
    )


def _cards(detection: Detection, obs: str, header: Header, size: int) -> list[tuple[str, object]]:
    """Give the cards that are the stamp's own; the WCS moves with its corner."""
    corner = {"CRPIX1": int(np.floor(detection.x)), "CRPIX2": int(np.floor(detection.y))}
    reference = {key: header_value(header, key) for key in corner}
    return [
        ("OBJECT", str(detection.object)),
        ("EXPNAME", obs),
        ("XIMAGE", detection.x),
        ("YIMAGE", detection.y),
        *(
            (key, value - (corner[key] - size // 2))
            for key, value in reference.items()
            if isinstance(value, int | float)
        ),
    ]


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


def _check_missing(outcomes: Sequence[_Outcome], max_missing: float) -> list[str]:
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
        write_list(path, _rows_of(plan, folder, done), recipe)
        log.info("%s: %d stamps", path, sum(item.counts[folder] for item in done))


def _rows_of(plan: _Plan, folder: str, done: Sequence[_NightDone]) -> Iterator[Row]:
    """Give the rows of a list out of the lists of the exposures."""
    for outcome in (item for night in done for item in night.outcomes):
        if outcome.problem is None:
            rows = read_list(plan.location / "exposures" / f"{outcome.obs}.txt")
            yield from (row for row in rows if row.stamp.startswith(f"{folder}/"))
