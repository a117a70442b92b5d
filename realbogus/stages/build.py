"""A data set from lists of stamps."""

import logging
import math
from collections import deque
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from realbogus.blocks import Cut, OpenCubes, announce_crops, read_crops
from realbogus.dataset import DatasetWriter, Part, read_dataset_recipe
from realbogus.errors import ConfigError, DatasetError
from realbogus.features import (
    ROTATIONS,
    Taken,
    Treatment,
    Window,
    count_features,
    reading_order,
)
from realbogus.files import require_readable_file, require_writable_folder
from realbogus.normalisation import canonical_name
from realbogus.options import available_cores
from realbogus.parallel import keep_freed_memory, map_ordered, progress, read_ahead
from realbogus.prefetch import prefetching
from realbogus.provenance import identify
from realbogus.recipes import Recipe, already_made
from realbogus.seeing import TOLD
from realbogus.selection import Catalogue, select_stamps
from realbogus.splits import OUT, TEST, TRAIN, hold_out_nights, split_by_night, split_by_object

__all__ = ["build_dataset"]

log = logging.getLogger(__name__)

_SIDES = {TRAIN: "train", TEST: "test"}
_KINDS = {1: "real", 0: "bogus"}
# Features of one job, which a worker holds, and of one window, within which rows are shuffled.
_JOB_BYTES = 4 * 2**20
_JOBS_A_WINDOW = 16
# Windows of a small set at least, so that the disk writes one while others are worked on.
_LEAST_WINDOWS = 4
_LARGEST_JOB = 1024
# Jobs that keep the workers busy while a window is written, and those that the disk reads for.
_AHEAD = 2 * _JOBS_A_WINDOW
_ANNOUNCED = 8
# Cubes of whose planes fewer are wanted are not read whole.
_DENSE = 0.5
# What a row has besides its pixels, names of a usual length among it.
_ROW_BYTES = 256


def build_dataset(
    good: Path,
    bad: Path,
    output: Path,
    *,
    extent: int = 10,
    extension: int = 0,
    skew: float = 3,
    rotation: int | None = None,
    normalisation: str = "signPreserveNorm",
    mask_value: float | None = None,
    psf: bool = False,
    test_fraction: float = 0.25,
    holdout_nights: Sequence[int] = (),
    seed: int = 0,
    workers: int | None = None,
) -> None:
    """Build a data set: stamps cropped and normalised, split into a training and a test part.

    The lists decide the split before any stamp is read; stamps are then read, and features
    written, block by block, so that memory does not grow with their number but for the lists.

    Parameters
    ----------
    good, bad : Path
        Lists of the stamps of real and of bogus detections.
    output : Path
        The HDF5 file to make.
    extent : int
        Half the side of a feature in pixels.
    extension : int
        The HDU of the pixels in a stamp's own file; those of a cube are always in HDU 0.
    skew : float
        Bogus detections for every real one; they are drawn over the whole list.
    rotation : int, optional
        Step in degrees, 90 or 180, of rotated copies in the training part.
    normalisation : str
        One of the normalisations.
    mask_value : float, optional
        The value that marks masked pixels in stamps of integers.
    psf : bool
        Whether the first pixel of each feature says how wide the exposure's PSF is, for the
        networks that want to know.
    test_fraction : float
        Of the objects of each kind.
    holdout_nights : sequence of int
        Test on these nights instead, or on so many of the newest; what they show of an object
        keeps its other detections out of the training part.
    seed : int
        Of the draws.
    workers : int, optional
        Threads that read; by default as many as there are cores. The result is the same.

    Raises
    ------
    ConfigError, FormatError, StampError, DatasetError, RecipeError
        If an option is not allowed, a list or a stamp is not one, or a kind is missing.
    """
    normalisation = canonical_name(normalisation)
    _check_options(extent, extension, skew, rotation, test_fraction)
    _check_numbers(mask_value, holdout_nights)
    require_readable_file(good, name="good")
    require_readable_file(bad, name="bad")
    options = {
        "e": extent,
        "E": extension,
        "s": float(skew),
        "r": rotation,
        "N": normalisation,
        "m": mask_value,
        "psf": TOLD if psf else None,
        "testFraction": test_fraction,
        "holdoutNights": list(holdout_nights) or None,
        "seed": seed,
    }
    recipe = Recipe("build", options, {"good": identify(good), "bad": identify(bad)})
    if already_made(output, read_dataset_recipe(output) if output.exists() else None, recipe):
        return
    require_writable_folder(output.parent)
    rng = np.random.default_rng(seed)
    turns = ROTATIONS[rotation] if rotation else ()
    treatment = Treatment(Cut(extent, extension, mask_value), normalisation, turns, psf)
    keep_freed_memory()
    workers = workers or available_cores()
    with prefetching(good.parent) as prefetch, OpenCubes() as cubes:
        is_early: list[bool] = []
        is_dense = _expected_share(good, bad, skew) >= _DENSE

        def begin(cubes: NDArray[np.bytes_]) -> None:
            is_early.append(is_dense and prefetch(cubes.tolist()))

        selection = select_stamps(good, bad, skew=skew, rng=rng, found=begin)
        split = _split(selection.stamps, test_fraction, tuple(holdout_nights), rng)
        tasks = _tasks(split, treatment, rng)
        fill = partial(_fill, treatment.cut, cubes)
        with (
            read_ahead(tasks if all(is_early) else _announced(tasks)) as coming,
            closing(map_ordered(fill, coming, workers=workers, ahead=_AHEAD)) as filled,
            DatasetWriter.create(output, room=_room(split, treatment)) as writer,
        ):
            total = math.ceil(len(split.stamps) / _job_size(treatment))
            counts = _write(writer, split.stamps, progress(filled, label="stamps", total=total))
            results = {**counts, **selection.results, **split.results}
            writer.finish(replace(recipe, results=results))
    _report(output, results)


