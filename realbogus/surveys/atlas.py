"""ATLAS: cameras, nights, file names, and which detections serve as real and as bogus."""

import logging
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import PurePosixPath
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from realbogus.cutting import Tally, take_thresholds
from realbogus.database import Database
from realbogus.database import atlas as queries
from realbogus.errors import ConfigError, DatabaseError
from realbogus.options import require_choice

__all__ = [
    "BOGUS_FROM",
    "CAMERAS",
    "KINDS",
    "Detection",
    "Exposure",
    "LabelRules",
    "Night",
    "Positions",
    "Selection",
    "find_exposures",
    "image_name",
    "label_rules",
    "night_of",
    "read_positions",
    "require_camera",
    "select_night",
]

log = logging.getLogger(__name__)

CAMERAS: Mapping[str, str] = {
    "01a": "Mauna Loa",
    "02a": "Haleakala",
    "03a": "Sutherland",
    "04a": "El Sauce",
    "05r": "Teide",
}

KINDS: Mapping[str, tuple[str, ...]] = {
    "all": ("real", "bogus"),
    "real": ("real",),
    "bogus": ("bogus",),
}
"""The kinds of detections that each value of ``stampsToGenerate`` asks for."""

_NAN = float("nan")
_COLUMNS = 8
_POSITION_COLUMNS = 5
_OBS = re.compile(r"\d{2}[a-z]\d{5}o\d{4}[A-Za-z]", re.ASCII)


@dataclass(frozen=True)
class LabelRules:
    """The thresholds of the labels.

    Attributes
    ----------
    pkn_above : float
        A detection is a known asteroid, and real, when its ``pkn`` is above this (0 to 999).
    realbogus_below : float
        Garbage flagged before 2024-05-22 is bogus when its ``realbogus_factor`` is below this.
    zooniverse_below : float
        Garbage flagged since is bogus when its ``zooniverse_score`` is below this.
    """

    pkn_above: float = 900
    realbogus_below: float = 0.01
    zooniverse_below: float = 0.2

    @property
    def options(self) -> dict[str, float]:
        """The thresholds by the names that recipes and messages give them."""
        return {f"labels.{name}": value for name, value in asdict(self).items()}


@dataclass(frozen=True)
class Selection:
    """The detections to choose.

    Attributes
    ----------
    good_as_real : bool
        The good list's stamped detections are real, instead of known asteroids.
    bogus_from : str
        One of `BOGUS_FROM`.
    bogus_per_exposure : int
        How many to draw of an exposure's unpromoted detections.
    seed : int
        Of the draw.
    rules : LabelRules
        The thresholds.
    """

    good_as_real: bool = False
    bogus_from: str = "garbage"
    bogus_per_exposure: int = 75
    seed: int = 0
    rules: LabelRules = field(default_factory=LabelRules)

    def __post_init__(self) -> None:
        """Check the options."""
        require_choice("bogusFrom", self.bogus_from, BOGUS_FROM)
        if self.bogus_per_exposure < 1:
            raise ConfigError(f"bogusPerExposure must be at least 1; got {self.bogus_per_exposure}")
        if self.seed < 0:
            raise ConfigError(f"seed must not be negative; got {self.seed}")

    @property
    def options(self) -> dict[str, Any]:
        """What decides the choice, by the names that users give."""
        draw = {"bogusPerExposure": self.bogus_per_exposure, "seed": self.seed}
        return {
            "goodAsReal": self.good_as_real,
            "bogusFrom": self.bogus_from,
            **(draw if self.bogus_from == "unpromoted" else {}),
            **self.rules.options,
        }

    @property
    def description(self) -> dict[str, Any]:
        """The rules in words, and whether labels come from an older classifier."""
        return {
            "real": _DESCRIPTIONS["good list" if self.good_as_real else "asteroid"],
            "bogus": _DESCRIPTIONS[self.bogus_from],
            "older classifier": self.bogus_from == "garbage",
        }


