"""A run that is writing, and what it adds to its file."""

import fcntl
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

from realbogus.files import errors_name, flush_to_disk, require_writable_folder
from realbogus.ledger.records import (
    COLUMNS,
    END,
    STORED,
    TAIL,
    VOID,
    WRITE,
    Batch,
    Change,
    format_line,
    now,
)
from realbogus.recipes import Recipe
from realbogus.scores import write_ecsv

__all__ = ["OpenRun"]


class OpenRun:
    """A run that is writing. Use it as a context manager; leaving the block ends the run.

    Parameters
    ----------
    path : Path
        Its file, which is made when there is something to write.
    recipe : Recipe, optional
        What it was asked for; a run that is taken over has one.
    models : str
        The digests of the classifiers.

    Attributes
    ----------
    name : str
        What tells it from others.
    pending : Batch or None
        What may have been committed or not.
    count : int
        The changes that were.
    """

    def __init__(self, path: Path, *, recipe: Recipe | None = None, models: str = "") -> None:
        self.name = path.stem
        self.pending: Batch | None = None
        self.count = 0
        self._path = path
        self._recipe = recipe
        self._models = models
        self._number = 0
        self._descriptor: int | None = None

    def __enter__(self) -> Self:
        """Give the run."""
        return self

    def __exit__(self, *_: object) -> None:
        """Say that the run is over, unless something is open, and let go of its file."""
        if self._descriptor is None:
            return
        try:
            if self.pending is None:
                with suppress(OSError):  # the next run then finds out that nothing is open
                    self._append([self._line(END)])
        finally:
            os.close(self._descriptor)
            self._descriptor = None

    @property
    def has_begun(self) -> bool:
        """Whether there is a file of it."""
        return self._descriptor is not None

    def take(self) -> bool:
        """Take over the file of a dead run; False if its process lives, or it is another user's."""
        with errors_name(self._path):
            try:
                descriptor = os.open(self._path, os.O_RDWR | os.O_APPEND)
            except PermissionError:
                return False
            if not _lock(descriptor):
                os.close(descriptor)
                return False
            self._descriptor = descriptor
            _drop_torn_line(descriptor)
        return True

    def intend(self, changes: Sequence[Change]) -> None:
        """Write down, for good, what is about to be committed.

        Raises
        ------
        ConfigError, OSError
            If it can't be stored; then nothing may be committed.
        """
        if self._descriptor is None:
            self._make_file()
        batch = Batch(self._number + 1, now(), list(changes))
        self._append([self._line(WRITE, batch, change) for change in changes])
        self._number, self.pending = batch.number, batch

    def confirm(self) -> None:
        """Say that what was intended, if anything was, has been committed."""
        self.count += self._close_batch(STORED)

    def void(self) -> None:
        """Say that it was not."""
        self._close_batch(VOID)

    def _close_batch(self, event: str) -> int:
        if self.pending is None:
            return 0
        self._append([self._line(event, self.pending)])
        changes, self.pending = len(self.pending.changes), None
        return changes

    def _line(self, event: str, batch: Batch | None = None, change: Change | None = None) -> str:
        time = now() if batch is None or change is None else batch.time
        number = batch.number if batch else 0
        models = self._models if change else ""
        return format_line(self.name, time, event, number=number, change=change, models=models)

    def _make_file(self) -> None:
        """Make the file, locked from the moment when others can see it."""
        assert self._recipe is not None
        require_writable_folder(self._path.parent)
        hidden = self._path.with_name(f".{self._path.name}")
        write_ecsv(hidden, COLUMNS, [], self._recipe)
        with errors_name(self._path):
            self._descriptor = os.open(hidden, os.O_RDWR | os.O_APPEND)
            _lock(self._descriptor)
            self._path.hardlink_to(hidden)  # unlike a renaming, it never replaces a file
            hidden.unlink()
            flush_to_disk(self._path.parent)

    def _append(self, lines: Sequence[str]) -> None:
        """Add lines, which are then on the disk; or none at all."""
        assert self._descriptor is not None
        content = "".join(f"{line}\n" for line in lines).encode()
        with errors_name(self._path):
            end = os.fstat(self._descriptor).st_size
            try:
                while content:
                    content = content[os.write(self._descriptor, content) :]
                os.fsync(self._descriptor)
            except OSError:
                os.ftruncate(self._descriptor, end)
                raise


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _drop_torn_line(descriptor: int) -> None:
    """Cut off what a run that was killed could not finish, and never relied on."""
    size = os.fstat(descriptor).st_size
    tail = os.pread(descriptor, TAIL, max(0, size - TAIL))
    os.ftruncate(descriptor, size - len(tail.rpartition(b"\n")[2]))
