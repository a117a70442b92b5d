"""Which of the listed stamps make a data set: each once, of one kind, as many as are asked for."""

import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from realbogus.errors import DatasetError, StampError
from realbogus.exposures import read_exposure_name
from realbogus.groups import number_values
from realbogus.lists import Columns, read_columns, read_list_recipe
from realbogus.stamps import read_planes
from realbogus.words import read_digits

__all__ = ["Catalogue", "Selection", "select_stamps"]

log = logging.getLogger(__name__)

_SHOWN = 5
_NAN = float("nan")
# The error in magnitudes of a flux of signal to noise 1: 2.5 / ln(10).
_POGSON = 2.5 / np.log(10)
_NO_EXPOSURE = b"-"
_LONGEST_PLANE = 10
# What rows of a catalogue have in common.
_WHOLE = ("folder", "paths", "bases")


@dataclass(frozen=True)
class Catalogue:
    """Listed stamps; the arrays have shape (n,), texts are UTF-8.

    Attributes
    ----------
    folder : Path
        Where the names of the files begin.
    paths, bases : ndarray of shape (m,)
        The different files, in order; their names without their folders.
    files, planes, ends : ndarray
        The number of each stamp's file; its plane in it, and ``[7]`` as the list has it, -1 and
        empty for a file of its own.
    targets : ndarray
        1 for real, 0 for bogus.
    objects, object_ids : ndarray
        The objects that they show, and numbers in the same order.
    mag, snr : ndarray
        Magnitude and signal to noise, NaN where unknown.
    nights, cameras, filters : ndarray
        Of the exposure; -1 and empty where unknown. Where its name does not say the camera, what
        cut the list does.
    """

    folder: Path
    paths: NDArray[np.bytes_]
    bases: NDArray[np.bytes_]
    files: NDArray[np.intp]
    planes: NDArray[np.int32]
    ends: NDArray[np.bytes_]
    targets: NDArray[np.int8]
    objects: NDArray[np.bytes_]
    object_ids: NDArray[np.intp]
    mag: NDArray[np.float32]
    snr: NDArray[np.float32]
    nights: NDArray[np.int32]
    cameras: NDArray[np.bytes_]
    filters: NDArray[np.bytes_]

    def __len__(self) -> int:
        """Return the number of stamps."""
        return len(self.targets)

    @property
    def names(self) -> NDArray[np.bytes_]:
        """The stamps' names without their folders; ``cube.fits[7]`` of a plane."""
        return np.strings.add(self.bases[self.files], self.ends)

    @property
    def cubes(self) -> NDArray[np.bytes_]:
        """The files of which planes are listed."""
        is_cube = np.zeros(len(self.paths), np.bool_)
        is_cube[self.files[self.planes >= 0]] = True
        return self.paths[is_cube]

    @property
    def traits(self) -> dict[str, NDArray[Any]]:
        """What data sets say of each stamp, as far as the lists know it."""
        return {
            "snr": self.snr,
            "night": self.nights,
            "camera": self.cameras,
            "filter": self.filters,
        }

    def select(self, rows: NDArray[np.integer] | NDArray[np.bool_]) -> "Catalogue":
        """Return the catalogue of these rows."""
        columns = {name: value[rows] for name, value in vars(self).items() if name not in _WHOLE}
        return replace(self, **columns)


@dataclass(frozen=True)
class Selection:
    """The stamps chosen, and how many were left out.

    Attributes
    ----------
    stamps : Catalogue
        The stamps.
    listed : dict of str to int
        Rows of either list.
    duplicates : int
        Rows of a stamp that the same list has already.
    in_both : int
        Stamps that both lists have, or whose object both have.
    not_drawn : int
        Bogus stamps beyond the skew.
    """

    stamps: Catalogue
    listed: dict[str, int]
    duplicates: int
    in_both: int
    not_drawn: int

    @property
    def results(self) -> dict[str, int]:
        """What a recipe says of the selection."""
        return {
            **{f"listed_{kind}": count for kind, count in self.listed.items()},
            "duplicates": self.duplicates,
            "in_both_lists": self.in_both,
            "not_drawn": self.not_drawn,
        }


@dataclass(frozen=True)
class _Listed:
    """The rows of one list, as of a `Catalogue`; names are those of the files."""

    names: NDArray[np.bytes_]
    planes: NDArray[np.int32]
    ends: NDArray[np.bytes_]
    targets: NDArray[np.int8]
    objects: NDArray[np.bytes_]
    mag: NDArray[np.float32]
    snr: NDArray[np.float32]
    nights: NDArray[np.int32]
    cameras: NDArray[np.bytes_]
    filters: NDArray[np.bytes_]


