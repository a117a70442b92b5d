"""Queries of the Pan-STARRS database.

Objects are found by their list, in the order of their ids, and then the comments and stamps of some
of them at a time, each by an index: stamps belong to an object only by the beginning of their
names.
"""

from collections.abc import Sequence
from datetime import date

from sqlalchemy import CompoundSelect, Select, or_, select, union_all

from realbogus.database.floats import above, at_least, below
from realbogus.database.schema import SCHEMAS
from realbogus.database.stamps import BATCH, of_object, with_detection

__all__ = [
    "BATCH",
    "comments_of",
    "flagged_objects",
    "grouped_objects",
    "low_scored_objects",
    "mover_objects",
    "stamps_of",
]

_TABLES = SCHEMAS["ps1"].tables
_objects = _TABLES["tcs_transient_objects"].c
_comments = _TABLES["tcs_object_comments"].c
_groups = _TABLES["tcs_object_groups"].c
_stamps = _TABLES["tcs_postage_stamp_images"].c


def flagged_objects(list_id: int, *, flagged_after: date) -> Select[tuple[object, ...]]:
    """Ask for the objects of a list that were flagged after a day."""
    return _columns().where(
        _objects.detection_list_id == list_id, _objects.followup_flag_date > flagged_after
    )


def mover_objects(list_id: int, *, score_above: float) -> Select[tuple[object, ...]]:
    """Ask for the objects of a list that were seen to move; a comment says how surely."""
    return _columns().where(
        _objects.detection_list_id == list_id,
        _objects.observation_status == "mover",
        above(_objects.confidence_factor, score_above),
    )


def low_scored_objects(
    list_id: int, *, flagged_after: date, score_from: float, score_below: float
) -> Select[tuple[object, ...]]:
    """Ask for the objects of a list with a low score, classified by their surroundings too."""
    return flagged_objects(list_id, flagged_after=flagged_after).where(
        at_least(_objects.confidence_factor, score_from),
        below(_objects.confidence_factor, score_below),
        _objects.sherlockClassification.is_not(None),
    )


def grouped_objects(group: int) -> Select[tuple[object, ...]]:
    """Ask for the objects of a curated group."""
    return (
        _columns()
        .join(_TABLES["tcs_object_groups"], _groups.transient_object_id == _objects.id)
        .where(_groups.object_group_id == group)
    )


def comments_of(objects: Sequence[int]) -> Select[tuple[int, str]]:
    """Ask for the comments on some objects that a search for known movers left."""
    begins = or_(_comments.comment.like("EPH:%"), _comments.comment.like("MPC:%"))
    return select(_comments.transient_object_id.label("object"), _comments.comment).where(
        _comments.transient_object_id.in_(objects), begins
    )


def stamps_of(objects: Sequence[int], *, filter_ending: str) -> CompoundSelect[tuple[str]]:
    """Ask for the names of the difference stamps of some objects.

    Non-detections are left out. Names that merely resemble an object's may come too, where the
    server's collation sorts them together.
    """
    # One range each: of many ranges together SQLite thinks that they cost more than the table.
    return union_all(*(_stamps_of_one(identifier, filter_ending) for identifier in objects))


def _stamps_of_one(identifier: int, filter_ending: str) -> Select[tuple[str]]:
    """Ask for the names ``<object>_…`` as a range, which every database finds by its index."""
    return select(_stamps.image_filename).where(
        *of_object(identifier),
        *with_detection(identifier),
        _stamps.filter.like(f"%{filter_ending}"),
    )


def _columns() -> Select[tuple[object, ...]]:
    columns = select(_objects.id, _objects.ra_psf.label("ra"), _objects.dec_psf.label("dec"))
    return columns.order_by(_objects.id)
