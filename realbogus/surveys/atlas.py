"""ATLAS: cameras, nights, file names, and which detections serve as real and as bogus."""

import logging
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath
from typing import Any

from realbogus.cutting import take_thresholds
from realbogus.database import Database
from realbogus.database.atlas import bogus_detections, exposures, real_detections
from realbogus.errors import ConfigError

__all__ = [
    "CAMERAS",
    "Detection",
    "Exposure",
    "LabelRules",
    "image_name",
    "label_rules",
    "night_of",
    "require_camera",
    "select_exposures",
]

log = logging.getLogger(__name__)

CAMERAS: Mapping[str, str] = {
    "01a": "Mauna Loa",
    "02a": "Haleakala",
    "03a": "Sutherland",
    "04a": "El Sauce",
    "05r": "Teide",
}

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


@dataclass(frozen=True, slots=True)
class Detection:
    """One labelled detection; ``x`` and ``y`` have pixel centres at half-integers."""

    id: int
    object: int
    x: float
    y: float
    mag: float
    dmag: float
    ra: float
    dec: float
    is_real: bool


@dataclass(frozen=True)
class Exposure:
    """An exposure and its labelled detections."""

    obs: str
    detections: tuple[Detection, ...]


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
    if camera not in CAMERAS:
        raise ConfigError(f"camera must be one of {', '.join(CAMERAS)}; got {camera!r}")


def night_of(obs: str) -> int:
    """Return the night (MJD) in an exposure's name."""
    return int(obs[3:8])


def image_name(obs: str) -> PurePosixPath:
    """Return the difference image of an exposure, relative to the image root."""
    return PurePosixPath(obs[:3], obs[3:8], f"{obs}.diff.fz")


def select_exposures(
    database: Database, *, camera: str, night: int, rules: LabelRules
) -> Iterator[Exposure]:
    """Give the exposures of a camera in a night with their labelled detections."""
    for row in list(database.rows(exposures(camera, night))):
        obs = str(row["obs"])
        if not _OBS.fullmatch(obs):
            log.warning(
                "night %d: an exposure whose name is not one is left out: %.40r", night, obs
            )
            continue
        yield Exposure(obs, tuple(_select(database, row["id"], rules)))


def _select(database: Database, exposure: int, rules: LabelRules) -> Iterator[Detection]:
    thresholds = asdict(rules)
    real = real_detections(exposure, pkn_above=thresholds.pop("pkn_above"))
    for row in database.rows(real):
        yield _detection(row, is_real=True)
    for row in database.rows(bogus_detections(exposure, **thresholds)):
        yield _detection(row, is_real=False)


def _detection(row: Mapping[str, Any], *, is_real: bool) -> Detection:
    numbers = {key: _number(row[key]) for key in ("x", "y", "mag", "dmag", "ra", "dec")}
    return Detection(id=int(row["id"]), object=int(row["object"]), is_real=is_real, **numbers)


def _number(value: object) -> float:
    return float("nan") if value is None else float(str(value))
