"""A database and the ledger of what is written to it: batches changed, and killed runs settled."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

from realbogus.config import Config
from realbogus.cutting import Tally
from realbogus.database import Database
from realbogus.database.connection import Transaction
from realbogus.database.writing import Score, read_scores, require_writable_scores, set_scores
from realbogus.errors import ConfigError, DatabaseBusyError
from realbogus.ledger import Batch, Change, Entry, Ledger, OpenRun, Record
from realbogus.parallel import progress
from realbogus.recipes import Recipe

__all__ = ["BATCH", "Changed", "Place", "ScoresById", "open_place", "when"]

log = logging.getLogger(__name__)

BATCH = 500
"""The number of objects whose rows are locked and changed at a time."""

ScoresById = Mapping[int, Score]
_Choice = Callable[[ScoresById], ScoresById]


@dataclass
class Changed:
    """What came of a run.

    Attributes
    ----------
    run : str
        Its name in the ledger; empty if it had nothing to change.
    count : int
        The scores that it changed.
    kept : int
        Objects whose score was left as it is.
    vanished : Tally
        Objects that have no row any more.
    """

    run: str = ""
    count: int = 0
    kept: int = 0
    vanished: Tally = field(default_factory=Tally)


@dataclass(frozen=True)
class Place:
    """A database, and the ledger of what is written to it."""

    database: Database
    survey: str
    ledger: Ledger

    @property
    def target(self) -> dict[str, str]:
        """What recipes say of the database."""
        return {"survey": self.survey, "database": self.database.name}

    def read(self, name: str) -> Record:
        """Read a run that has ended, and that wrote to this database."""
        record = self.ledger.read(name)
        if not self._is_ours(record):
            wrote = record.recipe.options.get("database")
            raise ConfigError(
                f"run: {name} wrote to {wrote}, and the configuration names {self.database.name}"
            )
        if not record.has_ended:
            raise ConfigError(
                f"run: {name} still goes on, or was killed and its file is another user's: wait "
                "for its end, or stop it"
            )
        return record

    def settle(self) -> None:
        """Find out what runs that were killed did not come to say."""
        for name in self.ledger.unfinished():
            if not self._is_ours(self.ledger.read(name)):
                continue
            run = self.ledger.reopen(name)
            if run is not None:
                with run:
                    self._settle(run)

    def change(
        self, objects: Sequence[int], choose: _Choice, recipe: Recipe, *, models: str = ""
    ) -> Changed:
        """Change scores batch by batch, of those objects that a choice takes of what is there."""
        changed = Changed()
        parts = [objects[first : first + BATCH] for first in range(0, len(objects), BATCH)]
        with self.ledger.begin(recipe, models=models) as run:
            try:
                for part in progress(parts, label="batches"):
                    found = self.database.transact(partial(self._change, part, choose, run))
                    run.confirm()
                    changed.kept += len(found)
                    for item in part:
                        if item not in found:
                            changed.vanished.add(str(item))
            except DatabaseBusyError as error:
                raise DatabaseBusyError(f"{error}; {_so_far(run)}: run again") from None
            changed.run, changed.count = run.name if run.has_begun else "", run.count
        changed.kept -= changed.count
        return changed

    def _change(
        self, part: Sequence[int], choose: _Choice, run: OpenRun, transaction: Transaction
    ) -> ScoresById:
        """Change a part, up to the commit; give the scores that were there."""
        found = read_scores(transaction, self.survey, part)
        if run.pending is not None:  # the server went away while it committed this very part
            if self._is_stored(run.name, run.pending, found):
                return found
            run.void()
        wanted = choose(found)
        if wanted:
            stored = set_scores(transaction, self.survey, wanted)
            pairs = ((item, found[item], stored[item]) for item in wanted)
            changes = [Change(item, old, new) for item, old, new in pairs if old != new]
            if changes:
                run.intend(changes)
        return found

    def _is_ours(self, record: Record) -> bool:
        return self.target.items() <= record.recipe.options.items()

    def _settle(self, run: OpenRun) -> None:
        batch = run.pending
        if batch is None:
            return
        objects = [change.object for change in batch.changes]
        # Reading with locks waits until the server is done with what the killed run had begun.
        read = partial(read_scores, survey=self.survey, objects=objects)
        is_stored = self._is_stored(run.name, batch, self.database.transact(read))
        (run.confirm if is_stored else run.void)()
        came = "was written" if is_stored else "was not written"
        log.warning("run %s was killed: its last batch of %d %s", run.name, len(objects), came)

    def _is_stored(self, name: str, batch: Batch, found: ScoresById) -> bool:
        """Say whether a batch came true, by the scores that are there, and that others found."""
        seen: dict[int, Score] = dict(found)
        objects = {change.object for change in batch.changes}
        entries = self.ledger.history(objects, since=batch.time)
        others = (entry for entry in entries if entry.run != name)
        for entry in sorted(others, key=when, reverse=True):
            if entry.batch.time > batch.time:
                seen[entry.change.object] = entry.change.old
        return any(
            change.object in seen and seen[change.object] == change.new for change in batch.changes
        )


@contextmanager
def open_place(config: Config) -> Iterator[Place]:
    """Open the database and the ledger of a configuration, once killed runs are settled."""
    with Database.connect(config.database, writes=True) as database:
        require_writable_scores(database, config.survey)
        place = Place(database, config.survey, Ledger(config.ledger))
        place.settle()
        yield place


def _so_far(run: OpenRun) -> str:
    if not run.count:
        return "no score was written"
    return f"{run.count} scores were written before, as run {run.name}"


def when(entry: Entry) -> str:
    """Give the time of an entry."""
    return entry.batch.time
