"""What runs wrote to the survey's database: listed, and taken back."""

from collections.abc import Sequence
from pathlib import Path

from realbogus.config import load_config
from realbogus.ledger import Ledger, Record
from realbogus.writeback import revert_changes

__all__ = ["list_runs", "revert_run"]

_HEAD = ("run", "what", "database", "scores", "state")


def list_runs(config_file: Path) -> list[Sequence[str]]:
    """List the runs that wrote to a database, the oldest first.

    Parameters
    ----------
    config_file : Path
        The configuration, which names the folder of the ledger. The database is not asked.

    Returns
    -------
    list of sequences of str
        A head, and a row a run.

    Raises
    ------
    ConfigError, FormatError
        If there is no configuration, or a file of the ledger is none.
    """
    ledger = Ledger(load_config(config_file).ledger)
    return [_HEAD, *(_row(ledger.read(name)) for name in ledger.names)]


def revert_run(name: str, config_file: Path) -> list[str]:
    """Give the objects that a run changed the scores that they had before.

    Parameters
    ----------
    name : str
        Of the run.
    config_file : Path
        The configuration: the database and the ledger.

    Returns
    -------
    list of str
        What came of it, in lines.

    Raises
    ------
    ConfigError, DatabaseError, FormatError, OSError
        As `revert_changes` does.
    """
    changed, before = revert_changes(load_config(config_file), name)
    lines = [f"{changed.count} scores of {name} restored"]
    if changed.run:
        lines[0] += f", as run {changed.run}"
    if before:
        lines.append(f"{before} had been restored before")
    if changed.kept:
        lines.append(f"{changed.kept} have changed since, and are left as they are")
    if changed.vanished.count:
        lines.append(f"{changed.vanished.count} objects are not there any more: {changed.vanished}")
    return lines


def _row(record: Record) -> Sequence[str]:
    options = record.recipe.options
    what = f"revert of {options['run']}" if "run" in options else _named(record)
    open_batches = [batch for batch in record.batches if batch.is_stored is None]
    unknown = sum(len(batch.changes) for batch in open_batches)
    state = "ended" if record.has_ended else f"running, or killed ({unknown} not confirmed)"
    return (record.name, what, str(options.get("database")), str(len(record.changes)), state)


def _named(record: Record) -> str:
    made = record.recipe.inputs.get("outputcsv")
    word = "rescore" if record.recipe.options.get("rescore") else "update"
    return f"{word} by {made.name}" if made else word
