"""Objects that the survey has promoted to a list: garbage, good, stars, movers and the rest."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np

from realbogus.simulation.population import (
    FAMILY,
    GARBAGE_MIX,
    draw_depth,
    draw_kind,
)

__all__ = [
    "GARBAGE",
    "LISTS",
    "SCORE_CHANGE",
    "PromotedObject",
    "draw_promoted",
    "list_rows",
    "mjd_to_datetime",
]

GARBAGE = 0
SCORE_CHANGE = datetime(2024, 5, 22)
"""From this day realbogus_factor holds a rank of 0 to 10, and no longer a score."""

LISTS = {
    0: ("garbage", "Not real, or of no interest"),
    1: ("confirmed", "Confirmed, or in follow-up"),
    2: ("good", "Good candidates"),
    3: ("possible", "Possible candidates"),
    4: ("eyeball", "Pending: waiting for a person"),
    5: ("attic", "Real but too old or too faint"),
    6: ("stars", "Variable stars"),
    7: ("agn", "Active galactic nuclei"),
    8: ("fasttrack", "Fast-track candidates"),
    9: ("movers", "Moving objects"),
    10: ("smclmc", "In the Magellanic Clouds"),
    11: ("pmstar", "High-proper-motion stars"),
    12: ("galcand", "Galactic candidates"),
    13: ("duplicates", "Duplicates of other objects"),
}
"""Name and description of every list, by number."""

_WRONG_LABELS = 0.01
_OTHER_ERA = 0.2
# Only what is found more than once is promoted, so the faintest are missing.
_PROMOTED_BRIGHTER = 0.5
_LIST_KINDS: dict[int, dict[str, float]] = {
    1: {"supernova": 1.0},
    2: {"supernova": 0.9, "asteroid": 0.1},
    3: {"supernova": 0.6, "point_source": 0.2, "dipole": 0.2},
    4: {"supernova": 0.3, "dipole": 0.3, "noise_peak": 0.3, "ring": 0.1},
    5: {"supernova": 0.8, "point_source": 0.2},
    6: {"variable_star": 1.0},
    7: {"point_source": 0.7, "ring": 0.3},
    8: {"supernova": 1.0},
    9: {"asteroid": 1.0},
    10: {"variable_star": 0.6, "point_source": 0.4},
    11: {"dipole": 1.0},
    12: {"variable_star": 0.8, "point_source": 0.2},
    13: {"supernova": 0.8, "dipole": 0.2},
}


@dataclass(frozen=True)
class PromotedObject:
    """One promoted object and what the survey's tables say of it.

    Parameters
    ----------
    kind : str
        What it is.
    column, row : float
        Place in its field, array position.
    depth : float
        Magnitude relative to the limit.
    list_id : int
        A key of ``LISTS``.
    flagged : datetime
        When it was promoted.
    realbogus_factor, zooniverse_score : float or None
        Scores; which one counts depends on ``flagged``.
    crossmatches : str or None
        Names in other surveys.
    stamped : bool
        Whether its detections have stamps.
    pkn : int
        Chance of being a known mover, of every detection.
    det, sign : int
        As of `Item`.
    """

    kind: str
    column: float
    row: float
    depth: float
    list_id: int
    flagged: datetime
    realbogus_factor: float | None
    zooniverse_score: float | None
    crossmatches: str | None = None
    stamped: bool = True
    pkn: int = 0
    det: int = 0
    sign: int = 1

    @property
    def score_is_low(self) -> bool:
        """Whether the score that counts is below the limit for bogus training examples."""
        if self.flagged < SCORE_CHANGE:
            return self.realbogus_factor is not None and self.realbogus_factor < 0.01
        return self.zooniverse_score is not None and self.zooniverse_score < 0.2


def list_rows() -> Iterator[dict[str, object]]:
    """Give the rows of ``tcs_detection_lists``."""
    for number, (name, description) in LISTS.items():
        yield {"id": number, "name": name, "description": description}


def draw_promoted(
    count: int, *, night: int, size: tuple[int, int], rng: np.random.Generator
) -> list[PromotedObject]:
    """Draw the promoted objects of one field.

    Parameters
    ----------
    count : int
        How many garbage objects the default selection takes; others come on top.
    night : int
        MJD.
    size : tuple of int
        ``(ny, nx)`` of the image.
    rng : numpy.random.Generator
        Source of randomness.
    """
    garbage = [_garbage(night, size, rng) for _ in range(count)]
    each = max(1, count // 60)
    exceptions = [
        change(_garbage(night, size, rng), rng) for change in _EXCEPTIONS for _ in range(each)
    ]
    others = [_listed(n, night, size, rng) for n in _LIST_KINDS for _ in range(each)]
    return [*garbage, *exceptions, *others]


def _garbage(night: int, size: tuple[int, int], rng: np.random.Generator) -> PromotedObject:
    wrong = rng.uniform() < _WRONG_LABELS
    kind = "supernova" if wrong else draw_kind(GARBAGE_MIX, rng)
    flagged = _flag_date(night, rng)
    return _object(kind, GARBAGE, flagged, _low_scores(flagged, rng), size, rng)


def _listed(
    number: int, night: int, size: tuple[int, int], rng: np.random.Generator
) -> PromotedObject:
    kind = draw_kind(_LIST_KINDS[number], rng)
    flagged = _flag_date(night, rng)
    promoted = _object(kind, number, flagged, _high_scores(flagged, rng), size, rng)
    chance = rng.uniform()
    return replace(
        promoted,
        stamped=bool(chance < 0.9),
        crossmatches="ZTF18abcdefg 0.4" if chance < 0.3 else None,
    )


def _object(
    kind: str,
    number: int,
    flagged: datetime,
    scores: tuple[float | None, float | None],
    size: tuple[int, int],
    rng: np.random.Generator,
) -> PromotedObject:
    column, row = rng.uniform(12, size[1] - 12), rng.uniform(12, size[0] - 12)
    depth = draw_depth(FAMILY[kind], rng) - float(rng.exponential(_PROMOTED_BRIGHTER))
    return PromotedObject(kind, float(column), float(row), depth, number, flagged, *scores)


def mjd_to_datetime(mjd: float) -> datetime:
    """Turn a modified Julian date into a UTC date, to the second."""
    return datetime(1858, 11, 17) + timedelta(seconds=round(mjd * 86400.0))


def _flag_date(night: int, rng: np.random.Generator) -> datetime:
    """Draw when an object was flagged: mostly that day, at times in the other scores' era."""
    today = mjd_to_datetime(night + 1 + float(rng.uniform(0.0, 0.5)))
    if rng.uniform() > _OTHER_ERA:
        return today
    days = timedelta(days=float(rng.integers(0, 300)))
    return SCORE_CHANGE + days if today < SCORE_CHANGE else SCORE_CHANGE - timedelta(1) - days


