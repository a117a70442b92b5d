"""The tables of the ATLAS and Pan-STARRS databases, as far as real/bogus work needs them."""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Double,
    Float,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    String,
    Table,
    UniqueConstraint,
)
from sqlalchemy.dialects import mysql, sqlite
from sqlalchemy.types import TypeEngine

__all__ = ["SCHEMAS"]

# SQLite numbers rows by itself only in a column declared INTEGER.
_BIG_ID = (
    BigInteger()
    .with_variant(mysql.BIGINT(unsigned=True), "mysql", "mariadb")
    .with_variant(sqlite.INTEGER(), "sqlite")
)
_INT_ID = Integer().with_variant(mysql.INTEGER(unsigned=True), "mysql", "mariadb")
_SMALL_ID = SmallInteger().with_variant(mysql.SMALLINT(unsigned=True), "mysql", "mariadb")
_TINY = SmallInteger().with_variant(mysql.TINYINT(), "mysql", "mariadb")


def _nullable(kind: TypeEngine[Any] | type[TypeEngine[Any]], *names: str) -> list[Column[Any]]:
    return [Column(name, kind) for name in names]


def _detection_lists(metadata: MetaData) -> Table:
    return Table(
        "tcs_detection_lists",
        metadata,
        Column("id", _SMALL_ID, primary_key=True, autoincrement=False),
        Column("name", String(20), nullable=False),
        Column("description", String(80)),
    )


def _postage_stamps(metadata: MetaData) -> Table:
    return Table(
        "tcs_postage_stamp_images",
        metadata,
        Column("id", _BIG_ID, primary_key=True),
        Column("image_type", String(20), nullable=False),
        Column("image_filename", String(255), nullable=False),
        *_nullable(String(255), "pss_filename"),
        *_nullable(Double, "mjd_obs"),
        Column("image_group_id", _BIG_ID, nullable=False),
        *_nullable(SmallInteger, "pss_error_code"),
        *_nullable(String(80), "filter"),
        *_nullable(Float, "mask_ratio", "mask_ratio_at_core"),
        Index("idx_image_filename", "image_filename"),
        Index("idx_image_group_id", "image_group_id"),
    )


def _atlas_detections(metadata: MetaData) -> Table:
    return Table(
        "atlas_detectionsddc",
        metadata,
        Column("id", _BIG_ID, primary_key=True),
        Column("atlas_metadata_id", _BIG_ID, nullable=False),
        Column("atlas_object_id", _BIG_ID, nullable=False),
        Column("det_id", _INT_ID, nullable=False),
        *_nullable(Double, "ra", "dec"),
        *_nullable(Float, "mag", "dmag", "x", "y", "major", "minor", "phi"),
        *_nullable(_TINY, "det"),
        *_nullable(Float, "chin"),
        *_nullable(SmallInteger, "pvr", "ptr", "pmv", "pkn", "pno", "pbn", "pcr", "pxt", "psc"),
        *_nullable(_TINY, "dup"),
        *_nullable(Float, "wpflx", "dflx", "realbogus_factor"),
        *_nullable(_BIG_ID, "image_group_id", "htm16ID"),
        *_nullable(Boolean, "quality_threshold_pass", "deprecated"),
        Column("date_inserted", DateTime, nullable=False),
        *_nullable(DateTime, "date_modified"),
        Index("idx_atlas_object_id", "atlas_object_id"),
        Index("idx_atlas_metadata_id", "atlas_metadata_id"),
        Index("idx_htm16ID", "htm16ID"),
        Index("idx_date_inserted", "date_inserted"),
        Index("idx_ra_dec", "ra", "dec"),
    )


def _atlas_metadata(metadata: MetaData) -> Table:
    return Table(
        "atlas_metadataddc",
        metadata,
        Column("id", _BIG_ID, primary_key=True),
        *_nullable(String(255), "filename"),
        *_nullable(String(60), "obs", "obj"),
        *_nullable(String(10), "filt"),
        *_nullable(Double, "mjd"),
        *_nullable(Float, "texp"),
        *_nullable(Double, "ra", "dec"),
        *_nullable(_SMALL_ID, "nx", "ny"),
        *_nullable(Float, "pa", "fwmaj", "fwmin", "psfpa", "scale", "rarms", "decrms", "magzpt"),
        *_nullable(Float, "skymag", "cloud", "mag5sig", "az", "alt", "sunelong", "gain"),
        *_nullable(String(10), "ddcver"),
        *_nullable(String(255), "input", "reference"),
        *_nullable(_BIG_ID, "htm16ID"),
        Column("date_inserted", DateTime, nullable=False),
        UniqueConstraint("obs", name="key_obs"),
        UniqueConstraint("filename", "mjd", name="key_filename_mjd"),
        Index("idx_mjd", "mjd"),
        Index("idx_texp", "texp"),
        Index("idx_filename", "filename"),
        Index("idx_meta_ra_dec", "ra", "dec"),
    )


