"""The stamps of one exposure: cut in one pass over its image, written, and listed."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from realbogus.errors import ImageError
from realbogus.fitsfiles import Header, encode_cards, header_value
from realbogus.images import (
    CORE,
    DifferenceImage,
    StampsAt,
    cut_stamps,
    masked_core_fraction,
    read_image_around,
)
from realbogus.lists import Row, read_list_lines, read_list_recipe, write_list
from realbogus.recipes import Recipe
from realbogus.stamps import exposure_cards, plane_name, wcs_cards, write_cube, write_stamp

__all__ = [
    "FOLDERS",
    "STAMP_FORMATS",
    "ExposureJob",
    "Outcome",
    "Sources",
    "cut_exposure",
    "finished",
    "has_core",
    "lines_of",
    "make_folders",
]

# Stamps of which more than this fraction of the middle 5 x 5 pixels is masked are dropped.
_MASKED_CORE = 0.5

FOLDERS = {"real": "good", "bogus": "bad"}
"""Where the stamps of a kind go, and the list that names them."""

_CUBES = "cubes"
_POSITIONS = "exposures"


@dataclass(frozen=True)
class Sources:
    """The labelled detections of an exposure, the real ones first; the arrays have shape (n,).

    Attributes
    ----------
    detection, object : ndarray
        Their ids, and those of their objects.
    x, y : ndarray
        Pixels, with pixel centres at half-integers.
    mag, dmag : ndarray
        Magnitude and its error.
    ra, dec : ndarray
        Degrees, J2000.
    is_real : ndarray
        The label.
    """

    detection: NDArray[np.uint64]
    object: NDArray[np.uint64]
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    mag: NDArray[np.float64]
    dmag: NDArray[np.float64]
    ra: NDArray[np.float64]
    dec: NDArray[np.float64]
    is_real: NDArray[np.bool_]

    @classmethod
    def of_rows(cls, rows: Sequence[Sequence[Any]]) -> "Sources":
        """Make columns of rows with the values of these attributes in their order."""
        columns = list(zip(*rows, strict=True)) or [()] * len(_KINDS)
        order = np.argsort(~np.array(columns[-1], bool), kind="stable")
        return cls(
            *(np.array(column, kind)[order] for column, kind in zip(columns, _KINDS, strict=True))
        )

    def __len__(self) -> int:
        """Return the number of detections."""
        return len(self.x)

    def select(self, rows: NDArray[np.bool_]) -> "Sources":
        """Return some of the detections."""
        return Sources(*(column[rows] for column in vars(self).values()))

    @property
    def digest(self) -> str:
        """Hexadecimal digits that stand for all of this."""
        together = hashlib.sha256()
        for column in vars(self).values():
            together.update(column.tobytes())
        return together.hexdigest()


_KINDS = (*(np.uint64,) * 2, *(np.float64,) * 6, np.bool_)


@dataclass(frozen=True)
class ExposureJob:
    """What a worker needs to know to cut an exposure.

    Attributes
    ----------
    obs : str
        The exposure.
    image : Path
        Its difference image.
    location : Path
        The folder to write to.
    size : int
        Side of a stamp in pixels.
    stamp_format : str
        One of `STAMP_FORMATS`.
    kind : str
        ``all``, ``real`` or ``bogus``: what the sources are.
    sources : Sources
        The positions.
    """

    obs: str
    image: Path
    location: Path
    size: int
    stamp_format: str
    kind: str
    sources: Sources

    @property
    def positions(self) -> Path:
        """The list of the stamps, which is written last."""
        return self.location / _POSITIONS / f"{self.obs}.txt"

    @property
    def recipe(self) -> Recipe:
        """What decides the stamps."""
        options = {"stampSize": self.size, "stampFormat": self.stamp_format}
        return Recipe("cut", {**options, "selection": self.sources.digest})


@dataclass(frozen=True)
class Outcome:
    """How many stamps of an exposure were made, and not for being masked; or why there are none."""

    obs: str
    good: int = 0
    bad: int = 0
    masked: int = 0
    problem: str | None = None

    @property
    def counts(self) -> dict[str, int]:
        """The numbers by the names that records give them."""
        return {"good": self.good, "bad": self.bad, "masked": self.masked}


def make_folders(location: Path, stamp_format: str) -> None:
    """Make the folders that the stamps of a format go to."""
    for name in (*_FOLDERS_OF[stamp_format], _POSITIONS):
        (location / name).mkdir(parents=True, exist_ok=True)


def cut_exposure(job: ExposureJob) -> Outcome:
    """Cut the stamps of one exposure, unless an earlier try finished it; list them last.

    Raises
    ------
    OSError
        If a stamp can't be written.
    """
    earlier = finished(job)
    if earlier is not None:
        return earlier
    try:
        image = read_image_around(job.image, job.sources.x, job.sources.y, size=job.size)
    except ImageError as error:
        return Outcome(job.obs, problem=str(error))
    usable = has_core(image, job.sources.x, job.sources.y)
    sources = job.sources.select(usable)
    stamps = StampsAt(image, sources.x, sources.y, job.size)
    names = STAMP_FORMATS[job.stamp_format](job, sources, stamps, image.header)
    good = int(sources.is_real.sum())
    outcome = Outcome(job.obs, good, len(sources) - good, int((~usable).sum()))
    recipe = replace(job.recipe, results=outcome.counts)
    write_list(job.positions, _rows(job.obs, sources, names), recipe)
    return outcome


def has_core(
    image: DifferenceImage, x: NDArray[np.float64], y: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Say of which positions, of shape (n,), the stamps are not dropped for being masked."""
    return masked_core_fraction(cut_stamps(image, x, y, size=CORE)) <= _MASKED_CORE