def _low_scores(flagged: datetime, rng: np.random.Generator) -> tuple[float | None, float | None]:
    """Draw (realbogus_factor, zooniverse_score) of an object that scored low.

    The other column is set to mislead a selection that reads it.
    """
    if flagged < SCORE_CHANGE:
        other = None if rng.uniform() < 0.7 else float(rng.uniform(0.0, 1.0))
        return float(rng.beta(0.6, 20.0)) * 0.0099, other
    return float(rng.integers(0, 11)), float(rng.beta(0.6, 4.0)) * 0.1999


def _high_scores(flagged: datetime, rng: np.random.Generator) -> tuple[float | None, float | None]:
    if flagged < SCORE_CHANGE:
        return float(rng.uniform(0.011, 1.0)), None
    return float(rng.integers(0, 3)), float(rng.uniform(0.2, 1.0))


def _high_score(garbage: PromotedObject, rng: np.random.Generator) -> PromotedObject:
    """Give a garbage object that people rejected against a good score."""
    factor, zooniverse = _high_scores(garbage.flagged, rng)
    return replace(garbage, realbogus_factor=factor, zooniverse_score=zooniverse)


def _misleading_rank(garbage: PromotedObject, rng: np.random.Generator) -> PromotedObject:
    """Give an object of the new era whose rank of 0 looks like a low score."""
    later = SCORE_CHANGE + timedelta(days=float(rng.integers(0, 100)))
    score = float(rng.uniform(0.2, 0.9))
    return replace(garbage, flagged=later, realbogus_factor=0.0, zooniverse_score=score)


def _first_moment(garbage: PromotedObject, rng: np.random.Generator) -> PromotedObject:
    """Give an object flagged in the very second in which the new era begins."""
    rank, score = float(rng.integers(1, 11)), float(rng.uniform(0.0, 0.19))
    return replace(garbage, flagged=SCORE_CHANGE, realbogus_factor=rank, zooniverse_score=score)


def _unscored(garbage: PromotedObject, rng: np.random.Generator) -> PromotedObject:
    return replace(garbage, realbogus_factor=None, zooniverse_score=None)


def _crossmatched(garbage: PromotedObject, rng: np.random.Generator) -> PromotedObject:
    return replace(garbage, crossmatches=f"Gaia18{rng.integers(100, 999)} 0.31")


def _unstamped(garbage: PromotedObject, rng: np.random.Generator) -> PromotedObject:
    return replace(garbage, stamped=False)


def _near_mover(garbage: PromotedObject, rng: np.random.Generator) -> PromotedObject:
    return replace(garbage, pkn=int(rng.integers(1, 901)))


def _negative(garbage: PromotedObject, rng: np.random.Generator) -> PromotedObject:
    return replace(garbage, sign=-1)


def _elongated(garbage: PromotedObject, rng: np.random.Generator) -> PromotedObject:
    return replace(garbage, det=int(rng.choice([1, 1, 1, 2, 4])))


def _negative_code(garbage: PromotedObject, rng: np.random.Generator) -> PromotedObject:
    return replace(garbage, det=5, sign=-1)


_EXCEPTIONS: tuple[Callable[[PromotedObject, np.random.Generator], PromotedObject], ...] = (
    _high_score,
    _misleading_rank,
    _first_moment,
    _unscored,
    _crossmatched,
    _unstamped,
    _near_mover,
    _negative,
    _elongated,
    _negative_code,
)
