"""Stamps are the same whether read one by one or in blocks, and so are the errors."""

import os
import threading

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st

from realbogus.blocks import Cut, OpenCubes, announce_crops, read_crops
from realbogus.errors import StampError, StampSizeError
from realbogus.fitsfiles import encode_cards
from realbogus.plainfits import card_number, find_layout
from realbogus.stamps import crop, plane_name, read_planes, read_stamp, write_cube, write_stamp
from tests.helpers import open_files, replace_card, unique_image, write_fits

CUT = Cut(5)


def make_cube(path, n=12, ny=14, nx=12, **columns):
    pixels = unique_image(n * ny, nx, np.float32).reshape(n, ny, nx)
    pixels[1, 2, 3] = np.nan
    numbers = np.arange(n)
    given = {"x": numbers + 0.5, "y": numbers + 0.5, "object": numbers.astype(str)}
    columns = {**given, "detection": numbers, **columns}
    write_cube(path, pixels, shared=encode_cards([("FWHM", 2.25)]), columns=columns)
    return pixels


def crops_of(folder, *names, cut=CUT):
    files, planes = zip(
        *[(name.partition("[")[0].encode(), plane(name)) for name in names], strict=True
    )
    return read_crops(folder, np.array(files), np.array(planes), cut)


def plane(name):
    return int(name.partition("[")[2].rstrip("]") or -1)


def test_astropy_opens_a_cube_and_its_table(tmp_path):
    pixels = make_cube(tmp_path / "c.fits", mag=np.arange(12) / 4)
    with fits.open(tmp_path / "c.fits") as hdus:
        hdus.verify("exception")
        assert np.array_equal(hdus[0].data, pixels, equal_nan=True)
        assert hdus[0].data.dtype == np.dtype(">f4")
        assert hdus["PLANES"].data["object"][7] == "7"
        assert hdus["PLANES"].data["mag"][3] == 0.75
        assert hdus[0].header["FWHM"] == 2.25
    assert read_planes(tmp_path / "c.fits")["detection"].tolist() == list(range(12))


def test_a_plane_is_read_by_its_name(tmp_path):
    pixels = make_cube(tmp_path / "c.fits")
    assert np.array_equal(read_stamp(tmp_path / "c.fits[7]", extension=1), pixels[7])
    with pytest.raises(StampError, match=r"c\.fits: has 12 planes, and plane 12 is asked for"):
        read_stamp(tmp_path / plane_name("c.fits", 12))


@pytest.mark.parametrize(
    ("n", "columns"),
    [(0, {}), (2, {"mag": np.zeros(3)}), (2, {"x": np.zeros(1)})],
)
def test_a_cube_needs_planes_and_a_row_for_each(tmp_path, n, columns):
    with pytest.raises(StampError, match="a cube needs at least one plane and a row for each"):
        make_cube(tmp_path / "c.fits", n=max(n, 2), **columns) if n else write_cube(
            tmp_path / "c.fits", np.zeros((0, 3, 3), np.float32), shared="", columns={}
        )
    assert not list(tmp_path.iterdir())


@given(planes=st.lists(st.integers(0, 299), min_size=1, max_size=40), extent=st.integers(1, 6))
def test_planes_in_any_order_are_those_that_are_named(tmp_path_factory, planes, extent):
    folder = tmp_path_factory.getbasetemp()
    if not (folder / "blocks.fits").exists():
        make_cube(folder / "blocks.fits", n=300)
    cube = unique_image(300 * 14, 12, np.float32).reshape(300, 14, 12)
    cube[1, 2, 3] = np.nan
    crops = crops_of(folder, *(f"blocks.fits[{n}]" for n in planes), cut=Cut(extent))
    expected = [crop(cube[n], extent=extent) for n in planes]
    assert np.array_equal(crops.pixels, expected, equal_nan=True)
    assert (crops.seeing == 2.25).all()


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int32, np.float32, np.float64])
@pytest.mark.parametrize("card", ["", "BLANK   = 7", "BSCALE  = 2.0", "BZERO   = 100.0"])
def test_files_and_planes_of_every_number_type_give_what_astropy_does(tmp_path, dtype, card):
    pixels = (unique_image(14, 12) % 120).astype(dtype)
    write_fits(tmp_path / "s.fits", pixels, FWHM=2.5, SPARE=0)
    write_fits(tmp_path / "c.fits", np.stack([pixels, pixels + 1]), FWHM=2.5, SPARE=0)
    if np.dtype(dtype).kind == "i":
        for name in ("s.fits", "c.fits"):
            replace_card(tmp_path / name, "SPARE", card)
    crops = crops_of(tmp_path, "s.fits", "c.fits[1]", "c.fits[0]", cut=Cut(5, mask_value=80))
    for name, got in zip(("s.fits", "c.fits[1]", "c.fits[0]"), crops.pixels, strict=True):
        expected = crop(read_stamp(tmp_path / name, mask_value=80), extent=5)
        assert np.array_equal(got, expected, equal_nan=True)
    assert crops.seeing.tolist() == [2.5] * 3


