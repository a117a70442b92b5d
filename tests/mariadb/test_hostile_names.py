"""Names that would lead elsewhere, as a server can carry them: refused row by row, and counted."""

import re

import pytest

from realbogus.lists import read_list, read_list_recipe
from realbogus.simulation import simulate
from realbogus.stages.cut_atlas import cut_atlas
from realbogus.stages.cut_ps1 import cut_ps1
from tests.mariadb.server import use_account
from tests.ps1 import make_survey

NIGHT = 58310
BEGIN = f"02a{NIGHT}"
OBS = {
    "another folder": f"{BEGIN}/../../../../x",
    "another folder after a name": f"{BEGIN}o0001c/../../../../x",
    "an absolute path": f"{BEGIN}/etc/passwd",
    "a newline": f"{BEGIN}o0001\nc",
    "a last newline": f"{BEGIN}o0001c\n",
    "a NUL": f"{BEGIN}o0001c\0",
    "a NUL within": f"{BEGIN}o0\0001c",
    "a blank": f"{BEGIN}o0001c x",
    "another suffix": f"{BEGIN}o0001c.fits",
    "the camera in capitals": f"02A{NIGHT}o0001c",
    "letters of another script": f"{BEGIN}o0001é",
    "60 characters": BEGIN + "x" * 52,
}
PS1 = {
    "another folder": "{0}_../../../../x",
    "another folder in a field": "{0}_57001.1_../../x_4_diff",
    "an absolute path": "{0}_/etc/passwd_1_2_diff",
    "a newline": "{0}_57001.1_3\n_4_diff",
    "a last newline": "{0}_57001.1_3_4_diff\n",
    "a NUL": "{0}_57001.1_3\0_4_diff",
    "letters of another script": "{0}_57001.1_3é_4_diff",
    "255 characters": "{0}_57001.1_3_4_diff" + "x" * 232,
}
LONG = 10_000


def files_of(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


@pytest.fixture
def atlas(server, tmp_path):
    """Simulate a night on the server; give the configuration."""
    config = simulate(
        tmp_path / "survey",
        nights=(NIGHT,),
        exposures=2,
        size=256,
        asteroids=8,
        garbage=60,
        detections=20,
        database=server.make_database("hostile"),
    )
    return use_account(config, server.make_reader("hostile", user="hostile_reader"))


def add_exposures(server, names):
    with server.connect("hostile") as connection, connection.cursor() as cursor:
        rows = [(900 + number, obs, f"{number}", NIGHT) for number, obs in enumerate(names)]
        insert = "INSERT INTO atlas_metadataddc (id, obs, filename, mjd, date_inserted)"
        cursor.executemany(f"{insert} VALUES (%s, %s, %s, %s, NOW())", rows)
        cursor.execute(
            "INSERT INTO atlas_detectionsddc (atlas_metadata_id, atlas_object_id, det_id, x, y,"
            " mag, det, pkn, date_inserted) SELECT id, 7, 1, 100, 100, 18, 0, 999, NOW() FROM"
            " atlas_metadataddc WHERE id >= 900"
        )


def assert_refused(config, folder, number, caplog):
    before = files_of(folder)
    cut_atlas(config, nights=(NIGHT,), location=folder / "out", stamp_threads=1)
    counts = read_list_recipe(folder / "out/good.txt").results["nights"][str(NIGHT)]
    assert (counts["exposures"], counts["refused"]) == (2, number)
    made = files_of(folder) - before
    assert made and all(re.fullmatch(r"out(/[\w.]+){0,2}", name, re.ASCII) for name in made)
    rows = read_list(folder / "out/good.txt")
    assert len({row.obs for row in rows}) == 2
    assert all(re.fullmatch(rf"{BEGIN}o\d{{4}}[a-z]", row.obs, re.ASCII) for row in rows)
    (said,) = [
        item.message for item in caplog.records if "left out for their names" in item.message
    ]
    assert said.startswith(f"night {NIGHT}: {number} exposures are left out for their names: '02")
    assert said.isprintable() and len(said) < 600


def test_exposures_of_hostile_names_are_refused_and_counted(server, atlas, tmp_path, caplog):
    add_exposures(server, OBS.values())
    assert_refused(atlas, tmp_path, len(OBS), caplog)


def test_an_exposure_of_a_name_of_10_kb_is_refused_and_counted(server, atlas, tmp_path, caplog):
    """No such name fits the column as it is."""
    change = (
        "ALTER TABLE atlas_metadataddc DROP INDEX key_obs, MODIFY obs TEXT CHARACTER SET utf8mb4"
    )
    server.run(change, database="hostile")
    add_exposures(server, [BEGIN + "o" * LONG, f"{BEGIN}o0001c" + "/.." * (LONG // 3)])
    assert_refused(atlas, tmp_path, 2, caplog)


@pytest.fixture
def ps1(server, tmp_path):
    url = server.make_database("hostile")
    local = server.make_reader("hostile", user="hostile_reader")
    return make_survey(tmp_path / "survey", url=url, local=local)


def assert_stamps_refused(survey, folder, names, caplog):
    for name in names:
        survey.add_stamp(3000, name=name.format(3000), file=False)
    before = files_of(folder)
    cut_ps1(survey.config, location=folder / "out")
    found = read_list_recipe(folder / "out/good.txt").results["good"]
    assert found == {"objects": 3, "stamps": 3, "missing": 0, "refused": len(names)}
    assert files_of(folder) - before == {"out", "out/good.txt", "out/bad.txt"}
    (said,) = [
        item.message for item in caplog.records if "left out for their names" in item.message
    ]
    assert said.startswith(f"{len(names)} stamps are left out for their names: '3000_")
    assert said.isprintable() and len(said) < 600


def test_stamps_of_hostile_names_are_refused_and_counted(ps1, tmp_path, caplog):
    assert_stamps_refused(ps1, tmp_path, list(PS1.values()), caplog)


def test_a_stamp_of_a_name_of_10_kb_is_refused_and_counted(server, ps1, tmp_path, caplog):
    change = "ALTER TABLE tcs_postage_stamp_images DROP INDEX idx_image_filename, MODIFY"
    server.run(f"{change} image_filename TEXT CHARACTER SET utf8mb4", database="hostile")
    long = "{0}_57001.1_" + "3" * LONG + "_4_diff"
    assert_stamps_refused(ps1, tmp_path, [long], caplog)
