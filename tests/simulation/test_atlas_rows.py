"""Rows of an ATLAS survey: the measured statistics, and every case that a selection must tell."""

import csv
import sqlite3
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from realbogus.simulation.catalogue import P_COLUMNS
from realbogus.simulation.promoted import LISTS, SCORE_CHANGE

GARBAGE = """
    FROM atlas_detectionsddc d
    JOIN atlas_metadataddc m ON m.id = d.atlas_metadata_id
    JOIN atlas_diff_objects o ON o.id = d.atlas_object_id
    LEFT JOIN tcs_latest_object_stats s ON s.id = o.id
    WHERE o.detection_list_id = 0
"""
OLD = f"o.followup_flag_date < '{SCORE_CHANGE}'"
NEW = f"o.followup_flag_date >= '{SCORE_CHANGE}'"
LOW = (
    f"(({OLD} AND o.realbogus_factor < 0.01) OR ({NEW} AND o.zooniverse_score < 0.2))"
    " AND s.external_crossmatches IS NULL"
)
PLAIN = f"d.image_group_id IS NOT NULL AND d.pkn = 0 AND d.det = 0 AND d.mag > 0 AND {LOW}"
CASES = {
    "chosen, old score": f"{PLAIN} AND {OLD}",
    "chosen, new score": f"{PLAIN} AND {NEW}",
    "flagged in the first second of the new score": (
        f"substr(o.followup_flag_date, 1, 19) = '{SCORE_CHANGE}'"
    ),
    "cross-matched": "s.external_crossmatches IS NOT NULL",
    "old score too high": f"{OLD} AND o.realbogus_factor >= 0.01",
    "old score low, new one high": f"{PLAIN} AND {OLD} AND o.zooniverse_score >= 0.2",
    "new score too high": f"{NEW} AND o.zooniverse_score >= 0.2",
    "new score too high, rank 0": (
        f"{NEW} AND o.zooniverse_score >= 0.2 AND o.realbogus_factor < 0.01"
    ),
    "new score low, rank above 1": f"{PLAIN} AND {NEW} AND o.realbogus_factor > 1",
    "not scored": "o.realbogus_factor IS NULL AND o.zooniverse_score IS NULL",
    "not stamped": f"d.image_group_id IS NULL AND d.det = 0 AND d.mag > 0 AND {LOW}",
    "perhaps a mover": f"d.pkn BETWEEN 1 AND 900 AND d.image_group_id IS NOT NULL AND {LOW}",
    "negative with code 0": f"d.mag < 0 AND d.det = 0 AND d.image_group_id IS NOT NULL AND {LOW}",
    "elongated": f"d.det = 1 AND d.mag > 0 AND {LOW}",
    "negative with code 5": f"d.det = 5 AND d.mag < 0 AND {LOW}",
    "another camera": "m.obs LIKE '03a%'",
    "another night": "m.obs LIKE '02a58311%'",
}


