"""Reading many stamps at once: the middles of files, and of planes of cubes."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from realbogus.errors import StampError, StampSizeError
from realbogus.fitsfiles import FitsImage, Header, header_value, read_fits
from realbogus.plainfits import LONGEST_HEADER, Layout, card_number, find_layout
from realbogus.stamps import crop_window

__all__ = ["Crops", "Cut", "OpenCubes", "announce_crops", "crop_stamps", "read_crops"]

_FIRST_READ = 32 * 1024
_SHORT_HEADER = 4 * 2880
_LARGEST_READ = 4 * 2**20
# A pipe in place of a file is not waited for.
_READ = os.O_RDONLY | os.O_NONBLOCK
# Planes in between that are not asked for are read too, up to this share, rather than skipped.
_DENSE = 0.3
_SEEING = "FWHM"
_MASKED = "MASKVAL"
_NAN = float("nan")


@dataclass(frozen=True)
class Cut:
    """What is cut out of a stamp, and how it is read.

    Attributes
    ----------
    extent : int
        Half the side of a feature in pixels.
    extension : int or None
        The HDU of the pixels in a file of its own, None for the first that holds an image; those
        of a cube are always in HDU 0.
    mask_value : float or None
        The value that marks a masked pixel, besides NaN.
    obeys_header : bool
        Without a ``mask_value``, that of the card MASKVAL counts in files of their own, as it does
        where stamps are cut out of difference images.
    stamp_side : int or None
        The side that stamps must have in pixels; None for any that is large enough.
    """

    extent: int
    extension: int | None = 0
    mask_value: float | None = None
    obeys_header: bool = False
    stamp_side: int | None = None

    @property
    def side(self) -> int:
        """The side of a crop, with one pixel more than the feature, so that it can be turned."""
        return 2 * self.extent + 1


@dataclass(frozen=True)
class Crops:
    """The middles of n stamps, as `realbogus.stamps.crop` gives them.

    Attributes
    ----------
    pixels : ndarray of shape (n, 2 * extent + 1, 2 * extent + 1)
        ADU, masked pixels NaN.
    seeing : ndarray of shape (n,)
        The FWHM that the headers say, NaN where they don't.
    """

    pixels: NDArray[np.float32]
    seeing: NDArray[np.float32]


@dataclass(frozen=True)
class _Cube:
    """A cube that is open: its descriptor, its layout if it is plain and whole, its seeing."""

    descriptor: int
    layout: Layout | None
    seeing: float


class OpenCubes:
    """Cubes that stay open, since several threads read many parts of each.

    Parameters
    ----------
    most : int
        So many are kept.
    """

    def __init__(self, most: int = 128) -> None:
        self._most = most
        self._kept: dict[bytes, _Cube] = {}

    def __enter__(self) -> "OpenCubes":
        """Nothing is open."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close what is open."""
        while self._kept:
            os.close(self._kept.popitem()[1].descriptor)

    @contextmanager
    def opened(self, path: bytes) -> Iterator[_Cube]:
        """Give a cube, opened now or before.

        Raises
        ------
        OSError
            If it can't be opened or read.
        """
        kept = self._kept.get(path)
        if kept is not None:
            yield kept
            return
        cube = _open_cube(path)
        if len(self._kept) < self._most and self._kept.setdefault(path, cube) is cube:
            yield cube
            return
        try:
            yield cube
        finally:
            os.close(cube.descriptor)


def read_crops(
    folder: Path,
    files: NDArray[np.bytes_],
    planes: NDArray[np.integer],
    cut: Cut,
    cubes: OpenCubes | None = None,
) -> Crops:
    """Read the middles of stamps.

    Parameters
    ----------
    folder : Path
        Where the names of the files begin.
    files : ndarray of shape (n,)
        File names, UTF-8.
    planes : ndarray of shape (n,)
        The plane of a cube, from 0; -1 for a file of its own. Neighbours of one cube whose planes
        ascend are read together.
    cut : Cut
        What to read of each.
    cubes : OpenCubes, optional
        Keeps cubes open for the next call.

    Raises
    ------
    StampError
        If a file is missing, damaged, holds no such stamp, or one smaller than the feature.
    """
    pixels = np.empty((len(files), cut.side, cut.side), np.float32)
    seeing = np.full(len(files), np.nan, np.float32)
    base, cubes = os.fsencode(folder), cubes or OpenCubes(most=0)
    for start, stop in _runs(files, planes):
        path = os.path.join(base, files[start])  # noqa: PTH118 - ten times as fast as pathlib
        if planes[start] < 0:
            seeing[start] = _read_file(path, cut, pixels[start])
        else:
            run = slice(start, stop)
            seeing[run] = _read_planes(path, planes[run], cut, pixels[run], cubes)
    return Crops(pixels, seeing)