class Detection(NamedTuple):
    """One labelled detection; ``x`` and ``y`` have pixel centres at half-integers.

    ``rule`` says why it was chosen.
    """

    id: int
    object: int
    x: float
    y: float
    mag: float
    dmag: float
    ra: float
    dec: float
    is_real: bool
    rule: str = ""


@dataclass(frozen=True)
class Exposure:
    """An exposure and its labelled detections."""

    obs: str
    detections: tuple[Detection, ...]


@dataclass(frozen=True)
class Positions:
    """All detections of an exposure, in the order of their ids; the arrays have shape (n,).

    Attributes
    ----------
    detection, object : ndarray
        Their ids, and those of their objects; 0 for none.
    x, y : ndarray
        Pixels, with pixel centres at half-integers; NaN where unknown.
    mag : ndarray
        Magnitude, negative for negative flux; NaN where unknown.
    """

    detection: NDArray[np.uint64]
    object: NDArray[np.uint64]
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    mag: NDArray[np.float64]

    @classmethod
    def of_rows(cls, rows: Iterable[Sequence[Any]]) -> "Positions":
        """Make columns of rows with the values of these attributes in their order."""
        detection, item, *numbers = list(zip(*rows, strict=True)) or [()] * _POSITION_COLUMNS
        return cls(
            np.array(detection, np.uint64),
            np.array([0 if value is None else value for value in item], np.uint64),
            *(np.array(column, np.float64) for column in numbers),  # None becomes NaN
        )

    def __len__(self) -> int:
        """Return the number of detections."""
        return len(self.x)


@dataclass(frozen=True)
class Night:
    """The exposures of a night, and the number of those left out for their names."""

    exposures: tuple[Exposure, ...]
    refused: int = 0


def label_rules(labels: Mapping[str, float]) -> LabelRules:
    """Take the label thresholds from the ``labels`` block of the configuration.

    Raises
    ------
    ConfigError
        If the block has a key that is no threshold.
    """
    return take_thresholds(LabelRules, labels)


def require_camera(camera: str) -> None:
    """Check that ATLAS has this camera.

    Raises
    ------
    ConfigError
        If it has not.
    """
    require_choice("camera", camera, CAMERAS)


def night_of(obs: str) -> int:
    """Return the night (MJD) in an exposure's name."""
    return int(obs[3:8])


def image_name(obs: str) -> PurePosixPath:
    """Return the difference image of an exposure, relative to the image root."""
    return PurePosixPath(obs[:3], obs[3:8], f"{obs}.diff.fz")


def select_night(
    database: Database, *, camera: str, night: int, selection: Selection, kind: str = "all"
) -> Night:
    """Read the exposures of a camera in a night with their labelled detections.

    Parameters
    ----------
    database : Database
        To ask.
    camera : str
        One of `CAMERAS`.
    night : int
        MJD.
    selection : Selection
        The detections to choose.
    kind : str
        One of `KINDS`.
    """
    known, refused = find_exposures(database, camera=camera, night=night)
    chosen = [
        Exposure(obs, _select(database, number, obs, selection, kind)) for number, obs in known
    ]
    return Night(tuple(chosen), refused)


def find_exposures(
    database: Database, *, camera: str, night: int
) -> tuple[Sequence[tuple[int, str]], int]:
    """Read the ids and names of a camera's exposures; and count those of other names, left out."""
    rows = database.fetch(queries.exposures(camera, night), lambda row: (row.id, str(row.obs)))
    known = [(number, obs) for number, obs in rows if _is_exposure(obs, camera, night)]
    refused = Tally()
    for _, obs in rows:
        if not _is_exposure(obs, camera, night):
            refused.add_hostile(obs)
    if refused.count:
        left_out = "night %d: %d exposures are left out for their names: %s"
        log.warning(left_out, night, refused.count, refused)
    return known, refused.count


