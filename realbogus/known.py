"""Known good objects: which of them a classifier finds."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from realbogus.errors import FormatError
from realbogus.intervals import wilson
from realbogus.metrics import Interval, median_scores
from realbogus.scores import read_scores

__all__ = ["KnownObjects", "read_known_objects"]


@dataclass(frozen=True)
class KnownObjects:
    """A list of known good objects with their scores, each of shape (n,), the lowest first."""

    label: str
    objects: NDArray[Any]
    scores: NDArray[np.float64]

    def missed(self, threshold: float) -> int:
        """Return how many are below a threshold; they are the first."""
        return int(np.searchsorted(self.scores, threshold, "left"))

    def recall(self, threshold: float) -> Interval:
        """Return the fraction found at a threshold, with Wilson's interval."""
        count = len(self.scores)
        return wilson(1 - self.missed(threshold) / count, count)


def read_known_objects(path: Path, label: str) -> KnownObjects:
    """Read a score file of known good objects: the score of an object is its detections' median.

    Raises
    ------
    FormatError
        If the file is not a score file, or says of some that they are bogus.
    """
    scores = read_scores(path, all_real=True)
    bogus = np.flatnonzero(scores.targets == 0)
    if len(bogus):
        raise FormatError(
            f"{path}: says that {len(bogus)} are bogus, such as {scores.names[bogus[0]]!r}: "
            "a list for recall has known good objects alone"
        )
    objects, medians = median_scores(scores.objects, scores.scores)
    order = np.argsort(medians, kind="stable")
    return KnownObjects(label, objects[order], medians[order])
