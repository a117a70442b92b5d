import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS
from hypothesis import given
from hypothesis import strategies as st

from realbogus.errors import StampError
from realbogus.images import DifferenceImage, cut_stamps, read_image
from realbogus.stamps import crop, exposure_cards, read_stamp, wcs_cards, write_stamp
from tests.helpers import MALFORMED, replace_card, unique_image, write_fits

TAN = {
    "CTYPE1": "RA---TAN",
    "CTYPE2": "DEC--TAN",
    "CRVAL1": 150.0,
    "CRVAL2": -30.0,
    "CRPIX1": 50.0,
    "CRPIX2": 40.0,
    "CD1_1": -5.2e-4,
    "CD1_2": 1e-5,
    "CD2_1": 1e-5,
    "CD2_2": 5.2e-4,
}
TPV = {
    **TAN,
    "CTYPE1": "RA---TPV",
    "CTYPE2": "DEC--TPV",
    "PV1_0": 1e-4,
    "PV1_1": 1.02,
    "PV1_7": 3e-3,
    "PV2_1": 0.99,
    "PV2_4": -2e-3,
}
ROTATED = {
    **{key: value for key, value in TAN.items() if not key.startswith("CD")},
    "CDELT1": -5e-4,
    "CDELT2": 5e-4,
    "PC1_1": 0.8,
    "PC1_2": -0.6,
    "PC2_1": 0.6,
    "PC2_2": 0.8,
    "LONPOLE": 150.0,
}


def stamp_of(folder, x, y, *, size=10, **cards):
    """Cut a stamp as the stage does: the WCS moves with the corner."""
    image = read_image(write_fits(folder / "image.fits", unique_image(80, 100), **cards))
    pixels = cut_stamps(image, np.array([x]), np.array([y]), size=size)[0]
    corner = [int(x) - size // 2, int(y) - size // 2]
    own = [(f"CRPIX{n}", image.header[f"CRPIX{n}"] - corner[n - 1]) for n in (1, 2)]
    write_stamp(
        folder / "stamp.fits",
        pixels,
        shared=exposure_cards(image.header) + wcs_cards(image.header),
        cards=own,
    )
    return image, folder / "stamp.fits", corner


@pytest.mark.parametrize("cards", [TAN, TPV, ROTATED], ids=["TAN", "TPV", "LONPOLE"])
@pytest.mark.parametrize(("x", "y"), [(60.7, 33.2), (1.5, 78.9)])
def test_the_sky_of_a_stamp_is_the_sky_of_the_image(tmp_path, cards, x, y):
    image, path, (left, bottom) = stamp_of(tmp_path, x, y, **cards)
    column, row = np.meshgrid(np.arange(10), np.arange(10))
    ours = SkyCoord(*WCS(fits.getheader(path)).pixel_to_world_values(column, row), unit="deg")
    whole = SkyCoord(
        *WCS(image.header).pixel_to_world_values(column + left, row + bottom), unit="deg"
    )
    assert ours.separation(whole).arcsec.max() < 1e-6


def test_a_stamp_keeps_the_filter_date_and_zero_point(tmp_path):
    shared = {"FILTER": "c", "MJD-OBS": 59897.191781, "MAGZPT": 22.35, "GAIN": 1.9}
    _, path, _ = stamp_of(tmp_path, 60.5, 30.5, **TAN, **shared, DETECTOR="STA1600LN")
    header = fits.getheader(path)
    assert {key: header[key] for key in shared} == shared
    assert "DETECTOR" not in header
    assert "MASKVAL" not in header


def test_a_malformed_filter_card_does_not_stop_stamping(tmp_path):
    path = write_fits(tmp_path / "05r.fits", unique_image(80, 100), FILTER="w", **TAN)
    header = read_image(replace_card(path, "FILTER", MALFORMED)).header
    cards = exposure_cards(header) + wcs_cards(header)
    assert "FILTER" not in cards
    assert "CRVAL1" in cards


def test_a_written_stamp_is_read_back(tmp_path):
    pixels = unique_image(7, 9, np.float32)
    pixels[2, 3] = np.nan
    write_stamp(tmp_path / "stamp.fits", pixels, shared="", cards=[])
    assert np.array_equal(read_stamp(tmp_path / "stamp.fits"), pixels, equal_nan=True)
    assert [path.name for path in tmp_path.iterdir()] == ["stamp.fits"]


def test_a_stamp_that_can_not_be_written_leaves_nothing(tmp_path):
    (tmp_path / "stamp.fits").mkdir()
    with pytest.raises(OSError, match="directory"):
        write_stamp(tmp_path / "stamp.fits", unique_image(3, 3, np.float32), shared="", cards=[])
    assert [path.name for path in tmp_path.iterdir()] == ["stamp.fits"]


@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.float32])
def test_the_mask_value_of_a_stamp_becomes_nan(tmp_path, dtype):
    pixels = unique_image(6, 6, dtype)
    pixels[1, 2] = -31415
    path = write_fits(tmp_path / "stamp.fits", pixels)
    assert np.isnan(read_stamp(path, mask_value=-31415)).sum() == 1
    assert np.isnan(read_stamp(path)).sum() == 0


