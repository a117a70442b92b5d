"""Convolutions that know the symmetries of the square: the four turns and their mirror images.

A picture of the sky has no preferred direction, so a turned or mirrored stamp must get the same
score. Here each filter is used in all its eight orientations; a later layer pairs them by their
relative orientation (Cohen & Welling 2016, Group Equivariant Convolutional Networks, PMLR 48,
2990). The channels of a map are sorted by orientation first: (orientation, filter).
"""

from typing import Any

import numpy as np

from realbogus.models.backend import keras, layers
from realbogus.models.orientations import ORIENTATIONS, arrange, fovea_window, one_hot_places
from realbogus.seeing import UNKNOWN

__all__ = ["Fovea", "OrientedConv", "OrientedPool"]


class Fovea(layers.Layer):  # type: ignore[misc]
    """The middle of a stamp as it is, and the whole of it at half the scale, with their masks.

    `fovea_window` says where they lie. What is exactly 0 was masked, but for a few pixels by
    chance. The five maps are the middle, its mask, and the means of 3 x 3 pixels in steps of two,
    of their masks and of their absolute values, which show raised noise.

    Parameters
    ----------
    psf : bool
        Whether a sixth map has everywhere the value of the stamp's first pixel, which says how wide
        the PSF is, and a seventh 1 where it does; where the width is `realbogus.seeing.UNKNOWN`,
        both are 0. Of an even side, no other map has that pixel.
    """

    def __init__(self, psf: bool = False) -> None:
        super().__init__()
        self.psf = psf

    def build(self, shape: tuple[int | None, ...]) -> None:
        """Take the side from an input of shape (n, side, side, 1)."""
        side = int(shape[1] or 0)
        window = fovea_window(side)
        self.first, self.last = window.first, window.last
        self.steps, self.margin = window.steps, window.margin
        self._means = np.zeros((side, self.steps), np.float32)
        for step in range(self.steps):
            start = self.first + 2 * step
            self._means[start : start + 3, step] = 1 / 3
        super().build(shape)

    def call(self, stamps: Any) -> Any:
        """Give maps of shape (n, steps, steps, maps) of stamps of shape (n, side, side, 1)."""
        pixels = stamps[..., 0]  # (n, side, side)
        masks = keras.ops.cast(keras.ops.equal(pixels, 0), pixels.dtype)
        far = keras.ops.stack([pixels, masks, keras.ops.abs(pixels)], axis=1)
        far = self._shrunk(self._shrunk(far))  # (n, 3, steps, steps)
        start, end = self.first + self.margin, self.first + self.margin + self.steps
        near = keras.ops.stack([pixels, masks], axis=1)[:, :, start:end, start:end]
        maps = [near, far]
        if self.psf:
            width = pixels[:, np.newaxis, :1, :1]
            is_known = keras.ops.cast(keras.ops.not_equal(width, UNKNOWN), pixels.dtype)
            told = keras.ops.concatenate([width * is_known, is_known], axis=1)  # (n, 2, 1, 1)
            maps.append(told * keras.ops.ones_like(near))
        return keras.ops.transpose(keras.ops.concatenate(maps, axis=1), (0, 2, 3, 1))

    def _shrunk(self, maps: Any) -> Any:
        """Shrink the last axis of (n, 3, a, side), and put it first of the two.

        As a product with a matrix, which takes half the time of pooling on a CPU.
        """
        side, length = self._means.shape[0], maps.shape[2]
        means = keras.ops.cast(self._means, maps.dtype)
        shrunk = keras.ops.matmul(keras.ops.reshape(maps, (-1, side)), means)
        shrunk = keras.ops.reshape(shrunk, (-1, 3, length, self.steps))
        return keras.ops.transpose(shrunk, (0, 1, 3, 2))

    def compute_output_shape(self, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Give the shape of the output."""
        return (shape[0], self.steps, self.steps, 7 if self.psf else 5)


class OrientedConv(layers.Layer):  # type: ignore[misc]
    """A convolution with every filter in eight orientations.

    Parameters
    ----------
    filters : int
        Filters; the output has eight times as many channels.
    size : int
        Side of a filter in pixels.
    padding : str
        ``same`` or ``valid``.
    stride : int
        In pixels. With stride 2 the symmetry is exact where side minus size is even.
    lifts : bool
        True if the input is a picture and has no orientations yet.
    """

    def __init__(
        self, filters: int, size: int, padding: str = "same", stride: int = 1, lifts: bool = False
    ) -> None:
        super().__init__()
        self.padding, self.stride = padding, stride
        self._filters, self._size, self._lifts = filters, size, lifts

    def build(self, shape: tuple[int | None, ...]) -> None:
        """Make the weights for an input of shape (n, ny, nx, channels)."""
        orientations = 1 if self._lifts else ORIENTATIONS
        self._channels = int(shape[-1] or 0) // orientations
        self._places = one_hot_places(self._size, lifts=self._lifts)
        rows = self._size**2 * orientations
        deviation = np.sqrt(2 / (rows * self._channels))  # He et al. 2015
        self._base = self.add_weight(
            shape=(rows, self._channels * self._filters),
            initializer=keras.initializers.RandomNormal(stddev=deviation),
            name="base",
        )
        self._bias = self.add_weight(shape=(self._filters,), initializer="zeros", name="bias")

    def call(self, maps: Any) -> Any:
        """Convolve maps of shape (n, ny, nx, channels)."""
        return keras.ops.conv(maps, self.kernel(), self.stride, self.padding) + self.bias()

    def bias(self) -> Any:
        """Give the biases of all output channels."""
        return keras.ops.tile(self._bias, (ORIENTATIONS,))

    def kernel(self) -> Any:
        """Give the filters in all orientations: (size, size, channels in, channels out)."""
        return arrange(
            keras.ops,
            keras.ops.cast(self._places, self._base.dtype),
            self._base,
            size=self._size,
            filters=self._filters,
            lifts=self._lifts,
        )

    def compute_output_shape(self, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Give the shape of the output."""
        shrink = 0 if self.padding == "same" else self._size - 1
        sides = (((side or 0) - shrink - 1) // self.stride + 1 for side in shape[1:3])
        return (shape[0], *sides, ORIENTATIONS * self._filters)


class OrientedPool(layers.Layer):  # type: ignore[misc]
    """The mean over the orientations: what is left does not depend on the direction."""

    def call(self, maps: Any) -> Any:
        """Reduce maps of shape (n, ny, nx, 8 * filters) to (n, ny, nx, filters)."""
        sides = maps.shape[1:3]
        oriented = keras.ops.reshape(
            maps, (-1, *sides, ORIENTATIONS, maps.shape[3] // ORIENTATIONS)
        )
        return keras.ops.mean(oriented, axis=3)

    def compute_output_shape(self, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Give the shape of the output."""
        return (*shape[:3], int(shape[3] or 0) // ORIENTATIONS)
