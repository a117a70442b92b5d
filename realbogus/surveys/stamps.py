"""The postage stamps of promoted objects: their names, their places and their form."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from realbogus.database import Database
from realbogus.database import stamps as queries
from realbogus.exposures import read_exposure_name
from realbogus.surveys import atlas, ps1
from realbogus.worklist import Image

__all__ = ["FORMS", "StampForm", "images_of", "objects_on"]

_ATLAS = re.compile(
    r"\d{1,20}_(\d{5})(?:\.\d{1,9})?_(\d{2}[a-z])(\d{5})o\d{4}[A-Za-z]_\d{1,20}_diff", re.ASCII
)


@dataclass(frozen=True)
class StampForm:
    """What a survey's postage stamps are like.

    Attributes
    ----------
    cameras : tuple of str
        The names of its cameras.
    hdu : int
        The HDU that holds the pixels.
    side : int
        In pixels.
    locate : callable
        From a stamp's name to the folders, the nights, in which it may be; none for a name of
        another form.
    camera : callable
        From a stamp's name and filter to its camera; empty if they do not say.
    """

    cameras: tuple[str, ...]
    hdu: int
    side: int
    locate: Callable[[str], tuple[str, ...]]
    camera: Callable[[str, str], str]


def objects_on(database: Database, survey: str, list_id: int) -> Iterator[int]:
    """Give the ids of the objects on a list, in their order."""
    last = 0
    while True:
        page = database.fetch(
            queries.listed_objects(survey, list_id, after=last), lambda row: int(row.id)
        )
        yield from page
        if len(page) < queries.PAGE:
            return
        last = page[-1]


def images_of(
    database: Database, survey: str, objects: Iterable[int], folder: Path
) -> Iterator[Image]:
    """Give the difference stamps of objects, object by object and by name.

    An object without any comes once, without a file.

    Parameters
    ----------
    database : Database
        Of the survey.
    survey : str
        One of `FORMS`.
    objects : iterable of int
        Their ids.
    folder : Path
        Where the folders of the nights are.
    """
    remaining = iter(objects)
    while batch := list(islice(remaining, queries.BATCH)):
        names: dict[str, dict[str, str]] = {str(identifier): {} for identifier in batch}
        query = queries.stamps_of(survey, batch)
        for name, band in database.fetch(
            query, lambda row: (str(row.image_filename), str(row.filter))
        ):
            owner = name.partition("_")[0]
            if owner in names:
                names[owner][name] = band
        for owner, found in names.items():
            if not found:
                yield Image(owner)
            for name in sorted(found):
                yield _image(FORMS[survey], owner, name, found[name], folder)


def _image(form: StampForm, owner: str, name: str, band: str, folder: Path) -> Image:
    nights = form.locate(name)
    if not nights:
        return Image(owner, repr(name[:80]), fault="refused")
    files = [f"{folder}/{night}/{name}.fits" for night in nights]
    file = next((file for file in files if Path(file).is_file()), files[0])
    exposure = read_exposure_name(name).exposure
    return Image(owner, file, camera=form.camera(name, band), exposure=exposure)


def _nights_of_atlas(name: str) -> tuple[str, ...]:
    """Give the night of the exposure's name, and the whole part of the MJD where that differs."""
    match = _ATLAS.fullmatch(name)
    return () if match is None else tuple(dict.fromkeys((match[3], match[1])))


def _camera_of_atlas(name: str, band: str) -> str:
    match = _ATLAS.fullmatch(name)
    return "" if match is None else match[2]


def _nights_of_ps1(name: str) -> tuple[str, ...]:
    file = ps1.stamp_file(name)
    return () if file is None else (file.partition("/")[0],)


def _camera_of_ps1(name: str, band: str) -> str:
    endings = ps1.CAMERAS.items()
    return next((camera for camera, ending in endings if band.endswith(ending)), "")


FORMS: Mapping[str, StampForm] = {
    "atlas": StampForm(tuple(atlas.CAMERAS), 0, 200, _nights_of_atlas, _camera_of_atlas),
    "ps1": StampForm(tuple(ps1.CAMERAS), 1, 300, _nights_of_ps1, _camera_of_ps1),
}
"""The stamps of each survey."""
