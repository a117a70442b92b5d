"""Opening HDF5 files: the only home of h5py."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from realbogus.errors import DatasetError, ModelError, RealBogusError
from realbogus.recipes import Recipe

__all__ = [
    "File",
    "add_recipe",
    "open_hdf5",
    "read_recipe",
    "reserve_space",
    "text_type",
    "write_recipe",
]

File = h5py.File
_RECIPE = "recipe"
# Chunks that could not be written must not stay in memory: on a full disk HDF5 would try again when
# the process ends, and crash it.
_CHUNK_CACHE: dict[str, int | None] = {"r": None, "r+": 0, "w": 0}
# What chunks that are begun, and HDF5's own notes, may take.
_SPARE_ROOM = 8 * 2**20
# What file systems say that can't reserve space.
_NOT_OFFERED = (errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL)
# What h5py raises when a part is missing, damaged, or of another kind than is asked for.
_DAMAGE = (OSError, LookupError, RuntimeError, TypeError, ValueError, AttributeError, MemoryError)


@contextmanager
def open_hdf5(
    path: Path, mode: str = "r", *, error: type[DatasetError | ModelError] = DatasetError
) -> Iterator[h5py.File]:
    """Open an HDF5 file; a missing or damaged one, or a missing part of it, is one line.

    Parameters
    ----------
    path : Path
        The file.
    mode : str
        As h5py knows it.
    error : type
        What to raise. What HDF5 raises while writing, as on a full disk, passes.
    """
    if mode == "r" and not path.exists():
        raise error(f"{path}: no such file")
    try:
        with h5py.File(path, mode, rdcc_nbytes=_CHUNK_CACHE[mode]) as file:
            yield file
    except RealBogusError:
        raise
    except _DAMAGE as cause:
        if mode != "r" and isinstance(cause, OSError | RuntimeError):
            raise
        problem = "not a readable HDF5 file" if mode == "r" else "can't write this HDF5 file"
        reason = (str(cause).splitlines() or [type(cause).__name__])[0][:120]
        raise error(f"{path}: {problem} ({reason})") from cause


def text_type(length: int) -> np.dtype[Any]:
    """Return the type of texts of at most so many bytes of UTF-8."""
    kind: np.dtype[Any] = h5py.string_dtype("utf-8", max(length, 1))
    return kind


def read_recipe(path: Path, *, error: type[DatasetError | ModelError]) -> Recipe | None:
    """Read the recipe in an HDF5 file; None if it has none."""
    with open_hdf5(path, error=error) as file:
        text = file[_RECIPE].asstr()[()] if _RECIPE in file else None
    return None if text is None else Recipe.from_json(text)


def write_recipe(path: Path, recipe: Recipe, *, error: type[DatasetError | ModelError]) -> None:
    """Write the recipe into an HDF5 file that is there and has none.

    It is a data set of one text, since an HDF5 attribute can't be larger than 64 KiB.
    """
    with open_hdf5(path, "r+", error=error) as file:
        add_recipe(file, recipe)


def add_recipe(file: h5py.File, recipe: Recipe) -> None:
    """Write the recipe into an HDF5 file that is open and has none."""
    file[_RECIPE] = recipe.to_json()


def reserve_space(file: h5py.File, more: int) -> None:
    """Ask the disk for room for so many bytes more, before HDF5 is surprised by a refusal.

    HDF5 writes chunks late, even when a file is closed, and may crash if it can't. The room that is
    not needed stays at the end of the file; where there is enough already the disk is not asked.

    Raises
    ------
    OSError
        If the disk is full.
    """
    size = file.id.get_filesize() + more + _SPARE_ROOM
    with Path(file.filename).open("r+b") as stream:
        if size <= os.fstat(stream.fileno()).st_size:
            return
        file.flush()
        try:
            os.posix_fallocate(stream.fileno(), 0, size)
        except OSError as error:
            if error.errno not in _NOT_OFFERED:
                raise
