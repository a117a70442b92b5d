import numpy as np
import pytest
from astropy.io import fits

from realbogus.__main__ import main
from realbogus.errors import StampError
from realbogus.stages.cut_atlas import cut_atlas
from realbogus.stages.extract import extract_planes

NIGHTS = (58310,)


@pytest.fixture(scope="module")
def cubes(survey, tmp_path_factory):
    folder = tmp_path_factory.mktemp("cubes")
    cut_atlas(survey, nights=NIGHTS, location=folder, stamp_threads=1, stamp_format="cube")
    return folder


def test_a_plane_becomes_the_stamp_that_would_have_been_cut(survey, cubes, tmp_path):
    cut_atlas(survey, nights=NIGHTS, location=tmp_path, stamp_threads=1)
    line = (tmp_path / "good.txt").read_text().splitlines()[2].split()[-1]
    plane = (cubes / "good.txt").read_text().splitlines()[2].split()[-1]
    (made,) = extract_planes([str(cubes / plane)], tmp_path / "out")
    with fits.open(made) as ours, fits.open(tmp_path / line) as expected:
        ours.verify("exception")
        assert np.array_equal(ours[0].data, expected[0].data, equal_nan=True)
        assert dict(ours[0].header) == dict(expected[0].header)


def test_the_word_names_what_it_made(cubes, tmp_path, capsys):
    cube = next((cubes / "cubes").iterdir())
    assert main(["extract", f"{cube}[0]", f"{cube}[1]", "--out", str(tmp_path / "out")]) == 0
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {f"{cube.stem}_0.fits", f"{cube.stem}_1.fits"}
    assert f"{cube.stem}_1.fits" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("{cube}", "not the name of a plane, such as cube.fits"),
        ("{cube}[9999]", "planes, and plane 9999 is asked for"),
        ("none.fits[0]", r"none\.fits: no such file"),
    ],
)
def test_what_is_no_plane_is_one_line(cubes, tmp_path, name, message):
    cube = next((cubes / "cubes").iterdir())
    with pytest.raises(StampError, match=message):
        extract_planes([name.format(cube=cube)], tmp_path)
    assert not list(tmp_path.iterdir())