def _atlas_objects(metadata: MetaData) -> Table:
    return Table(
        "atlas_diff_objects",
        metadata,
        Column("id", _BIG_ID, primary_key=True, autoincrement=False),
        Column("detection_id", _BIG_ID, nullable=False),
        Column("htm16ID", _BIG_ID, nullable=False),
        Column("ra", Double, nullable=False),
        Column("dec", Double, nullable=False),
        Column("date_inserted", DateTime, nullable=False),
        *_nullable(_SMALL_ID, "detection_list_id"),
        *_nullable(Float, "realbogus_factor", "zooniverse_score"),
        *_nullable(_INT_ID, "followup_id"),
        *_nullable(DateTime, "followup_flag_date"),
        *_nullable(_INT_ID, "object_classification"),
        *_nullable(String(40), "observation_status", "atlas_designation", "other_designation"),
        *_nullable(String(40), "sherlockClassification"),
        *_nullable(_BIG_ID, "images_id"),
        *_nullable(_INT_ID, "ndetections"),
        *_nullable(String(255), "local_comments"),
        Index("idx_detection_list", "detection_list_id"),
        Index("idx_list_classification", "detection_list_id", "object_classification"),
        Index("idx_list_status", "detection_list_id", "observation_status"),
        Index("idx_list_realbogus", "detection_list_id", "realbogus_factor"),
    )


def _atlas_statistics(metadata: MetaData) -> Table:
    return Table(
        "tcs_latest_object_stats",
        metadata,
        Column("id", _BIG_ID, primary_key=True, autoincrement=False),
        *_nullable(Double, "latest_mjd", "earliest_mjd", "ra_avg", "dec_avg"),
        *_nullable(Float, "latest_mag", "earliest_mag", "rms", "separation"),
        *_nullable(String(330), "external_crossmatches"),
        *_nullable(String(60), "catalogue"),
    )


def _ps1_objects(metadata: MetaData) -> Table:
    return Table(
        "tcs_transient_objects",
        metadata,
        Column("id", _BIG_ID, primary_key=True, autoincrement=False),
        *_nullable(_SMALL_ID, "detection_list_id"),
        *_nullable(Float, "confidence_factor"),
        *_nullable(String(40), "observation_status", "sherlockClassification"),
        *_nullable(_INT_ID, "followup_id"),
        *_nullable(Date, "followup_flag_date"),
        *_nullable(_BIG_ID, "tcs_images_id"),
        Column("ra_psf", Double, nullable=False),
        Column("dec_psf", Double, nullable=False),
        *_nullable(String(40), "local_designation", "ps1_designation"),
        Index("idx_conf_factor", "confidence_factor"),
        Index("idx_detection_list", "detection_list_id"),
    )


def _ps1_comments(metadata: MetaData) -> Table:
    return Table(
        "tcs_object_comments",
        metadata,
        Column("id", _BIG_ID, primary_key=True),
        Column("transient_object_id", _BIG_ID, nullable=False),
        *_nullable(String(255), "comment"),
        *_nullable(DateTime, "date_inserted"),
        *_nullable(String(30), "username"),
        Index("idx_transient_object_id", "transient_object_id"),
    )


def _ps1_groups(metadata: MetaData) -> Table:
    return Table(
        "tcs_object_groups",
        metadata,
        Column("id", _BIG_ID, primary_key=True),
        Column("transient_object_id", _BIG_ID, nullable=False),
        Column("object_group_id", _INT_ID, nullable=False),
        UniqueConstraint("transient_object_id", "object_group_id", name="key_object_group"),
    )


_BUILDERS = {
    "atlas": (
        _atlas_detections,
        _atlas_metadata,
        _atlas_objects,
        _atlas_statistics,
        _detection_lists,
        _postage_stamps,
    ),
    "ps1": (_ps1_objects, _ps1_comments, _ps1_groups, _detection_lists, _postage_stamps),
}


def _schema(survey: str) -> MetaData:
    metadata = MetaData()
    for build in _BUILDERS[survey]:
        build(metadata)
    return metadata


SCHEMAS = {survey: _schema(survey) for survey in _BUILDERS}
"""The tables of each survey."""