def read_positions(database: Database, exposure: int, obs: str) -> "Positions":
    """Read where every detection of an exposure is.

    Raises
    ------
    DatabaseError
        If one has an id or a position that is no number.
    """
    try:
        return database.gather(queries.all_detections(exposure), Positions.of_rows)
    except (TypeError, ValueError, OverflowError) as error:
        if isinstance(error, DatabaseError):
            raise
        raise DatabaseError(
            f"exposure {obs}: a detection has an id or a position that is no number"
        ) from error


def _is_exposure(obs: str, camera: str, night: int) -> bool:
    return obs.startswith(f"{camera}{night:05d}o") and _OBS.fullmatch(obs) is not None


def _select(
    database: Database, exposure: int, obs: str, selection: Selection, kind: str
) -> tuple[Detection, ...]:
    chosen: list[Detection] = []
    for name in KINDS[kind]:
        chosen += _CHOICES[name](selection)(database, exposure, obs, selection)
    return tuple(chosen)


def _asteroids(
    database: Database, exposure: int, obs: str, selection: Selection
) -> list[Detection]:
    query = queries.asteroid_detections(exposure, pkn_above=selection.rules.pkn_above)
    return database.fetch(query, lambda row: _detection(row, "asteroid", is_real=True))


def _good_list(
    database: Database, exposure: int, obs: str, selection: Selection
) -> list[Detection]:
    query = queries.good_detections(exposure)
    return database.fetch(query, lambda row: _detection(row, "good list", is_real=True))


def _garbage(database: Database, exposure: int, obs: str, selection: Selection) -> list[Detection]:
    query = queries.garbage_detections(
        exposure,
        realbogus_below=selection.rules.realbogus_below,
        zooniverse_below=selection.rules.zooniverse_below,
    )
    return database.fetch(query, lambda row: _detection(row, _SCORES[bool(row.since)]))


def _unpromoted(
    database: Database, exposure: int, obs: str, selection: Selection
) -> list[Detection]:
    """Draw detections without replacement, and ask about the objects of few more than needed."""
    ids = database.fetch(queries.unpromoted_candidates(exposure), lambda row: int(row.id))
    rng = np.random.default_rng([selection.seed, *obs.encode()])
    order = [ids[place] for place in rng.permutation(len(ids))]
    chosen: list[Detection] = []
    while order and len(chosen) < selection.bogus_per_exposure:
        wanted = selection.bogus_per_exposure - len(chosen)
        drawn, order = order[:wanted], order[wanted:]
        query = queries.unpromoted_among(sorted(drawn))
        chosen += database.fetch(query, lambda row: _detection(row, "unpromoted"))
    return sorted(chosen, key=lambda detection: detection.id)


def _detection(row: Any, rule: str, *, is_real: bool = False) -> Detection:
    """Make a record of a row, whose columns are in the order of its fields."""
    values = row[:_COLUMNS]
    if None in values:
        values = tuple(_NAN if value is None else value for value in values)
    return Detection._make((*values, is_real, rule))


_Choice = Callable[[Database, int, str, Selection], list[Detection]]

BOGUS_FROM: Mapping[str, _Choice] = {"garbage": _garbage, "unpromoted": _unpromoted}
"""Where bogus detections come from: the values of ``bogusFrom``."""

_CHOICES: Mapping[str, Callable[[Selection], _Choice]] = {
    "real": lambda selection: _good_list if selection.good_as_real else _asteroids,
    "bogus": lambda selection: BOGUS_FROM[selection.bogus_from],
}
_SCORES = {False: "garbage by realbogus_factor", True: "garbage by zooniverse_score"}
_DESCRIPTIONS = {
    "asteroid": "known asteroids by position",
    "good list": "the eyeballed good list",
    "garbage": (
        "garbage list with a low score, so these labels come in part from an older classifier"
    ),
    "unpromoted": (
        "drawn at random from what was never promoted, so some are real sources that nobody chose"
    ),
}