@pytest.mark.parametrize("name", ["packed.fits", "second.fits"])
def test_another_hdu_is_read_and_cubes_mix_in(tmp_path, name):
    pixels = unique_image(14, 12)
    write_fits(tmp_path / "packed.fits", pixels, packing="RICE_1", FWHM=3.0)
    hdus = [fits.PrimaryHDU(), fits.ImageHDU(pixels, fits.Header({"FWHM": 3.0}))]
    fits.HDUList(hdus).writeto(tmp_path / "second.fits")
    cube = make_cube(tmp_path / "c.fits")
    crops = crops_of(tmp_path, name, "c.fits[4]", cut=Cut(5, extension=1))
    assert np.array_equal(crops.pixels[0], crop(pixels.astype(np.float32), extent=5))
    assert np.array_equal(crops.pixels[1], crop(cube[4], extent=5))
    assert crops.seeing.tolist() == [3.0, 2.25]


def hostile(path, kind):
    """Spoil a stamp or a cube."""
    content = path.read_bytes()
    if kind == "cut short":
        path.write_bytes(content[: len(content) // 2])
    elif kind == "not FITS":
        path.write_bytes(b"\x89PNG" + content)
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "missing":
        path.unlink()
    else:
        keyword, value = kind
        replace_card(path, keyword, f"{keyword:8s}= {value:20d}")


SPOILT = ["cut short", "not FITS", "empty", "missing"]
LIES = [("NAXIS1", 10**6), ("NAXIS2", 2**31), ("NAXIS2", -4), ("BITPIX", 7), ("NAXIS", 999)]


@pytest.mark.parametrize("kind", [*SPOILT, *LIES], ids=str)
@pytest.mark.parametrize("name", ["s.fits", "c.fits[1]"])
def test_a_hostile_file_is_the_same_line_as_by_itself(tmp_path, name, kind):
    write_stamp(tmp_path / "s.fits", unique_image(40, 40, np.float32), shared="", cards=[])
    make_cube(tmp_path / "c.fits", ny=40, nx=40)
    hostile(tmp_path / name.partition("[")[0], kind)
    with pytest.raises(StampError) as alone:
        read_stamp(tmp_path / name)
    with pytest.raises(StampError) as block:
        crops_of(tmp_path, name)
    assert "\n" not in str(block.value)
    if kind != "missing" or name == "s.fits":
        assert str(block.value) == str(alone.value)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("c.fits[12]", r"c\.fits: has 12 planes, and plane 12 is listed"),
        ("s.fits[0]", r"s\.fits: holds no cube in HDU 0"),
        ("c.fits", r"c\.fits: holds no image in HDU 0"),
        ("small.fits", r"small\.fits: 9 x 20 pixels, smaller than 2 x extent = 10"),
        ("none.fits[0]", r"none\.fits: can't be read \(No such file"),
    ],
)
def test_a_stamp_that_is_not_there_is_one_line(tmp_path, name, message):
    make_cube(tmp_path / "c.fits")
    write_fits(tmp_path / "s.fits", unique_image(14, 12))
    write_fits(tmp_path / "small.fits", unique_image(20, 9))
    with pytest.raises(StampError, match=message):
        crops_of(tmp_path, name)


