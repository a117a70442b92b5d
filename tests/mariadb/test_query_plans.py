"""Each query finds its rows by the intended index, on tables of production's kind.

A million detections of 80 exposures, one object each; half a million Pan-STARRS stamps.
"""

from datetime import date

import pytest
from sqlalchemy.dialects import mysql

from realbogus.database import Database, atlas, ps1, stamps, writing

SINCE = date(2019, 1, 1)
EXPOSURE = 40
IN_EXPOSURE = 12_500
AN_OBJECT = 1_010_000_000_000_000_000

ATLAS_ROWS = [
    "INSERT INTO atlas_metadataddc (id, obs, filename, mjd, date_inserted) SELECT seq,"
    " CONCAT(ELT(1 + seq MOD 4, '01a', '02a', '03a', '04a'), 58000 + seq DIV 4000, 'o',"
    " LPAD(seq DIV 4 MOD 1000, 4, '0'), 'c'), seq, 58000 + seq / 4000, NOW()"
    " FROM seq_1_to_40000",
    "INSERT INTO atlas_detectionsddc (id, atlas_metadata_id, atlas_object_id, det_id, x, y, mag,"
    " dmag, ra, `dec`, det, pkn, image_group_id, date_inserted) SELECT 4000000000 + seq,"
    f" seq DIV {IN_EXPOSURE}, {AN_OBJECT} + seq * 7919 MOD 1000003, seq MOD {IN_EXPOSURE},"
    " seq MOD 10560, seq MOD 10007, 18.5, 0.1, 10, 20, seq MOD 2 * 5, seq * 31 MOD 1000,"
    " IF(seq MOD 50 = 0, seq, NULL), NOW() FROM seq_1_to_1000000",
    "INSERT INTO atlas_diff_objects (id, detection_id, htm16ID, ra, `dec`, date_inserted,"
    f" detection_list_id, followup_flag_date, zooniverse_score) SELECT {AN_OBJECT} + seq, seq, seq,"
    " 10, 20, NOW(), IF(seq MOD 50 = 0, seq DIV 50 MOD 5, NULL), '2025-01-01', 0.1"
    " FROM seq_1_to_500000",
    f"INSERT INTO tcs_latest_object_stats (id) SELECT {AN_OBJECT} + seq * 50 FROM seq_1_to_10000",
]
PS1_ROWS = [
    "INSERT INTO tcs_transient_objects (id, detection_list_id, confidence_factor,"
    " observation_status, sherlockClassification, followup_flag_date, ra_psf, dec_psf) SELECT"
    f" {AN_OBJECT} + seq * 1000, IF(seq MOD 20 = 0, seq DIV 20 MOD 10, NULL), seq MOD 100 / 100,"
    " 'mover', 'SN', '2020-01-01', 10, 20 FROM seq_1_to_200000",
    "INSERT INTO tcs_object_comments (transient_object_id, comment) SELECT"
    f" {AN_OBJECT} + seq * 1000, 'EPH: x (1.00 arcsec)' FROM seq_1_to_200000",
    "INSERT INTO tcs_object_groups (transient_object_id, object_group_id) SELECT"
    f" {AN_OBJECT} + seq * 1000, seq MOD 100 FROM seq_1_to_100000",
    "INSERT INTO tcs_postage_stamp_images (image_type, image_filename, image_group_id,"
    " pss_error_code, filter) SELECT ELT(1 + seq MOD 3, 'diff', 'target', 'ref'),"
    f" CONCAT({AN_OBJECT} + seq DIV 3 * 1000, '_58000.123_', seq, '_7_',"
    " ELT(1 + seq MOD 3, 'diff', 'target', 'ref')), seq, 0, 'r.00000' FROM seq_1_to_500000",
]


@pytest.fixture(scope="session")
def filled(mariadb):
    """Fill a database of each survey by its server alone; give the server."""
    for survey, statements in (("atlas", ATLAS_ROWS), ("ps1", PS1_ROWS)):
        name = f"many_{survey}"
        with Database.open(mariadb.make_database(name)) as database:
            database.create_tables(survey)
        tables = [f"ANALYZE TABLE {words.split()[2]} PERSISTENT FOR ALL" for words in statements]
        mariadb.run("SET unique_checks = 0", *statements, *tables, database=name)
    return mariadb


def explain(server, survey, query):
    """Give (table, index, how it is read, rows) of each step of a plan."""
    compiled = query.compile(dialect=mysql.dialect(), compile_kwargs={"literal_binds": True})
    statement = str(compiled).replace("%%", "%")
    plan = server.run(f"EXPLAIN {statement}", database=f"many_{survey}")
    return [
        (row[2], index_of(row), row[3], int(row[8] or 0), row[9] or "") for row in plan if row[5]
    ]


