"""Statements that write the scores of objects, one column of one table."""

from collections.abc import Mapping, Sequence

from sqlalchemy import Column, Select, Update, case, false, select, text, update

from realbogus.database.connection import Database, Transaction
from realbogus.database.floats import in_full
from realbogus.database.schema import SCHEMAS
from realbogus.errors import DatabaseBusyError, DatabaseError

__all__ = [
    "SCORES",
    "Score",
    "read_scores",
    "require_writable_scores",
    "score_statement",
    "set_scores",
    "stored_statement",
]

Score = float | None
"""A score as the database keeps it; None where the column is NULL."""

SCORES: Mapping[str, Column[float]] = {
    "atlas": SCHEMAS["atlas"].tables["atlas_diff_objects"].c.zooniverse_score,
    "ps1": SCHEMAS["ps1"].tables["tcs_transient_objects"].c.confidence_factor,
}
"""The column of each survey that holds the score of an object."""

_BY_ID = "FORCE INDEX (PRIMARY)"
_WITHOUT_TRANSACTIONS = text(
    "SELECT t.engine FROM information_schema.tables t JOIN information_schema.engines e"
    " ON e.engine = t.engine WHERE t.table_schema = DATABASE() AND t.table_name = :name"
    " AND e.transactions = 'NO'"
)


def stored_statement(survey: str, objects: Sequence[int], *, locks: bool) -> Select[tuple[int]]:
    """Ask for the scores of objects in full, and by choice keep others from changing them."""
    column = SCORES[survey]
    query = (
        select(column.table.c.id, in_full(column).label("score"))
        .where(column.table.c.id.in_(objects))
        .order_by(column.table.c.id)
        .with_hint(column.table, _BY_ID, "mysql")
    )
    return query.with_for_update() if locks else query


def score_statement(survey: str, scores: Mapping[int, Score]) -> Update:
    """Ask to change the scores of objects, all in one statement."""
    column = SCORES[survey]
    identifier = column.table.c.id
    return (
        update(column.table)
        .where(identifier.in_(list(scores)))
        .values({column: case(dict(scores), value=identifier)})
        .with_hint(_BY_ID, dialect_name="mysql")
    )


def read_scores(
    transaction: Transaction, survey: str, objects: Sequence[int], *, locks: bool = True
) -> dict[int, Score]:
    """Read the scores of those objects that exist; until the transaction ends, nobody changes them.

    Rows are locked in the order of their ids, so that two runs rarely wait for each other.
    """
    rows = transaction.rows(stored_statement(survey, objects, locks=locks))
    return {int(row.id): row.score for row in rows}


def set_scores(
    transaction: Transaction, survey: str, scores: Mapping[int, Score]
) -> dict[int, Score]:
    """Change the scores of objects; give them as they are stored now.

    A FLOAT column keeps another number than it gets.
    """
    transaction.run(score_statement(survey, scores))
    return read_scores(transaction, survey, list(scores), locks=False)


def require_writable_scores(database: Database, survey: str) -> None:
    """Check that the account may write scores, without writing any.

    The server checks the rights of a statement before it looks for rows, so one that asks for none
    is enough: roles, rights of a column, and servers that are read-only all count.

    Raises
    ------
    DatabaseError
        If it may not, or if the table can't undo what was half done.
    """
    column = SCORES[survey]
    table = column.table.name
    try:
        engine = database.transact(lambda transaction: _try_to_write(transaction, survey))
    except DatabaseBusyError:
        raise
    except DatabaseError as error:
        raise DatabaseError(
            f"{error}: update needs an account with SELECT and UPDATE ({column.name}) on {table}"
        ) from None
    if engine is not None:
        raise DatabaseError(
            f"database {database.name}: {table} is a table of {engine}, without transactions: a "
            "run that is killed would leave half a batch"
        )


def _try_to_write(transaction: Transaction, survey: str) -> str | None:
    """Write no row; give the name of the table's engine if it has no transactions."""
    column = SCORES[survey]
    transaction.run(update(column.table).values({column: column}).where(false()))
    query = select(column.table.c.id, column).where(false())
    transaction.rows(query.with_for_update())
    if transaction.is_sqlite:
        return None
    found = transaction.rows(_WITHOUT_TRANSACTIONS.bindparams(name=column.table.name))
    return str(found[0].engine) if found else None
