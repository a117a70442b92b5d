"""The plan of an ATLAS survey: which exposures, where and when, with which objects."""

from collections.abc import Iterator
from dataclasses import dataclass
from zlib import crc32

import numpy as np

from realbogus.simulation.pointing import ATLAS_SCALE, Pointing
from realbogus.simulation.promoted import PromotedObject, draw_promoted

__all__ = ["ATLAS_SIZE", "CAMERAS", "Counts", "Field", "Visit", "generator", "plan_atlas"]

ATLAS_SIZE = 10560
_VISITS = 4
_TEIDE_SIZE = (6376, 9576)

# Start and end of a camera's night, in days from midnight UT of the MJD in its exposures' names.
CAMERAS = {
    "01a": (0.22, 0.65),
    "02a": (0.22, 0.65),
    "03a": (-0.25, 0.12),
    "04a": (-0.0225, 0.38),
    "05r": (-0.17, 0.26),
}


@dataclass(frozen=True)
class Counts:
    """How many detections an exposure shall have, before the 5-sigma cut.

    Parameters
    ----------
    asteroids : int
        Known ones.
    garbage : int
        Detections of garbage-list objects that serve as bogus.
    ordinary : int
        All that nobody looked at.
    """

    asteroids: int
    garbage: int
    ordinary: int


@dataclass(frozen=True)
class Field:
    """A place on the sky that a camera visits four times a night.

    Parameters
    ----------
    pointing : Pointing
        Of the first visit.
    objects : tuple of PromotedObject
        On it.
    first_key : int
        Number of the first of the objects in the whole survey.
    """

    pointing: Pointing
    objects: tuple[PromotedObject, ...]
    first_key: int


@dataclass(frozen=True)
class Visit:
    """One exposure to make.

    Parameters
    ----------
    index : int
        In the order of the survey.
    obs : str
        Its name: camera, night, ``o``, four digits, filter.
    mjd : float
        Of the middle of the exposure.
    field : Field
        What it shows.
    shift : tuple of int
        Of the field's objects on this image, px along x and y.
    counts : Counts
        How many detections.
    seed : int
        Of the survey.
    """

    index: int
    obs: str
    mjd: float
    field: Field
    shift: tuple[int, int]
    counts: Counts
    seed: int

    @property
    def camera(self) -> str:
        """The camera's name."""
        return self.obs[:3]

    @property
    def night(self) -> int:
        """The night in the exposure's name, which is not always the whole part of ``mjd``."""
        return int(self.obs[3:8])

    @property
    def pointing(self) -> Pointing:
        """The field's pointing with this visit's shift."""
        base = self.field.pointing
        ra, dec = base.to_sky(
            np.array([base.size[1] / 2 - 1.0 - self.shift[0]]),
            np.array([base.size[0] / 2 - 1.0 - self.shift[1]]),
        )
        return Pointing(float(ra[0]), float(dec[0]), base.size, base.scale, base.angle)


def generator(seed: int, *words: str | int) -> np.random.Generator:
    """Give the random numbers that belong to ``words``, whatever else is drawn."""
    key = [word if isinstance(word, int) else crc32(word.encode()) for word in words]
    return np.random.Generator(np.random.SFC64(np.random.SeedSequence(seed, spawn_key=key)))


def plan_atlas(
    cameras: tuple[str, ...],
    nights: tuple[int, ...],
    exposures: int,
    *,
    size: int,
    seed: int,
    counts: Counts,
) -> list[Visit]:
    """Plan every exposure of a survey, in order of camera and night.

    Parameters
    ----------
    cameras : tuple of str
        Their names.
    nights : tuple of int
        MJD.
    exposures : int
        Of each camera in each night.
    size : int
        Side of the images, px; 10560 gives each camera its own format.
    seed : int
        Of the survey.
    counts : Counts
        Detections of an exposure.
    """
    visits: list[Visit] = []
    key = 0
    for camera in cameras:
        for night in nights:
            for field, visit in _night(camera, night, exposures, size, seed, counts):
                placed = Field(field.pointing, field.objects, key)
                first = len(visits)
                visits.extend(_visits(placed, camera, night, visit, seed, counts, first, exposures))
                key += len(field.objects)
    return visits


def _night(
    camera: str, night: int, exposures: int, size: int, seed: int, counts: Counts
) -> Iterator[tuple[Field, range]]:
    """Give the fields of a night, each with the numbers of its exposures."""
    shape, scale = _format(camera, size)
    for first in range(0, exposures, _VISITS):
        rng = generator(seed, camera, night, "field", first)
        pointing = Pointing(
            float(rng.uniform(0.0, 360.0)),
            float(np.degrees(np.arcsin(rng.uniform(-0.7, 0.85)))),
            shape,
            scale,
            float(rng.normal(0.0, 0.3)),
        )
        objects = draw_promoted(round(1.15 * counts.garbage), night=night, size=shape, rng=rng)
        visits = range(first, min(first + _VISITS, exposures))
        yield Field(pointing, tuple(objects), 0), visits


def _format(camera: str, size: int) -> tuple[tuple[int, int], float]:
    if camera == "05r":
        return (_TEIDE_SIZE if size == ATLAS_SIZE else (size, size)), 1.256
    return (size, size), ATLAS_SCALE


def _visits(
    field: Field,
    camera: str,
    night: int,
    numbers: range,
    seed: int,
    counts: Counts,
    first: int,
    exposures: int,
) -> Iterator[Visit]:
    start, end = CAMERAS[camera]
    filters = "w" if camera == "05r" else "co"
    for place, number in enumerate(numbers):
        rng = generator(seed, camera, night, "visit", number)
        mjd = night + start + (end - start) * (number + float(rng.uniform())) / exposures
        band = filters[numbers.start // _VISITS % len(filters)]
        obs = f"{camera}{night:05d}o{20 + 3 * number:04d}{band}"
        dx, dy = (int(v) for v in rng.integers(-8, 9, 2))
        yield Visit(first + place, obs, round(mjd, 6), field, (dx, dy), counts, seed)
