"""Training sets in HDF5.

==========================================  ================================================
``X``, ``testX``                            normalised stamps, float32 of shape (n, ny, nx)
``y``, ``testy``                            targets, int8 of shape (n,): 1 real, 0 bogus
``train_files``, ``test_files``             names of the stamps
``train_objects``, ``test_objects``         objects; none is in both parts
``train_mag``, ``test_mag``                 magnitudes, NaN where unknown
``train_…``, ``test_…`` as in `TRAITS`      what else is known of each stamp
``…`` as in `GIVEN_TRAITS`                  what users may have added
``recipe``                                  what made the set
==========================================  ================================================

Data sets of the predecessor are read too. Their ``X`` and ``testX`` are flattened, of shape
(n, ny * nx); ``y`` and ``testy`` are one column, or two of which the second is 1 for real; objects
are what the names of the files begin with.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from math import isqrt
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from realbogus.errors import DatasetError
from realbogus.exposures import read_exposure_name
from realbogus.files import atomic_path
from realbogus.hdf5 import (
    File,
    add_recipe,
    open_hdf5,
    read_recipe,
    reserve_space,
    text_type,
)
from realbogus.lists import object_of
from realbogus.parallel import in_background
from realbogus.recipes import Recipe

__all__ = [
    "GIVEN_TRAITS",
    "TRAITS",
    "DatasetWriter",
    "Part",
    "StoredStamps",
    "cameras_of",
    "read_columns",
    "read_dataset_recipe",
    "read_part",
    "read_stamps",
    "write_dataset",
]

TRAITS: Mapping[str, str] = {
    "snr": "signal to noise, 1.0857 / dmag; NaN where unknown",
    "night": "MJD; -1 where unknown",
    "camera": "empty where unknown",
    "filter": "empty where unknown",
    "seeing": "FWHM in the stamp's header, pixels; NaN where unknown",
    "masked": "fraction of the feature's pixels that are masked",
}
"""What a data set says of each stamp, besides its object and magnitude."""

GIVEN_TRAITS: Mapping[str, str] = {
    "star_distance": "to the nearest bright star, arcsec; NaN where unknown",
}
"""What it may say too, in columns that whoever knows it has added to the file."""

_NAMES = {"train": ("X", "y"), "test": ("testX", "testy")}
_COLUMNS = ("files", "objects", "mag")
# A chunk of an HDF5 file is read and written as a whole.
_CHUNK_BYTES = 2**18
# Rows of which all but the pixels are written at one go.
_COLUMN_ROWS = 65_536
# Sets of more bytes leave the system's memory as they are written, for the stamps to be read.
_LARGE = 2**29
# Rows in between that are not asked for are read too, up to so many, rather than skipped.
_GAP = 16


@dataclass(frozen=True)
class Part:
    """The training or the test part of a data set, or some rows of it.

    Attributes
    ----------
    stamps : ndarray of shape (n, ny, nx)
        Normalised pixels.
    targets : ndarray of shape (n,)
        1 for real, 0 for bogus.
    names, objects : ndarray of shape (n,)
        The stamps' file names, and the objects that they show: texts, or UTF-8.
    mag : ndarray of shape (n,)
        Magnitudes, NaN where unknown.
    traits : mapping of str to ndarray of shape (n,)
        Some of `TRAITS` and `GIVEN_TRAITS`.
    """

    stamps: NDArray[np.float32]
    targets: NDArray[np.int8]
    names: NDArray[Any]
    objects: NDArray[Any]
    mag: NDArray[np.floating]
    traits: Mapping[str, NDArray[Any]] = field(default_factory=dict)

    def __len__(self) -> int:
        """Return the number of stamps."""
        return len(self.targets)

    def select(self, rows: NDArray[np.integer] | NDArray[np.bool_]) -> "Part":
        """Return the part with these rows only."""
        return Part(
            self.stamps[rows],
            self.targets[rows],
            self.names[rows],
            self.objects[rows],
            self.mag[rows],
            {name: values[rows] for name, values in self.traits.items()},
        )


class StoredStamps:
    """Stamps of a data set that stay in its file until they are asked for.

    Choosing rows reads nothing; ``np.asarray`` reads what was chosen, as float32.

    Parameters
    ----------
    path : Path
        The data set.
    which : str
        The part.
    rows : ndarray of shape (n,)
        The rows of the file.
    sides : tuple of int
        Of a stamp.
    """

    ndim = 3

    def __init__(
        self, path: Path, which: str, rows: NDArray[np.intp], sides: tuple[int, int]
    ) -> None:
        self._path, self._which, self._rows, self._sides = path, which, rows, sides

    @property
    def shape(self) -> tuple[int, int, int]:
        """The shape of the array that it stands for."""
        return (len(self._rows), *self._sides)

    def __len__(self) -> int:
        """Return the number of stamps."""
        return len(self._rows)

    def __getitem__(self, chosen: Any) -> "StoredStamps":
        """Choose rows by a slice, or an array of numbers or of truth values."""
        return StoredStamps(self._path, self._which, self._rows[chosen], self._sides)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """Read the stamps.

        Raises
        ------
        DatasetError
            If they can't be read, or have pixels that are not finite.
        """
        order = np.argsort(self._rows, kind="stable")
        ordered = self._rows[order]
        stamps = np.empty(self.shape, np.float32)
        with open_hdf5(self._path) as file:
            column = file[_NAMES[self._which][0]]
            for places in np.split(order, 1 + np.flatnonzero(np.diff(ordered) > _GAP)):
                rows = self._rows[places]
                if len(rows):
                    stamps[places] = column[rows[0] : rows[-1] + 1][rows - rows[0]]
        if not np.isfinite(stamps).all():
            raise DatasetError(f"{self._path}: some of its pixels are not finite")
        return stamps if dtype is None else stamps.astype(dtype)


class DatasetWriter:
    """A data set being written, some rows at a time."""

    def __init__(self, file: File, flush: Callable[[], None]) -> None:
        self._file, self._flush = file, flush
        self._written: dict[str, Any] = {}
        self._waiting: dict[str, list[dict[str, NDArray[Any]]]] = {which: [] for which in _NAMES}

    @classmethod
    @contextmanager
    def create(cls, path: Path, *, room: int = 0) -> Iterator["DatasetWriter"]:
        """Open a data set for writing; it is whole or absent once the block has ended.

        Parameters
        ----------
        path : Path
            The file to make.
        room : int
            Bytes that the rows will take, if that is known, for which the disk is asked at once.
        """
        with atomic_path(path) as part:
            send = _send_off if room >= _LARGE else os.fdatasync
            with open_hdf5(part, "w") as file, _flushed(part, send) as flush:
                reserve_space(file, room)
                yield cls(file, flush)
                file.flush()
                size = file.id.get_filesize()
            os.truncate(part, size)  # without the room that was not needed

    def append(self, which: str, part: Part) -> None:
        """Add rows to the ``train`` or the ``test`` part."""
        stamps, targets = _NAMES[which]
        pixels = part.stamps.astype(np.float32, copy=False)
        reserve_space(self._file, pixels.nbytes)
        self._extend(stamps, pixels)
        columns = {"files": part.names, "objects": part.objects, "mag": part.mag, **part.traits}
        found = {f"{which}_{name}": values for name, values in columns.items()}
        self._waiting[which].append({targets: part.targets, **found})
        if sum(len(rows[targets]) for rows in self._waiting[which]) >= _COLUMN_ROWS:
            self._extend_columns(which)
        self._flush()

    def finish(self, recipe: Recipe) -> None:
        """Say what made the data set."""
        for which in _NAMES:
            self._extend_columns(which)
        reserve_space(self._file, len(recipe.to_json()))
        add_recipe(self._file, recipe)

    def _extend_columns(self, which: str) -> None:
        """Write what waits but for the pixels: HDF5 takes as long for a few rows as for many."""
        waiting, self._waiting[which] = self._waiting[which], []
        names = waiting[0] if waiting else ()
        columns = {name: np.concatenate([rows[name] for rows in waiting]) for name in names}
        encoded = {name: _encoded(values) for name, values in columns.items()}
        reserve_space(self._file, sum(values.nbytes for values in encoded.values()))
        for name, values in encoded.items():
            self._extend(name, values)

    def _extend(self, name: str, values: NDArray[Any]) -> None:
        column = self._written.get(name)
        if column is not None and values.dtype.itemsize > column.dtype.itemsize:
            column, values = None, self._take_out(name, values)
        if column is None:
            column = self._file.create_dataset(name, data=values, **_storage(values))
            self._written[name] = column
            return
        start = len(column)
        column.resize(start + len(values), axis=0)
        column[start:] = values

    def _take_out(self, name: str, more: NDArray[Any]) -> NDArray[Any]:
        """Take a column of texts out of the file that has no room for longer ones."""
        texts = np.concatenate([self._file[name][:].astype(np.bytes_), more.astype(np.bytes_)])
        del self._file[name]
        return _encoded(texts)


@contextmanager
def _flushed(path: Path, send: Callable[[int], None]) -> Iterator[Callable[[], None]]:
    """Give what sends a file to the disk while it is written, so that its end need not wait."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        with in_background(partial(send, descriptor)) as flush:
            yield flush
    finally:
        os.close(descriptor)


