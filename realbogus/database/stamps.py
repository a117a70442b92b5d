"""Queries about postage stamps, which the databases of both surveys keep in a table of one name.

A stamp belongs to an object only by the beginning of its name.
"""

from collections.abc import Callable, Mapping, Sequence

from sqlalchemy import ColumnElement, CompoundSelect, Select, or_, select, union_all

from realbogus.database.schema import SCHEMAS

__all__ = ["BATCH", "PAGE", "listed_objects", "of_object", "stamps_of", "with_detection"]

BATCH = 100
"""The number of objects whose stamps are asked for at a time."""

PAGE = 10_000
"""The number of objects of a list that are asked for at a time."""

_NON_DETECTION = "4300000000"
_BY_LIST = "idx_detection_list"
_stamps = SCHEMAS["ps1"].tables["tcs_postage_stamp_images"].c
_OBJECTS = {
    "atlas": SCHEMAS["atlas"].tables["atlas_diff_objects"],
    "ps1": SCHEMAS["ps1"].tables["tcs_transient_objects"],
}


def listed_objects(survey: str, list_id: int, *, after: int) -> Select[tuple[int]]:
    """Ask for the next objects of a list whose ids are above one, in the order of the ids."""
    table = _OBJECTS[survey]
    objects = table.c
    query = (
        select(objects.id)
        .where(objects.detection_list_id == list_id, objects.id > after)
        .order_by(objects.id)
        .limit(PAGE)
    )
    # Only this index ends in the id; by another the whole list would be sorted for each page.
    hint = f"FORCE INDEX ({_BY_LIST})"
    return query.with_hint(table, hint, "mysql") if survey == "atlas" else query


def stamps_of(survey: str, objects: Sequence[int]) -> CompoundSelect[tuple[str, str]]:
    """Ask for the names and filters of the difference stamps of some objects.

    Names that merely resemble an object's may come too, where the server's collation sorts them
    together.
    """
    # One range each: of many ranges together SQLite thinks that they cost more than the table.
    return union_all(
        *(
            select(_stamps.image_filename, _stamps.filter).where(
                *of_object(identifier), *_USABLE[survey](identifier)
            )
            for identifier in objects
        )
    )


def of_object(identifier: int) -> tuple[ColumnElement[bool], ...]:
    """Give the conditions for an object's difference stamps, a range of their index."""
    following = chr(ord("_") + 1)
    return (
        _stamps.image_filename >= f"{identifier}_",
        _stamps.image_filename < f"{identifier}{following}",
        _stamps.image_type == "diff",
    )


def with_detection(identifier: int) -> tuple[ColumnElement[bool], ...]:
    """Give the conditions for stamps of Pan-STARRS that could be made, of a detection."""
    return (
        _stamps.image_filename.not_like(f"{identifier}%{_NON_DETECTION}%"),
        _stamps.pss_error_code == 0,
    )


def _not_failed(identifier: int) -> tuple[ColumnElement[bool], ...]:
    """Give the condition for stamps of ATLAS, whose maker need not give an error code."""
    return (or_(_stamps.pss_error_code.is_(None), _stamps.pss_error_code == 0),)


_USABLE: Mapping[str, Callable[[int], tuple[ColumnElement[bool], ...]]] = {
    "atlas": _not_failed,
    "ps1": with_detection,
}