def index_of(row):
    """Give the index of a step of a plan.

    MariaDB 11 looks for an object by its list and its id together, as each index ends in the id.
    """
    return "PRIMARY" if row[3:6:2] == ("eq_ref", "idx_detection_list") else row[5]


DETECTIONS = ("atlas_detectionsddc", "idx_atlas_metadata_id")
OBJECTS = ("atlas_diff_objects", "PRIMARY")
MANY = [AN_OBJECT + number * 600 for number in range(500)]
ATLAS = {
    "exposures": (atlas.exposures("02a", 58003), [("atlas_metadataddc", "key_obs")], 1100),
    "asteroids": (
        atlas.asteroid_detections(EXPOSURE, pkn_above=900),
        [DETECTIONS],
        3 * IN_EXPOSURE,
    ),
    "good": (atlas.good_detections(EXPOSURE), [DETECTIONS, OBJECTS], 3 * IN_EXPOSURE),
    "garbage": (
        atlas.garbage_detections(EXPOSURE, realbogus_below=0.01, zooniverse_below=0.2),
        [DETECTIONS, OBJECTS, ("tcs_latest_object_stats", "PRIMARY")],
        3 * IN_EXPOSURE,
    ),
    "candidates": (atlas.unpromoted_candidates(EXPOSURE), [DETECTIONS], 3 * IN_EXPOSURE),
    "unpromoted": (
        atlas.unpromoted_among(range(4_000_500_000, 4_000_500_750, 10)),
        [("atlas_detectionsddc", "PRIMARY"), OBJECTS],
        80,
    ),
    "listed": (
        stamps.listed_objects("atlas", 4, after=AN_OBJECT),
        [("atlas_diff_objects", "idx_detection_list")],
        4000,
    ),
    "scores": (writing.stored_statement("atlas", MANY, locks=True), [OBJECTS], 500),
    "writing": (writing.score_statement("atlas", dict.fromkeys(MANY, 0.5)), [OBJECTS], 500),
}
BY_LIST = ("tcs_transient_objects", "idx_detection_list")
BY_ID = ("tcs_transient_objects", "PRIMARY")
SOME = [AN_OBJECT + number * 1000 for number in range(5000, 5100)]
PS1 = {
    "flagged": (ps1.flagged_objects(2, flagged_after=SINCE), [BY_LIST], 4000),
    "movers": (ps1.mover_objects(5, score_above=0.05), [BY_LIST], 4000),
    "low scores": (
        ps1.low_scored_objects(0, flagged_after=SINCE, score_from=0.01, score_below=0.3),
        [BY_LIST],
        4000,
    ),
    "comments": (
        ps1.comments_of(SOME),
        [("tcs_object_comments", "idx_transient_object_id")],
        200,
    ),
    "stamps": (
        ps1.stamps_of(SOME, filter_ending="00000"),
        [("tcs_postage_stamp_images", "idx_image_filename")] * 100,
        1000,
    ),
    "listed": (stamps.listed_objects("ps1", 4, after=AN_OBJECT), [BY_LIST], 4000),
    "stamps to score": (
        stamps.stamps_of("ps1", SOME),
        [("tcs_postage_stamp_images", "idx_image_filename")] * 100,
        1000,
    ),
    "scores": (writing.stored_statement("ps1", MANY, locks=True), [BY_ID], 500),
    "writing": (writing.score_statement("ps1", dict.fromkeys(MANY, 0.5)), [BY_ID], 500),
}
GROUPS = [("tcs_object_groups", "key_object_group"), ("tcs_transient_objects", "PRIMARY")]
QUERIES = {("atlas", name): case for name, case in ATLAS.items()}
QUERIES |= {("ps1", name): case for name, case in PS1.items()}


@pytest.mark.parametrize(("survey", "name"), QUERIES)
def test_a_query_reads_by_its_index_and_joins_no_other_table(filled, survey, name):
    query, expected, most_rows = QUERIES[survey, name]
    plan = explain(filled, survey, query)
    assert [step[:2] for step in plan] == expected
    assert not {step[2] for step in plan} & {"ALL", "index"}
    assert max(step[3] for step in plan) <= most_rows
    assert not [step for step in plan if "temporary" in step[4]]
    assert not (name == "listed" and "filesort" in plan[0][4])


def test_a_group_is_looked_for_in_the_groups_only(filled):
    """The small table of groups has no index of their numbers; the large one is not read."""
    plan = explain(filled, "ps1", ps1.grouped_objects(57))
    assert [step[:2] for step in plan] == GROUPS
    assert [step[2] for step in plan] == ["index", "eq_ref"]


def test_the_table_has_a_million_detections(filled):
    assert filled.run("SELECT COUNT(*) FROM atlas_detectionsddc", database="many_atlas") == (
        (1_000_000,),
    )