def announce_crops(folder: Path, files: NDArray[np.bytes_], planes: NDArray[np.integer]) -> None:
    """Let the disk begin to read planes of cubes that `read_crops` will be asked for.

    What can't be read is passed over: whoever reads it says why. Files of their own are passed over
    too, for to open one is to wait for it.
    """
    base = os.fsencode(folder)
    for start, stop in _runs(files, planes):
        if planes[start] >= 0:
            with suppress(OSError, OverflowError):
                _announce(os.path.join(base, files[start]), planes[start:stop])  # noqa: PTH118


def crop_stamps(stamps: NDArray[np.float32], cut: Cut, *, header: Header) -> Crops:
    """Give the middles of stamps that are in memory, as `read_crops` gives them of files.

    Parameters
    ----------
    stamps : ndarray of shape (n, ny, nx)
        ADU, masked pixels NaN.
    cut : Cut
        What to take of each.
    header : Header
        Of the image that they are of.
    """
    pixels = np.empty((len(stamps), cut.side, cut.side), np.float32)
    _place(b"", stamps, cut, pixels)
    seeing = _header_number(header, _SEEING)
    return Crops(pixels, np.full(len(stamps), seeing, np.float32))


def _runs(files: NDArray[np.bytes_], planes: NDArray[np.integer]) -> Iterator[tuple[int, int]]:
    """Give the rows, first and behind the last, that can be read together."""
    goes_on = (files[1:] == files[:-1]) & (planes[1:] > planes[:-1]) & (planes[:-1] >= 0)
    ends = [*(np.flatnonzero(~goes_on) + 1).tolist(), len(files)]
    return zip([0, *ends], ends, strict=False)


def _read_file(path: bytes, cut: Cut, target: NDArray[np.float32]) -> float:
    """Read one stamp into ``target``, and give its seeing."""
    content = b"" if cut.extension else _content(path)
    layout = find_layout(content, axes=2)
    if layout is None or len(content) < layout.file_bytes:
        image = read_fits(_path(path), hdu=cut.extension, error=StampError)
        _place(path, image.pixels, cut, target, mask=_number(image, _MASKED))
        return _number(image, _SEEING)
    mask = card_number(content, _MASKED.encode(), layout) if cut.obeys_header else _NAN
    _place(path, layout.image(content), cut, target, mask=mask)
    return card_number(content, _SEEING.encode(), layout)


def _content(path: bytes) -> bytes:
    """Read a small file; nothing of a missing one, which `read_fits` puts in words."""
    try:
        descriptor = os.open(path, _READ)
    except OSError:
        return b""
    try:
        content = os.read(descriptor, _FIRST_READ)
        if len(content) < _FIRST_READ:
            return content
        return content + os.read(descriptor, _LARGEST_READ)
    except OSError:
        return b""
    finally:
        os.close(descriptor)


def _announce(path: bytes, planes: NDArray[np.integer]) -> None:
    descriptor = os.open(path, _READ)
    try:
        layout = find_layout(os.pread(descriptor, _SHORT_HEADER, 0), axes=3)
        if layout is None:
            return
        for rows in _stretches(planes, layout.plane_bytes):
            begin, size = _extent_of(planes[rows], layout)
            os.posix_fadvise(descriptor, begin, size, os.POSIX_FADV_WILLNEED)
    finally:
        os.close(descriptor)


def _read_planes(
    path: bytes,
    planes: NDArray[np.integer],
    cut: Cut,
    target: NDArray[np.float32],
    cubes: OpenCubes,
) -> float:
    """Read ascending planes of a cube into ``target``, and give their seeing."""
    try:
        with cubes.opened(path) as cube:
            if cube.layout is None:
                return _read_other_cube(path, planes, cut, target)
            _require_planes(path, planes, cube.layout.shape[0])
            for rows in _stretches(planes, cube.layout.plane_bytes):
                stretch = _stretch(path, cube.descriptor, cube.layout, planes[rows])
                _place(path, stretch, cut, target[rows])
            return cube.seeing
    except StampError:
        raise
    except OSError as error:
        raise StampError(f"{_path(path)}: can't be read ({error.strerror})") from error