@given(data=st.data())
def test_flipped_bits_give_pixels_or_one_line(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "flipped.fits"
    write_stamp(path, unique_image(12, 12, np.float32), shared="", cards=[("FWHM", 2.0)])
    content = bytearray(path.read_bytes())
    for place, bit in data.draw(st.lists(st.tuples(st.integers(0, 700), st.integers(0, 7)))):
        content[place] ^= 1 << bit
    path.write_bytes(bytes(content))
    try:
        crops = crops_of(path.parent, path.name)
    except StampError as error:
        assert "\n" not in str(error)
    else:
        assert crops.pixels.shape == (1, 11, 11)


def test_only_plain_images_are_read_by_hand(tmp_path):
    plain = write_fits(tmp_path / "p.fits", unique_image(4, 5), FWHM=2.5, FILTER="END")
    scaled = write_fits(tmp_path / "s.fits", unique_image(4, 5), SPARE=0)
    replace_card(scaled, "SPARE", "BZERO   = 1.0")
    content = plain.read_bytes()
    layout = find_layout(content, axes=2)
    assert (layout.shape, layout.offset, layout.dtype) == ((4, 5), 2880, np.dtype(">i2"))
    assert np.array_equal(layout.image(content), unique_image(4, 5))
    assert card_number(content, b"FWHM", layout) == 2.5
    assert np.isnan(card_number(content, b"SEEING", layout))
    assert np.isnan(card_number(content, b"FILTER", layout))
    assert find_layout(content, axes=3) is None
    assert find_layout(scaled.read_bytes(), axes=2) is None
    assert find_layout(b"", axes=2) is None


@pytest.mark.parametrize("packing", [None, "RICE_1"])
def test_the_value_of_masked_pixels_in_the_header_counts_only_if_it_shall(tmp_path, packing):
    pixels = unique_image(14, 14)
    pixels[7, 7] = -31415
    write_fits(tmp_path / "a.fits", pixels, packing=packing, MASKVAL=-31415.0)
    cuts = {
        "header": Cut(5, None, obeys_header=True),
        "option": Cut(5, None, mask_value=float(pixels[6, 6]), obeys_header=True),
        "neither": Cut(5, None),
    }
    found = {
        name: np.argwhere(np.isnan(crops_of(tmp_path, "a.fits", cut=cut).pixels[0])).tolist()
        for name, cut in cuts.items()
    }
    assert found == {"header": [[5, 5]], "option": [[4, 4]], "neither": []}


def test_a_stamp_of_another_size_than_its_survey_makes_is_refused(tmp_path):
    write_fits(tmp_path / "a.fits", unique_image(20, 30))
    with pytest.raises(StampSizeError, match=r"a\.fits: 30 x 20 pixels, not 30 x 30"):
        crops_of(tmp_path, "a.fits", cut=Cut(5, stamp_side=30))
    with pytest.raises(StampSizeError, match="smaller than 2 x extent = 22"):
        crops_of(tmp_path, "a.fits", cut=Cut(11))


def test_what_is_announced_may_be_missing_damaged_or_absurd_and_no_file_stays_open(tmp_path):
    make_cube(tmp_path / "c.fits")
    content = (tmp_path / "c.fits").read_bytes()
    (tmp_path / "short.fits").write_bytes(content[:3000])
    (tmp_path / "text.fits").write_text("no cube")
    (tmp_path / "absurd.fits").write_bytes(content)
    for keyword in ("NAXIS1", "NAXIS2"):
        replace_card(tmp_path / "absurd.fits", keyword, f"{keyword}  = {999_999_999:20d}")
    names = ["c", "c", "short", "text", "absurd", "absurd", "missing", "alone"]
    files = np.array([f"{name}.fits".encode() for name in names])
    planes = np.array([2, 7, 0, 0, 10, 11, 3, -1])
    before = open_files()
    announce_crops(tmp_path, files, planes)
    assert open_files() == before


@pytest.mark.parametrize("name", ["pipe.fits", "pipe.fits[1]"])
def test_a_pipe_is_one_line_and_nobody_waits_for_it(tmp_path, name):
    os.mkfifo(tmp_path / "pipe.fits")
    found = []

    def read():
        for reader in (crops_of, lambda folder, stamp: read_stamp(folder / stamp)):
            with pytest.raises(StampError, match=r"pipe\.fits: .*(pipe|seek)"):
                reader(tmp_path, name)
            found.append(reader)

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    thread.join(20)
    assert len(found) == 2


def test_cubes_stay_open_for_the_next_call_and_no_longer(tmp_path):
    names = [f"c{number}.fits" for number in range(3)]
    for number, name in enumerate(names):
        make_cube(tmp_path / name, n=5 + number)
    files, planes = np.array([name.encode() for name in names]), np.array([1, 2, 3])
    expected = read_crops(tmp_path, files, planes, Cut(5))
    before = open_files()
    with OpenCubes(most=2) as cubes:
        for _ in range(2):
            crops = read_crops(tmp_path, files, planes, Cut(5), cubes)
            np.testing.assert_array_equal(crops.pixels, expected.pixels)
            kept = [path for path in open_files() if path.endswith(".fits")]
            assert kept == [str(tmp_path / name) for name in names[:2]]
        (tmp_path / "c0.fits").unlink()
        again = read_crops(tmp_path, files[:1], planes[:1], Cut(5), cubes)
        np.testing.assert_array_equal(again.pixels, expected.pixels[:1])
    assert open_files() == before


@pytest.mark.parametrize(
    ("planes", "expected"),
    [([2, 3, 7], [(2, 6)]), ([1, 2, 25], [(1, 2), (25, 1)])],
    ids=["few between", "many between"],
)
def test_the_disk_is_asked_for_just_the_planes_that_are_announced(
    tmp_path, monkeypatch, planes, expected
):
    make_cube(tmp_path / "c.fits", n=30)
    asked = []
    monkeypatch.setattr(os, "posix_fadvise", lambda _, *what: asked.append(what))
    announce_crops(tmp_path, np.array([b"c.fits"] * 3), np.array(planes))
    start = (tmp_path / "c.fits").read_bytes().index(b"END" + b" " * 77)
    offset, plane_bytes = -(-start // 2880) * 2880, 14 * 12 * 4
    assert asked == [
        (offset + first * plane_bytes, count * plane_bytes, os.POSIX_FADV_WILLNEED)
        for first, count in expected
    ]
