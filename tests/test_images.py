import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st

from realbogus.errors import ImageError
from realbogus.images import (
    DifferenceImage,
    StampsAt,
    cut_stamps,
    masked_core_fraction,
    read_image,
    read_image_around,
)
from tests.helpers import MALFORMED, replace_card, unique_image, write_fits

NY, NX = 30, 50
IMAGE = DifferenceImage(unique_image(NY, NX), -31415.0, None)


def cut(x, y, *, size=6, image=IMAGE):
    return cut_stamps(image, np.array([x]), np.array([y]), size=size)[0]


@pytest.mark.parametrize("size", [5, 6, 40])
@pytest.mark.parametrize(("x", "y"), [(20.0, 10.0), (20.5, 10.5), (20.999, 10.999)])
def test_the_pixel_of_the_position_is_in_the_middle(x, y, size):
    assert cut(x, y, size=size)[size // 2, size // 2] == IMAGE.pixels[10, 20]


def test_the_next_pixel_begins_at_the_whole_number():
    assert cut(21.0, 10.5)[3, 3] == IMAGE.pixels[10, 21]
    assert cut(20.5, 11.0)[3, 3] == IMAGE.pixels[11, 20]


def test_a_stamp_inside_is_the_piece_of_the_image_in_its_order():
    assert np.array_equal(cut(20.5, 10.5), IMAGE.pixels[7:13, 17:23])
    assert cut(20.5, 10.5).dtype == np.float32


CORNERS = [(0.2, 0.2), (NX - 0.2, 0.2), (0.2, NY - 0.2), (NX - 0.2, NY - 0.2)]


@pytest.mark.parametrize(("x", "y"), CORNERS)
def test_a_source_in_a_corner_keeps_its_place_and_the_rest_is_masked(x, y):
    padded = np.pad(IMAGE.pixels.astype(float), 6, constant_values=np.nan)
    row, column = int(y) + 6, int(x) + 6
    expected = padded[row - 3 : row + 3, column - 3 : column + 3]
    assert np.array_equal(cut(x, y), expected, equal_nan=True)
    assert cut(x, y)[3, 3] == IMAGE.pixels[int(y), int(x)]


@pytest.mark.parametrize(
    ("x", "y"),
    [(-0.1, 5), (-50, 5), (NX + 3, 5), (5, NY + 50), (1e30, 5), (np.nan, 5), (5, -np.inf)],
)
def test_a_position_outside_or_unknown_gives_a_masked_middle(x, y):
    assert np.isnan(cut(x, y)[3, 3])


@pytest.mark.parametrize(("x", "y"), [(1e30, 5), (np.nan, 5), (5, np.inf), (-50, 5)])
def test_far_outside_everything_is_masked(x, y):
    assert np.isnan(cut(x, y)).all()


def test_a_stamp_larger_than_the_image_holds_all_of_it():
    stamp = cut(25.5, 15.5, size=120)
    assert np.isfinite(stamp).sum() == NX * NY
    assert np.array_equal(stamp[45:75, 35:85], IMAGE.pixels)


def test_no_positions_give_no_stamps():
    assert cut_stamps(IMAGE, np.array([]), np.array([]), size=6).shape == (0, 6, 6)


@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.float32])
def test_masked_pixels_are_nan_in_every_number_type(dtype):
    pixels = unique_image(NY, NX, dtype)
    pixels[10, 20], pixels[11, 22] = -31415, -31414
    stamp = cut(20.5, 10.5, image=DifferenceImage(pixels, -31415.0, None))
    assert np.isnan(stamp[3, 3])
    assert stamp[4, 5] == -31414
    assert np.isnan(stamp).sum() == 1
    assert pixels[10, 20] == -31415


@pytest.mark.parametrize("packing", [None, "RICE_1"])
def test_the_mask_value_comes_from_the_header(tmp_path, packing):
    pixels = unique_image(NY, NX)
    pixels[10, 20] = -31415
    path = write_fits(tmp_path / "image.fz", pixels, packing=packing, MASKVAL=-31415.0)
    image = read_image(path)
    assert image.mask_value == -31415
    assert np.isnan(cut(20.5, 10.5, image=image)[3, 3])


