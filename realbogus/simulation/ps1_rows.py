"""Rows of the Pan-STARRS database, the stamps to make for them, and the truth."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from realbogus.database import Database
from realbogus.simulation.catalogue import Row
from realbogus.simulation.promoted import LISTS, mjd_to_datetime
from realbogus.simulation.ps1 import Ps1Object, Ps1Stamp
from realbogus.simulation.ps1_stamps import STAMP_SIZE, StampJob
from realbogus.simulation.truth import Truth

__all__ = ["fill_ps1_database", "stamp_jobs"]


def stamp_jobs(objects: Sequence[Ps1Object], folder: Path, seed: int) -> Iterator[StampJob]:
    """Give the stamps to make, under ``folder/<night>/``."""
    for item in objects:
        for stamp in item.stamps:
            if stamp.exists:
                path = folder / str(int(stamp.mjd)) / f"{item.stem(stamp)}_diff.fits"
                yield StampJob(
                    path, item.kind, item.depth, item.ra, item.dec, stamp.mjd, stamp.band, seed
                )


def fill_ps1_database(database: Database, objects: Sequence[Ps1Object]) -> Iterator[Truth]:
    """Fill the tables, and give the truth about each stamp.

    Parameters
    ----------
    database : Database
        With empty tables.
    objects : sequence of Ps1Object
        The plan.
    """
    database.insert("tcs_transient_objects", map(_object_row, objects))
    database.insert("tcs_object_comments", _comment_rows(objects))
    database.insert("tcs_object_groups", _group_rows(objects))
    database.insert("tcs_postage_stamp_images", _stamp_rows(objects))
    for item in objects:
        for stamp in filter(lambda stamp: stamp.exists, item.stamps):
            yield _truth(item, stamp)


def _object_row(item: Ps1Object) -> Row:
    return {
        "id": item.id,
        "detection_list_id": item.list_id,
        "confidence_factor": item.score,
        "observation_status": item.status,
        "sherlockClassification": item.sherlock,
        "followup_id": item.id % 1_000_003,
        "followup_flag_date": item.flagged,
        "tcs_images_id": None,
        "ra_psf": item.ra,
        "dec_psf": item.dec,
        "local_designation": None,
        "ps1_designation": f"PS{item.flagged:%y}{item.id % 100_000:05d}",
    }


def _comment_rows(objects: Sequence[Ps1Object]) -> Iterator[Row]:
    for item in objects:
        for text in filter(None, (item.comment, "checked by eye" if item.id % 7 == 0 else None)):
            yield {
                "transient_object_id": item.id,
                "comment": text,
                "date_inserted": mjd_to_datetime(item.stamps[0].mjd),
                "username": "moverbot",
            }


def _group_rows(objects: Sequence[Ps1Object]) -> Iterator[Row]:
    for item in objects:
        if item.group is not None:
            yield {"transient_object_id": item.id, "object_group_id": item.group}


def _stamp_rows(objects: Sequence[Ps1Object]) -> Iterator[Row]:
    for item in objects:
        for stamp in item.stamps:
            for kind in ("diff", "target", "ref"):
                yield {
                    "image_type": kind,
                    "image_filename": f"{item.stem(stamp)}_{kind}",
                    "pss_filename": f"rings.v3.{stamp.image}.{kind}.fits",
                    "mjd_obs": stamp.mjd,
                    "image_group_id": stamp.image * 4 + stamp.detection % 4,
                    "pss_error_code": stamp.error,
                    "filter": f"{stamp.band}.{stamp.camera}",
                    "mask_ratio": 0.0,
                    "mask_ratio_at_core": 0.0,
                }


def _truth(item: Ps1Object, stamp: Ps1Stamp) -> Truth:
    return Truth(
        detection=stamp.detection,
        object=item.id,
        exposure=f"{item.stem(stamp)}_diff",
        x=STAMP_SIZE / 2.0,
        y=STAMP_SIZE / 2.0,
        mag=round(item.depth, 3),
        kind=item.kind,
        role=LISTS[item.list_id][0],
        real=int(item.kind in ("asteroid", "supernova")),
        label=item.label,
    )
