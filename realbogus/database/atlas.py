"""Queries of the ATLAS database.

``x`` and ``y`` are FLOAT columns, which are read in full: six digits would be another pixel.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Select, and_, or_, select

from realbogus.database.floats import below, in_full
from realbogus.database.schema import SCHEMAS

__all__ = [
    "SCORE_CHANGE",
    "all_detections",
    "asteroid_detections",
    "exposures",
    "garbage_detections",
    "good_detections",
    "unpromoted_among",
    "unpromoted_candidates",
]

SCORE_CHANGE = datetime(2024, 5, 22)
"""From this day on realbogus_factor is a rank of another tool, and zooniverse_score the score."""

_GARBAGE_LIST = 0
_GOOD_LIST = 2

_TABLES = SCHEMAS["atlas"].tables
_detections = _TABLES["atlas_detectionsddc"].c
_exposures = _TABLES["atlas_metadataddc"].c
_objects = _TABLES["atlas_diff_objects"].c
_STATISTICS = _TABLES["tcs_latest_object_stats"]
_statistics = _STATISTICS.c
_WITH_OBJECTS = _TABLES["atlas_detectionsddc"].join(
    _TABLES["atlas_diff_objects"], _objects.id == _detections.atlas_object_id
)

# An exposure has few detections; a list has tens of millions of objects.
_IN_THIS_ORDER = "STRAIGHT_JOIN"


def exposures(camera: str, night: int) -> Select[tuple[int, str]]:
    """Ask for the id and the name of every exposure of a camera in a night.

    The night is in the exposure's name; it is not the whole part of the MJD.
    """
    first, last = f"{camera}{night:05d}", f"{camera}{night + 1:05d}"
    return (
        select(_exposures.id, _exposures.obs)
        .where(_exposures.obs >= first, _exposures.obs < last)
        .order_by(_exposures.obs)
    )


def all_detections(exposure: int) -> Select[tuple[object, ...]]:
    """Ask for every detection of an exposure, whatever it is."""
    return (
        select(
            _detections.id,
            _detections.atlas_object_id.label("object"),
            *(in_full(_detections[name]).label(name) for name in ("x", "y", "mag")),
        )
        .where(_detections.atlas_metadata_id == exposure)
        .order_by(_detections.id)
    )


def asteroid_detections(exposure: int, *, pkn_above: float) -> Select[tuple[object, ...]]:
    """Ask for the known asteroids of an exposure."""
    return _detection_columns().where(*_positive(exposure), _detections.pkn > pkn_above)


def good_detections(exposure: int) -> Select[tuple[object, ...]]:
    """Ask for the stamped detections of an exposure that belong to objects on the good list."""
    return (
        _detection_columns()
        .select_from(_WITH_OBJECTS)
        .prefix_with(_IN_THIS_ORDER, dialect="mysql")
        .where(
            *_positive(exposure),
            _detections.image_group_id.is_not(None),
            _objects.detection_list_id == _GOOD_LIST,
        )
    )


def garbage_detections(
    exposure: int, *, realbogus_below: float, zooniverse_below: float
) -> Select[tuple[object, ...]]:
    """Ask for the detections of an exposure that belong to objects on the garbage list.

    They have stamps, no match in another survey, and a low score in the column that held the score
    when the object was flagged; ``since`` says whether that was after the change.
    """
    flagged_since = _objects.followup_flag_date >= SCORE_CHANGE
    return (
        _detection_columns()
        .add_columns(flagged_since.label("since"))
        .select_from(_WITH_OBJECTS.outerjoin(_STATISTICS, _statistics.id == _objects.id))
        .prefix_with(_IN_THIS_ORDER, dialect="mysql")
        .where(
            *_positive(exposure),
            _detections.pkn == 0,
            _detections.image_group_id.is_not(None),
            _objects.detection_list_id == _GARBAGE_LIST,
            _statistics.external_crossmatches.is_(None),
            _low_score(realbogus_below, zooniverse_below),
        )
    )


def unpromoted_candidates(exposure: int) -> Select[tuple[int]]:
    """Ask for the ids of the detections of an exposure that were most likely never promoted.

    Only `unpromoted_among` asks about their objects, which takes long for a whole exposure.
    """
    return (
        select(_detections.id)
        .where(*_positive(exposure), _detections.pkn == 0, _detections.image_group_id.is_(None))
        .order_by(_detections.id)
    )


def unpromoted_among(detections: Sequence[int]) -> Select[tuple[object, ...]]:
    """Ask for those of some detections whose objects are on no list."""
    return (
        _detection_columns()
        .select_from(_WITH_OBJECTS)
        .prefix_with(_IN_THIS_ORDER, dialect="mysql")
        .where(_detections.id.in_(detections), _objects.detection_list_id.is_(None))
    )


def _detection_columns() -> Select[tuple[object, ...]]:
    return select(
        _detections.id,
        _detections.atlas_object_id.label("object"),
        *(in_full(_detections[name]).label(name) for name in ("x", "y", "mag", "dmag")),
        _detections.ra,
        _detections.dec,
    ).order_by(_detections.id)


def _positive(exposure: int) -> tuple[ColumnElement[bool], ...]:
    return (
        _detections.atlas_metadata_id == exposure,
        _detections.det == 0,
        _detections.mag > 0,
        _detections.x.is_not(None),
        _detections.y.is_not(None),
    )


def _low_score(realbogus_below: float, zooniverse_below: float) -> ColumnElement[bool]:
    flagged = _objects.followup_flag_date
    return or_(
        and_(flagged < SCORE_CHANGE, below(_objects.realbogus_factor, realbogus_below)),
        and_(flagged >= SCORE_CHANGE, below(_objects.zooniverse_score, zooniverse_below)),
    )