def select_stamps(
    good: Path,
    bad: Path,
    *,
    skew: float,
    rng: np.random.Generator,
    found: Callable[[NDArray[np.bytes_]], None] = lambda _: None,
) -> Selection:
    """Choose stamps from the lists; no pixel is read, and of cubes only the tables if need be.

    Parameters
    ----------
    good, bad : Path
        Lists of the stamps of real and of bogus detections.
    skew : float
        Bogus detections for every real one, drawn over the whole list.
    rng : numpy.random.Generator
        The source of the draw.
    found : callable, optional
        Is told the names of the cubes of a list as soon as it is read.

    Raises
    ------
    FormatError, StampError, DatasetError
        If a list or the table of a cube is not one, or a kind is missing.
    """
    lists = []
    for path, target in ((good, 1), (bad, 0)):
        lists.append(_read(path, target, good.parent))
        found(number_values(lists[-1].names[lists[-1].planes >= 0])[0])
    counts = dict(zip(("real", "bogus"), (len(listed.names) for listed in lists), strict=True))
    listed = _join(lists, good.parent)
    lists.clear()  # a million rows are there once
    stamp_ids, object_ids = _stamp_ids(listed), listed.object_ids
    _, first = np.unique(2 * stamp_ids + listed.targets, return_index=True)
    unique = np.sort(first)
    has_mixed_object = _in_both(object_ids, listed.targets)
    is_mixed = has_mixed_object | _in_both(stamp_ids, listed.targets)
    _warn(listed, has_mixed_object, is_mixed)
    kept = unique[~is_mixed[unique]]
    for kind, path, name in ((1, good, "real"), (0, bad, "bogus")):
        if not (listed.targets[kept] == kind).any():
            raise DatasetError(f"{path}: lists no {name} detection that can be used")
    drawn = _draw(kept, listed.targets, skew, rng)
    duplicates, in_both = len(listed) - len(unique), len(unique) - len(kept)
    return Selection(listed.select(drawn), counts, duplicates, in_both, len(kept) - len(drawn))


def _read(path: Path, target: int, folder: Path) -> _Listed:
    columns = read_columns(path)
    names, planes, ends = _split_planes(columns.stamps)
    if path.parent != folder:
        prefix = os.fsencode(path.parent.absolute()) + b"/"
        names = np.where(np.strings.startswith(names, b"/"), names, np.strings.add(prefix, names))
    columns = _with_tables(columns, folder, names, planes)
    nights, cameras, filters = _exposures(columns)
    cameras = np.where(cameras == b"", _camera_of_list(path), cameras)
    return _Listed(
        names,
        planes,
        ends,
        np.full(len(columns), target, np.int8),
        columns.objects,
        columns.mag.astype(np.float32),
        _signal_to_noise(columns.dmag),
        nights,
        cameras,
        filters,
    )


def _split_planes(
    stamps: NDArray[np.bytes_],
) -> tuple[NDArray[np.bytes_], NDArray[np.int32], NDArray[np.bytes_]]:
    """Take names like ``cube.fits[7]`` apart, as `realbogus.stamps.split_plane` does.

    Gives the files, the planes, and what else there is of the names.
    """
    files, planes = stamps.copy(), np.full(len(stamps), -1, np.int32)
    ends = np.zeros(len(stamps), f"S{_LONGEST_PLANE + 2}")
    opens = np.strings.rfind(stamps, b"[")
    rows = np.flatnonzero(np.strings.endswith(stamps, b"]") & (opens > 0))
    some, opens = stamps[rows], opens[rows]
    found = np.strings.slice(some, opens, some.dtype.itemsize).astype(ends.dtype)
    numbers, counts = read_digits(found)
    is_plane = (counts > 0) & (counts < _LONGEST_PLANE)
    is_plane &= np.strings.str_len(some) == opens + counts + len(b"[]")
    rows = rows[is_plane]
    files[rows] = np.strings.slice(some, 0, opens)[is_plane]
    planes[rows], ends[rows] = numbers[is_plane], found[is_plane]
    return files, planes, ends


def _with_tables(
    columns: Columns, folder: Path, files: NDArray[np.bytes_], planes: NDArray[np.int32]
) -> Columns:
    """Let the tables of cubes say what a bare list of their planes does not."""
    bare = np.flatnonzero((planes >= 0) & (columns.obs == _NO_EXPOSURE))
    if not len(bare):
        return columns
    tables = {name: read_planes(folder / os.fsdecode(name)) for name in np.unique(files[bare])}
    rows = [_table_row(folder, tables, files[row], planes[row]) for row in bare]
    objects = columns.objects.astype(object)
    objects[bare] = [str(row["object"]).encode() for row in rows]
    mag, dmag = columns.mag.copy(), columns.dmag.copy()
    mag[bare] = [row.get("mag", _NAN) for row in rows]
    dmag[bare] = [row.get("dmag", _NAN) for row in rows]
    return replace(columns, objects=objects.astype(np.bytes_), mag=mag, dmag=dmag)


