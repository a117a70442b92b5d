"""What a file of the ledger holds: batches of changes, line by line."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from realbogus.errors import FormatError
from realbogus.files import errors_name, read_lines
from realbogus.recipes import Recipe
from realbogus.scores import Column, read_score_recipe

__all__ = [
    "COLUMNS",
    "END",
    "STORED",
    "TAIL",
    "VOID",
    "WRITE",
    "Batch",
    "Change",
    "Entry",
    "Record",
    "end_of",
    "format_line",
    "now",
    "read_record",
    "read_run_recipe",
]

COLUMNS = (
    Column("run", "string", "who wrote"),
    Column("time", "string", "UTC"),
    Column("batch", "int64", "what was committed together, from 1"),
    Column("event", "string", "write, stored or void (the batch came true or not), or end"),
    Column("object", "string", "whose score"),
    Column("old", "float64", "what was stored before; empty for NULL"),
    Column("new", "float64", "what is stored since; empty for NULL"),
    Column("models", "string", "digests of the classifiers"),
)
WRITE = "write"
STORED = "stored"
VOID = "void"
END = "end"
TAIL = 4096
"""Bytes that hold the last line, however long it is."""


@dataclass(frozen=True, slots=True)
class Change:
    """What happened to the score of an object; None is NULL."""

    object: int
    old: float | None
    new: float | None


@dataclass
class Batch:
    """Changes that were to be committed together.

    Attributes
    ----------
    number : int
        From 1.
    time : str
        When they were about to be, UTC.
    changes : list of Change
        All of them.
    is_stored : bool or None
        Whether they were; None if the run did not come to say.
    """

    number: int
    time: str
    changes: list[Change] = field(default_factory=list)
    is_stored: bool | None = None


@dataclass(frozen=True)
class Record:
    """What the ledger knows of a run.

    Attributes
    ----------
    name : str
        Of the run.
    recipe : Recipe
        What it was asked for.
    batches : sequence of Batch
        What it did.
    has_ended : bool
        Whether nothing is open.
    """

    name: str
    recipe: Recipe
    batches: Sequence[Batch]
    has_ended: bool

    @property
    def changes(self) -> list[Change]:
        """What came true, as far as is known."""
        return [change for batch in self.batches if batch.is_stored for change in batch.changes]


@dataclass(frozen=True, slots=True)
class Entry:
    """A change, and the run and the batch that it belongs to."""

    run: str
    batch: Batch
    change: Change


def now() -> str:
    """Give the time, UTC, in a form that sorts."""
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def format_line(
    run: str,
    time: str,
    event: str,
    *,
    number: int = 0,
    change: Change | None = None,
    models: str = "",
) -> str:
    """Write a line: what a run says of a batch, of a change in it, or of itself."""
    what = ["", "", ""]
    if change is not None:
        what = [str(change.object), _text(change.old), _text(change.new)]
    return ",".join([run, time, str(number or ""), event, *what, models])


def read_record(path: Path) -> Record:
    """Read what a run did.

    Raises
    ------
    FormatError
        If the file holds something else; a line that its run could not finish is passed over.
    """
    recipe = read_run_recipe(path)
    batches: dict[int, Batch] = {}
    has_ended = False
    for number, line in _data_lines(path):
        try:
            has_ended = _take_line(line, batches)
        except (ValueError, KeyError) as error:
            where = f"{path}, line {number}"
            raise FormatError(f"{where}: not a line of a ledger: {line[:80]!r}") from error
    return Record(path.stem, recipe, list(batches.values()), has_ended)


def read_run_recipe(path: Path) -> Recipe:
    """Read what a run was asked for.

    Raises
    ------
    FormatError
        If the file does not say.
    """
    recipe = read_score_recipe(path)
    if recipe is None:
        raise FormatError(f"{path}: does not say what made it")
    return recipe


def end_of(path: Path) -> str | None:
    """Give the time when a run came to its end, by the last line; None if it did not."""
    with errors_name(path), path.open("rb") as stream:
        stream.seek(-min(TAIL, path.stat().st_size), os.SEEK_END)
        *lines, rest = stream.read().split(b"\n")
    words = lines[-1].decode(errors="replace").split(",") if lines and not rest else []
    return words[1] if words[3:4] == [END] else None


def _text(score: float | None) -> str:
    """Write a score so that it is read as the very same."""
    return "" if score is None else repr(float(score))


def _score(word: str) -> float | None:
    return float(word) if word else None


def _data_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Give the lines below the header; one without an end was not finished."""
    rows = ((n, line) for n, line in read_lines(path) if not line.startswith("#"))
    next(rows, None)
    for number, line in rows:
        if line.endswith("\n"):
            yield number, line[:-1]


def _take_line(line: str, batches: dict[int, Batch]) -> bool:
    """Add a line to the batches; say whether it is the end of a run."""
    _, time, number, event, item, old, new, _ = line.split(",")
    if event == WRITE:
        batch = batches.setdefault(int(number), Batch(int(number), time))
        batch.changes.append(Change(int(item), _score(old), _score(new)))
    elif event in (STORED, VOID):
        batches[int(number)].is_stored = event == STORED
    elif event != END:
        raise ValueError
    return event == END