@pytest.mark.parametrize("cards", [{}, {"MASKVAL": "none"}])
def test_without_a_mask_value_nothing_is_masked(tmp_path, cards):
    image = read_image(write_fits(tmp_path / "image.fits", unique_image(NY, NX), **cards))
    assert image.mask_value is None
    assert np.array_equal(cut(20.5, 10.5, image=image), IMAGE.pixels[7:13, 17:23])


def test_blank_and_masked_pixels_both_become_nan(tmp_path):
    pixels = unique_image(NY, NX)
    pixels[10, 20], pixels[10, 21] = -31415, -999
    path = write_fits(tmp_path / "image.fits", pixels, MASKVAL=-31415.0, BLANK=-999)
    stamp = cut(20.5, 10.5, image=read_image(path))
    assert list(zip(*np.nonzero(np.isnan(stamp)), strict=True)) == [(3, 3), (3, 4)]


def test_a_malformed_filter_card_does_not_stop_reading(tmp_path):
    path = write_fits(tmp_path / "image.fits", unique_image(NY, NX), FILTER="w", MASKVAL=-1.0)
    assert read_image(replace_card(path, "FILTER", MALFORMED)).mask_value == -1


def test_a_missing_image_is_one_line(tmp_path):
    with pytest.raises(ImageError, match=r"image\.fz: no such file"):
        read_image(tmp_path / "image.fz")


def test_the_core_is_the_five_by_five_pixels_around_the_source():
    stamps = np.zeros((3, 40, 40), np.float32)
    stamps[0, 18:23, 18:23] = np.nan
    stamps[1, :18] = stamps[1, 23:] = np.nan
    stamps[2, 20, 20] = np.nan
    assert masked_core_fraction(stamps) == pytest.approx([1, 0, 1 / 25])


