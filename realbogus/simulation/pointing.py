"""Where an exposure points: its world coordinate system, and names made from positions."""

from dataclasses import dataclass

import numpy as np
from astropy.wcs import WCS
from numpy.typing import NDArray

__all__ = ["ATLAS_SCALE", "Pointing", "htm_index", "position_code"]

Array = NDArray[np.float64]

ATLAS_SCALE = 1.863
"""Arcsec per px of the first four cameras."""
_CUBIC = 4.0e-6


@dataclass(frozen=True)
class Pointing:
    """A tangent plane with the TPV distortion that ATLAS uses.

    Parameters
    ----------
    ra, dec : float
        Of the middle of the field, degrees, J2000.
    size : tuple of int
        ``(ny, nx)`` of the image.
    scale : float
        Arcsec per px.
    angle : float
        Rotation of the field, degrees.
    """

    ra: float
    dec: float
    size: tuple[int, int]
    scale: float
    angle: float = 0.0

    def cards(self) -> dict[str, object]:
        """Give the header cards; FITS counts the first pixel's centre as 1."""
        step = self.scale / 3600.0
        cos, sin = np.cos(np.radians(self.angle)), np.sin(np.radians(self.angle))
        return {
            "CTYPE1": "RA---TPV",
            "CTYPE2": "DEC--TPV",
            "CUNIT1": "deg",
            "CUNIT2": "deg",
            "CRVAL1": self.ra,
            "CRVAL2": self.dec,
            "CRPIX1": self.size[1] / 2.0,
            "CRPIX2": self.size[0] / 2.0,
            "CD1_1": float(-step * cos),
            "CD1_2": float(step * sin),
            "CD2_1": float(step * sin),
            "CD2_2": float(step * cos),
            **{f"PV{axis}_{term}": value for axis, term, value in _distortion()},
            "EQUINOX": 2000.0,
            "RADESYS": "FK5",
        }

    def to_sky(self, column: Array, row: Array) -> tuple[Array, Array]:
        """Turn array positions (pixel centres at integers) into ra and dec, degrees."""
        ra, dec = self._wcs().all_pix2world(column, row, 0)
        return np.asarray(ra), np.asarray(dec)

    def _wcs(self) -> WCS:
        cards = self.cards()
        wcs = WCS(naxis=2)
        wcs.wcs.ctype = [cards["CTYPE1"], cards["CTYPE2"]]
        wcs.wcs.crval = [self.ra, self.dec]
        wcs.wcs.crpix = [cards["CRPIX1"], cards["CRPIX2"]]
        wcs.wcs.cd = [[cards["CD1_1"], cards["CD1_2"]], [cards["CD2_1"], cards["CD2_2"]]]
        wcs.wcs.set_pv(_distortion())
        wcs.wcs.set()
        return wcs


def _distortion() -> list[tuple[int, int, float]]:
    """Give the (axis, term, value) of a cubic radial distortion: x (1 + k r^2), the same for y."""
    terms = [(0, 0.0), (1, 1.0), (2, 0.0), (4, 0.0), (5, 0.0), (6, 0.0)]
    return [
        (axis, term, value)
        for axis in (1, 2)
        for term, value in [*terms, (7, _CUBIC), (8, 0.0), (9, _CUBIC), (10, 0.0)]
    ]


def position_code(ra: float, dec: float) -> int:
    """Give the 19-digit name of an ATLAS object: 1 hhmmssff s ddmmssf 00, s = 1 north, 0 south."""
    ticks = int(ra / 15.0 * 360000.0) % (24 * 360000)
    hours, ticks = divmod(ticks, 360000)
    minutes, ticks = divmod(ticks, 6000)
    tenths = int(abs(dec) * 36000.0)
    degrees, tenths = divmod(tenths, 36000)
    arcmin, tenths = divmod(tenths, 600)
    north = 1 if dec >= 0.0 else 0
    return int(
        f"1{hours:02d}{minutes:02d}{ticks:04d}{north}{degrees:02d}{arcmin:02d}{tenths:03d}00"
    )


# The octahedron of the Hierarchical Triangular Mesh (Kunszt et al. 2001): S0-S3, N0-N3.
_X, _Y, _Z = np.eye(3)
_ROOTS = (
    (8, _X, -_Z, _Y),
    (9, _Y, -_Z, -_X),
    (10, -_X, -_Z, -_Y),
    (11, -_Y, -_Z, _X),
    (12, _X, _Z, -_Y),
    (13, -_Y, _Z, -_X),
    (14, -_X, _Z, _Y),
    (15, _Y, _Z, _X),
)


def htm_index(ra: Array, dec: Array, level: int = 16) -> NDArray[np.int64]:
    """Give the triangle of the Hierarchical Triangular Mesh that holds each position.

    Parameters
    ----------
    ra, dec : ndarray
        Degrees, of shape ``(n,)``.
    level : int
        Depth of the mesh.
    """
    along, up = np.radians(ra), np.radians(dec)
    points = np.stack([np.cos(up) * np.cos(along), np.cos(up) * np.sin(along), np.sin(up)], -1)
    index, corners = _root(points)
    for _ in range(level):
        child, corners = _descend(points, corners)
        index = index * 4 + child
    return index


def _root(points: Array) -> tuple[NDArray[np.int64], Array]:
    index = np.full(len(points), 8, dtype=np.int64)
    corners = np.broadcast_to(np.stack(_ROOTS[0][1:]), (len(points), 3, 3)).copy()
    for name, *triangle in _ROOTS:
        inside = _inside(points, np.broadcast_to(np.stack(triangle), (len(points), 3, 3)))
        index[inside] = name
        corners[inside] = np.stack(triangle)
    return index, corners


def _descend(points: Array, corners: Array) -> tuple[NDArray[np.int64], Array]:
    a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
    ab, bc, ca = _middle(a, b), _middle(b, c), _middle(c, a)
    children = [np.stack(t, 1) for t in ((a, ab, ca), (b, bc, ab), (c, ca, bc), (bc, ca, ab))]
    child = np.full(len(points), 3, dtype=np.int64)
    chosen = children[3].copy()
    for number in range(3):
        inside = _inside(points, children[number])
        child[inside] = number
        chosen[inside] = children[number][inside]
    return child, chosen


def _middle(a: Array, b: Array) -> Array:
    total = a + b
    return np.asarray(total / np.linalg.norm(total, axis=1, keepdims=True))


def _inside(points: Array, corners: Array) -> NDArray[np.bool_]:
    sides = [
        np.einsum("ij,ij->i", np.cross(corners[:, i], corners[:, (i + 1) % 3]), points) >= -1e-15
        for i in range(3)
    ]
    return np.asarray(np.logical_and.reduce(sides))
