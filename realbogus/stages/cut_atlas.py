"""Stamps of labelled ATLAS detections: from the database and the difference images."""

import hashlib
import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from realbogus.config import Config, load_config
from realbogus.cutting import list_is_made, require_fraction, too_many_missing
from realbogus.database import Database
from realbogus.errors import ConfigError, DatabaseError, ImageError
from realbogus.fetch import fetch_missing
from realbogus.files import require_writable_folder
from realbogus.fitsfiles import Header, header_value
from realbogus.images import cut_stamps, masked_core_fraction, read_image
from realbogus.lists import Row, read_list, read_list_recipe, write_list
from realbogus.options import available_cores
from realbogus.parallel import map_threads, map_unordered, progress
from realbogus.recipes import Recipe
from realbogus.stamps import sky_cards, write_stamp
from realbogus.surveys.atlas import (
    Detection,
    Exposure,
    LabelRules,
    image_name,
    label_rules,
    night_of,
    require_camera,
    select_exposures,
)

__all__ = ["cut_atlas"]

log = logging.getLogger(__name__)

_MASKED_CORE = 0.5
_FOLDERS = {True: "good", False: "bad"}
_LABEL_NOTE = (
    "real: known asteroids by position; bogus: garbage list with a low score, so these labels "
    "come in part from an older classifier"
)


def cut_atlas(
    config_file: Path,
    *,
    nights: Sequence[int],
    location: Path,
    camera: str = "02a",
    stamp_size: int = 40,
    download_threads: int = 5,
    stamp_threads: int | None = None,
    max_missing: float = 0.1,
) -> None:
    """Cut a stamp of every labelled detection of some nights, and list them.

    Exposures that the image root lacks are fetched first, if the configuration says from where.
    Writes ``good/`` and ``bad/`` with the stamps, ``exposures/<exposure>.txt`` with the positions
    in each, and last ``bad.txt`` and ``good.txt``, all under ``location``.

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
    config = load_config(config_file)
    _require_survey(config)
    rules = label_rules(config.labels)
    recipe = _recipe(nights, camera, stamp_size, rules)
    if _lists_are_made(location, recipe):
        return
    require_writable_folder(location)
    exposures = _select(config, nights, camera, rules)
    jobs = [_Job(exposure, config.images.root, location, stamp_size) for exposure in exposures]
    fetched = _fetch_missing(jobs, config, workers=download_threads)
    outcomes = _cut_all(jobs, workers=stamp_threads or available_cores())
    missing = _check_missing(outcomes, max_missing)
    results = {**_results(nights, exposures, outcomes, missing), "fetched": fetched}
    _write_lists(location, outcomes, recipe, results)


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
    """The rows of an exposure's stamps; or why there are none."""

    obs: str
    rows: tuple[Row, ...] = ()
    masked: int = 0
    problem: str | None = None


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


def _recipe(nights: Sequence[int], camera: str, stamp_size: int, rules: LabelRules) -> Recipe:
    options = {
        "survey": "atlas",
        "camera": camera,
        "mjds": sorted(set(nights)),
        "stampSize": stamp_size,
        **rules.options,
    }
    return Recipe("cut", options)


def _lists_are_made(location: Path, recipe: Recipe) -> bool:
    made = [list_is_made(location / f"{name}.txt", recipe) for name in _FOLDERS.values()]
    return all(made)


def _select(
    config: Config, nights: Sequence[int], camera: str, rules: LabelRules
) -> list[Exposure]:
    exposures: list[Exposure] = []
    with Database.connect(config.database) as database:
        for night in progress(nights, label="nights"):
            found = list(select_exposures(database, camera=camera, night=night, rules=rules))
            exposures += found
            if not found:
                log.warning("night %d: the database has no exposure of camera %s", night, camera)
    if not exposures:
        asked = ", ".join(map(str, nights))
        raise DatabaseError(f"the database has no exposure of camera {camera} in night {asked}")
    for is_real, name in ((True, "real"), (False, "bogus")):
        if not any(item.is_real is is_real for exp in exposures for item in exp.detections):
            raise DatabaseError(f"these nights of camera {camera} have no {name} detection")
    return [exposure for exposure in exposures if exposure.detections]


