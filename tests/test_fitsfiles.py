import bz2
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
    read_touched,
    write_image,
    write_packed,
)
from realbogus.fitsfiles.tiles import rectangles
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


NUMBERS = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False), st.integers(-(2**63), 2**64 - 1)
)
TEXTS = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=60)


@given(st.one_of(NUMBERS, TEXTS, st.booleans()))
def test_a_card_is_read_back_by_astropy(value):
    text = encode_cards([("XIMAGE", value)])
    assert len(text) == 80
    card = fits.Card.fromstring(text)
    card.verify("exception")
    assert card.value == (value.rstrip() if isinstance(value, str) else value)
    assert type(card.value) is type(value)


def test_a_cube_in_a_stream_is_fits(tmp_path):
    cube = unique_image(3 * 5, 7, np.float32).reshape(3, 5, 7)
    cube[1, 2, 3] = np.nan
    with (tmp_path / "cube.fits").open("wb") as stream:
        write_image(stream, cube, encode_cards([("FILTER", "c")]))
    with fits.open(tmp_path / "cube.fits") as hdus:
        hdus.verify("exception")
        assert np.array_equal(hdus[0].data, cube, equal_nan=True)
        assert hdus[0].header["FILTER"] == "c"


@given(
    st.integers(1, 6).flatmap(
        lambda width: st.lists(
            st.lists(st.booleans(), min_size=width, max_size=width), min_size=1, max_size=6
        )
    ),
    st.integers(1, 4),
    st.integers(1, 4),
)
def test_rectangles_cover_each_touched_tile_once_and_no_other(grid, height, width):
    touched = np.array(grid)
    covered = np.zeros((touched.shape[0] * height, touched.shape[1] * width), int)
    for rows, columns in rectangles(touched, (height, width)):
        covered[rows, columns] += 1
    assert np.array_equal(covered, np.kron(touched, np.ones((height, width))))


