"""The plan of a Pan-STARRS survey: objects on lists, and the stamps that they have."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

import numpy as np

from realbogus.simulation.catalogue import single
from realbogus.simulation.plan import Counts, generator
from realbogus.simulation.pointing import position_code
from realbogus.simulation.population import FAMILY, GARBAGE_MIX, draw_depth, draw_kind
from realbogus.simulation.promoted import GARBAGE, LISTS, mjd_to_datetime

__all__ = ["GROUP", "MOVER_LIST", "NON_DETECTION", "Ps1Object", "Ps1Stamp", "plan_ps1"]

GROUP = 57
"""The curated group of bogus objects; other groups exist too."""
MOVER_LIST = 5
"""The list with the known movers: the attic."""
NON_DETECTION = 4300000000
"""Stands for the detection in the name of a stamp in which nothing was found."""
_GOOD = 2
_WRONG_LABELS = 0.01
_FIRST_IMAGE = 2_100_000_000
_GROUP_SHARE = 0.08


@dataclass(frozen=True)
class Ps1Stamp:
    """One row of a stamp.

    Parameters
    ----------
    mjd : float
        Of the exposure.
    image, detection : int
        Ids of the image and of the detection in it.
    camera : str
        ``00000`` for GPC1, ``00002`` for GPC2.
    band : str
        First letter of the filter.
    error : int
        0 if the stamp server could make it.
    """

    mjd: float
    image: int
    detection: int
    camera: str
    band: str
    error: int = 0

    @property
    def exists(self) -> bool:
        """Whether there is a file with a source in it."""
        return self.error == 0 and self.detection != NON_DETECTION


@dataclass(frozen=True)
class Ps1Object:
    """One object and what the tables say of it.

    Parameters
    ----------
    id : int
        Position code.
    kind : str
        What it is.
    depth : float
        Magnitude relative to the limit.
    ra, dec : float
        Degrees.
    list_id : int
        A key of ``LISTS``.
    score : float or None
        ``confidence_factor``.
    flagged : date
        When it was promoted.
    sherlock, status, comment : str or None
        Classification by its surroundings, observation status, and a comment.
    group : int or None
        A curated group.
    stamps : tuple of Ps1Stamp
        Of its detections.
    """

    id: int
    kind: str
    depth: float
    ra: float
    dec: float
    list_id: int
    score: float | None
    flagged: date
    sherlock: str | None = "ORPHAN"
    status: str | None = None
    comment: str | None = None
    group: int | None = None
    stamps: tuple[Ps1Stamp, ...] = ()

    def stem(self, stamp: Ps1Stamp) -> str:
        """Give the name of a stamp, but for its type."""
        return f"{self.id}_{stamp.mjd:.3f}_{stamp.image}_{stamp.detection}"

    @property
    def label(self) -> int:
        """1 or 0 as the default selection with the movers' list labels it, -1 if left out."""
        if self.list_id == _GOOD or self._is_known_mover:
            return 1
        low = self.score is not None and 0.01 <= self.score < 0.3
        return 0 if self.list_id == GARBAGE and low and self.sherlock is not None else -1

    @property
    def _is_known_mover(self) -> bool:
        if self.list_id != MOVER_LIST or self.status != "mover" or self.comment is None:
            return False
        near = float(self.comment.rpartition("(")[2].split()[0]) <= 5.99
        return near and self.score is not None and self.score > 0.05


def plan_ps1(
    nights: Sequence[int], exposures: int, *, seed: int, counts: Counts
) -> list[Ps1Object]:
    """Plan the objects of a survey.

    Parameters
    ----------
    nights : sequence of int
        MJD.
    exposures : int
        Of each night.
    seed : int
        Of the survey.
    counts : Counts
        Real and bogus objects an exposure; ``ordinary`` is not used.
    """
    objects: dict[int, Ps1Object] = {}
    for night in nights:
        for number in range(exposures):
            rng = generator(seed, "ps1", night, number)
            for item in _draw_objects(night, counts, rng):
                code = item.id
                while code in objects:
                    code += 1
                objects[code] = replace(item, id=code)
    return list(objects.values())


