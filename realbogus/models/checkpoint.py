"""A training that was interrupted: where it stood after its last epoch, in a hidden file."""

import json
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from realbogus.files import atomic_path

__all__ = [
    "Progress",
    "checkpoint_path",
    "history_path",
    "read_progress",
    "write_history",
    "write_progress",
]

_DAMAGE = (OSError, EOFError, ValueError, LookupError, TypeError, zipfile.BadZipFile, zlib.error)
_STATE = "state"


@dataclass(frozen=True)
class Progress:
    """Where a training stands.

    Attributes
    ----------
    key : str
        What stands for everything that decides the training: it is continued by its equal only.
    history : list of dict
        What each epoch gave; their number is that of the epochs that are done.
    best_epoch : int
        The epoch of the lowest validation loss, from 1.
    best : list of ndarray
        The weights after it.
    variables : list of ndarray
        All that the network and its optimiser keep, the states of random draws included.
    """

    key: str
    history: list[dict[str, float]]
    best_epoch: int
    best: list[NDArray[Any]]
    variables: list[NDArray[Any]]


def checkpoint_path(classifier: Path, network: int = 1) -> Path:
    """Give the file that holds the progress of a classifier's training, or of its nth network."""
    return classifier.with_name(f".{classifier.name}.training{_number(network)}.npz")


def history_path(classifier: Path, network: int = 1) -> Path:
    """Give the table of the epochs of a classifier, or of its nth network."""
    return classifier.with_suffix(f".history{_number(network)}.csv")


def _number(network: int) -> str:
    return "" if network == 1 else str(network)


def write_progress(path: Path, progress: Progress) -> None:
    """Write the progress, whole or not at all."""
    state = {
        "key": progress.key,
        "history": progress.history,
        "best_epoch": progress.best_epoch,
        "counts": [len(progress.best), len(progress.variables)],
    }
    arrays = {f"a{i}": array for i, array in enumerate([*progress.best, *progress.variables])}
    with atomic_path(path) as part:
        np.savez(part, **{_STATE: np.array(json.dumps(state))}, **arrays)  # type: ignore[arg-type]


def write_history(path: Path, history: list[dict[str, float]]) -> None:
    """Write what each epoch gave as a CSV file with a header."""
    names = list(history[0])
    lines = [",".join(["epoch", *names])]
    for epoch, row in enumerate(history, start=1):
        lines.append(",".join([str(epoch), *(f"{row[name]:.7g}" for name in names)]))
    with atomic_path(path) as part:
        part.write_text("\n".join([*lines, ""]), encoding="utf-8")


def read_progress(path: Path, key: str) -> Progress | None:
    """Read the progress of a training; None if there is none, or it is damaged or another's."""
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as content:
            state = json.loads(str(content[_STATE]))
            best, total = state["counts"][0], sum(state["counts"])
            arrays = [content[f"a{i}"] for i in range(total)]
            progress = Progress(
                state["key"], state["history"], state["best_epoch"], arrays[:best], arrays[best:]
            )
    except _DAMAGE:
        return None
    return progress if progress.key == key else None