@given(st.floats(-9, NX + 9), st.floats(-9, NY + 9), st.integers(1, 12))
def test_every_stamp_has_the_pixel_of_its_position_in_the_middle(x, y, size):
    middle = cut(x, y, size=size)[size // 2, size // 2]
    if 0 <= x < NX and 0 <= y < NY:
        assert middle == IMAGE.pixels[int(y), int(x)]
    else:
        assert np.isnan(middle)


FORMS = [
    (None, None),
    ("RICE_1", None),
    ("RICE_1", (1, NX)),
    ("RICE_1", (7, 9)),
    ("GZIP_1", None),
    ("GZIP_2", (4, 50)),
    ("HCOMPRESS_1", (16, NX)),
    ("HCOMPRESS_1", (8, 20)),
]
EVERYWHERE = [(x, y) for x in (0.5, 24.9, 49.99) for y in (0.0, 15.5, 29.99)]
PLACES = [[(20.5, 10.5)], *([place] for place in EVERYWHERE), EVERYWHERE, [(-30, 5), (5, 1e9)], []]


def around(path, places, size=6):
    x, y = np.array(places, float).reshape(-1, 2).T
    return cut_stamps(read_image_around(path, x, y, size=size), x, y, size=size)


INTEGERS = [np.int16, np.int32]
# The others round floats.
EXACT = [form for form in FORMS if form[0] not in ("RICE_1", "HCOMPRESS_1")]
FORMS_OF_NUMBERS = [
    *((kind, *form) for kind in INTEGERS for form in FORMS),
    *((np.float32, *form) for form in EXACT),
]


@pytest.mark.parametrize(("dtype", "packing", "tile"), FORMS_OF_NUMBERS)
def test_stamps_out_of_parts_of_an_image_are_those_of_the_whole(tmp_path, dtype, packing, tile):
    pixels = unique_image(NY, NX, dtype)
    path = write_fits(tmp_path / "image.fz", pixels, packing=packing, tile=tile)
    for places in PLACES:
        expected = [cut(x, y) for x, y in places]
        assert np.array_equal(around(path, places), np.reshape(expected, (-1, 6, 6)), True)


@pytest.mark.parametrize("packing", ["RICE_1", "HCOMPRESS_1"])
def test_packed_floats_in_parts_are_those_of_the_whole(tmp_path, packing):
    pixels = np.random.default_rng(0).normal(0, 30, (NY, NX)).astype(np.float32)
    path = write_fits(tmp_path / "image.fz", pixels, packing=packing, tile=(10, 25))
    whole = read_image(path)
    for x, y in EVERYWHERE:
        assert np.array_equal(around(path, [(x, y)])[0], cut(x, y, image=whole), True)
    assert np.abs(whole.pixels - pixels).max() < 10


MASKS = [
    *(("MASKVAL", *form) for form in FORMS_OF_NUMBERS),
    *(("BLANK", kind, *form) for kind in INTEGERS for form in FORMS),
    *(("NaN", np.float32, *form) for form in FORMS),
]


@pytest.mark.parametrize(("mask", "dtype", "packing", "tile"), MASKS)
def test_every_kind_of_masked_pixel_is_nan_in_every_form(tmp_path, mask, dtype, packing, tile):
    pixels = unique_image(NY, NX, dtype)
    pixels[10, 20] = np.nan if mask == "NaN" else -31415
    cards = {} if mask == "NaN" else {mask: -31415}
    path = write_fits(tmp_path / "image.fz", pixels, packing=packing, tile=tile, **cards)
    stamp = around(path, [(20.5, 10.5)])[0]
    assert list(zip(*np.nonzero(np.isnan(stamp)), strict=True)) == [(3, 3)]


def damage_row(path, row):
    """Overwrite what a row of a Rice-packed image was packed into."""
    with fits.open(path, disable_image_compression=True) as hdus:
        table = hdus[1].fileinfo()["datLoc"]
        heap = table + hdus[1].header["NAXIS1"] * hdus[1].header["NAXIS2"]
    content = bytearray(path.read_bytes())
    length, offset = np.frombuffer(content, ">i4", 2 * (row + 1), table)[-2:].tolist()
    start = heap + offset
    content[start : start + length] = b"\xff" * length
    path.write_bytes(content)


def test_only_the_tiles_that_are_needed_are_unpacked(tmp_path):
    noise = np.random.default_rng(0).integers(-99, 99, (NY, NX)).astype(np.int16)
    path = write_fits(tmp_path / "image.fz", noise, packing="RICE_1")
    damage_row(path, 25)
    with pytest.raises(ImageError, match=r"image\.fz: not a readable FITS image"):
        read_image(path)
    assert np.array_equal(around(path, [(20.5, 10.5)])[0], noise[7:13, 17:23])
    assert np.array_equal(around(path, [(20.5, 21.5)])[0], noise[18:24, 17:23])
    with pytest.raises(ImageError, match=r"image\.fz: not a readable FITS image"):
        around(path, [(20.5, 10.5), (5.5, 23.0)])


def test_pixels_that_no_stamp_needs_are_not_there(tmp_path):
    path = write_fits(tmp_path / "image.fz", IMAGE.pixels, packing="RICE_1")
    pixels = read_image_around(path, np.array([20.5]), np.array([10.5]), size=6).pixels
    assert np.array_equal(pixels[7:13], IMAGE.pixels[7:13])
    assert not pixels[:7].any()
    assert not pixels[13:].any()


def test_stamps_cut_when_they_are_asked_for_are_those_cut_at_once():
    image = DifferenceImage(unique_image(60, 50), -31415.0, None)
    rng = np.random.default_rng(0)
    x, y = rng.uniform(-5, 55, 200), rng.uniform(-5, 65, 200)
    stamps, expected = StampsAt(image, x, y, 12), cut_stamps(image, x, y, size=12)
    assert stamps.shape == expected.shape
    assert np.array_equal(stamps[30:90], expected[30:90], equal_nan=True)
    assert np.array_equal(list(stamps), expected, equal_nan=True)