@dataclass(frozen=True)
class _Split:
    """The stamps to read, and which of them train.

    Attributes
    ----------
    stamps : Catalogue
        Those of the training and of the test part.
    is_train : ndarray of shape (n,)
        True for the training part.
    results : dict
        What a recipe says of the split.
    """

    stamps: Catalogue
    is_train: NDArray[np.bool_]
    results: dict[str, Any]


def _check_options(
    extent: int, extension: int, skew: float, rotation: int | None, test_fraction: float
) -> None:
    if not 5 <= extent <= 500:
        raise ConfigError(f"e (extent) must be from 5 to 500 pixels; got {extent}")
    if extension < 0:
        raise ConfigError(f"E (FITS extension) must not be negative; got {extension}")
    if not (skew > 0 and math.isfinite(skew)):
        raise ConfigError(f"s (skew) must be above 0; got {skew}")
    if rotation is not None and rotation not in ROTATIONS:
        allowed = ", ".join(map(str, ROTATIONS))
        raise ConfigError(f"r (rotation step in degrees) must be one of {allowed}; got {rotation}")
    if not 0 < test_fraction < 1:
        raise ConfigError(f"testFraction must be between 0 and 1; got {test_fraction}")


def _check_numbers(mask_value: float | None, holdout_nights: Sequence[int]) -> None:
    if mask_value is not None and not math.isfinite(mask_value):
        raise ConfigError(f"m (mask value) must be a number of a pixel; got {mask_value}")
    if any(night < 1 for night in holdout_nights):
        raise ConfigError(f"holdoutNights must be above 0; got {list(holdout_nights)}")


def _split(
    stamps: Catalogue, fraction: float, nights: tuple[int, ...], rng: np.random.Generator
) -> _Split:
    if not nights:
        is_test = split_by_object(stamps.object_ids, stamps.targets, fraction=fraction, rng=rng)
        return _Split(stamps, ~is_test, {})
    held_out = hold_out_nights(stamps.nights, nights)
    sides = split_by_night(stamps.object_ids, stamps.nights, held_out=held_out)
    is_out = sides == OUT
    results = {
        "held_out_nights": held_out.tolist(),
        "kept_out_of_training": int(is_out.sum()),
        "objects_kept_out_of_training": len(np.unique(stamps.object_ids[is_out])),
    }
    return _Split(stamps.select(~is_out), sides[~is_out] == TRAIN, results)


def _write(
    writer: DatasetWriter, stamps: Catalogue, filled: Iterable[Window | None]
) -> dict[str, int]:
    """Write the windows as they are filled, and count what was written."""
    counts = {f"{side}_{kind}": 0 for side in _SIDES.values() for kind in _KINDS.values()}
    masked = 0
    for window in filled:
        if window is None:
            continue
        for side, which in _SIDES.items():
            taken = window.take(train=side == TRAIN)
            if not len(taken.stamps):
                continue
            part = _part(stamps, taken)
            writer.append(which, part)
            for target, kind in _KINDS.items():
                counts[f"{which}_{kind}"] += int((part.targets == target).sum())
        masked += int((window.masked == 1).sum())
    for name, count in counts.items():
        if not count:
            raise DatasetError(f"no stamp that can be used is left for {name.replace('_', ', ')}")
    return {**counts, "fully_masked": masked}