@pytest.fixture
def truth(atlas_survey: Path) -> list[dict[str, str]]:
    with (atlas_survey / "truth.csv").open(encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


@pytest.mark.parametrize("case", CASES)
def test_garbage_list_holds_every_case(atlas_rows: sqlite3.Connection, case: str) -> None:
    assert atlas_rows.execute(f"SELECT count(*) {GARBAGE} AND {CASES[case]}").fetchone()[0] > 0


def test_every_list_has_objects(atlas_rows: sqlite3.Connection) -> None:
    query = "SELECT detection_list_id, count(*) FROM atlas_diff_objects GROUP BY 1"
    counts = dict(tuple(row) for row in atlas_rows.execute(query))
    assert set(counts) == {None, *LISTS}
    names = dict(
        tuple(row) for row in atlas_rows.execute("SELECT id, name FROM tcs_detection_lists")
    )
    assert names == {number: name for number, (name, _) in LISTS.items()}


def test_known_asteroids_have_other_codes_and_negative_light_too(
    atlas_rows: sqlite3.Connection,
) -> None:
    known = atlas_rows.execute("SELECT det, mag FROM atlas_detectionsddc WHERE pkn > 900")
    codes = Counter((row["det"], row["mag"] > 0) for row in known)
    assert codes[0, True] > 300
    assert codes[1, True] > 0
    assert codes[5, False] > 0


def test_truth_labels_what_the_documented_selection_takes(
    atlas_rows: sqlite3.Connection, truth: list[dict[str, str]]
) -> None:
    real = "SELECT id FROM atlas_detectionsddc WHERE pkn > 900 AND det = 0 AND mag > 0"
    for query, label in ((real, "1"), (f"SELECT d.id {GARBAGE} AND {PLAIN}", "0")):
        chosen = {row["id"] for row in atlas_rows.execute(query)}
        assert chosen == {int(row["detection"]) for row in truth if row["label"] == label}


def test_there_are_several_bogus_for_each_real(truth: list[dict[str, str]]) -> None:
    labels = Counter(row["label"] for row in truth)
    assert labels["1"] > 350
    assert labels["0"] > 3.5 * labels["1"]


def test_about_one_label_in_a_hundred_is_wrong(truth: list[dict[str, str]]) -> None:
    labelled = [row for row in truth if row["label"] in "01"]
    wrong = [row for row in labelled if row["label"] != row["real"]]
    assert {row["label"] for row in wrong} == {"0", "1"}
    assert len(wrong) / len(labelled) == pytest.approx(0.01, abs=0.007)


def test_ids_are_beyond_32_bits_and_have_gaps(atlas_rows: sqlite3.Connection) -> None:
    ids = np.array(
        [row["id"] for row in atlas_rows.execute("SELECT id FROM atlas_detectionsddc ORDER BY id")]
    )
    steps = np.diff(ids)
    assert ids.min() > 2**32
    assert (steps == 1).mean() > 0.5
    assert ((steps > 1) & (steps < 100)).any()
    assert (steps > 10_000).sum() == 15


def test_night_is_not_the_whole_part_of_mjd_at_sutherland(atlas_rows: sqlite3.Connection) -> None:
    rows = atlas_rows.execute("SELECT obs, mjd FROM atlas_metadataddc").fetchall()
    lags = {(row["obs"][:3], int(row["obs"][3:8]) - int(row["mjd"])) for row in rows}
    assert lags == {("02a", 0), ("03a", 0), ("03a", 1)}


def test_every_detection_is_at_least_five_sigma(atlas_rows: sqlite3.Connection) -> None:
    worst = atlas_rows.execute("SELECT max(dmag) FROM atlas_detectionsddc").fetchone()[0]
    assert 0.17 < worst <= 0.2


def test_numbers_are_those_that_a_float_column_keeps(atlas_rows: sqlite3.Connection) -> None:
    for row in atlas_rows.execute("SELECT x, y, mag, chin FROM atlas_detectionsddc LIMIT 200"):
        assert all(float(np.float32(value)) == value for value in row)


def test_largest_chance_tells_the_kind(
    atlas_rows: sqlite3.Connection, truth: list[dict[str, str]]
) -> None:
    kinds = {int(row["detection"]): row["kind"] for row in truth}
    columns = [name for name in P_COLUMNS if name != "pkn"]
    found = Counter()
    for row in atlas_rows.execute("SELECT * FROM atlas_detectionsddc"):
        assert all(0 <= row[name] <= 999 for name in P_COLUMNS)
        found[kinds[row["id"]], max(columns, key=lambda name: row[name])] += 1
    assert found["dipole", "psc"] > found["dipole", "pno"]
    assert found["burn", "pbn"] > 0
    assert found["cosmic_ray", "pcr"] > 0
    assert found["noise_peak", "pno"] > found["noise_peak", "psc"]


def test_asteroids_fit_better_than_dipoles(
    atlas_rows: sqlite3.Connection, truth: list[dict[str, str]]
) -> None:
    kinds = {int(row["detection"]): row["kind"] for row in truth}
    rows = atlas_rows.execute("SELECT id, chin FROM atlas_detectionsddc").fetchall()
    chin = {
        kind: np.median([row["chin"] for row in rows if kinds[row["id"]] == kind])
        for kind in ("asteroid", "dipole")
    }
    assert chin["asteroid"] == pytest.approx(1.1, abs=0.3)
    assert chin["dipole"] > 3


def test_promoted_objects_are_seen_again_on_the_next_visits(
    atlas_rows: sqlite3.Connection,
) -> None:
    query = "SELECT id, ndetections FROM atlas_diff_objects WHERE detection_list_id = 0"
    counts = [row["ndetections"] for row in atlas_rows.execute(query)]
    assert set(counts) <= {1, 2, 3, 4}
    assert np.median(counts) >= 3
    statistics = atlas_rows.execute("SELECT count(*) FROM tcs_latest_object_stats").fetchone()[0]
    promoted = "SELECT count(*) FROM atlas_diff_objects WHERE followup_id IS NOT NULL"
    assert statistics == atlas_rows.execute(promoted).fetchone()[0]


def test_stamps_of_promoted_objects_have_the_surveys_names(atlas_rows: sqlite3.Connection) -> None:
    row = atlas_rows.execute(
        "SELECT image_filename, d.atlas_object_id, d.det_id, obs, mjd"
        " FROM tcs_postage_stamp_images i"
        " JOIN atlas_detectionsddc d ON d.image_group_id = i.image_group_id"
        " JOIN atlas_metadataddc m ON m.id = d.atlas_metadata_id WHERE image_type = 'diff'"
    ).fetchone()
    day = int(row["mjd"] * 1000) / 1000
    expected = f"{row['atlas_object_id']}_{day:.3f}_{row['obs']}_{row['det_id']}_diff"
    assert row["image_filename"] == expected