def _send_off(descriptor: int) -> None:
    """Send a file to the disk, and use the memory that it took for what comes next."""
    os.fdatasync(descriptor)
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)


def _storage(values: NDArray[Any]) -> dict[str, Any]:
    """Say how a column is laid out that grows row by row."""
    row_bytes = max(values[:1].nbytes, values.dtype.itemsize)
    rows = min(max(_CHUNK_BYTES // row_bytes, 1), max(len(values), 1))
    shape = values.shape[1:]
    chunks = (rows, *shape)
    # What no row fills is never read, and need not be written.
    return {
        "maxshape": (None, *shape),
        "chunks": chunks,
        "dtype": values.dtype,
        "fill_time": "never",
    }


def write_dataset(path: Path, train: Part, test: Part, recipe: Recipe) -> None:
    """Write a data set, whole or not at all."""
    with DatasetWriter.create(path) as writer:
        writer.append("train", train)
        writer.append("test", test)
        writer.finish(recipe)


def read_part(path: Path, which: str, *, largest: int | None = None) -> Part:
    """Read the ``train`` or the ``test`` part of a data set, also of the predecessor's.

    Parameters
    ----------
    path : Path
        The data set.
    which : str
        The part.
    largest : int, optional
        Pixels of more bytes than these stay in the file, as `StoredStamps`.

    Raises
    ------
    DatasetError
        If the file is not a data set, or its arrays do not belong together.
    """
    stored = None if largest is None else _stored(path, which, largest)
    if stored is not None:
        # It stands for an array wherever rows are chosen, and np.asarray makes it one.
        return replace(read_columns(path, which), stamps=cast(NDArray[np.float32], stored))
    with open_hdf5(path) as file:
        part = _reader(file, which)(file, which, path)
    _check_columns(part, path, len(part.stamps))
    _check_pixels(part, path)
    return part


def _stored(path: Path, which: str, largest: int) -> StoredStamps | None:
    """Give stamps that stay in the file; None if they are fewer bytes, or flattened."""
    name = _NAMES[which][0]
    with open_hdf5(path) as file:
        shape: tuple[int, ...] = file[name].shape if name in file else ()
    if len(shape) != 3 or 4 * int(np.prod(shape)) <= largest:
        return None
    return StoredStamps(path, which, np.arange(shape[0]), (shape[1], shape[2]))


def read_columns(path: Path, which: str) -> Part:
    """Read all that `read_part` reads but the pixels: the stamps have shape (n, 0, 0).

    Raises
    ------
    DatasetError
        If the file is not a data set, or its columns do not belong together.
    """
    with open_hdf5(path) as file:
        part = _reader(file, which)(file, which, path, pixels=False)
        count = len(file[_NAMES[which][0]])
    _check_columns(part, path, count)
    return part


def read_stamps(path: Path, which: str, rows: Sequence[int]) -> NDArray[np.float32]:
    """Read the stamps of a few rows, of shape (n, ny, nx).

    Raises
    ------
    DatasetError
        If the file is not a data set.
    """
    with open_hdf5(path) as file:
        stamps = file[_NAMES[which][0]]
        found = [_squared(stamps[row][np.newaxis])[0] for row in rows]
    return np.array(found, np.float32)


def read_dataset_recipe(path: Path) -> Recipe | None:
    """Read the recipe of a data set; None if it has none."""
    return read_recipe(path, error=DatasetError)


def cameras_of(part: Part) -> list[str] | None:
    """Give the cameras that took the stamps of a part, in order; None if one is not known.

    Data sets of the predecessor do not say it, but for the names of their files.
    """
    found = part.traits.get("camera")
    if found is None:
        names = np.unique(part.names).tolist()
        found = np.array([read_exposure_name(name).camera for name in names], str)
    cameras: list[str] = np.unique(found).tolist()
    return None if "" in cameras else cameras


def _encoded(values: NDArray[Any]) -> NDArray[Any]:
    """Give texts as UTF-8 of a fixed length, and other values as they are."""
    if values.dtype.kind not in "USO":
        return values
    texts = values if values.dtype.kind == "S" else np.array([text.encode() for text in values])
    return texts.astype(text_type(texts.dtype.itemsize))


def _reader(file: File, which: str) -> Callable[..., Part]:
    return _read_old if _is_old(file, which) else _read_own


def _is_old(file: File, which: str) -> bool:
    """Say whether a part is the predecessor's: flattened, and without columns of ours."""
    stamps, targets = _NAMES[which]
    ours = (f"{which}_{name}" for name in (*_COLUMNS[1:], *TRAITS))
    return (
        all(name in file for name in (stamps, targets, f"{which}_files"))
        and len(file[stamps].shape) == 2
        and not any(name in file for name in ours)
    )


def _read_old(file: File, which: str, _: Path, *, pixels: bool = True) -> Part:
    stamps, targets = _NAMES[which]
    names = _texts(file, f"{which}_files").reshape(-1)
    labels = file[targets][:]
    if labels.ndim == 2:  # one column, or one a class
        labels = labels[:, -1]
    return Part(
        _squared(file[stamps][:]) if pixels else _no_pixels(len(names)),
        _targets(labels),
        names,
        np.array([object_of(name) for name in names], str),
        np.full(len(names), np.nan),
    )


def _read_own(file: File, which: str, path: Path, *, pixels: bool = True) -> Part:
    stamps, targets = _NAMES[which]
    columns = [f"{which}_{name}" for name in _COLUMNS]
    missing = [name for name in (stamps, targets, *columns) if name not in file]
    if missing:
        raise DatasetError(f"{path}: not a data set: it has no {', '.join(missing)}")
    known = (*TRAITS, *GIVEN_TRAITS)
    return Part(
        file[stamps][:].astype(np.float32, copy=False) if pixels else _no_pixels(len(file[stamps])),
        _targets(file[targets][:]),
        _texts(file, f"{which}_files"),
        _texts(file, f"{which}_objects"),
        file[f"{which}_mag"][:].astype(np.float64),
        {name: _values(file, f"{which}_{name}") for name in known if f"{which}_{name}" in file},
    )


def _squared(stamps: NDArray[Any]) -> NDArray[np.float32]:
    """Give flattened stamps their two sides back, if they are square."""
    side = isqrt(stamps.shape[-1])
    is_flat = stamps.ndim == 2 and side**2 == stamps.shape[-1]
    return (stamps.reshape(-1, side, side) if is_flat else stamps).astype(np.float32, copy=False)


def _no_pixels(count: int) -> NDArray[np.float32]:
    return np.empty((count, 0, 0), np.float32)


def _texts(file: File, name: str) -> NDArray[np.str_]:
    texts: NDArray[np.str_] = file[name].asstr()[:].astype(str)
    return texts


def _values(file: File, name: str) -> NDArray[Any]:
    values: NDArray[Any] = file[name][:]
    return _texts(file, name) if values.dtype.kind in "SO" else values


def _targets(labels: NDArray[Any]) -> NDArray[np.int8]:
    return np.where(np.isin(labels, (0, 1)), labels, -1).astype(np.int8)


def _check_columns(part: Part, path: Path, count: int) -> None:
    columns = (part.targets, part.names, part.objects, part.mag, *part.traits.values())
    if any(column.ndim != 1 for column in columns):
        raise DatasetError(f"{path}: its columns are not one number a stamp")
    if any(len(column) != count for column in columns):
        raise DatasetError(f"{path}: its columns have different lengths")
    if not np.isin(part.targets, (0, 1)).all():
        raise DatasetError(f"{path}: its targets are not all 0 or 1")


def _check_pixels(part: Part, path: Path) -> None:
    if part.stamps.ndim != 3 or part.stamps.shape[1] != part.stamps.shape[2]:
        raise DatasetError(f"{path}: its stamps are not square images")
    if not np.isfinite(part.stamps).all():
        raise DatasetError(f"{path}: some of its pixels are not finite")
