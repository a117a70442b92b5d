"""Images of a worklist read and scored, by as many threads as there are cores."""

import logging
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from realbogus.bench import Scorer
from realbogus.parallel import map_ordered, progress
from realbogus.triage import BLOCK, Block, blocks_of, read_block
from realbogus.verdicts import FALLBACK, ImageScore
from realbogus.worklist import Image, Worklist

__all__ = ["score_images"]

log = logging.getLogger(__name__)


def score_images(
    worklist: Worklist,
    *,
    scorers: Mapping[str, Scorer],
    key: Callable[[str], str],
    workers: int,
) -> Iterator[ImageScore]:
    """Score images, and give what came of each in their order.

    Parameters
    ----------
    worklist : Worklist
        The images.
    scorers : mapping of str to Scorer
        The classifiers by their names.
    key : callable
        From a camera to the name of its classifier.
    workers : int
        Threads. The result is the same.
    """
    read = partial(_score_block, key=key, scorers=scorers)
    done = map_ordered(read, blocks_of(worklist), workers=workers)
    blocks: Iterable[_BlockScores] = progress(
        done, label="images", total=math.ceil(worklist.count / BLOCK)
    )
    for scored in blocks:
        yield from _images(scored)


@dataclass(frozen=True)
class _BlockScores:
    """Images and their scores, NaN where there is none; and which of them the fallback gave."""

    block: Block
    scores: NDArray[np.float64]
    by_fallback: NDArray[np.bool_]


def _score_block(
    images: Sequence[Image],
    *,
    key: Callable[[str], str],
    scorers: Mapping[str, Scorer],
) -> _BlockScores:
    """Read and score images; the threads that do so share nothing that changes."""
    treatments = {name: scorer.treatment for name, scorer in scorers.items()}
    block = read_block(images, treatments=treatments, key=key)
    scores = np.full(len(block.images), np.nan)
    by_fallback = np.zeros(len(block.images), np.bool_)
    for name, (places, pixels) in block.features.items():
        if len(places):
            scores[places] = scorers[name].load().score(pixels)
            by_fallback[places] = name == FALLBACK
    return _BlockScores(block, scores, by_fallback)


def _images(scored: _BlockScores) -> Iterator[ImageScore]:
    faults = scored.block.faults
    for place, image in enumerate(scored.block.images):
        if place in faults:
            fault, reason = faults[place]
            log.debug("%s", reason)
        else:
            fault, reason = "", ""
        yield ImageScore(
            image.object,
            image.name,
            image.camera,
            float(scored.scores[place]),
            bool(scored.by_fallback[place]),
            fault,
            reason,
            image.exposure,
            prominence=float(scored.block.prominence[place]),
        )
