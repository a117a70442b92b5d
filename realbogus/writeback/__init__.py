"""Scores written to the survey's database, each change in the ledger, and taken back by it.

A batch is a transaction: rows are locked, changed, read again as they are stored, and written to
the ledger; only then the batch is committed. So whatever kills a run, the ledger knows each change
that the database keeps, and of a batch that was open the database shows whether it came true.
"""

import logging
from collections.abc import Collection, Sequence
from pathlib import Path

from realbogus.config import Config
from realbogus.database import Database
from realbogus.database.writing import require_writable_scores
from realbogus.errors import FormatError
from realbogus.files import require_writable_folder
from realbogus.ledger import Ledger
from realbogus.provenance import identify
from realbogus.recipes import Input, Recipe
from realbogus.scores import Column, read_object_scores, write_ecsv
from realbogus.writeback.place import Changed, ScoresById, open_place, when

__all__ = [
    "Changed",
    "read_writable",
    "record_path",
    "require_update",
    "revert_changes",
    "update_database",
    "write_scores",
]

log = logging.getLogger(__name__)

_DIGITS = 16
_RECORD = (
    Column("run", "string", "in the ledger, if there was something to write"),
    Column("written", "int64", "scores"),
    Column("kept", "int64", "objects whose score was left as it is"),
    Column("vanished", "int64", "objects without a row"),
)


def require_update(config: Config) -> None:
    """Check before any work that scores can be written: the account's rights, and the ledger.

    Raises
    ------
    ConfigError, DatabaseError
        If not.
    """
    with Database.connect(config.database, writes=True) as database:
        require_writable_scores(database, config.survey)
    require_writable_folder(config.ledger)


def record_path(output_csv: Path, *, rescore: bool) -> Path:
    """Name the file that says that the scores of a file were written to the database."""
    return output_csv.with_name(f"{output_csv.stem}.{'rescore' if rescore else 'update'}.csv")


def read_writable(output_csv: Path) -> list[tuple[int, float]]:
    """Read the objects of a file that have a score, and their scores.

    Raises
    ------
    FormatError
        If the file holds something else, or an object that no database has.
    """
    found = []
    for name, score in read_object_scores(output_csv).items():
        if not (name.isascii() and name.isdecimal()):
            raise FormatError(f"{output_csv}: not an object of the database: {name[:80]!r}")
        if score is not None:
            found.append((int(name), score))
    return found


def update_database(
    config: Config, scores: Sequence[tuple[int, float]], *, output_csv: Path, rescore: bool
) -> None:
    """Write scores of a file to the database, say what came of it, and leave a record of it.

    Parameters
    ----------
    config : Config
        The database and the ledger.
    scores : sequence of (int, float)
        Objects of the file, not necessarily all, and their scores.
    output_csv : Path
        The file.
    rescore : bool
        Write where there is a score already, too.

    Raises
    ------
    DatabaseError, OSError
        As `write_scores` does.
    """
    made = identify(output_csv)
    changed = write_scores(config, scores, made=made, rescore=rescore)
    if changed.vanished.count:
        log.warning(
            "%d objects are not in the database any more: %s",
            *(changed.vanished.count, changed.vanished),
        )
    where = f" (run {changed.run} of {config.ledger})" if changed.run else ""
    log.info("%d scores written, %d left as they are%s", changed.count, changed.kept, where)
    row = (changed.run or None, changed.count, changed.kept, changed.vanished.count)
    recipe = Recipe("update", {"rescore": rescore}, {"outputcsv": made})
    write_ecsv(record_path(output_csv, rescore=rescore), _RECORD, [row], recipe)


def write_scores(
    config: Config, scores: Sequence[tuple[int, float]], *, made: Input, rescore: bool = False
) -> Changed:
    """Write scores of objects to the survey's database.

    Parameters
    ----------
    config : Config
        The database and the ledger.
    scores : sequence of (int, float)
        Objects, and the score of each.
    made : Input
        The file that they come from, whose recipe names the classifiers.
    rescore : bool
        Write where there is a score already, too.

    Raises
    ------
    DatabaseError, OSError
        If the database or the ledger can't be written; the batches that were are there and stay.
    """
    wanted = dict(scores)

    def choose(found: ScoresById) -> ScoresById:
        return {item: wanted[item] for item in found if rescore or found[item] is None}

    with open_place(config) as place:
        recipe = Recipe("update", {**place.target, "rescore": rescore}, {"outputcsv": made})
        return place.change(sorted(wanted), choose, recipe, models=_models(made.recipe))


def revert_changes(config: Config, name: str) -> tuple[Changed, int]:
    """Give the objects that a run changed the scores that they had before.

    A score that anyone has changed since is left alone, also one that the ledger says another run
    has written, even if it is the same.

    Parameters
    ----------
    config : Config
        The database and the ledger.
    name : str
        Of the run.

    Returns
    -------
    Changed
        What was restored; ``kept`` counts what has changed since.
    int
        How many an earlier revert of the same run had restored.

    Raises
    ------
    ConfigError
        If there is no such run, if it still goes on, or if it wrote to another database.
    DatabaseError, OSError
        If the database or the ledger can't be written; the batches that were are there and stay.
    """
    Ledger(config.ledger).require(name)
    with open_place(config) as place:
        record = place.read(name)
        mine = {change.object: change for change in record.changes}
        since = record.batches[0].time if record.batches else ""
        last = _last_writers(place.ledger, mine, since=since)
        reverts = {other for other in set(last.values()) if place.ledger.is_revert(other, of=name)}
        restored = {item for item in mine if last[item] in reverts}

        def choose(found: ScoresById) -> ScoresById:
            return {
                item: mine[item].old
                for item, score in found.items()
                if last[item] == name and score == mine[item].new
            }

        made = Input(f"{name}.csv", record.recipe.digest, record.recipe)
        recipe = Recipe("revert", {**place.target, "run": name}, {"run": made})
        return place.change(sorted(mine.keys() - restored), choose, recipe), len(restored)


def _models(recipe: Recipe | None) -> str:
    """Write the digests of the classifiers of a score file, by camera where there are several."""
    words = []
    for name, item in sorted(recipe.inputs.items() if recipe else ()):
        camera = name.removeprefix("classifier").strip("[]")
        words.append(f"{camera}={item.digest[:_DIGITS]}" if camera else item.digest[:_DIGITS])
    return " ".join(words)


def _last_writers(ledger: Ledger, objects: Collection[int], *, since: str) -> dict[int, str]:
    """Give the run that was the last to change each object, since a time when one did."""
    entries = ledger.history(objects, since=since)
    true = (entry for entry in entries if entry.batch.is_stored is not False)
    return {entry.change.object: entry.run for entry in sorted(true, key=when)}
