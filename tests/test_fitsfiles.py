import gzip
import tracemalloc
import warnings

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st

from realbogus.errors import ImageError, StampError
from realbogus.fitsfiles import (
    Header,
    check_fits,
    encode_cards,
    encode_image,
    header_value,
    read_fits,
    write_packed,
)
from tests.helpers import MALFORMED, replace_card, unique_image, write_fits


@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.float32])
@pytest.mark.parametrize("packing", [None, "RICE_1", "GZIP_1", "GZIP_2"])
def test_every_packing_and_number_type_gives_the_pixels(tmp_path, dtype, packing):
    pixels = unique_image(21, 34, dtype)
    path = write_fits(tmp_path / "image.fits", pixels, packing=packing)
    if packing == "RICE_1" and dtype is np.float32:
        assert read_fits(path).pixels == pytest.approx(pixels, abs=1)
    else:
        assert np.array_equal(read_fits(path).pixels, pixels)


def test_a_gzipped_file_is_read(tmp_path):
    plain = write_fits(tmp_path / "image.fits", unique_image(5, 7))
    path = tmp_path / "image.fits.gz"
    path.write_bytes(gzip.compress(plain.read_bytes()))
    assert np.array_equal(read_fits(path).pixels, unique_image(5, 7))


def test_the_first_image_is_found_and_another_can_be_named(tmp_path):
    path = tmp_path / "image.fits"
    second, third = unique_image(4, 5), unique_image(5, 4)
    fits.HDUList(
        [fits.PrimaryHDU(), fits.ImageHDU(second), fits.ImageHDU(third)],
    ).writeto(path)
    assert np.array_equal(read_fits(path).pixels, second)
    assert np.array_equal(read_fits(path, hdu=2).pixels, third)


def test_blank_pixels_are_nan(tmp_path):
    pixels = unique_image(5, 5)
    pixels[2, 3] = -999
    image = read_fits(write_fits(tmp_path / "image.fits", pixels, BLANK=-999))
    assert np.isnan(image.pixels[2, 3])
    assert np.isnan(image.pixels).sum() == 1


def test_packed_nan_comes_back_as_nan(tmp_path):
    pixels = np.random.default_rng(0).normal(0, 30, (32, 40)).astype(np.float32)
    pixels[7, 9] = np.nan
    write_packed(tmp_path / "a" / "image.fz", pixels, {"FILTER": ("c", "the filter")})
    with fits.open(tmp_path / "a" / "image.fz", disable_image_compression=True) as hdus:
        assert "ZBLANK" in str(hdus[1].columns.names) + str(list(hdus[1].header))
    image = read_fits(tmp_path / "a" / "image.fz")
    assert list(zip(*np.nonzero(np.isnan(image.pixels)), strict=True)) == [(7, 9)]
    assert image.header["FILTER"] == "c"


def test_packed_integers_are_exact_and_in_the_second_hdu(tmp_path):
    pixels = unique_image(50, 60)
    write_packed(tmp_path / "image.fz", pixels, {"MASKVAL": -31415.0})
    image = read_fits(tmp_path / "image.fz", hdu=1)
    assert np.array_equal(image.pixels, pixels)
    assert image.pixels.dtype.kind == "i"
    assert image.header["MASKVAL"] == -31415


def test_a_malformed_card_hides_only_its_own_value(tmp_path):
    path = write_fits(tmp_path / "image.fits", unique_image(5, 5), FILTER="w", EXPTIME=30.0)
    image = read_fits(replace_card(path, "FILTER", MALFORMED))
    assert header_value(image.header, "FILTER") is None
    assert header_value(image.header, "EXPTIME") == 30
    assert header_value(image.header, "NONE") is None


def test_a_lower_case_exponent_is_read(tmp_path):
    path = write_fits(tmp_path / "image.fits", unique_image(5, 5), CD1_1=1.0)
    image = read_fits(replace_card(path, "CD1_1", "CD1_1   = -5.2e-4"))
    assert header_value(image.header, "CD1_1") == -5.2e-4


