"""One connection to a survey's database, whose errors are one line and never show a password."""

import logging
import re
import struct
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from sqlalchemy import URL, Connection, Engine, Executable, Row, create_engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError

from realbogus.config import DatabaseSettings
from realbogus.database.schema import SCHEMAS
from realbogus.errors import DatabaseBusyError, DatabaseError

__all__ = ["DELAYS", "Database", "Transaction"]

log = logging.getLogger(__name__)

Item = TypeVar("Item")

DELAYS = (1.0, 2.0, 4.0)
"""Seconds before each further try of a query after the server went away or was busy."""

_BATCH = 5000
_LOCKS = "SET SESSION lock_wait_timeout = {0:d}, innodb_lock_wait_timeout = {0:d}"
_CONNECT_TIMEOUT = 10
_SILENCE = 10  # times the timeout of a lock
_SQLITE_BUSY = 5
_TABLES = {name: table for schema in SCHEMAS.values() for name, table in schema.tables.items()}

# What the driver fails with when it reads from a server that is none.
_CONFUSED = (LookupError, ValueError, AssertionError, struct.error)

# Row changed meanwhile, too many connections, shutdown in progress, lock wait, deadlock, query or
# connection killed, statement too long (MariaDB, MySQL); can't connect by socket or by network,
# gone away, lost.
_BUSY = frozenset({1020, 1040, 1053, 1205, 1213, 1317, 1927, 1969, 3024, 2002, 2003, 2006, 2013})


class Transaction:
    """Statements that come true together or not at all, inside `Database.transact`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @property
    def is_sqlite(self) -> bool:
        """Whether there is no server, but a file."""
        return self._connection.dialect.name == "sqlite"

    def rows(self, query: Executable) -> Sequence[Row[Any]]:
        """Run a query and give all its rows."""
        return self._connection.execute(query).all()

    def run(self, statement: Executable) -> None:
        """Run a statement that gives no rows."""
        self._connection.execute(statement)


class Database:
    """A survey's database, open for reading and, if that was asked for, for writing.

    Use it as a context manager; leaving the block closes the connection.

    Parameters
    ----------
    url : URL
        Where it is.
    **options
        What SQLAlchemy's ``create_engine`` wants to know besides.
    """

    def __init__(self, url: URL, **options: Any) -> None:
        self.name = f"{url.host or ''}/{url.database or ''}".lstrip("/")
        self._engine: Engine = create_engine(
            url, hide_parameters=True, pool_pre_ping=True, **options
        )
        self._connection: Connection = self._connect()

    @classmethod
    def open(cls, url: str) -> Self:
        """Open the database of a URL: ``sqlite:///FILE`` or ``mysql+pymysql://…``."""
        return cls(_parse(url))

    @classmethod
    def connect(cls, settings: DatabaseSettings, *, writes: bool = False) -> Self:
        """Open the database that a configuration file names.

        Parameters
        ----------
        settings : DatabaseSettings
            Of the configuration file.
        writes : bool
            It is for `transact`; otherwise for reading.

        Raises
        ------
        DatabaseError
            If the server can't be reached, refuses the account, or the SQLite file is missing.
        """
        if settings.url is not None and not settings.url.startswith("mysql"):
            _require_sqlite_file(settings.url)
            return cls.open(settings.url)
        # Each query is a transaction of its own: none holds a lock or old rows on the server.
        isolation = {} if writes else {"isolation_level": "AUTOCOMMIT"}
        return cls(_server_url(settings), connect_args=_server_options(settings), **isolation)

    def __enter__(self) -> Self:
        """Give the open database."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the connection, also one that the server has closed already."""
        with suppress(SQLAlchemyError):
            self._connection.close()
        self._engine.dispose()

    def rows(self, query: Executable) -> Iterator[Row[Any]]:
        """Run a query and give its rows one by one, as they come from the server.

        Until the last row is taken the connection can't run another query.
        """
        with self._errors():
            streaming = self._connection.execution_options(stream_results=True, yield_per=_BATCH)
            result = streaming.execute(query)
            with _forget_unread_rows(result.cursor):
                yield from result

    def fetch(self, query: Executable, convert: Callable[[Row[Any]], Item]) -> list[Item]:
        """Run a query and give all its rows, converted one by one.

        It is tried as often as by `gather`, and fails as that does.
        """
        return self.gather(query, lambda rows: [convert(row) for row in rows])

    def gather(self, query: Executable, take: Callable[[Iterator[Row[Any]]], Item]) -> Item:
        """Run a query, and give what a function makes of its rows as they come.

        A server that goes away or is busy is asked again, after waiting longer each time: then
        ``take`` is called again, and gets every row from the first one on.

        Raises
        ------
        DatabaseBusyError
            If it still is after the last try.
        DatabaseError
            If it refuses the query.
        """
        return _try_often(lambda: self._try_to_gather(query, take))

    def transact(self, work: Callable[[Transaction], Item]) -> Item:
        """Call a function with a transaction, and commit what it has run.

        It is called again as often and after the same pauses as `gather` asks, as after a deadlock.
        What it ran before was undone by then, unless the server went away while it committed: then
        nobody knows, and the function has to look.

        Raises
        ------
        DatabaseBusyError
            If the server still is busy or away after the last try.
        DatabaseError
            If it refuses a statement.
        """
        return _try_often(lambda: self._try_to_transact(work))

    def create_tables(self, survey: str) -> None:
        """Make the empty tables of a survey."""
        with self._errors():
            SCHEMAS[survey].create_all(self._connection)
            self._connection.commit()

    def insert(self, table: str, rows: Iterable[Mapping[str, Any]]) -> None:
        """Insert rows, given as mappings from column to value, in one transaction."""
        insertion = _TABLES[table].insert()
        remaining = iter(rows)
        with self._errors():
            while batch := [dict(row) for row in islice(remaining, _BATCH)]:
                self._connection.execute(insertion, batch)
            self._connection.commit()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except SQLAlchemyError as error:
            kind = DatabaseBusyError if _is_busy(error) else DatabaseError
            raise kind(f"database {self.name}: {_reason(error)}") from None
        except OverflowError:
            raise DatabaseError(f"database {self.name}: a number is too large for it") from None

    def _connect(self) -> Connection:
        try:
            with self._errors():
                return self._engine.connect()
        except OSError as error:
            # The driver reads the certificates itself, before it knows of errors of its own.
            if isinstance(error, DatabaseError):
                raise
            raise DatabaseError(f"database {self.name}: {error.strerror or error}") from None
        except RuntimeError as error:
            # The driver lacks a package for the way in which this account logs in.
            raise DatabaseError(f"database {self.name}: {error}") from None
        except _CONFUSED as error:
            kind = type(error).__name__
            what = f"what answers there does not do so as MySQL or MariaDB do ({kind})"
            raise DatabaseError(f"database {self.name}: {what}") from None

    def _try_to_gather(self, query: Executable, take: Callable[[Iterator[Row[Any]]], Item]) -> Item:
        self._connect_again()
        try:
            return take(self.rows(query))
        except DatabaseBusyError:
            self._drop_connection()
            raise

    def _try_to_transact(self, work: Callable[[Transaction], Item]) -> Item:
        self._connect_again()
        try:
            with self._errors():
                transaction = Transaction(self._connection)
                if transaction.is_sqlite:
                    # It has no rows to lock, so nobody else may write from here on.
                    self._connection.exec_driver_sql("BEGIN IMMEDIATE")
                result = work(transaction)
                self._connection.commit()
        except BaseException:
            # The server undoes a transaction whose connection is closed.
            self._drop_connection()
            raise
        return result

    def _connect_again(self) -> None:
        if self._connection.closed:
            self._connection = self._connect()

    def _drop_connection(self) -> None:
        self._connection.invalidate()
        self._connection.close()


