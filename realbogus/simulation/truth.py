"""What really is at each detection: the file that the pipeline never reads."""

import csv
from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from realbogus.files import atomic_path

__all__ = ["Truth", "write_truth"]


@dataclass(frozen=True)
class Truth:
    """One row of ``truth.csv``.

    Parameters
    ----------
    detection, object : int
        Ids in the database.
    exposure : str
        Its name, or the stamp's for PS1.
    x, y : float
        As in the database, pixel centres at half-integers.
    mag : float
        Of what was put on the sky.
    kind, role : str
        What it is, and why it has a row.
    real : int
        1 for an asteroid, a supernova or another point source on the sky, else 0.
    label : int
        1 or 0 as the default selection labels it, -1 if the selection leaves it out.
    """

    detection: int
    object: int
    exposure: str
    x: float
    y: float
    mag: float
    kind: str
    role: str
    real: int
    label: int


def write_truth(path: Path, rows: Iterable[Truth]) -> None:
    """Write the truth as a CSV file with a header."""
    with atomic_path(path) as part, part.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(field.name for field in fields(Truth))
        writer.writerows(astuple(row) for row in rows)