def _open_cube(path: bytes) -> _Cube:
    descriptor = os.open(path, _READ)
    try:
        header = os.pread(descriptor, _SHORT_HEADER, 0)
        layout = find_layout(header, axes=3)
        if layout is None:
            header = os.pread(descriptor, LONGEST_HEADER, 0)
            layout = find_layout(header, axes=3)
        if layout is None or os.fstat(descriptor).st_size < layout.file_bytes:
            return _Cube(descriptor, None, _NAN)
        return _Cube(descriptor, layout, card_number(header, _SEEING.encode(), layout))
    except OSError:
        os.close(descriptor)
        raise


def _read_other_cube(
    path: bytes, planes: NDArray[np.integer], cut: Cut, target: NDArray[np.float32]
) -> float:
    """Read a cube that is not plain, whole, or say in words what is wrong with it."""
    cube = read_fits(_path(path), hdu=0, axes=3, error=StampError)
    _require_planes(path, planes, len(cube.pixels))
    _place(path, cube.pixels[planes], cut, target)
    return _number(cube, _SEEING)


def _require_planes(path: bytes, planes: NDArray[np.integer], count: int) -> None:
    if planes[-1] >= count:
        raise StampError(f"{_path(path)}: has {count} planes, and plane {planes[-1]} is listed")


def _stretches(planes: NDArray[np.integer], plane_bytes: int) -> Iterator[slice]:
    """Give the rows to read at one go: where few planes between are left out, and not too many."""
    limit = max(_LARGEST_READ // plane_bytes, 1)
    start = 0
    if planes[-1] - planes[0] < limit and _DENSE * (planes[-1] - planes[0]) < len(planes):
        yield slice(0, len(planes))
        return
    for stop in range(1, len(planes) + 1):
        is_last = stop == len(planes)
        if is_last or planes[stop] - planes[stop - 1] > 1 or planes[stop] - planes[start] >= limit:
            yield slice(start, stop)
            start = stop


def _stretch(
    path: bytes, descriptor: int, layout: Layout, planes: NDArray[np.integer]
) -> NDArray[Any]:
    """Read from the first to the last of the planes, and give those asked for."""
    begin, size = _extent_of(planes, layout)
    content = os.pread(descriptor, size, begin)
    if len(content) != size:
        raise StampError(f"{_path(path)}: ends before its plane {planes[-1]}")
    cube = np.frombuffer(content, layout.dtype).reshape(-1, *layout.shape[1:])
    return cube if len(cube) == len(planes) else cube[planes - planes[0]]


def _extent_of(planes: NDArray[np.integer], layout: Layout) -> tuple[int, int]:
    """Give where the first of the planes begins, and the bytes up to the end of the last."""
    first, last = int(planes[0]), int(planes[-1])
    return layout.offset + first * layout.plane_bytes, (last - first + 1) * layout.plane_bytes


def _place(
    path: bytes,
    stamps: NDArray[Any],
    cut: Cut,
    target: NDArray[np.float32],
    *,
    mask: float = _NAN,
) -> None:
    """Put the middle of stamps of shape (..., ny, nx) into ``target``, and NaN where they end.

    ``mask`` is what their header says of masked pixels, NaN for nothing.
    """
    ny, nx = stamps.shape[-2:]
    if cut.stamp_side is not None and (ny, nx) != (cut.stamp_side, cut.stamp_side):
        wanted = f"{cut.stamp_side} x {cut.stamp_side}"
        raise StampSizeError(f"{_path(path)}: {nx} x {ny} pixels, not {wanted}")
    try:
        rows, columns = crop_window(ny, nx, extent=cut.extent)
    except StampError as error:
        raise StampSizeError(f"{_path(path)}: {error}") from error
    middle = stamps[..., rows, columns]
    target[..., middle.shape[-2] :, :] = np.nan
    target[..., middle.shape[-1] :] = np.nan
    inside = target[..., : middle.shape[-2], : middle.shape[-1]]
    inside[...] = middle
    if cut.mask_value is not None:
        inside[middle == cut.mask_value] = np.nan
    elif cut.obeys_header and not np.isnan(mask):
        inside[middle == mask] = np.nan


def _number(image: FitsImage, keyword: str) -> float:
    return _header_number(image.header, keyword)


def _header_number(header: Header, keyword: str) -> float:
    value = header_value(header, keyword)
    return float(value) if isinstance(value, int | float) else _NAN


def _path(path: bytes) -> Path:
    return Path(os.fsdecode(path))