def _draw_objects(night: int, counts: Counts, rng: np.random.Generator) -> Iterator[Ps1Object]:
    for index in range(counts.asteroids):
        yield (_known_mover if index % 3 == 2 else _good)(night, rng)
    for _ in range(counts.garbage):
        yield _garbage(night, rng)
    for _ in range(max(1, counts.garbage // 40)):
        for change in _EXCEPTIONS:
            yield change(_garbage(night, rng), rng)
        for change in _MOVER_EXCEPTIONS:
            yield change(_known_mover(night, rng), rng)
        for number in LISTS:
            if number not in (GARBAGE, _GOOD, MOVER_LIST):
                yield replace(_good(night, rng), list_id=number)


def _object(kind: str, night: int, list_id: int, rng: np.random.Generator) -> Ps1Object:
    ra, dec = float(rng.uniform(0.0, 360.0)), float(rng.uniform(-29.0, 85.0))
    return Ps1Object(
        position_code(ra, dec),
        kind,
        draw_depth(FAMILY[kind], rng) - float(rng.exponential(0.4)),
        ra,
        dec,
        list_id,
        single(float(rng.uniform(0.4, 1.0))),
        mjd_to_datetime(night).date() + timedelta(days=1),
        stamps=tuple(_draw_stamps(night, rng)),
    )


def _draw_stamps(night: int, rng: np.random.Generator) -> Iterator[Ps1Stamp]:
    """Draw an object's stamps: two to four detections, and what else the table has of it."""
    camera = "00000" if rng.uniform() < 0.6 else "00002"
    band = str(rng.choice(["w", "i", "z", "r"]))
    count = int(rng.integers(2, 5))
    for place in range(count + 1):
        mjd = round(night + 0.25 + 0.01 * place + float(rng.uniform(0.0, 0.3)), 6)
        image = _FIRST_IMAGE + int(rng.integers(0, 90_000_000))
        detection = NON_DETECTION if place == count else int(rng.integers(1, 90_000))
        error = 21 if rng.uniform() < 0.03 else 0
        yield Ps1Stamp(mjd, image, detection, camera, band, error)


def _good(night: int, rng: np.random.Generator) -> Ps1Object:
    kind = "dipole" if rng.uniform() < _WRONG_LABELS else "supernova"
    return replace(_object(kind, night, _GOOD, rng), sherlock="SN")


def _known_mover(night: int, rng: np.random.Generator) -> Ps1Object:
    who = "EPH:" if rng.uniform() < 0.5 else "MPC:"
    apart = float(rng.uniform(0.05, 5.9))
    return replace(
        _object("asteroid", night, MOVER_LIST, rng),
        status="mover",
        comment=f"{who} {rng.integers(10_000, 600_000)} ({apart:.2f} arcsec)",
    )


def _garbage(night: int, rng: np.random.Generator) -> Ps1Object:
    wrong = rng.uniform() < _WRONG_LABELS
    kind = "supernova" if wrong else draw_kind(GARBAGE_MIX, rng)
    chance = rng.uniform()
    group = GROUP if chance < _GROUP_SHARE else GROUP + 1 if chance < 2 * _GROUP_SHARE else None
    score = single(float(rng.uniform(0.011, 0.299)))
    return replace(_object(kind, night, GARBAGE, rng), score=score, group=group)


_EXCEPTIONS: tuple[Callable[[Ps1Object, np.random.Generator], Ps1Object], ...] = (
    lambda item, rng: replace(item, score=None),
    lambda item, rng: replace(item, score=single(float(rng.uniform(0.0, 0.0099)))),
    lambda item, rng: replace(item, score=single(float(rng.uniform(0.301, 1.0)))),
    lambda item, rng: replace(item, score=single(0.3)),
    lambda item, rng: replace(item, sherlock=None),
    lambda item, rng: replace(item, flagged=item.flagged - timedelta(days=2000)),
)

_MOVER_EXCEPTIONS: tuple[Callable[[Ps1Object, np.random.Generator], Ps1Object], ...] = (
    lambda item, rng: replace(item, comment="MPC: 2001 FO32 (7.41 arcsec)"),
    lambda item, rng: replace(item, comment=None),
    lambda item, rng: replace(item, status=None),
    lambda item, rng: replace(item, score=single(0.04)),
)