def _table_row(
    folder: Path, tables: dict[bytes, dict[str, NDArray[Any]]], file: bytes, plane: int
) -> dict[str, Any]:
    table = tables[file]
    if plane >= len(table["object"]):
        raise StampError(
            f"{folder / os.fsdecode(file)}: has {len(table['object'])} planes, "
            f"and plane {plane} is listed"
        )
    return {name: column[plane] for name, column in table.items()}


def _exposures(
    columns: Columns,
) -> tuple[NDArray[np.int32], NDArray[np.bytes_], NDArray[np.bytes_]]:
    """Give the night, the camera and the filter of each row, from its exposure or its stamp."""
    named = np.where(columns.obs == _NO_EXPOSURE, columns.stamps, columns.obs)
    names, which = number_values(named)
    found = [read_exposure_name(name.decode()) for name in names.tolist()]
    nights = np.array([item.night for item in found], np.int32)
    cameras = np.array([item.camera for item in found], "S3")
    filters = np.array([item.filter for item in found], "S1")
    return nights[which], cameras[which], filters[which]


def _camera_of_list(path: Path) -> bytes:
    """Give the camera that a list was cut for; empty if it does not say."""
    recipe = read_list_recipe(path)
    camera = None if recipe is None else recipe.options.get("camera")
    return camera.encode() if isinstance(camera, str) else b""


def _signal_to_noise(dmag: NDArray[np.float64]) -> NDArray[np.float32]:
    known = np.where(dmag > 0, dmag, _NAN)
    return np.asarray(_POGSON / known, np.float32)


def _join(lists: Sequence[_Listed], folder: Path) -> Catalogue:
    columns: dict[str, Any] = {
        name: np.concatenate([getattr(listed, name) for listed in lists]) for name in vars(lists[0])
    }
    paths, files = number_values(columns.pop("names"))
    _, object_ids = number_values(columns["objects"])
    bases = np.strings.rpartition(paths, b"/")[2]
    return Catalogue(folder, paths, bases, files, object_ids=object_ids, **columns)


def _stamp_ids(listed: Catalogue) -> NDArray[np.int64]:
    """Give equal numbers to equal stamps, however their names are written."""
    paths, file_ids = listed.paths, listed.files
    is_odd = np.strings.startswith(paths, b"/")
    for sign in (b"./", b"//"):
        is_odd |= np.strings.find(paths, sign) >= 0
    if is_odd.any():
        names = paths.astype(object)
        folder = os.fsencode(listed.folder.absolute())
        names[is_odd] = [os.path.relpath(os.path.join(folder, n), folder) for n in names[is_odd]]  # noqa: PTH118
        file_ids = number_values(names.astype(np.bytes_))[1][file_ids]
    most = int(listed.planes.max(initial=-1)) + 2
    return number_values(file_ids * most + listed.planes + 1)[1]


def _in_both(ids: NDArray[np.int64], targets: NDArray[np.int8]) -> NDArray[np.bool_]:
    """Say of each row whether both kinds have what its number stands for."""
    is_of = np.zeros((2, ids.max(initial=-1) + 1), bool)
    is_of[targets, ids] = True
    is_mixed: NDArray[np.bool_] = is_of[0] & is_of[1]
    return is_mixed[ids]


def _warn(
    listed: Catalogue, has_mixed_object: NDArray[np.bool_], is_mixed: NDArray[np.bool_]
) -> None:
    objects = np.unique(listed.objects[has_mixed_object]).tolist()
    if objects:
        shown = ", ".join(name.decode() for name in objects[:_SHOWN])
        shown += " …" if len(objects) > _SHOWN else ""
        log.warning("%d objects are in both lists and are left out: %s", len(objects), shown)
    others = is_mixed & ~has_mixed_object
    if others.any():
        shown = os.fsdecode(listed.paths[listed.files[others][0]])
        log.warning(
            "%d rows show stamps that are in both lists, for different objects, and are left out: "
            "%s and more",
            int(others.sum()),
            shown,
        )


def _draw(
    kept: NDArray[np.int64], targets: NDArray[np.int8], skew: float, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Keep all the real, and draw the bogus that go with them over the whole list."""
    real, bogus = (kept[targets[kept] == kind] for kind in (1, 0))
    count = round(skew * len(real))
    if count > len(bogus):
        log.warning(
            "%d bogus stamps were asked for, %d are listed: all are used", count, len(bogus)
        )
    chosen = rng.choice(len(bogus), min(count, len(bogus)), replace=False)
    return np.concatenate([real, bogus[np.sort(chosen)]])