def test_blank_of_a_stamp_becomes_nan(tmp_path):
    pixels = unique_image(6, 6)
    pixels[1, 2] = -999
    assert np.isnan(read_stamp(write_fits(tmp_path / "s.fits", pixels, BLANK=-999))[1, 2])


def test_the_extension_says_where_the_pixels_are(tmp_path):
    path = write_fits(tmp_path / "ps1.fits", unique_image(30, 30), packing="RICE_1")
    assert np.array_equal(read_stamp(path, extension=1), unique_image(30, 30))
    with pytest.raises(StampError, match=r"ps1\.fits: holds no image in HDU 0"):
        read_stamp(path)


@pytest.mark.parametrize(("ny", "nx"), [(40, 40), (41, 41), (20, 20), (21, 40), (50, 33)])
@pytest.mark.parametrize("turns", range(4))
def test_the_source_stays_in_the_middle_of_a_crop_however_it_is_turned(ny, nx, turns):
    stamp = unique_image(ny, nx, np.float32)
    cropped = crop(stamp, extent=10)
    assert cropped.shape == (21, 21)
    assert np.rot90(cropped, turns)[10, 10] == stamp[ny // 2, nx // 2]


def test_a_crop_is_the_middle_in_its_order():
    stamp = unique_image(40, 50, np.float32)
    assert np.array_equal(crop(stamp, extent=10), stamp[10:31, 15:36])


def test_the_row_and_column_that_a_stamp_lacks_are_masked():
    cropped = crop(unique_image(20, 20, np.float32), extent=10)
    assert np.array_equal(cropped[:20, :20], unique_image(20, 20))
    assert np.isnan(cropped[20]).all()
    assert np.isnan(cropped[:, 20]).all()


@pytest.mark.parametrize(("ny", "nx"), [(19, 40), (40, 19), (0, 0)])
def test_a_stamp_smaller_than_the_feature_is_an_error(ny, nx):
    with pytest.raises(StampError, match=f"{nx} x {ny} pixels, smaller than 2 x extent = 20"):
        crop(np.zeros((ny, nx), np.float32), extent=10)


@given(st.floats(0, 99.99), st.floats(0, 79.99), st.integers(10, 41), st.integers(1, 5))
def test_from_position_to_feature_the_source_stays_in_the_middle(x, y, size, extent):
    image = DifferenceImage(unique_image(80, 100), None, None)
    stamp = cut_stamps(image, np.array([x]), np.array([y]), size=size)[0]
    assert crop(stamp, extent=extent)[extent, extent] == image.pixels[int(y), int(x)]
