"""Images read and treated for their classifiers, apart from those that can't be."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from realbogus.blocks import Crops, read_crops
from realbogus.errors import StampError, StampSizeError
from realbogus.features import Treatment, treat_crops
from realbogus.prominence import measure_prominence
from realbogus.verdicts import FAULTS
from realbogus.worklist import Image

__all__ = ["BLOCK", "Block", "blocks_of", "read_block"]

BLOCK = 1024
"""The number of images that are read and scored at a time."""


@dataclass(frozen=True)
class Block:
    """Images one after the other, and what came of reading them.

    Attributes
    ----------
    images : sequence of Image
        All of them.
    features : dict
        For each classifier, places in ``images``, of shape (n,), and pixels of shape
        (n, 2 * extent, 2 * extent).
    faults : dict
        By place, why an image has none: one of `FAULTS`, and the same in words.
    prominence : ndarray of shape (n,)
        How far the middles of all images stand out of the noise; NaN where nobody knows.
    """

    images: Sequence[Image]
    features: dict[str, tuple[NDArray[np.intp], NDArray[np.float32]]] = field(default_factory=dict)
    faults: dict[int, tuple[str, str]] = field(default_factory=dict)
    prominence: NDArray[np.float32] = field(init=False)

    def __post_init__(self) -> None:
        """Know nothing of the middles."""
        unknown = np.full(len(self.images), np.nan, np.float32)
        object.__setattr__(self, "prominence", unknown)


def blocks_of(images: Iterable[Image]) -> Iterator[Sequence[Image]]:
    """Give images so many at a time."""
    remaining = iter(images)
    while block := list(islice(remaining, BLOCK)):
        yield block


def read_block(
    images: Sequence[Image], *, treatments: Mapping[str, Treatment], key: Callable[[str], str]
) -> Block:
    """Read images, each treated as its classifier wants it.

    Parameters
    ----------
    images : sequence of Image
        To read, but for those whose fault is known or that have no file.
    treatments : mapping of str to Treatment
        What the classifiers want, by their names.
    key : callable
        From a camera to the name of its classifier.
    """
    block = Block(images)
    for place, image in enumerate(images):
        if image.fault:
            block.faults[place] = _known_fault(image, image.fault)
    keys = [key(image.camera) if image.is_readable else None for image in images]
    for name, treatment in treatments.items():
        places = np.array([place for place, other in enumerate(keys) if other == name], np.intp)
        if len(places):
            block.features[name] = _read(block, places, treatment)
    return block


def _read(
    block: Block, places: NDArray[np.intp], treatment: Treatment
) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Read images of one classifier; where one is bad, both halves are read anew to find it."""
    try:
        crops = _read_crops([block.images[place] for place in places], treatment)
    except StampError as error:
        if len(places) == 1:
            block.faults[int(places[0])] = (_kind(block.images[places[0]], error), str(error))
            side = 2 * treatment.cut.extent
            return places[:0], np.empty((0, side, side), np.float32)
        half = len(places) // 2
        parts = [_read(block, some, treatment) for some in (places[:half], places[half:])]
        found, pixels = (np.concatenate(part) for part in zip(*parts, strict=True))
        return found, pixels
    made = treat_crops(crops, treatment, is_train=np.zeros(len(places), np.bool_))
    block.prominence[places] = measure_prominence(crops.pixels)
    for place in places[made.masked == 1].tolist():
        block.faults[place] = _known_fault(block.images[place], "masked")
    return places[made.rows], made.pixels


def _read_crops(images: Sequence[Image], treatment: Treatment) -> Crops:
    files = np.array([os.fsencode(image.file) for image in images], np.bytes_)
    planes = np.array([image.plane for image in images], np.int32)
    return read_crops(Path(), files, planes, treatment.cut)


def _known_fault(image: Image, fault: str) -> tuple[str, str]:
    return fault, f"{image.name}: {FAULTS[fault]}"


def _kind(image: Image, error: StampError) -> str:
    if isinstance(error, StampSizeError):
        return "size"
    return "unreadable" if Path(image.file).is_file() else "missing"
