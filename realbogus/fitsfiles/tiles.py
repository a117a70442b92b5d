"""The tiles of packed images: where they lie, which are needed, and whether they are sound."""

import zlib
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from realbogus.fitsfiles.opening import FitsError, open_fits

__all__ = ["rectangles", "require_sound_tiles", "tile_shape"]

_SAFE = ("RICE_1", "RICE_ONE", "PLIO_1")
_ZIPPED = ("GZIP_1", "GZIP_2")
_ZIP_COLUMN = "GZIP_COMPRESSED_DATA"
_TRANSFORMED = "HCOMPRESS_1"
_DATA_COLUMN = "COMPRESSED_DATA"
# The largest number type, and the header of zlib's.
_MOST_BYTES = 8
_WITH_GZIP_HEADER = 31


def tile_shape(image: Any) -> tuple[int, int]:
    """Return the shape (ny, nx) of the tiles of an image; a plain image has rows."""
    if isinstance(image, fits.CompImageHDU):
        rows, columns = image.tile_shape
        return int(rows), int(columns)
    return 1, int(image.shape[1])


def rectangles(touched: NDArray[np.bool_], tile: tuple[int, int]) -> Iterator[tuple[slice, slice]]:
    """Give rectangles of pixels that cover the touched tiles, and each of them once.

    Parameters
    ----------
    touched : ndarray of shape (tiles down, tiles across)
        True for a tile that is needed.
    tile : tuple of int
        The shape of a tile.

    Yields
    ------
    tuple of slice
        Rows and columns; those at the edge may reach beyond the image.
    """
    differs = (touched[1:] != touched[:-1]).any(axis=1)
    edges = [0, *(np.flatnonzero(differs) + 1).tolist(), len(touched)]
    for first, last in pairwise(edges):
        for left, right in _runs(touched[first]):
            yield (
                slice(first * tile[0], last * tile[0]),
                slice(left * tile[1], right * tile[1]),
            )


def require_sound_tiles(path: Path, hdu: int, image: Any, error: FitsError) -> None:
    """Check of tiles what their decoders do not: that they unpack to no more than they should.

    Rice's decoder stops at the end of a tile. Zipped tiles would fill the memory, and those of
    HCOMPRESS bring their own shape, beyond which the decoder writes.

    Raises
    ------
    ImageError or StampError
        If one is larger than its header says.
    """
    if not isinstance(image, fits.CompImageHDU):
        return
    shape = image.tile_shape
    if min(shape) < 1:
        raise error(f"{path}: claims to have tiles of {shape[-1]} x {shape[0]} pixels")
    # Of integers none is zipped beside the others.
    if image.compression_type in _SAFE and image.header["BITPIX"] > 0:
        return
    with open_fits(path, error, disable_image_compression=True) as hdus:
        table = hdus[hdu]
        kind = table.header.get("ZCMPTYPE")
        names = set(table.columns.names)
        zipped = {_DATA_COLUMN} if kind in _ZIPPED else {_ZIP_COLUMN}
        most = int(np.prod(np.minimum(shape, image.shape))) * _MOST_BYTES
        is_bad = any(
            _unzips_beyond(content, most)
            for name in zipped & names
            if _is_filled(table, name)
            for content in _contents(table, name)
        ) or (kind == _TRANSFORMED and not _has_its_shapes(table, image))
    if is_bad:
        raise error(f"{path}: has tiles that are larger than its header says")


def _runs(row: NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    """Give the beginning and the end of each run of True."""
    padded = np.concatenate([[False], row, [False]])
    edges = np.flatnonzero(padded[1:] != padded[:-1]).tolist()
    return zip(edges[::2], edges[1::2], strict=True)


def _is_filled(table: fits.BinTableHDU, name: str) -> bool:
    """Say whether any row of a column has a length: that of zipped tiles is mostly empty."""
    return bool(table.data.view(np.ndarray)[name][:, 0].any())


def _contents(table: fits.BinTableHDU, name: str) -> Iterator[bytes]:
    return (np.asarray(content).tobytes() for content in table.data[name])


def _unzips_beyond(content: bytes, most: int) -> bool:
    unpacker = zlib.decompressobj(_WITH_GZIP_HEADER)
    return len(unpacker.decompress(content, most + 1)) > most or bool(unpacker.unused_data)


def _has_its_shapes(table: fits.BinTableHDU, image: Any) -> bool:
    """Say whether the shapes that HCOMPRESS keeps in each tile, after two bytes, are the tiles'."""
    expected = _shapes(image.shape, image.tile_shape)
    found = [content[2:10] for content in _contents(table, _DATA_COLUMN)]
    return len(found) == len(expected) and all(
        not content or content == shape for content, shape in zip(found, expected, strict=True)
    )


def _shapes(shape: tuple[int, int], tile: tuple[int, int]) -> list[bytes]:
    sides = [
        [int(min(step, side - start)) for start in range(0, side, step)]
        for side, step in zip(shape, tile, strict=True)
    ]
    return [
        rows.to_bytes(4, "big") + columns.to_bytes(4, "big")
        for rows in sides[0]
        for columns in sides[1]
    ]
