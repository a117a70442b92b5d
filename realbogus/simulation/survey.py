"""A whole survey in a folder: configuration, database, images and truth."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from realbogus.config import SURVEYS, write_config
from realbogus.database import Database
from realbogus.errors import ConfigError, DatabaseError
from realbogus.files import atomic_path, require_writable_folder
from realbogus.options import require_choice
from realbogus.parallel import map_unordered
from realbogus.simulation.atlas import observe_all
from realbogus.simulation.atlas_rows import fill_atlas_database
from realbogus.simulation.atlas_stamps import stamp_jobs as atlas_stamp_jobs
from realbogus.simulation.atlas_stamps import write_stamps
from realbogus.simulation.plan import ATLAS_SIZE, CAMERAS, Counts, Visit, generator, plan_atlas
from realbogus.simulation.promoted import LISTS, list_rows
from realbogus.simulation.ps1 import Ps1Object, plan_ps1
from realbogus.simulation.ps1_rows import fill_ps1_database, stamp_jobs
from realbogus.simulation.ps1_stamps import write_stamp
from realbogus.simulation.truth import Truth, write_truth

__all__ = ["simulate"]

log = logging.getLogger(__name__)

_Fill = Callable[[Database], Iterator[Truth]]

_ASTEROIDS = 25
_GARBAGE_PER_ASTEROID = 4
_ORDINARY = 12900
_PS1_REAL = 12
_SMALLEST = 128
_DATABASE = "survey.db"
_IMAGES = "diff"


def simulate(
    folder: Path,
    *,
    survey: str = "atlas",
    cameras: Sequence[str] = ("02a",),
    nights: Sequence[int] = (58310,),
    exposures: int = 4,
    size: int = ATLAS_SIZE,
    seed: int = 1,
    database: str | None = None,
    asteroids: int | None = None,
    garbage: int | None = None,
    detections: int | None = None,
    stamps: Sequence[int] = (4,),
    workers: int = 1,
) -> Path:
    """Make a survey that the pipeline can't tell from a real one.

    The same arguments give the same files, whatever the number of workers.

    Parameters
    ----------
    folder : Path
        To make; it may exist if it is empty.
    survey : str
        ``atlas`` or ``ps1``.
    cameras : sequence of str
        ATLAS cameras.
    nights : sequence of int
        MJD.
    exposures : int
        Of each camera in each night.
    size : int
        Side of the images, px; at the default each camera has its own format.
    seed : int
        Of all that is random.
    database : str, optional
        URL of an empty database to fill; by default ``survey.db`` in the folder, SQLite.
    asteroids : int, optional
        Known asteroids an exposure; by default 25 on 10560 x 10560 px, and in proportion.
    garbage : int, optional
        Detections of garbage-list objects an exposure that serve as bogus; by default four times
        the asteroids.
    detections : int, optional
        Other detections an exposure; by default as many as make 12,600 on 10560 x 10560 px, and in
        proportion.
    stamps : sequence of int
        The lists of ATLAS whose objects have postage stamps as files, and not in the database
        alone: by default those that wait for a person.
    workers : int
        Processes.

    Returns
    -------
    Path
        The configuration file, which is written last.

    Raises
    ------
    ConfigError
        If an argument has a value that is not allowed, or the folder is not empty.
    DatabaseError
        If the database can't be filled.
    """
    _check(folder, survey, cameras, nights, exposures, size, seed)
    for number in stamps:
        require_choice("stamps", str(number), map(str, LISTS))
    counts = _counts(survey, size, asteroids, garbage, detections)
    if database is not None:
        with Database.open(database) as opened:
            _begin(opened, survey)
    if survey == "atlas":
        visits = plan_atlas(
            tuple(cameras), tuple(nights), exposures, size=size, seed=seed, counts=counts
        )
        fill = _make_atlas(folder, visits, seed, workers, database, stamps)
    else:
        objects = plan_ps1(nights, exposures, seed=seed, counts=counts)
        fill = _make_ps1(folder, objects, seed, workers, database)
    with _database_url(folder, database) as url, Database.open(url) as opened:
        if database is None:
            _begin(opened, survey)
        write_truth(folder / "truth.csv", fill(opened))
    return _finish(folder, survey, database)


def _make_atlas(
    folder: Path,
    visits: list[Visit],
    seed: int,
    workers: int,
    database: str | None,
    lists: Sequence[int],
) -> _Fill:
    log.info("making %d exposures of ATLAS in %s", len(visits), folder)
    root = folder / _IMAGES
    observed = observe_all(visits, root, workers=workers)

    def fill(opened: Database) -> Iterator[Truth]:
        yield from fill_atlas_database(opened, observed, generator(seed, "numbers"))
        jobs = atlas_stamp_jobs(observed, lists, root=root, folder=_stamp_folder(folder, database))
        made = sum(map_unordered(write_stamps, jobs, workers=workers, label="stamps"))
        log.info("cut %d postage stamps", made)

    return fill


def _make_ps1(
    folder: Path, objects: list[Ps1Object], seed: int, workers: int, database: str | None
) -> _Fill:
    jobs = list(stamp_jobs(objects, _stamp_folder(folder, database), seed))
    log.info("making %d stamps of Pan-STARRS in %s", len(jobs), folder)
    for _ in map_unordered(write_stamp, jobs, workers=workers, label="stamps"):
        pass
    return partial(fill_ps1_database, objects=objects)


def _stamp_folder(folder: Path, database: str | None) -> Path:
    name = _DATABASE if database is None else urlsplit(database).path
    return folder / _IMAGES / PurePosixPath(name).stem


def _check(
    folder: Path,
    survey: str,
    cameras: Sequence[str],
    nights: Sequence[int],
    exposures: int,
    size: int,
    seed: int,
) -> None:
    require_choice("survey", survey, SURVEYS)
    for camera in cameras:
        require_choice("camera", camera, CAMERAS)
    if not nights:
        raise ConfigError("mjds must name at least one night")
    _require("exposures", exposures, 1, 3000)
    _require("size", size, _SMALLEST, 30000)
    _require("seed", seed, 0, 2**63)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(f"{folder}: exists and is not an empty folder")
    require_writable_folder(folder)


def _begin(database: Database, survey: str) -> None:
    """Make the tables, and fill in the names of the lists, which only a new database lacks."""
    database.create_tables(survey)
    try:
        database.insert("tcs_detection_lists", list_rows())
    except DatabaseError as error:
        raise DatabaseError(f"database {database.name}: already holds a survey") from error


def _require(name: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise ConfigError(f"{name} must be between {least} and {most}; got {value}")


def _counts(
    survey: str, size: int, asteroids: int | None, garbage: int | None, detections: int | None
) -> Counts:
    share = (size / ATLAS_SIZE) ** 2
    usual = max(1, round(_ASTEROIDS * share)) if survey == "atlas" else _PS1_REAL
    known = usual if asteroids is None else asteroids
    counts = Counts(
        asteroids=known,
        garbage=_GARBAGE_PER_ASTEROID * known if garbage is None else garbage,
        ordinary=round(_ORDINARY * share) if detections is None else detections,
    )
    _require("asteroids", counts.asteroids, 0, 100_000)
    _require("garbage", counts.garbage, 0, 100_000)
    _require("detections", counts.ordinary, 0, 1_000_000)
    return counts


@contextmanager
def _database_url(folder: Path, database: str | None) -> Iterator[str]:
    """Give the URL to fill; an SQLite file gets its name only once it is complete."""
    if database is not None:
        yield database
        return
    with atomic_path(folder / _DATABASE) as part:
        yield f"sqlite:///{part.absolute()}"


def _finish(folder: Path, survey: str, database: str | None) -> Path:
    path = folder / "config.yaml"
    content = {
        "version": 1,
        "databases": {"local": {"url": database or f"sqlite:///{_DATABASE}"}},
        "survey": survey,
        "images": {"root": _IMAGES},
    }
    write_config(path, content)
    log.info("wrote %s", path)
    return path
