"""ATLAS postage stamps: 200 x 200 px around detections of promoted objects, masked at MASKVAL."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from realbogus.images import cut_stamps, read_image_around
from realbogus.simulation.atlas import Observed
from realbogus.simulation.catalogue import Row
from realbogus.simulation.exposure import MASK_VALUE
from realbogus.stamps import exposure_cards, write_stamp

__all__ = ["STAMP_SIZE", "StampsJob", "stamp_jobs", "stamp_name", "write_stamps"]

STAMP_SIZE = 200


@dataclass(frozen=True)
class StampsJob:
    """The stamps to cut out of an exposure.

    Parameters
    ----------
    image : Path
        Of the exposure.
    obs : str
        Its name.
    places : tuple of (Path, float, float)
        For each stamp its file, and the position as the database has it.
    """

    image: Path
    obs: str
    places: tuple[tuple[Path, float, float], ...]


def stamp_name(exposure: Observed, row: Row) -> str:
    """Name the stamp of a detection, but for its type; the MJD is cut off after three digits."""
    day = int(exposure.visit.mjd * 1000.0) / 1000.0
    return f"{row['atlas_object_id']}_{day:.3f}_{exposure.visit.obs}_{row['det_id']}"


def stamp_jobs(
    observed: Sequence[Observed], lists: Collection[int], *, root: Path, folder: Path
) -> Iterator[StampsJob]:
    """Give the stamps to make of the objects of some lists, under ``folder/<night>/``.

    Parameters
    ----------
    observed : sequence of Observed
        The exposures, whose rows have their ids.
    lists : collection of int
        The lists.
    root : Path
        Folder of the difference images.
    folder : Path
        Folder of the nights.
    """
    for exposure in observed:
        visit = exposure.visit
        places = tuple(
            (
                folder / str(visit.night) / f"{stamp_name(exposure, row)}_diff.fits",
                float(str(row["x"])),
                float(str(row["y"])),
            )
            for item, row in zip(exposure.items, exposure.rows, strict=True)
            if row["image_group_id"] is not None and visit.field.objects[item.key].list_id in lists
        )
        if places:
            image = root / visit.camera / str(visit.night) / f"{visit.obs}.diff.fz"
            yield StampsJob(image, visit.obs, places)


def write_stamps(job: StampsJob) -> int:
    """Cut the stamps of an exposure, and give their number."""
    x, y = (np.array([place[axis] for place in job.places], np.float64) for axis in (1, 2))
    image = read_image_around(job.image, x, y, size=STAMP_SIZE)
    stamps = cut_stamps(image, x, y, size=STAMP_SIZE)
    shared = exposure_cards(image.header)
    for (path, *_), stamp in zip(job.places, stamps, strict=True):
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.where(np.isnan(stamp), np.float32(MASK_VALUE), stamp)
        cards = [("EXPNAME", job.obs), ("MASKVAL", float(MASK_VALUE))]
        write_stamp(path, pixels, shared=shared, cards=cards)
    return len(job.places)