def _try_often(work: Callable[[], Item]) -> Item:
    """Call a function again, after waiting longer each time, while the server is busy."""
    for delay in DELAYS:
        try:
            return work()
        except DatabaseBusyError as error:
            log.warning("%s; trying again in %g s", error, delay)
            time.sleep(delay)
    return work()


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
        parsed.get_dialect()
    except (ArgumentError, ValueError) as error:
        raise DatabaseError("the database URL is not one of SQLAlchemy's form") from error
    return parsed


def _server_url(settings: DatabaseSettings) -> URL:
    if settings.url is not None:
        return _parse(settings.url)
    return URL.create(
        "mysql+pymysql",
        username=settings.username,
        password=settings.password,
        host=settings.hostname,
        port=settings.port,
        database=settings.database,
        query={"charset": "utf8mb4"},
    )


def _server_options(settings: DatabaseSettings) -> dict[str, Any]:
    options: dict[str, Any] = {
        "connect_timeout": _CONNECT_TIMEOUT,
        "read_timeout": _SILENCE * settings.timeout,
        "init_command": _LOCKS.format(settings.timeout),
    }
    if settings.unix_socket is not None:
        options["unix_socket"] = settings.unix_socket
    if settings.ssl_ca is not None:
        options["ssl"] = {"ca": settings.ssl_ca}
    return options


def _require_sqlite_file(url: str) -> None:
    scheme, _, name = url.partition(":///")
    if scheme == "sqlite" and not Path(name).is_file():
        raise DatabaseError(f"database {name}: no such file")


@contextmanager
def _forget_unread_rows(cursor: Any) -> Iterator[None]:
    """Keep PyMySQL from reading the rest of a result from a connection that was lost.

    It would do so when the cursor is thrown away, and show a traceback that nobody can catch.
    """
    unread = getattr(cursor, "_result", None)
    try:
        yield
    except DBAPIError as error:
        if error.connection_invalidated and unread is not None:
            unread.unbuffered_active = False
        raise


def _is_busy(error: SQLAlchemyError) -> bool:
    """Say whether another try may help."""
    if not isinstance(error, DBAPIError) or error.orig is None:
        return False
    if getattr(error.orig, "sqlite_errorcode", None) == _SQLITE_BUSY:
        return True
    return error.connection_invalidated or next(iter(error.orig.args), None) in _BUSY


def _reason(error: SQLAlchemyError) -> str:
    """Give the driver's own words in one line, without the statement and its parameters."""
    words = str(getattr(error, "orig", None) or error)
    return " ".join(next(islice(re.split(r"\n\[SQL", words), 1)).split())[:300]
