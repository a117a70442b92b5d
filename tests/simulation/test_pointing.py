"""Positions on the sky and the names made from them."""

import numpy as np
import pytest
from astropy.wcs import WCS
from hypothesis import given
from hypothesis import strategies as st

from realbogus.simulation.pointing import Pointing, htm_index, position_code


def test_middle_of_the_field_points_where_it_says() -> None:
    pointing = Pointing(150.0, 20.0, (1000, 800), 1.863, 0.4)
    ra, dec = pointing.to_sky(np.array([399.0]), np.array([499.0]))
    assert (ra[0], dec[0]) == (pytest.approx(150.0), pytest.approx(20.0))


def test_header_gives_the_same_sky_as_the_rows() -> None:
    pointing = Pointing(10.0, -30.0, (10560, 10560), 1.863, -0.2)
    wcs = WCS(naxis=2)
    cards = pointing.cards()
    wcs.wcs.ctype = [cards["CTYPE1"], cards["CTYPE2"]]
    wcs.wcs.crval = [cards["CRVAL1"], cards["CRVAL2"]]
    wcs.wcs.crpix = [cards["CRPIX1"], cards["CRPIX2"]]
    wcs.wcs.cd = [[cards["CD1_1"], cards["CD1_2"]], [cards["CD2_1"], cards["CD2_2"]]]
    wcs.wcs.set_pv([(int(k[2]), int(k[4:]), v) for k, v in cards.items() if k.startswith("PV")])
    column, row = np.array([0.0, 10559.0]), np.array([5000.0, 10000.0])
    ra, dec = pointing.to_sky(column, row)
    back = wcs.all_world2pix(ra, dec, 1)
    np.testing.assert_allclose(back, [column + 1, row + 1], atol=1e-3)


def test_east_is_left_and_north_is_up() -> None:
    pointing = Pointing(150.0, 0.0, (100, 100), 1.863)
    ra, dec = pointing.to_sky(np.array([10.0, 90.0]), np.array([10.0, 90.0]))
    assert ra[0] > ra[1]
    assert dec[0] < dec[1]


@pytest.mark.parametrize(
    ("ra", "dec", "code"),
    [(0.0, 0.0, 1000000001000000000), (187.50013, -12.5001, 1123000030123000300)],
)
def test_position_code_has_19_digits(ra: float, dec: float, code: int) -> None:
    assert position_code(ra, dec) == code


@given(st.floats(0.0, 359.999), st.floats(-89.9, 89.9))
def test_every_position_has_a_code_and_a_triangle_of_level_16(ra: float, dec: float) -> None:
    triangle = int(htm_index(np.array([ra]), np.array([dec]))[0])
    assert 8 << 32 <= triangle < 16 << 32
    assert (triangle >= 12 << 32) == (dec >= 0) or abs(dec) < 1e-9
    assert len(str(position_code(ra, dec))) == 19


def test_neighbours_share_their_coarse_triangle() -> None:
    near = htm_index(np.array([45.0, 45.0001]), np.array([30.0, 30.0001]), 8)
    assert near[0] == near[1]
    assert len(set(htm_index(np.arange(0.0, 360.0, 5.0), np.full(72, 10.0), 8))) == 72
