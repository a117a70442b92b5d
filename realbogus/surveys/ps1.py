"""Pan-STARRS: cameras, names of stamps, and which objects serve as real and as bogus."""

import heapq
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from itertools import groupby, islice
from operator import attrgetter
from pathlib import Path, PurePosixPath
from tempfile import SpooledTemporaryFile, gettempdir
from typing import IO, Any
from urllib.parse import urlsplit

from realbogus.config import DatabaseSettings
from realbogus.database import Database
from realbogus.database import ps1 as queries
from realbogus.errors import ConfigError, DatabaseError
from realbogus.files import errors_name
from realbogus.options import require_choice

__all__ = [
    "CAMERAS",
    "SURVEY_BEGIN",
    "LabelRules",
    "Selection",
    "Source",
    "Stamp",
    "database_folder",
    "mover_separation",
    "require_camera",
    "select_bogus",
    "select_real",
    "select_stamps",
    "stamp_file",
]

CAMERAS: Mapping[str, str] = {"gpc1": "00000", "gpc2": "00002"}
"""The cameras, and how the ``filter`` of their stamps ends."""

SURVEY_BEGIN = date(2009, 1, 1)
"""A day before any object was flagged."""

_IN_MEMORY = 1 << 20
_STAMP = re.compile(r"\d{1,20}_(\d{5})(?:\.\d{1,9})?_\d{1,20}_\d{1,20}_diff", re.ASCII)
_COMMENT_BEGINS = ("EPH:", "MPC:")
_SEPARATION = re.compile(r"\((\d{1,6}\.\d{1,6}) arcsec\)", re.ASCII)


@dataclass(frozen=True)
class LabelRules:
    """The thresholds of the labels.

    Attributes
    ----------
    bad_rb_lower, bad_rb_upper : float
        An object of the garbage list is bogus when its score is from the one to below the other.
    mover_rb_above : float
        A mover is real when its score is above this …
    mover_within : float
        … and a known one is at most this far from it, in arcseconds.
    """

    bad_rb_lower: float = 0.01
    bad_rb_upper: float = 0.3
    mover_rb_above: float = 0.05
    mover_within: float = 5.99

    @property
    def options(self) -> dict[str, float]:
        """The thresholds by the names that recipes and messages give them."""
        return {
            "badrblower": self.bad_rb_lower,
            "badrbupper": self.bad_rb_upper,
            "labels.mover_rb_above": self.mover_rb_above,
            "labels.mover_within": self.mover_within,
        }

    def __post_init__(self) -> None:
        """Check the thresholds."""
        if not 0 <= self.bad_rb_lower < self.bad_rb_upper <= 1:
            raise ConfigError(
                "badrblower and badrbupper must be from 0 to 1 and in this order; "
                f"got {self.bad_rb_lower:g} and {self.bad_rb_upper:g}"
            )


@dataclass(frozen=True)
class Selection:
    """The objects to choose.

    Attributes
    ----------
    good_list, bad_list : int
        The lists (``detection_list_id``) whose objects are real, and bogus when scored low.
    bad_augment : int, optional
        A curated group of more bogus objects.
    mover_list : int, optional
        A list whose known movers are real too.
    flag_date : date
        Objects of these two lists count when flagged after this day; movers and the group always.
    rules : LabelRules
        The thresholds.
    """

    good_list: int = 2
    bad_list: int = 0
    bad_augment: int | None = None
    mover_list: int | None = None
    flag_date: date = SURVEY_BEGIN
    rules: LabelRules = field(default_factory=LabelRules)

    def __post_init__(self) -> None:
        """Check the lists."""
        numbers = {
            "goodlist": self.good_list,
            "badlist": self.bad_list,
            "badaugment": self.bad_augment,
            "moverlist": self.mover_list,
        }
        for name, number in numbers.items():
            if number is not None and number < 0:
                raise ConfigError(f"{name} must not be negative; got {number}")
        if self.bad_list in (self.good_list, self.mover_list):
            raise ConfigError(
                f"badlist must not be the list of the real objects as well; got {self.bad_list}"
            )


@dataclass(frozen=True, slots=True)
class Source:
    """An object: its id, and where it is (degrees, J2000)."""

    id: int
    ra: float
    dec: float


@dataclass(frozen=True, slots=True)
class Stamp:
    """The name in the database of a stamp of an object; not yet checked."""

    source: Source
    name: str


def require_camera(camera: str) -> None:
    """Check that Pan-STARRS has this camera.

    Raises
    ------
    ConfigError
        If it has not.
    """
    require_choice("camera", camera, CAMERAS)


def database_folder(settings: DatabaseSettings) -> str:
    """Return the folder under the image root that holds the stamps of a database."""
    if settings.url is None:
        return str(settings.database)
    return PurePosixPath(urlsplit(settings.url).path).stem