def finished(job: ExposureJob) -> Outcome | None:
    """Give what an earlier try made of an exposure; None if it did not, or another way."""
    if not job.positions.exists():
        return None
    recorded = read_list_recipe(job.positions)
    if recorded is None or recorded.options != job.recipe.options:
        return None
    return Outcome(job.obs, **recorded.results)


def lines_of(location: Path, outcome: Outcome, folder: str) -> Sequence[str]:
    """Give the lines of an exposure's list that belong to ``good`` or to ``bad``."""
    if outcome.problem is not None:
        return []
    lines = read_list_lines(location / _POSITIONS / f"{outcome.obs}.txt")
    return lines[: outcome.good] if folder == FOLDERS["real"] else lines[outcome.good :]


def _write_files(job: ExposureJob, sources: Sources, stamps: StampsAt, header: Header) -> list[str]:
    shared = exposure_cards(header) + wcs_cards(header) + encode_cards([("EXPNAME", job.obs)])
    references = _references(job, sources, header)
    names = [
        f"{FOLDERS['real' if is_real else 'bogus']}/{item}_{job.obs}_{detection}.fits"
        for is_real, item, detection in zip(
            sources.is_real.tolist(),
            sources.object.tolist(),
            sources.detection.tolist(),
            strict=True,
        )
    ]
    columns = {
        "OBJECT": [str(item) for item in sources.object.tolist()],
        "XIMAGE": sources.x.tolist(),
        "YIMAGE": sources.y.tolist(),
        **{key: column.tolist() for key, column in references.items()},
    }
    values = zip(*columns.values(), strict=True)
    for name, stamp, own in zip(names, stamps, values, strict=True):
        cards = zip(columns, own, strict=True)
        write_stamp(f"{job.location}/{name}", stamp, shared=shared, cards=cards)
    return names


def _write_cube(job: ExposureJob, sources: Sources, stamps: StampsAt, header: Header) -> list[str]:
    if not len(sources):
        return []
    kind = "" if job.kind == "all" else f"_{job.kind}"
    name = f"{_CUBES}/{job.obs}{kind}.fits"
    references = _references(job, sources, header)
    columns: dict[str, NDArray[Any]] = {
        **vars(sources),
        "detection": sources.detection.astype(np.int64),
        "object": sources.object.astype(np.bytes_),
        **{key.lower(): column for key, column in references.items()},
    }
    columns["real"] = columns.pop("is_real")
    shared = exposure_cards(header) + encode_cards([("EXPNAME", job.obs)])
    write_cube(job.location / name, stamps, shared=shared, wcs=wcs_cards(header), columns=columns)
    return [plane_name(name, plane) for plane in range(len(sources))]


STAMP_FORMATS: Mapping[str, Callable[[ExposureJob, Sources, StampsAt, Header], list[str]]] = {
    "files": _write_files,
    "cube": _write_cube,
}
"""How stamps are written: each in a file of its own, or those of an exposure in a cube."""

_FOLDERS_OF: Mapping[str, Sequence[str]] = {"files": tuple(FOLDERS.values()), "cube": (_CUBES,)}


def _references(
    job: ExposureJob, sources: Sources, header: Header
) -> dict[str, NDArray[np.float64]]:
    """Give the pixel of reference of the WCS, which moves with the corner of a stamp."""
    corners = {"CRPIX1": sources.x, "CRPIX2": sources.y}
    values = {key: header_value(header, key) for key in corners}
    return {
        key: float(value) - (np.floor(corners[key]) - job.size // 2)
        for key, value in values.items()
        if isinstance(value, int | float)
    }


def _rows(obs: str, sources: Sources, names: Sequence[str]) -> Iterator[Row]:
    columns = (sources.x, sources.y, sources.mag, sources.dmag, sources.ra, sources.dec)
    objects = map(str, sources.object.tolist())
    numbers = (column.tolist() for column in columns)
    for x, y, mag, dmag, ra, dec, item, name in zip(*numbers, objects, names, strict=True):
        yield Row(x, y, mag, dmag, ra, dec, obs, item, name)
