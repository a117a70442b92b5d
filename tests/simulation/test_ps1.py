"""A Pan-STARRS survey."""

import csv
import sqlite3
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from realbogus.simulation.ps1 import GROUP, MOVER_LIST
from realbogus.simulation.ps1_stamps import make_stamp

CASES = {
    "good": "tcs_transient_objects WHERE detection_list_id = 2",
    "bogus": (
        "tcs_transient_objects WHERE detection_list_id = 0 AND sherlockClassification IS NOT NULL"
        " AND confidence_factor >= 0.01 AND confidence_factor < 0.3"
    ),
    "not scored": "tcs_transient_objects WHERE confidence_factor IS NULL",
    "score too low": "tcs_transient_objects WHERE confidence_factor < 0.01",
    "score too high": (
        "tcs_transient_objects WHERE detection_list_id = 0 AND confidence_factor >= 0.3"
    ),
    "no classification": "tcs_transient_objects WHERE sherlockClassification IS NULL",
    "flagged long ago": "tcs_transient_objects WHERE followup_flag_date < '2014-01-01'",
    "mover": f"tcs_transient_objects WHERE detection_list_id = {MOVER_LIST}"
    " AND observation_status = 'mover'",
    "list of movers, not one": f"tcs_transient_objects WHERE detection_list_id = {MOVER_LIST}"
    " AND observation_status IS NULL",
    "ephemeris": "tcs_object_comments WHERE comment LIKE 'EPH:%arcsec)'",
    "minor planet": "tcs_object_comments WHERE comment LIKE 'MPC:%arcsec)'",
    "too far away": "tcs_object_comments WHERE comment LIKE '%(7.41 arcsec)'",
    "another comment": "tcs_object_comments WHERE comment NOT LIKE '%arcsec%'",
    "group": f"tcs_object_groups WHERE object_group_id = {GROUP}",
    "another group": f"tcs_object_groups WHERE object_group_id <> {GROUP}",
    "target": "tcs_postage_stamp_images WHERE image_type = 'target'",
    "non-detection": "tcs_postage_stamp_images WHERE image_filename LIKE '%4300000000_diff'",
    "failed": "tcs_postage_stamp_images WHERE pss_error_code <> 0",
    "first camera": "tcs_postage_stamp_images WHERE filter LIKE '%00000'",
    "second camera": "tcs_postage_stamp_images WHERE filter LIKE '%00002'",
}


@pytest.mark.parametrize("case", CASES)
def test_database_holds_every_case(ps1_rows: sqlite3.Connection, case: str) -> None:
    assert ps1_rows.execute(f"SELECT count(*) FROM {CASES[case]}").fetchone()[0] > 0


def test_every_good_stamp_of_the_database_is_a_file_of_its_night(
    ps1_survey: Path, ps1_rows: sqlite3.Connection
) -> None:
    query = (
        "SELECT image_filename FROM tcs_postage_stamp_images WHERE image_type = 'diff'"
        " AND pss_error_code = 0 AND image_filename NOT LIKE '%4300000000%'"
    )
    names = {row["image_filename"] for row in ps1_rows.execute(query)}
    root = ps1_survey / "diff" / "survey"
    expected = {root / name.split("_")[1].split(".")[0] / f"{name}.fits" for name in names}
    assert expected == set(ps1_survey.rglob("*.fits"))
    assert all(name.count("_") == 4 for name in names)


def test_truth_names_every_stamp(ps1_survey: Path) -> None:
    with (ps1_survey / "truth.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert {row["exposure"] for row in rows} == {p.stem for p in ps1_survey.rglob("*.fits")}
    assert {row["label"] for row in rows} == {"1", "0", "-1"}


def test_stamp_is_300_packed_floats_in_the_first_extension(ps1_survey: Path) -> None:
    with fits.open(next(ps1_survey.rglob("*.fits"))) as hdus:
        assert isinstance(hdus[1], fits.CompImageHDU)
        assert hdus[1].data.shape == (300, 300)
        assert hdus[1].data.dtype == np.float32


def test_masked_pixels_are_nan_in_the_file(ps1_survey: Path) -> None:
    shares = [np.isnan(fits.getdata(path)).mean() for path in ps1_survey.rglob("*.fits")]
    assert max(shares) > 0.01
    assert max(shares) < 0.6


def test_source_is_in_the_middle_and_well_sampled(rng: np.random.Generator) -> None:
    pixels = make_stamp("point_source", -5.0, rng)
    core = pixels[140:160, 140:160].astype(float)
    y, x = np.mgrid[140:160, 140:160]
    assert (core * x).sum() / core.sum() == pytest.approx(149.5, abs=1.2)
    assert (core * y).sum() / core.sum() == pytest.approx(149.5, abs=1.2)
    assert 12 < (core > core.max() / 2).sum() < 35
