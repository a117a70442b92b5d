"""A data set from lists of stamps."""

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from realbogus.dataset import Part, read_dataset_recipe, split_by_object, write_dataset
from realbogus.errors import ConfigError, DatasetError, StampError
from realbogus.files import require_readable_file, require_writable_folder
from realbogus.lists import Row, read_list
from realbogus.normalisation import canonical_name, normalise
from realbogus.parallel import progress
from realbogus.provenance import identify
from realbogus.recipes import Recipe, already_made
from realbogus.stamps import crop, read_stamp

__all__ = ["ROTATIONS", "build_dataset"]

log = logging.getLogger(__name__)

ROTATIONS: dict[int, tuple[int, ...]] = {90: (1, 2, 3), 180: (2,)}
"""The quarter turns of the copies that a rotation step in degrees adds."""


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
    test_fraction: float = 0.25,
    seed: int = 0,
) -> None:
    """Build a data set: stamps cropped and normalised, split into a training and a test part.

    Parameters
    ----------
    good, bad : Path
        Lists of the stamps of real and of bogus detections.
    output : Path
        The HDF5 file to make.
    extent : int
        Half the side of a feature in pixels.
    extension : int
        The HDU of a stamp that holds its pixels.
    skew : float
        Bogus detections for every real one; they are drawn over the whole list.
    rotation : int, optional
        Step in degrees, 90 or 180, of rotated copies in the training part.
    normalisation : str
        One of the normalisations.
    mask_value : float, optional
        The value that marks masked pixels in stamps of integers.
    test_fraction : float
        Of the objects of each kind.
    seed : int
        Of the draws.

    Raises
    ------
    ConfigError, FormatError, StampError, DatasetError, RecipeError
        If an option is not allowed, a list or a stamp is not one, or a kind is missing.
    """
    normalisation = canonical_name(normalisation)
    _check_options(extent, extension, skew, rotation, test_fraction)
    if mask_value is not None and not math.isfinite(mask_value):
        raise ConfigError(f"m (mask value) must be a number of a pixel; got {mask_value}")
    require_readable_file(good, name="good")
    require_readable_file(bad, name="bad")
    options = {
        "e": extent,
        "E": extension,
        "s": float(skew),
        "r": rotation,
        "N": normalisation,
        "m": mask_value,
        "testFraction": test_fraction,
        "seed": seed,
    }
    inputs = {
        "good": identify(good),
        "bad": identify(bad),
    }
    recipe = Recipe("build", options, inputs)
    if already_made(output, read_dataset_recipe(output) if output.exists() else None, recipe):
        return
    require_writable_folder(output.parent)
    rng = np.random.default_rng(seed)
    selection = _select(good, bad, skew, rng)
    part = _read(selection.entries, extent, extension, mask_value)
    is_test = split_by_object(part.objects, part.targets, fraction=test_fraction, rng=rng)
    turned = _rotate(part.select(~is_test), rotation)
    train = _features(turned.select(rng.permutation(len(turned))), normalisation)
    test = _features(part.select(is_test), normalisation)
    results = {
        **_counts("train", train),
        **_counts("test", test),
        "duplicates": selection.duplicates,
        "in_both_lists": selection.in_both,
        "fully_masked": len(selection.entries) - len(part),
    }
    write_dataset(output, train, test, Recipe(recipe.stage, options, inputs, results))
    log.info("%s: %d training and %d test stamps", output, len(train), len(test))


@dataclass(frozen=True)
class _Entry:
    """A listed stamp: its row, its file and its target."""

    row: Row
    path: Path
    target: int


@dataclass(frozen=True)
class _Selection:
    """The entries drawn, and how many were left out because they were listed twice."""

    entries: tuple[_Entry, ...]
    duplicates: int
    in_both: int


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


def _select(good: Path, bad: Path, skew: float, rng: np.random.Generator) -> _Selection:
    listed = [*_entries(good, target=1), *_entries(bad, target=0)]
    unique = list({(entry.path, entry.target): entry for entry in listed}.values())
    reals = {entry.row.object for entry in unique if entry.target}
    both = reals & {entry.row.object for entry in unique if not entry.target}
    kept = [entry for entry in unique if entry.row.object not in both]
    if both:
        log.warning("%d objects are in both lists and are left out: %s", len(both), _some(both))
    real = [entry for entry in kept if entry.target]
    bogus = [entry for entry in kept if not entry.target]
    for entries, path, name in ((real, good, "real"), (bogus, bad, "bogus")):
        if not entries:
            raise DatasetError(f"{path}: lists no {name} detection that can be used")
    drawn = _draw(bogus, round(skew * len(real)), rng)
    return _Selection((*real, *drawn), len(listed) - len(unique), len(unique) - len(kept))


def _entries(path: Path, *, target: int) -> list[_Entry]:
    return [_Entry(row, path.parent / row.stamp, target) for row in read_list(path)]


def _draw(bogus: list[_Entry], count: int, rng: np.random.Generator) -> list[_Entry]:
    if count > len(bogus):
        log.warning(
            "%d bogus stamps were asked for, %d are listed: all are used", count, len(bogus)
        )
    chosen = rng.choice(len(bogus), min(count, len(bogus)), replace=False)
    return [bogus[index] for index in sorted(chosen)]


def _read(entries: Sequence[_Entry], extent: int, extension: int, mask_value: float | None) -> Part:
    """Read and crop the stamps; leave out those without a single pixel."""
    pixels = np.empty((len(entries), 2 * extent + 1, 2 * extent + 1), np.float32)
    for index, entry in enumerate(progress(entries, label="stamps", total=len(entries))):
        pixels[index] = _read_crop(entry.path, extent, extension, mask_value)
    part = Part(
        stamps=pixels,
        targets=np.array([entry.target for entry in entries], np.int8),
        names=np.array([entry.path.name for entry in entries]),
        objects=np.array([entry.row.object for entry in entries]),
        mag=np.array([entry.row.mag for entry in entries], np.float64),
    )
    return part.select(np.flatnonzero(np.isfinite(_feature_pixels(pixels)).any(axis=(1, 2))))


def _read_crop(
    path: Path, extent: int, extension: int, mask_value: float | None
) -> NDArray[np.float32]:
    stamp = read_stamp(path, extension=extension, mask_value=mask_value)
    try:
        return crop(stamp, extent=extent)
    except StampError as error:
        raise StampError(f"{path}: {error}") from error


def _rotate(part: Part, rotation: int | None) -> Part:
    """Add copies of the crops turned about their middle pixel, which holds the source."""
    if rotation is None:
        return part
    turns = (0, *ROTATIONS[rotation])
    copies = part.select(np.tile(np.arange(len(part)), len(turns)))
    turned = [np.rot90(part.stamps, turn, axes=(1, 2)) for turn in turns]
    return replace(copies, stamps=np.concatenate(turned))


def _features(part: Part, normalisation: str) -> Part:
    return replace(part, stamps=normalise(_feature_pixels(part.stamps), normalisation))


def _feature_pixels(crops: NDArray[np.float32]) -> NDArray[np.float32]:
    return crops[:, :-1, :-1]  # (n, 2 * extent, 2 * extent)


def _counts(which: str, part: Part) -> dict[str, int]:
    real = int(part.targets.sum())
    return {f"{which}_real": real, f"{which}_bogus": len(part) - real}


def _some(names: set[str]) -> str:
    shown = sorted(names)
    return ", ".join(shown[:5]) + (" …" if len(shown) > 5 else "")
