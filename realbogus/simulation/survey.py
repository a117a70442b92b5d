"""A whole survey in a folder: configuration, database, images and truth."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from realbogus.config import SURVEYS, write_config
from realbogus.database import Database
from realbogus.errors import ConfigError
from realbogus.files import atomic_path, require_writable_folder
from realbogus.simulation.atlas import observe_all
from realbogus.simulation.atlas_rows import fill_atlas_database
from realbogus.simulation.plan import ATLAS_SIZE, CAMERAS, Counts, generator, plan_atlas
from realbogus.simulation.truth import write_truth

__all__ = ["simulate"]

log = logging.getLogger(__name__)

_ASTEROIDS = 25
_GARBAGE_PER_ASTEROID = 4
_ORDINARY = 14000
_SMALLEST = 128
_DATABASE = "survey.db"


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
    counts = _counts(size, asteroids, garbage, detections)
    log.info("simulating %d exposures of %d px", len(cameras) * len(nights) * exposures, size)
    visits = plan_atlas(
        tuple(cameras), tuple(nights), exposures, size=size, seed=seed, counts=counts
    )
    observed = observe_all(visits, folder / "diff", workers=workers)
    with _database_url(folder, database) as url, Database.open(url) as opened:
        opened.create_tables(survey)
        truth = fill_atlas_database(opened, observed, generator(seed, "numbers"))
        write_truth(folder / "truth.csv", truth)
    return _finish(folder, survey, database)


def _check(
    folder: Path,
    survey: str,
    cameras: Sequence[str],
    nights: Sequence[int],
    exposures: int,
    size: int,
    seed: int,
) -> None:
    if survey not in SURVEYS:
        raise ConfigError(f"survey must be one of {', '.join(SURVEYS)}; got {survey!r}")
    for camera in cameras:
        if camera not in CAMERAS:
            raise ConfigError(f"camera must be one of {', '.join(CAMERAS)}; got {camera!r}")
    if not nights:
        raise ConfigError("mjds must name at least one night")
    _require("exposures", exposures, 1, 3000)
    _require("size", size, _SMALLEST, 30000)
    _require("seed", seed, 0, 2**63)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(f"{folder}: exists and is not an empty folder")
    require_writable_folder(folder)


def _require(name: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise ConfigError(f"{name} must be between {least} and {most}; got {value}")


def _counts(
    size: int, asteroids: int | None, garbage: int | None, detections: int | None
) -> Counts:
    share = (size / ATLAS_SIZE) ** 2
    known = max(1, round(_ASTEROIDS * share)) if asteroids is None else asteroids
    counts = Counts(
        asteroids=known,
        garbage=_GARBAGE_PER_ASTEROID * known if garbage is None else garbage,
        ordinary=round(_ORDINARY * share) if detections is None else detections,
    )
    for name, value in vars(counts).items():
        _require(name, value, 0, 1_000_000)
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
        "images": {"root": "diff"},
    }
    write_config(path, content)
    log.info("wrote %s", path)
    return path