def test_encoded_images_are_fits(tmp_path):
    pixels = unique_image(6, 9, np.float32)
    pixels[1, 2] = np.nan
    path = tmp_path / "stamp.fits"
    path.write_bytes(encode_image(pixels, encode_cards([("OBJECT", "77"), ("XIMAGE", 10535.96)])))
    assert path.stat().st_size % 2880 == 0
    with fits.open(path) as hdus:
        hdus.verify("exception")
        assert np.array_equal(hdus[0].data, pixels, equal_nan=True)
        assert (hdus[0].header["OBJECT"], hdus[0].header["XIMAGE"]) == ("77", 10535.96)


@pytest.mark.parametrize("error", [ImageError, StampError])
def test_a_missing_file_raises_what_was_asked_for(tmp_path, error):
    with pytest.raises(error, match=r"none\.fz: no such file"):
        read_fits(tmp_path / "none.fz", error=error)


@pytest.mark.parametrize("content", [b"", b"not FITS", b"\x89PNG\r\n", b"SIMPLE  =", b" " * 5760])
def test_what_is_not_fits_is_one_line(tmp_path, content):
    path = tmp_path / "stamp.fits"
    path.write_bytes(content)
    with pytest.raises(StampError, match=r"stamp\.fits: not a readable FITS image \("):
        read_fits(path, error=StampError)


def test_a_folder_is_one_line(tmp_path):
    with pytest.raises(ImageError, match="not a readable FITS image"):
        read_fits(tmp_path)


def test_a_file_without_image_is_one_line(tmp_path):
    fits.HDUList([fits.PrimaryHDU()]).writeto(tmp_path / "empty.fits")
    with pytest.raises(ImageError, match=r"empty\.fits: holds no image$"):
        read_fits(tmp_path / "empty.fits")
    with pytest.raises(StampError, match=r"empty\.fits: holds no image in HDU 0"):
        read_fits(tmp_path / "empty.fits", hdu=0, error=StampError)


def test_an_image_without_pixels_is_no_image(tmp_path):
    path = write_fits(tmp_path / "image.fits", unique_image(4, 4))
    path.write_bytes(path.read_bytes()[:2880])
    replace_card(path, "NAXIS1", "NAXIS1  =                    0")
    with pytest.raises(ImageError, match="holds no image"):
        read_fits(path)


def test_a_missing_hdu_is_one_line(tmp_path):
    path = write_fits(tmp_path / "image.fits", unique_image(4, 4))
    with pytest.raises(StampError, match="not a readable FITS image"):
        read_fits(path, hdu=3, error=StampError)


@pytest.mark.parametrize("hdu", [None, 0])
def test_a_cube_is_no_image(tmp_path, hdu):
    write_fits(tmp_path / "cube.fits", np.zeros((2, 3, 4), np.int16))
    with pytest.raises(ImageError, match="holds no image"):
        read_fits(tmp_path / "cube.fits", hdu=hdu)


@pytest.mark.parametrize("packing", [None, "RICE_1"])
@pytest.mark.parametrize("kept", [0.3, 0.6, 0.9])
def test_a_truncated_file_is_one_line(tmp_path, packing, kept):
    noise = np.random.default_rng(0).integers(-99, 99, (300, 300)).astype(np.int16)
    path = write_fits(tmp_path / "image.fz", noise, packing=packing)
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    with pytest.raises(ImageError, match=r"image\.fz: not a readable FITS image"):
        read_fits(path)


LIES = [
    (None, "NAXIS1", 30_000),
    (None, "NAXIS2", 30_000),
    (None, "NAXIS1", 2_000_000_000),
    (None, "NAXIS2", -5),
    (None, "BITPIX", 7),
    (None, "NAXIS", 2_147_483_648),
    ("RICE_1", "ZNAXIS", 2_147_483_648),
    ("RICE_1", "TFIELDS", 2_147_483_648),
    ("RICE_1", "ZNAXIS1", 30_000),
    ("RICE_1", "ZNAXIS2", 30_000),
    ("RICE_1", "ZNAXIS1", 2_000_000_000),
    ("RICE_1", "ZNAXIS2", 0),
    ("RICE_1", "ZBITPIX", 7),
    ("RICE_1", "NAXIS2", 2_000_000),
    ("RICE_1", "PCOUNT", 2_000_000_000),
    ("RICE_1", "TFIELDS", 900),
]


