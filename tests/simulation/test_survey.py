"""A whole ATLAS survey: its files, and that they depend on the seed alone."""

import csv
import hashlib
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from realbogus.config import load_config
from realbogus.errors import ConfigError, DatabaseError
from realbogus.images import read_image
from realbogus.simulation import simulate

SCRIPT = Path(__file__).parents[2] / "simulateSurvey.py"
TINY = {"exposures": 2, "size": 256, "asteroids": 4, "garbage": 6, "detections": 10}


def _digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    contents = {str(path.relative_to(folder)): path.read_bytes() for path in files}
    return {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}


def _truth(folder: Path) -> list[dict[str, str]]:
    with (folder / "truth.csv").open(encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def _image(folder: Path, obs: str) -> Path:
    return folder / "diff" / obs[:3] / obs[3:8] / f"{obs}.diff.fz"


def test_same_seed_gives_the_same_bytes_whatever_the_number_of_workers(tmp_path: Path) -> None:
    for name, workers in (("one", 1), ("two", 2)):
        simulate(tmp_path / name, workers=workers, **TINY)
    assert _digests(tmp_path / "one") == _digests(tmp_path / "two")


def test_another_seed_gives_other_images(tmp_path: Path) -> None:
    for seed in (1, 2):
        simulate(tmp_path / str(seed), seed=seed, **TINY)
    first, second = (_digests(tmp_path / str(seed)) for seed in (1, 2))
    assert first["config.yaml"] == second["config.yaml"]
    images = [name for name in first if name.endswith(".fz")]
    assert len(images) == 2
    assert all(first[name] != second[name] for name in images)


def test_more_nights_leave_the_earlier_images_as_they_are(tmp_path: Path) -> None:
    simulate(tmp_path / "one", nights=(58310,), **TINY)
    simulate(tmp_path / "two", nights=(58310, 58311), **TINY)
    one, two = _digests(tmp_path / "one"), _digests(tmp_path / "two")
    images = [name for name in one if name.endswith(".fz")]
    assert {name: two[name] for name in images} == {name: one[name] for name in images}


def test_configuration_leads_to_the_database_and_the_images(atlas_survey: Path) -> None:
    config = load_config(atlas_survey / "config.yaml")
    assert config.survey == "atlas"
    assert str(config.database.url).endswith(str(atlas_survey / "survey.db"))
    assert config.images.root == atlas_survey / "diff"


def test_every_exposure_of_the_database_has_its_image(
    atlas_survey: Path, atlas_rows: sqlite3.Connection
) -> None:
    names = [row["obs"] for row in atlas_rows.execute("SELECT obs FROM atlas_metadataddc")]
    assert len(names) == len(set(names)) == 16
    assert {_image(atlas_survey, obs) for obs in names} == set(atlas_survey.rglob("*.fz"))


def test_image_is_packed_integers_with_the_real_keywords(atlas_survey: Path) -> None:
    path = next(atlas_survey.rglob("*.fz"))
    with fits.open(path) as hdus:
        assert isinstance(hdus[1], fits.CompImageHDU)
        assert hdus[1].compression_type == "RICE_1"
        header, pixels = hdus[1].header, hdus[1].data
    assert pixels.dtype == np.int16
    assert pixels.shape == (512, 512)
    assert header["MASKVAL"] == -31415
    assert header["CTYPE1"] == "RA---TPV"
    real = "FILTER EXPTIME MJD-OBS MAGZPT FWHM SATURATE GAIN RDNOISE SKYADU SKYRMS SECPIX DETECTOR"
    assert set(real.split()) <= set(header)


def test_image_has_masked_pixels_and_noise_near_30_adu(atlas_survey: Path) -> None:
    for path in list(atlas_survey.rglob("*.fz"))[:4]:
        image = read_image(path)
        masked = image.pixels == image.mask_value
        assert 0.001 < masked.mean() < 0.5
        spread = np.subtract(*np.percentile(image.pixels[~masked], [75, 25])) / 1.349
        assert spread == pytest.approx(30.0, rel=0.6)


def test_bright_sources_lie_where_the_rows_say(atlas_survey: Path) -> None:
    """The centre of the first pixel is at 0.5: one pixel off, or x for y, would show."""
    offsets = []
    for row in _truth(atlas_survey):
        if row["kind"] == "asteroid" and float(row["mag"]) < 17.5:
            pixels = read_image(_image(atlas_survey, row["exposure"])).pixels
            offsets.append(_centroid_offset(pixels, float(row["x"]) - 0.5, float(row["y"]) - 0.5))
    assert len(offsets) > 10
    np.testing.assert_allclose(np.median(offsets, axis=0), 0.0, atol=0.15)
    assert np.median(np.abs(offsets)) < 0.25


def _centroid_offset(pixels: np.ndarray, column: float, row: float) -> tuple[float, float]:
    x, y = round(column), round(row)
    box = pixels[y - 2 : y + 3, x - 2 : x + 3].astype(float)
    dy, dx = np.mgrid[-2:3, -2:3]
    return (
        float((box * dx).sum() / box.sum() - (column - x)),
        float((box * dy).sum() / box.sum() - (row - y)),
    )


def test_world_coordinates_of_the_file_give_the_sky_positions_of_the_rows(
    atlas_survey: Path, atlas_rows: sqlite3.Connection
) -> None:
    for exposure in atlas_rows.execute("SELECT id, obs FROM atlas_metadataddc").fetchall():
        query = "SELECT x, y, ra, dec FROM atlas_detectionsddc WHERE atlas_metadata_id = ?"
        found = np.array([tuple(row) for row in atlas_rows.execute(query, (exposure["id"],))])
        x, y, ra, dec = found.T
        wcs = WCS(read_image(_image(atlas_survey, exposure["obs"])).header)
        column, row = wcs.all_world2pix(ra, dec, 1)
        np.testing.assert_allclose(column, x + 0.5, atol=0.01)
        np.testing.assert_allclose(row, y + 0.5, atol=0.01)


def test_teide_has_its_own_format_and_a_malformed_filter_card(tmp_path: Path) -> None:
    simulate(tmp_path / "s", cameras=("05r",), nights=(60900,), **TINY)
    path = next((tmp_path / "s").rglob("*.fz"))
    assert path.name.endswith("w.diff.fz")
    assert b"FILTER  = w " in path.read_bytes()
    header = read_image(path).header
    assert header["SECPIX"] == 1.256


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("survey", "ztf", "survey must be one of atlas, ps1; got 'ztf'"),
        ("cameras", ("09z",), "camera must be one of 01a, 02a, 03a, 04a, 05r; got '09z'"),
        ("nights", (), "mjds must name at least one night"),
        ("exposures", 0, "exposures must be between 1 and 3000; got 0"),
        ("size", 20, "size must be between 128 and 30000; got 20"),
        ("seed", -1, "seed must be between 0 and"),
        ("asteroids", -1, "asteroids must be between 0 and"),
        ("workers", 0, "the number of workers must be at least 1; got 0"),
    ],
)
def test_bad_option_is_an_error_that_names_it(
    tmp_path: Path, option: str, value: object, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        simulate(tmp_path / "s", **{**TINY, option: value})
    assert not (tmp_path / "s" / "config.yaml").exists()


def test_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(ConfigError, match="exists and is not an empty folder"):
        simulate(tmp_path, **TINY)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_database_of_a_url_is_filled_once(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'other.db'}"
    simulate(tmp_path / "one", database=url, **TINY)
    assert load_config(tmp_path / "one" / "config.yaml").database.url == url
    assert not (tmp_path / "one" / "survey.db").exists()
    with pytest.raises(DatabaseError, match=r"other\.db: already holds a survey"):
        simulate(tmp_path / "two", database=url, **TINY)
    assert not list((tmp_path / "two").rglob("*"))


def test_killed_run_leaves_nothing_that_looks_finished(tmp_path: Path) -> None:
    words = [sys.executable, str(SCRIPT), "s", "--size", "1024", "--exposures", "40"]
    process = subprocess.Popen([*words, "--threads", "1"], cwd=tmp_path, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not list(tmp_path.rglob("*.diff.fz")) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert list(tmp_path.rglob("*.diff.fz"))
    for name in ("config.yaml", "survey.db", "truth.csv"):
        assert not (tmp_path / "s" / name).exists()


def test_script_makes_a_survey_and_says_where(tmp_path: Path) -> None:
    cameras = ["--camera", "01a", "04a", "--mjds", "58310-58311"]
    words = ["s", *cameras, "--exposures", "1", "--size", "128", "--threads", "1"]
    done = subprocess.run(
        [sys.executable, str(SCRIPT), *words], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "s/config.yaml" in done.stderr
    assert len(list(tmp_path.rglob("*.diff.fz"))) == 4
    again = subprocess.run(
        [sys.executable, str(SCRIPT), *words], cwd=tmp_path, capture_output=True, text=True
    )
    assert again.returncode == 1
    assert again.stderr.count("\n") == 1
