"""How many images of each exposure have which scores, and the table that keeps it.

The table is ECSV beside the scores, a row an exposure. Those of earlier nights say what a good
exposure is like.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from realbogus.errors import FormatError
from realbogus.recipes import Recipe
from realbogus.scores import Column, read_table, write_ecsv
from realbogus.verdicts import HELD, ImageScore

__all__ = [
    "HELD",
    "PASSED",
    "PROMINENCES",
    "RELEASED",
    "THRESHOLDS",
    "UNCHECKED",
    "Counts",
    "count_exposures",
    "counts_path",
    "is_counts",
    "read_counts",
    "write_counts",
]

THRESHOLDS = (0.05, 0.2, 0.5, 0.8, 0.95)
"""Scores above these are counted."""

PROMINENCES = (4, 8)
"""Images whose middles stand this far out of the noise are counted."""

PASSED = "passed"
RELEASED = "released"
UNCHECKED = "unchecked"
_STATUSES = (PASSED, HELD, RELEASED, UNCHECKED)
_MASKED = "masked"
_SUFFIX = ".exposures.csv"


@dataclass(frozen=True)
class Counts:
    """What was counted of an exposure, or of all of a camera in a night.

    Attributes
    ----------
    name, camera : str
        Of the exposure.
    night : int
        MJD, or -1.
    scored, masked : int
        Images with a score, and those that have none since they are masked.
    above : tuple of int
        For each of `THRESHOLDS`, how many scores are above it.
    prominent : tuple of int
        For each of `PROMINENCES`, how many of the images with a score stand out farther.
    status : str
        What came of the comparison; empty before it.
    reason : str
        Why it is held.
    """

    name: str
    camera: str
    night: int
    scored: int
    masked: int
    above: tuple[int, ...]
    prominent: tuple[int, ...]
    status: str = ""
    reason: str = ""

    @property
    def night_name(self) -> str:
        """The night of its camera, named as its folder is: ``02a/58310``."""
        return f"{self.camera}/{self.night}"

    @property
    def images(self) -> int:
        """How many there are with a score or masked."""
        return self.scored + self.masked

    @classmethod
    def of(
        cls,
        name: str,
        camera: str,
        night: int,
        scores: NDArray[np.floating],
        prominence: NDArray[np.floating],
        masked: int,
    ) -> "Counts":
        """Count scores, and how far out these images stand; both of shape (n,)."""
        above = _above(scores, THRESHOLDS)
        prominent = _above(prominence, PROMINENCES)
        return cls(name, camera, night, len(scores), masked, above, prominent)

    @classmethod
    def sum(cls, name: str, parts: Sequence["Counts"]) -> "Counts":
        """Add those of a camera up, which are of a night, or named by the first."""
        scored, masked = (sum(part.scored for part in parts), sum(part.masked for part in parts))
        above, prominent = (
            tuple(map(sum, zip(*rows, strict=True)))
            for rows in ([part.above for part in parts], [part.prominent for part in parts])
        )
        return cls(name, parts[0].camera, parts[0].night, scored, masked, above, prominent)


def count_exposures(images: Iterable[ImageScore]) -> list[Counts]:
    """Count the images of each exposure, in the order of camera, night and name.

    Images of which nobody knows the exposure are left out.
    """
    scores: dict[tuple[str, int, str], list[tuple[float, float]]] = {}
    masked: Counter[tuple[str, int, str]] = Counter()
    for image in images:
        if image.exposure and (image.is_scored or image.fault == _MASKED):
            key = image.camera, image.night, image.exposure
            some = scores.setdefault(key, [])
            if image.is_scored:
                some.append((image.score, image.prominence))
            else:
                masked[key] += 1
    return [
        Counts.of(name, camera, night, found[:, 0], found[:, 1], masked[camera, night, name])
        for (camera, night, name), some in sorted(scores.items())
        for found in [np.array(some).reshape(-1, 2)]
    ]


def counts_path(path: Path) -> Path:
    """Name the table that belongs to a file of scores."""
    return path.with_name(f"{path.stem}{_SUFFIX}")


def is_counts(path: Path) -> bool:
    """Say whether a file has the name of such a table."""
    return path.name.endswith(_SUFFIX)


def write_counts(path: Path, counts: Sequence[Counts], recipe: Recipe) -> None:
    """Write the table."""
    rows = (
        (
            *(item.name, item.camera, item.night, item.scored, item.masked),
            *(*item.above, *item.prominent, item.status, item.reason),
        )
        for item in counts
    )
    write_ecsv(path, _COLUMNS, rows, recipe)


def read_counts(path: Path) -> list[Counts]:
    """Read the table.

    Raises
    ------
    FormatError
        If the file is none; the message names the line.
    """
    names = [column.name for column in _COLUMNS]
    return [_counts(row, f"{path}, line {number}") for number, row in read_table(path, names)]


_COLUMNS = (
    Column("exposure", "string", "its name"),
    Column("camera", "string", "what took it"),
    Column("night", "int64", "MJD"),
    Column("scored", "int64", "images that have a score"),
    Column("masked", "int64", "images that have none since they are masked"),
    *(Column(f"above_{limit}", "int64", f"scores above {limit}") for limit in THRESHOLDS),
    *(
        Column(f"prominent_{limit}", "int64", f"middles above {limit} times the noise")
        for limit in PROMINENCES
    ),
    Column("status", "string", "passed or held or released or unchecked"),
    Column("reason", "string", "why it is held"),
)


def _above(values: NDArray[np.floating], limits: Sequence[float]) -> tuple[int, ...]:
    return tuple(int(np.count_nonzero(values > limit)) for limit in limits)


def _counts(row: Mapping[str, str], where: str) -> Counts:
    try:
        night, scored, masked, *others = (int(row[column.name]) for column in _COLUMNS[2:-2])
    except ValueError as error:
        raise FormatError(f"{where}: not the counts of an exposure") from error
    above, prominent = others[: len(THRESHOLDS)], others[len(THRESHOLDS) :]
    is_sound = masked >= 0 and all(
        [scored, *some, 0] == sorted([scored, *some, 0], reverse=True)
        for some in (above, prominent)
    )
    if not is_sound or row["status"] not in _STATUSES or not row["exposure"]:
        raise FormatError(f"{where}: not the counts of an exposure")
    return Counts(
        *(row["exposure"], row["camera"], night, scored, masked, tuple(above), tuple(prominent)),
        status=row["status"],
        reason=row["reason"],
    )