@pytest.mark.parametrize(("packing", "keyword", "value"), LIES)
def test_a_header_that_lies_is_one_line_and_no_huge_allocation(tmp_path, packing, keyword, value):
    path = write_fits(tmp_path / "image.fz", unique_image(40, 40), packing=packing)
    replace_card(path, keyword, f"{keyword:8s}= {value:20d}")
    tracemalloc.start()
    try:
        with pytest.raises(ImageError, match=r"image\.fz: "):
            read_fits(path)
        assert tracemalloc.get_traced_memory()[1] < 50e6
    finally:
        tracemalloc.stop()


def test_a_small_file_can_not_claim_to_be_a_huge_image(tmp_path):
    path = write_fits(tmp_path / "image.fz", unique_image(40, 40), packing="RICE_1")
    for keyword in ("ZNAXIS1", "ZNAXIS2"):
        replace_card(path, keyword, f"{keyword:8s}= {30_000:20d}")
    with pytest.raises(ImageError, match=r"image\.fz: claims to be 30000 x 30000 pixels"):
        read_fits(path)


@pytest.fixture(scope="module", params=[None, "RICE_1", "GZIP_1"])
def sound(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("sound") / "image.fz"
    noise = np.random.default_rng(0).integers(-99, 99, (40, 40)).astype(np.int16)
    return write_fits(path, noise, packing=request.param, FILTER="c", MASKVAL=-31415.0)


def read_damaged(path, content):
    damaged = path.with_name("damaged.fz")
    damaged.write_bytes(content)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # as users run it
        try:
            image = read_fits(damaged)
        except ImageError as error:
            assert "\n" not in str(error)
        else:
            assert image.pixels.ndim == 2
            header_value(image.header, "FILTER")


@given(flips=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 7)), min_size=1))
def test_flipped_bits_give_pixels_or_one_line(sound, flips):
    content = bytearray(sound.read_bytes())
    for place, bit in flips:
        content[int(place * len(content))] ^= 1 << bit
    read_damaged(sound, bytes(content))


@given(data=st.data())
def test_overwritten_cards_give_pixels_or_one_line(sound, data):
    content = bytearray(sound.read_bytes())
    cards = [n for n in range(0, len(content), 80) if content[n + 8 : n + 10] == b"= "]
    place = data.draw(st.sampled_from(cards))
    value = data.draw(
        st.sampled_from(["0", "-1", "1", "7", "99999", "T", "'text'", "1.5", "", "2147483648"])
    )
    content[place + 10 : place + 80] = value.rjust(20).ljust(70).encode()
    read_damaged(sound, bytes(content))


def test_headers_are_astropys():
    assert Header is fits.Header


@pytest.mark.parametrize("packing", [None, "RICE_1"])
def test_a_whole_image_passes_the_check_with_and_without_sums(tmp_path, packing):
    check_fits(write_fits(tmp_path / "plain.fits", unique_image(40, 50), packing=packing))
    with fits.open(tmp_path / "plain.fits") as hdus:
        hdus.writeto(tmp_path / "sums.fits", checksum=True)
    check_fits(tmp_path / "sums.fits")


def test_an_edited_card_passes_the_check(tmp_path):
    path = tmp_path / "image.fits"
    fits.PrimaryHDU(unique_image(40, 50), fits.Header({"FILTER": "w"})).writeto(path, checksum=True)
    check_fits(replace_card(path, "FILTER", MALFORMED))


@pytest.mark.parametrize("packing", [None, "RICE_1"])
@pytest.mark.parametrize("lost", [1, 2880, 3000])
def test_an_image_without_its_end_fails_the_check(tmp_path, packing, lost):
    path = write_fits(tmp_path / "image.fits", unique_image(90, 100), packing=packing)
    path.write_bytes(path.read_bytes()[:-lost])
    with pytest.raises(ImageError, match=r"image\.fits: not a readable FITS image .*truncated"):
        check_fits(path)


def test_a_table_without_an_image_fails_the_check(tmp_path):
    table = fits.BinTableHDU.from_columns([fits.Column("x", "D", array=[1.0])])
    table.writeto(tmp_path / "table.fits")
    with pytest.raises(ImageError, match=r"table\.fits: holds no image$"):
        check_fits(tmp_path / "table.fits")