def _fetch_missing(jobs: Sequence[_Job], config: Config, *, workers: int) -> int:
    """Fetch the images that the jobs still need, and count those that came."""
    if config.images.remote is None:
        return 0
    names = [image_name(job.exposure.obs) for job in jobs if _needs_image(job)]
    threads = partial(map_threads, workers=workers, label="missing images")
    fetched = fetch_missing(
        names, remote=config.images.remote, root=config.images.root, spread=threads
    )
    return len(fetched.names)


def _needs_image(job: _Job) -> bool:
    path = job.image_root / image_name(job.exposure.obs)
    return not path.exists() and _finished_rows(job) is None


def _cut_all(jobs: Sequence[_Job], *, workers: int) -> list[_Outcome]:
    for folder in ("good", "bad", "exposures"):
        (jobs[0].location / folder).mkdir(exist_ok=True)
    outcomes = map_unordered(_cut_exposure, jobs, workers=workers, label="exposures")
    return sorted(outcomes, key=lambda outcome: outcome.obs)


def _cut_exposure(job: _Job) -> _Outcome:
    """Cut one exposure, unless an earlier try finished it."""
    obs = job.exposure.obs
    earlier = _finished_rows(job)
    if earlier is not None:
        return earlier
    try:
        image = read_image(job.image_root / image_name(obs))
    except ImageError as error:
        return _Outcome(obs, problem=str(error))
    x, y = _positions(job.exposure.detections)
    stamps = cut_stamps(image, x, y, size=job.size)
    usable = masked_core_fraction(stamps) <= _MASKED_CORE
    rows = tuple(
        _write(job, detection, stamp, image.header)
        for detection, stamp, use in zip(job.exposure.detections, stamps, usable, strict=True)
        if use
    )
    masked = int((~usable).sum())
    recipe = job.recipe
    write_list(job.positions, rows, Recipe(recipe.stage, recipe.options, {}, {"masked": masked}))
    return _Outcome(obs, rows, masked)


def _finished_rows(job: _Job) -> _Outcome | None:
    if not job.positions.exists():
        return None
    recorded = read_list_recipe(job.positions)
    if recorded is None or recorded.options != job.recipe.options:
        return None
    return _Outcome(job.exposure.obs, tuple(read_list(job.positions)), recorded.results["masked"])


def _positions(detections: Sequence[Detection]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return np.array([item.x for item in detections]), np.array([item.y for item in detections])


def _write(job: _Job, detection: Detection, stamp: NDArray[np.float32], header: Header) -> Row:
    obs = job.exposure.obs
    folder = _FOLDERS[detection.is_real]
    name = f"{folder}/{detection.object}_{obs}_{detection.id}.fits"
    write_stamp(
        job.location / name,
        stamp,
        shared=sky_cards(header),
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
        *((key, reference[key] - (corner[key] - size // 2)) for key in corner if reference[key]),
    ]


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
    nights: Sequence[int],
    exposures: Sequence[Exposure],
    outcomes: Sequence[_Outcome],
    missing: Sequence[str],
) -> dict[str, Any]:
    per_night = {
        str(night): dict(_count(night, exposures, outcomes)) for night in sorted(set(nights))
    }
    if missing:
        log.warning("going on without %d of %d exposures", len(missing), len(outcomes))
    return {"nights": per_night, "missing": list(missing), "labels": _LABEL_NOTE}


def _count(night: int, exposures: Sequence[Exposure], outcomes: Sequence[_Outcome]) -> Counter[str]:
    counts = Counter(exposures=sum(night_of(item.obs) == night for item in exposures))
    for outcome in outcomes:
        if night_of(outcome.obs) == night:
            counts["masked"] += outcome.masked
            counts.update(row.stamp.split("/")[0] for row in outcome.rows)
    return counts


def _write_lists(
    location: Path, outcomes: Sequence[_Outcome], recipe: Recipe, results: dict[str, Any]
) -> None:
    rows = [row for outcome in outcomes for row in outcome.rows]
    complete = Recipe(recipe.stage, recipe.options, recipe.inputs, results)
    for folder in ("bad", "good"):
        chosen = [row for row in rows if row.stamp.startswith(f"{folder}/")]
        write_list(location / f"{folder}.txt", chosen, complete)
        log.info("%s: %d stamps", location / f"{folder}.txt", len(chosen))