def nothing(shape, tile):
    return np.zeros((-(-shape[0] // tile[0]), -(-shape[1] // tile[1])), bool)


def everything(shape, tile):
    return ~nothing(shape, tile)


READ_ALL = [read_fits, lambda path: read_touched(path, everything)]


@pytest.mark.parametrize("read", READ_ALL)
@pytest.mark.parametrize(("keyword", "value"), [("ZTILE1", 8), ("ZTILE2", 3), ("ZTILE2", 8)])
def test_tiles_that_bring_another_shape_are_refused(tmp_path, read, keyword, value):
    noise = np.random.default_rng(0).integers(-99, 99, (64, 64)).astype(np.int16)
    path = write_fits(tmp_path / "image.fz", noise, packing="HCOMPRESS_1")
    replace_card(path, keyword, f"{keyword:8s}= {value:20d}")
    with pytest.raises(ImageError, match=r"image\.fz: has tiles that are larger than"):
        read(path)


@pytest.mark.parametrize("read", READ_ALL)
@pytest.mark.parametrize("packing", ["RICE_1", "GZIP_1", "HCOMPRESS_1"])
@pytest.mark.parametrize("value", [0, -1])
def test_tiles_without_a_size_are_refused(tmp_path, read, packing, value):
    path = write_fits(tmp_path / "image.fz", unique_image(64, 64), packing=packing)
    replace_card(path, "ZTILE1", f"ZTILE1  = {value:20d}")
    with pytest.raises(ImageError, match=r"image\.fz: "):
        read(path)


def make_bomb(path, *, members):
    """Pack 300 MB into a tile of an image of 64 x 64 pixels."""
    write_fits(path, unique_image(64, 64), packing="GZIP_1", tile=(64, 64))
    zeros = gzip.compress(b"\0" * 300_000_000 if members == 1 else b"\0" * 8192)
    content = zeros if members == 1 else zeros + gzip.compress(b"\0" * 300_000_000)
    with fits.open(path, disable_image_compression=True) as hdus:
        header = hdus[1].header.copy()
    column = fits.Column("COMPRESSED_DATA", "PB()", array=[np.frombuffer(content, np.uint8)])
    table = fits.BinTableHDU.from_columns([column])
    for card in header.cards:
        if card.keyword.startswith("Z"):
            table.header[card.keyword] = card.value
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(path, overwrite=True)


@pytest.mark.parametrize("read", READ_ALL)
@pytest.mark.parametrize("members", [1, 2])
def test_a_tile_that_would_unpack_to_more_than_it_says_is_refused(tmp_path, read, members):
    path = tmp_path / "image.fz"
    make_bomb(path, members=members)
    tracemalloc.start()
    try:
        with pytest.raises(ImageError, match=r"image\.fz: has tiles that are larger than"):
            read(path)
        assert tracemalloc.get_traced_memory()[1] < 50e6
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("read", READ_ALL)
def test_a_zipped_tile_beside_packed_ones_is_looked_at(tmp_path, read):
    noise = np.random.default_rng(0).normal(0, 30, (64, 64)).astype(np.float32)
    path = write_fits(tmp_path / "image.fz", noise, packing="RICE_1")
    with fits.open(path, disable_image_compression=True) as hdus:
        header, data = hdus[1].header.copy(), hdus[1].data
        tiles = list(data["COMPRESSED_DATA"])
        zipped = [np.array([], np.uint8) for _ in tiles]
        tiles[3] = zipped[3]
        zipped[3] = np.frombuffer(gzip.compress(b"\0" * 300_000_000), np.uint8)
        columns = [
            fits.Column("COMPRESSED_DATA", "PB()", array=np.array(tiles, object)),
            fits.Column("GZIP_COMPRESSED_DATA", "PB()", array=np.array(zipped, object)),
            fits.Column("ZSCALE", "D", array=data["ZSCALE"]),
            fits.Column("ZZERO", "D", array=data["ZZERO"]),
        ]
        table = fits.BinTableHDU.from_columns(columns)
    table.header.update({key: value for key, value in header.items() if key[:1] == "Z"})
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(path, overwrite=True)
    with pytest.raises(ImageError, match=r"image\.fz: has tiles that are larger than"):
        read(path)


def test_an_archive_with_a_header_that_lies_is_one_line(tmp_path):
    path = write_fits(tmp_path / "image.fits", unique_image(40, 40))
    replace_card(path, "NAXIS", f"NAXIS   = {2_147_483_648:20d}")
    (tmp_path / "image.fits.gz").write_bytes(gzip.compress(path.read_bytes()))
    with pytest.raises(ImageError, match="too many axes or columns"):
        read_fits(tmp_path / "image.fits.gz")


def test_other_archives_are_not_unpacked(tmp_path):
    plain = write_fits(tmp_path / "image.fits", unique_image(40, 40))
    (tmp_path / "image.fits.bz2").write_bytes(bz2.compress(plain.read_bytes()))
    with pytest.raises(ImageError, match="it does not begin like one"):
        read_fits(tmp_path / "image.fits.bz2")


def test_a_header_that_lies_behind_the_first_is_found(tmp_path):
    path = tmp_path / "image.fits"
    first, second = fits.PrimaryHDU(unique_image(40, 40)), fits.ImageHDU(unique_image(40, 40))
    fits.HDUList([first, second]).writeto(path)
    content = path.read_bytes()
    place = content.index(b"NAXIS   =", content.index(b"XTENSION"))
    lie = f"NAXIS   = {2_147_483_648:20d}".ljust(80).encode()
    path.write_bytes(content[:place] + lie + content[place + 80 :])
    with pytest.raises(ImageError, match="too many axes or columns"):
        read_fits(path)


def test_an_image_too_large_for_the_memory_is_refused(tmp_path):
    path = write_fits(tmp_path / "image.fz", np.zeros((40, 40), np.int16))
    for keyword in ("NAXIS1", "NAXIS2"):
        replace_card(path, keyword, f"{keyword:8s}= {25_000:20d}")
    with path.open("ab") as stream:
        stream.truncate(2880 * (1 + 434_028))  # a sparse file, as long as it claims to be
    with pytest.raises(ImageError, match="claims to be 25000 x 25000 pixels"):
        read_fits(path)


def test_no_tile_needed_gives_an_empty_image(tmp_path):
    path = write_fits(tmp_path / "image.fz", unique_image(40, 50), packing="RICE_1")
    image = read_touched(path, nothing)
    assert image.pixels.shape == (40, 50)
    assert not image.pixels.any()
