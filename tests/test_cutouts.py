"""An exposure's stamps are the same in files and in a cube, and the right pixels of the sky."""

from dataclasses import replace

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS

from realbogus.cutouts import (
    ExposureJob,
    Outcome,
    Sources,
    cut_exposure,
    finished,
    lines_of,
    make_folders,
)
from realbogus.lists import read_list
from realbogus.stamps import read_plane, read_planes, read_stamp
from tests.helpers import unique_image, write_fits
from tests.test_stamps import TPV

OBS = "02a58310o0123c"
NY, NX = 80, 100
OBJECT = 18_000_000_000_000_000_001
ROWS = [
    (11, OBJECT, 30.5, 40.5, 18.0, 0.1, 150.0, -30.0, False),
    (12, OBJECT + 1, 60.7, 33.2, 18.5, 0.2, 150.1, -30.1, True),
    (13, OBJECT + 2, 0.3, 70.9, 19.0, 0.1, 150.2, -30.2, True),
    (14, OBJECT + 3, 150.0, 20.0, 19.5, 0.1, 150.3, -30.3, True),
]


@pytest.fixture
def job(tmp_path):
    pixels = unique_image(NY, NX)
    pixels[38:43, 28:33] = -31415
    cards = {**TPV, "MASKVAL": -31415.0, "FILTER": "c", "MJD-OBS": 58310.4, "MAGZPT": 22.4}
    image = write_fits(tmp_path / "image.fz", pixels, packing="RICE_1", **cards)
    return ExposureJob(OBS, image, tmp_path / "out", 10, "files", "all", Sources.of_rows(ROWS))


def cut(job):
    make_folders(job.location, job.stamp_format)
    return cut_exposure(job)


def test_the_real_come_first_and_keep_their_order():
    sources = Sources.of_rows(ROWS)
    assert sources.detection.tolist() == [12, 13, 14, 11]
    assert sources.object.tolist()[3] == OBJECT
    assert sources.is_real.tolist() == [True, True, True, False]


def test_no_rows_are_no_sources():
    assert len(Sources.of_rows([])) == 0


def test_the_digest_stands_for_every_column():
    sources = Sources.of_rows(ROWS)
    for name, column in vars(sources).items():
        changed = column.copy()
        changed[0] = not changed[0] if name == "is_real" else changed[0] + 1
        assert replace(sources, **{name: changed}).digest != sources.digest


def test_masked_and_outer_sources_are_dropped_and_counted(job):
    assert cut(job) == Outcome(OBS, good=2, bad=0, masked=2)
    assert [row.stamp for row in read_list(job.positions)] == [
        f"good/{OBJECT + 1}_{OBS}_12.fits",
        f"good/{OBJECT + 2}_{OBS}_13.fits",
    ]


def test_planes_and_files_hold_the_same_pixels_and_sky(job, tmp_path):
    cut(job)
    cube = replace(job, location=tmp_path / "cubes", stamp_format="cube")
    cut(cube)
    rows = [read_list(item.positions) for item in (job, cube)]
    assert [row.stamp for row in rows[1]] == [f"cubes/{OBS}.fits[{n}]" for n in (0, 1)]
    for one, other in zip(*rows, strict=True):
        assert replace(one, stamp="") == replace(other, stamp="")
        file, plane = job.location / one.stamp, read_plane(f"{cube.location}/{other.stamp}")
        assert np.array_equal(read_stamp(file), plane.pixels, equal_nan=True)
        header = fits.getheader(file)
        for key in set(header) - {"SIMPLE", "BITPIX", "NAXIS", "NAXIS1", "NAXIS2", ""}:
            assert plane.header[key] == header[key], key


@pytest.mark.filterwarnings("ignore:'datfix' made the change")
@pytest.mark.parametrize("stamp_format", ["files", "cube"])
def test_the_sky_of_a_stamp_is_that_of_the_image(job, stamp_format):
    job = replace(job, stamp_format=stamp_format)
    cut(job)
    row = read_list(job.positions)[0]
    where = f"{job.location}/{row.stamp}"
    header = read_plane(where).header if stamp_format == "cube" else fits.getheader(where)
    sky = WCS(header).pixel_to_world_values(5 + row.x % 1 - 0.5, 5 + row.y % 1 - 0.5)
    whole = WCS(fits.getheader(job.image, 1)).pixel_to_world_values(row.x - 0.5, row.y - 0.5)
    apart = SkyCoord(*sky, unit="deg").separation(SkyCoord(*whole, unit="deg"))
    assert apart.arcsec < 1e-6


def test_a_cube_claims_no_sky_of_its_own_and_its_table_knows_the_planes(job):
    job = replace(job, stamp_format="cube")
    cut(job)
    path = job.location / "cubes" / f"{OBS}.fits"
    with fits.open(path) as hdus:
        hdus.verify("exception")
        assert not [key for key in hdus[0].header if key.startswith(("CRVAL", "CTYPE", "CD1"))]
        assert (hdus[0].header["EXPNAME"], hdus[0].header["FILTER"]) == (OBS, "c")
        assert hdus[1].header["CTYPE1"] == "RA---TPV"
    planes = read_planes(path)
    assert planes["real"].tolist() == [True, True]
    assert planes["object"].tolist() == [str(OBJECT + 1), str(OBJECT + 2)]
    assert planes["x"].tolist() == [60.7, 0.3]


def test_cubes_of_one_kind_have_names_of_their_own(job):
    job = replace(job, stamp_format="cube", kind="real")
    cut(job)
    assert read_list(job.positions)[0].stamp == f"cubes/{OBS}_real.fits[0]"


@pytest.mark.parametrize("stamp_format", ["files", "cube"])
def test_an_exposure_of_which_nothing_can_be_used_is_finished(job, stamp_format):
    job = replace(job, stamp_format=stamp_format, sources=Sources.of_rows(ROWS[3:]))
    assert cut(job) == Outcome(OBS, masked=1)
    assert finished(job) == Outcome(OBS, masked=1)


def test_what_was_finished_is_not_cut_again(job):
    outcome = cut(job)
    job.image.unlink()
    assert cut(job) == outcome == finished(job)


@pytest.mark.parametrize("change", [{"size": 12}, {"stamp_format": "cube"}])
def test_another_way_of_cutting_is_not_finished(job, change):
    cut(job)
    assert finished(replace(job, **change)) is None
    assert finished(replace(job, sources=Sources.of_rows(ROWS[1:]))) is None


def test_a_missing_image_is_a_problem_and_no_list(job):
    job.image.unlink()
    assert cut(job).problem == f"{job.image}: no such file"
    assert not job.positions.exists()


def test_lines_are_divided_by_their_kind(job):
    rows = [*ROWS[1:3], (11, OBJECT, 50.5, 50.5, 18.0, 0.1, 150.0, -30.0, False)]
    outcome = cut(replace(job, sources=Sources.of_rows(rows)))
    assert (outcome.good, outcome.bad) == (2, 1)
    good, bad = (lines_of(job.location, outcome, name) for name in ("good", "bad"))
    assert [line.split()[-1].split("/")[0] for line in (*good, *bad)] == ["good", "good", "bad"]
    assert lines_of(job.location, Outcome(OBS, problem="missing"), "good") == []