def _expected_share(good: Path, bad: Path, skew: float) -> float:
    """Guess by the lengths of the lists how many of their stamps the skew lets in."""
    real, bogus = good.stat().st_size, bad.stat().st_size
    return min((1 + skew) * real / max(real + bogus, 1), 1)


def _room(split: _Split, treatment: Treatment) -> int:
    """Give the bytes of the rows that are to be written."""
    row = 4 * (2 * treatment.cut.extent) ** 2 + _ROW_BYTES
    return row * count_features(split.is_train, treatment)


def _job_size(treatment: Treatment) -> int:
    features = (1 + len(treatment.turns)) * (2 * treatment.cut.extent) ** 2
    return int(np.clip(_JOB_BYTES // (4 * features), 1, _LARGEST_JOB))


@dataclass(frozen=True)
class _Task:
    """Stamps that one worker reads for a window; the arrays have shape (n,).

    Attributes
    ----------
    folder, files, planes
        As `realbogus.blocks.read_crops` takes them.
    window : Window
        Takes their features.
    first : int
        The number of the first stamp in the window.
    is_last : bool
        The window is full then.
    """

    folder: Path
    files: NDArray[np.bytes_]
    planes: NDArray[np.int32]
    window: Window
    first: int
    is_last: bool


def _tasks(
    split: _Split, treatment: Treatment, rng: np.random.Generator
) -> Generator[_Task, None, None]:
    """Draw an order of the stamps, give them in jobs, and begin a window every few jobs."""
    stamps, size = split.stamps, _job_size(treatment)
    order = reading_order(stamps.files, stamps.planes, rng)
    jobs = math.ceil(len(order) / size)
    length = size * min(math.ceil(jobs / _LEAST_WINDOWS), _JOBS_A_WINDOW)
    side, left = 2 * treatment.cut.extent, count_features(split.is_train, treatment)
    room = np.empty((0, side, side), np.float32)
    for start in range(0, len(order), length):
        some = order[start : start + length]
        is_train = split.is_train[some]
        count = count_features(is_train, treatment)
        if count > len(room):  # small windows share what the system gives at one go
            most = max(count, min(left, _JOBS_A_WINDOW * size))
            room = np.empty((most, side, side), np.float32)
        window = Window(some, is_train, treatment, rng, room[:count])
        left, room = left - count, room[count:]
        for first in range(0, len(some), size):
            rows = some[first : first + size]
            files, planes = stamps.paths[stamps.files[rows]], stamps.planes[rows]
            yield _Task(stamps.folder, files, planes, window, first, first + size >= len(some))


def _announced(tasks: Iterable[_Task]) -> Generator[_Task, None, None]:
    """Let the disk read for the next tasks while one is at work: more and more, so as to begin."""
    waiting: deque[_Task] = deque()
    lead = 0
    for task in tasks:
        announce_crops(task.folder, task.files, task.planes)
        waiting.append(task)
        if len(waiting) > lead:
            lead = min(lead + 1, _ANNOUNCED)
            yield waiting.popleft()
    yield from waiting


def _fill(cut: Cut, cubes: OpenCubes, task: _Task) -> Window | None:
    """Put stamps into their window; give it if these were the last."""
    task.window.put(task.first, read_crops(task.folder, task.files, task.planes, cut, cubes))
    return task.window if task.is_last else None


def _part(stamps: Catalogue, taken: Taken) -> Part:
    """Describe features."""
    rows = stamps.select(taken.stamps)
    traits = {**rows.traits, "seeing": taken.seeing, "masked": taken.masked}
    return Part(taken.pixels, rows.targets, rows.names, rows.objects, rows.mag, traits)


def _report(output: Path, results: Mapping[str, Any]) -> None:
    train, test = (
        sum(results[f"{side}_{kind}"] for kind in _KINDS.values()) for side in _SIDES.values()
    )
    log.info("%s: %d training and %d test stamps", output, train, test)
    if results["fully_masked"]:
        log.info("%d stamps have no pixel and are left out", results["fully_masked"])
    if results.get("kept_out_of_training"):
        log.info(
            "%d stamps of %d objects are kept out of training: the held-out nights show them too",
            results["kept_out_of_training"],
            results["objects_kept_out_of_training"],
        )
