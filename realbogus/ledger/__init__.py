"""The ledger: what was written to the survey's database, a file for each run.

Lines are only added. Those of a batch are on the disk before the database commits it, and a line
after it says that it did. What a killed run did not come to say can be seen in the database: its
last batch is there as a whole or not at all. A run holds a lock on its file as long as it lives.
"""

import re
from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from pathlib import Path

from realbogus.errors import ConfigError
from realbogus.ledger.records import (
    Batch,
    Change,
    Entry,
    Record,
    end_of,
    read_record,
    read_run_recipe,
)
from realbogus.ledger.writing import OpenRun
from realbogus.recipes import Recipe

__all__ = ["Batch", "Change", "Entry", "Ledger", "OpenRun", "Record"]

_NAME = re.compile(r"\d{8}T\d{6}-\d{6}", re.ASCII)


class Ledger:
    """The runs in a folder.

    Parameters
    ----------
    folder : Path
        Where their files are; it need not exist.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def names(self) -> list[str]:
        """The runs, the oldest first."""
        stems = [path.stem for path in self.folder.glob("*.csv")]
        return sorted(stem for stem in stems if _NAME.fullmatch(stem))

    def begin(self, recipe: Recipe, *, models: str) -> OpenRun:
        """Begin a run; its file is made when there is something to write."""
        return OpenRun(
            self._path(f"{datetime.now(UTC):%Y%m%dT%H%M%S-%f}"), recipe=recipe, models=models
        )

    def reopen(self, name: str) -> OpenRun | None:
        """Take over a run that did not come to its end; None if it goes on, or is not ours."""
        run = OpenRun(self._path(name))
        if not run.take():
            return None
        run.pending = next((b for b in self.read(name).batches if b.is_stored is None), None)
        return run

    def require(self, name: str) -> None:
        """Check that there is a run.

        Raises
        ------
        ConfigError
            If there is none.
        """
        if name not in self.names:
            raise ConfigError(
                f"run: the ledger {self.folder} has no run {name[:80]!r}: "
                "python -m realbogus runs lists them"
            )

    def read(self, name: str) -> Record:
        """Read what a run did.

        Raises
        ------
        FormatError
            If its file holds something else.
        """
        return read_record(self._path(name))

    def is_revert(self, name: str, *, of: str) -> bool:
        """Say whether a run was to revert another."""
        return read_run_recipe(self._path(name)).options.get("run") == of

    def unfinished(self) -> list[str]:
        """Name the runs that did not come to their end, or go on."""
        return [name for name in self.names if end_of(self._path(name)) is None]

    def history(self, objects: Collection[int], *, since: str = "") -> Iterator[Entry]:
        """Give what any run did to some objects, also what did not come true.

        Runs that came to their end before a time are passed over.
        """
        for name in self.names:
            if (end_of(self._path(name)) or since) < since:
                continue
            for batch in self.read(name).batches:
                for change in batch.changes:
                    if change.object in objects:
                        yield Entry(name, batch, change)

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.csv"