def stamp_file(name: str) -> str | None:
    """Return where a stamp is, relative to the folder of its database.

    Parameters
    ----------
    name : str
        The ``image_filename``, ``<object>_<mjd>_<image>_<detection>_diff``.

    Returns
    -------
    str or None
        ``<night>/<name>.fits``; None if the name has another form.
    """
    match = _STAMP.fullmatch(name)
    return None if match is None else f"{match[1]}/{name}.fits"


def mover_separation(comment: str) -> float | None:
    """Read how far a known mover is from an object, in arcseconds.

    Parameters
    ----------
    comment : str
        What a search for movers wrote, such as ``EPH: 2003 QQ47 (1.23 arcsec)``.

    Returns
    -------
    float or None
        None if the comment is another one.
    """
    match = _SEPARATION.search(comment) if comment.startswith(_COMMENT_BEGINS) else None
    return None if match is None else float(match[1])


def select_real(database: Database, selection: Selection) -> Iterator[Source]:
    """Choose the real objects: those of the good list, and the known movers of another.

    Each comes once, in the order of the ids.

    Raises
    ------
    DatabaseError
        If movers are asked for and there is none.
    """
    flagged = queries.flagged_objects(selection.good_list, flagged_after=selection.flag_date)
    chosen = [_sources(database, flagged)]
    if selection.mover_list is not None:
        movers = _known_movers(database, selection.mover_list, selection.rules)
        problem = f"moverlist: list {selection.mover_list} has no known mover"
        chosen.append(_require(movers, problem))
    return _merge(chosen)


def select_bogus(database: Database, selection: Selection) -> Iterator[Source]:
    """Choose the bogus objects: low scores of the garbage list, and a curated group.

    Each comes once, in the order of the ids.

    Raises
    ------
    DatabaseError
        If a group is asked for and it is empty.
    """
    low_scored = queries.low_scored_objects(
        selection.bad_list,
        flagged_after=selection.flag_date,
        score_from=selection.rules.bad_rb_lower,
        score_below=selection.rules.bad_rb_upper,
    )
    chosen = [_sources(database, low_scored)]
    if selection.bad_augment is not None:
        group = _sources(database, queries.grouped_objects(selection.bad_augment))
        problem = f"badaugment: group {selection.bad_augment} has no object"
        chosen.append(_require(group, problem))
    return _merge(chosen)


def select_stamps(database: Database, sources: Iterable[Source], camera: str) -> Iterator[Stamp]:
    """Give the stamps of some objects, by object and name, each once."""
    for batch in _batches(sources):
        query = queries.stamps_of([source.id for source in batch], filter_ending=CAMERAS[camera])
        names = set(database.fetch(query, lambda row: str(row.image_filename)))
        owners = {str(source.id): source for source in batch}
        found = (
            Stamp(owners[owner], name)
            for name in names
            if (owner := name.partition("_")[0]) in owners
        )
        yield from sorted(found, key=lambda stamp: (stamp.source.id, stamp.name))


def _require(sources: Iterator[Source], problem: str) -> Iterator[Source]:
    first = next(sources, None)
    if first is None:
        raise DatabaseError(problem)
    yield first
    yield from sources


def _known_movers(database: Database, list_id: int, rules: LabelRules) -> Iterator[Source]:
    """Give the movers of a list near which a search found a known one."""
    query = queries.mover_objects(list_id, score_above=rules.mover_rb_above)
    for batch in _batches(_sources(database, query)):
        near = _objects_near_known(database, batch, within=rules.mover_within)
        yield from (source for source in batch if source.id in near)


def _objects_near_known(
    database: Database, sources: Iterable[Source], *, within: float
) -> set[int]:
    query = queries.comments_of([source.id for source in sources])
    separations = database.fetch(
        query, lambda row: (int(row.object), mover_separation(str(row.comment)))
    )
    return {name for name, apart in separations if apart is not None and apart <= within}


def _sources(database: Database, query: Any) -> Iterator[Source]:
    """Give the objects of a query, which wait in a nameless file if they are many.

    So the server is done with the query at once, and the memory does not hold them.
    """
    with errors_name(Path(gettempdir())), SpooledTemporaryFile(_IN_MEMORY, "w+") as file:
        database.gather(query, partial(_keep, file))
        file.seek(0)
        for line in file:
            number, ra, dec = line.split()
            yield Source(int(number), float(ra), float(dec))


def _keep(file: IO[str], rows: Iterator[Any]) -> None:
    file.seek(0)
    file.truncate()
    file.writelines(f"{int(row.id)} {float(row.ra)!r} {float(row.dec)!r}\n" for row in rows)
    file.flush()


def _merge(streams: Sequence[Iterator[Source]]) -> Iterator[Source]:
    """Give what each stream gives in the order of the ids, and what several give once."""
    identifier = attrgetter("id")
    for _, same in groupby(heapq.merge(*streams, key=identifier), key=identifier):
        yield next(same)


def _batches(sources: Iterable[Source]) -> Iterator[Sequence[Source]]:
    remaining = iter(sources)
    while batch := list(islice(remaining, queries.BATCH)):
        yield batch
