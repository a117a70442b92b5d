"""The Parquet file of the scores of single images, beside that of their objects."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from realbogus.parquet import ParquetColumn, open_parquet
from realbogus.recipes import Recipe
from realbogus.stamps import split_plane
from realbogus.verdicts import FAULTS, HELD, ImageScore

__all__ = ["write_image_scores"]

_COLUMNS: Sequence[ParquetColumn] = (
    ("object", "name", "its name"),
    ("image", "name", "its file"),
    ("plane", "int32", "of a cube, from 0"),
    ("exposure", "text", "what it is cut from"),
    ("camera", "text", "what took it"),
    ("night", "int32", "MJD"),
    ("score", "float64", "from 0 (bogus) to 1 (real)"),
    ("held_score", "float64", "the score of an image whose exposure is held back"),
    ("fallback", "bool", "the score is of the fallback"),
    ("fault", "text", f"why there is no score: {', '.join([*FAULTS, HELD])}"),
)

# Images that are made columns at a time.
_ROWS = 2**14


def write_image_scores(path: Path, images: Iterable[ImageScore], recipe: Recipe) -> None:
    """Write a row an image, in their order; objects without any image have none.

    Parameters
    ----------
    path : Path
        The Parquet file to make.
    images : iterable of ImageScore
        As `realbogus.verdicts.combine` takes them.
    recipe : Recipe
        What made it.
    """
    with open_parquet(path, _COLUMNS) as file:
        for some in _blocks(image for image in images if image.image):
            file.add(_columns(some))
        file.recipe = recipe


def _blocks(images: Iterable[ImageScore]) -> Iterator[Sequence[ImageScore]]:
    remaining = iter(images)
    while block := list(islice(remaining, _ROWS)):
        yield block


def _columns(images: Sequence[ImageScore]) -> dict[str, NDArray[Any]]:
    scores = np.array([image.score for image in images])
    is_held = np.array([image.is_held for image in images])
    files, planes = zip(*(split_plane(image.image) for image in images), strict=True)
    return {
        "object": _texts(image.object for image in images),
        "image": _texts(files),
        "plane": _numbers(-1 if plane is None else plane for plane in planes),
        "exposure": _texts(image.exposure for image in images),
        "camera": _texts(image.camera for image in images),
        "night": _numbers(image.night for image in images),
        "score": np.where(is_held, np.nan, scores),
        "held_score": np.where(is_held, scores, np.nan),
        "fallback": np.array([image.by_fallback for image in images]),
        "fault": _texts(HELD if image.is_held else image.fault for image in images),
    }


def _texts(values: Iterable[str]) -> NDArray[Any]:
    """Make a column of texts; what is empty is masked."""
    texts = np.array(list(values), object)
    return np.ma.masked_array(texts, texts == "")


def _numbers(values: Iterable[int]) -> NDArray[Any]:
    """Make a column of numbers; what is negative is masked."""
    return np.ma.masked_less(list(values), 0)
