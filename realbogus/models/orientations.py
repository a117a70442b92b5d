"""The symmetries of the square, in arrays: the four turns and their mirror images.

What a symmetric network does, whatever computes it: `realbogus.models.symmetry` makes layers of
Keras of this, and `realbogus.models.graph` plain convolutions.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "ORIENTATIONS",
    "FoveaWindow",
    "arrange",
    "fovea_window",
    "one_hot_places",
    "orient",
    "turned_places",
]

ORIENTATIONS = 8
"""Elements of the group: four quarter turns, then the mirror image and its four."""


def orient(pixels: NDArray[Any], element: int) -> NDArray[Any]:
    """Turn, and from element 4 on mirror, the first two axes of an array."""
    mirrored = pixels[:, ::-1] if element >= 4 else pixels
    return np.rot90(mirrored, element % 4, axes=(0, 1))


@dataclass(frozen=True)
class FoveaWindow:
    """The parts of a stamp that a fovea sees, in pixels along either axis.

    Attributes
    ----------
    first, last : int
        The pixels that count, before the one named last.
    steps : int
        The side of the maps: of the middle as it is, and of the whole in steps of two.
    margin : int
        Where the middle begins in the pixels that count.
    """

    first: int
    last: int
    steps: int
    margin: int


def fovea_window(side: int) -> FoveaWindow:
    """Place a fovea in a stamp of shape (side, side), with the source's pixel in the middle.

    Of an even side the first row and column are left out, and where the halves would not fit, a
    ring of pixels too.
    """
    odd = side - 1 + side % 2
    ring = (odd + 1) // 2 % 2
    first, last = 1 - side % 2 + ring, side - ring
    steps = (odd - 2 * ring - 1) // 2
    return FoveaWindow(first, last, steps, (last - first - steps) // 2)


def turned_places(side: int) -> NDArray[np.intp]:
    """Say which pixel of a stamp comes where when it is turned about the source's pixel.

    Of an even side the first row and column, which have no counterpart, stay.

    Returns
    -------
    ndarray of shape (8, side²)
        For each orientation, indices into the pixels of a stamp of shape (side, side).
    """
    places = np.tile(np.arange(side**2).reshape(side, side), (ORIENTATIONS, 1, 1))
    first = 1 - side % 2
    for element, turned in enumerate(places):
        turned[first:, first:] = orient(turned[first:, first:].copy(), element)
    return places.reshape(ORIENTATIONS, -1)


def one_hot_places(size: int, *, lifts: bool) -> NDArray[np.float32]:
    """Give the matrix that spreads a base of filters over pixels and orientations.

    Parameters
    ----------
    size : int
        Side of a filter in pixels.
    lifts : bool
        True if the input is a picture and has no orientations yet.

    Returns
    -------
    ndarray of shape (size² * orientations in * 8, size² * orientations in)
        Each row has a single 1.
    """
    places = _places(size, lifts=lifts)
    rows: NDArray[np.float32] = np.eye(int(places.max()) + 1, dtype=np.float32)[places.ravel()]
    return rows


def arrange(ops: Any, places: Any, base: Any, *, size: int, filters: int, lifts: bool) -> Any:
    """Give filters in all orientations: (size, size, channels in, channels out).

    Parameters
    ----------
    ops : module
        What computes: `numpy` or `keras.ops`.
    places : array
        From `one_hot_places`.
    base : array of shape (size² * orientations in, channels in an orientation * filters)
        The weights of a layer.
    size, filters, lifts
        Of the layer.
    """
    inner = 1 if lifts else ORIENTATIONS
    channels = int(base.shape[1]) // filters
    spread = ops.matmul(places, base)
    spread = ops.reshape(spread, (size**2, inner, ORIENTATIONS, channels, filters))
    spread = ops.transpose(spread, (0, 1, 3, 2, 4))  # (p, h, in, g, out)
    return ops.reshape(spread, (size, size, inner * channels, ORIENTATIONS * filters))


def _places(size: int, *, lifts: bool) -> NDArray[np.intp]:
    """Find for each pixel, input and output orientation the row of the base that is used there."""
    grid = np.arange(size**2).reshape(size, size)
    pixels = np.stack([orient(grid, g).ravel() for g in range(ORIENTATIONS)], axis=1)  # (p, g)
    if lifts:
        return pixels[:, np.newaxis]  # (p, 1, g)
    return pixels[:, np.newaxis] * ORIENTATIONS + _relative()  # (p, h, g)


def _relative() -> NDArray[np.intp]:
    """Give the element that turns orientation g into orientation h, as an array [h, g]."""
    grid = np.arange(9).reshape(3, 3)
    numbers = {orient(grid, e).tobytes(): e for e in range(ORIENTATIONS)}
    table = np.empty((ORIENTATIONS, ORIENTATIONS), np.intp)
    for element in range(ORIENTATIONS):
        for g in range(ORIENTATIONS):
            product = orient(orient(grid, element), g)
            table[numbers[product.tobytes()], g] = element
    return table
