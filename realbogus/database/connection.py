"""One connection to a survey's database, whose errors are one line and never show a password."""

import logging
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sqlalchemy import URL, Connection, Engine, Executable, create_engine, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from realbogus.config import DatabaseSettings
from realbogus.database.schema import SCHEMAS
from realbogus.errors import DatabaseError

__all__ = ["Database"]

log = logging.getLogger(__name__)

_BATCH = 5000
_TABLES = {name: table for schema in SCHEMAS.values() for name, table in schema.tables.items()}


class Database:
    """A survey's database, open for reading and, for a simulated survey, for writing.

    Use it as a context manager; leaving the block closes the connection.
    """

    def __init__(self, url: URL, *, options: Mapping[str, Any] | None = None) -> None:
        self.name = f"{url.host or ''}/{url.database or ''}".lstrip("/")
        self._engine: Engine = create_engine(
            url, connect_args=dict(options or {}), hide_parameters=True, pool_pre_ping=True
        )
        try:
            with self._errors():
                self._connection: Connection = self._engine.connect()
        except OSError as error:
            # The driver reads the certificates itself, before it knows of errors of its own.
            if isinstance(error, DatabaseError):
                raise
            raise DatabaseError(f"database {self.name}: {error.strerror or error}") from None

    @classmethod
    def open(cls, url: str) -> Self:
        """Open the database of a URL: ``sqlite:///FILE`` or ``mysql+pymysql://…``."""
        try:
            return cls(make_url(url))
        except (ArgumentError, ValueError) as error:
            raise DatabaseError("the database URL is not one of SQLAlchemy's form") from error

    @classmethod
    def connect(cls, settings: DatabaseSettings) -> Self:
        """Open the database that a configuration file names.

        Raises
        ------
        DatabaseError
            If the server can't be reached, refuses the account, or the SQLite file is missing.
        """
        if settings.url is not None:
            _require_sqlite_file(settings.url)
            return cls.open(settings.url)
        return cls(_server_url(settings), options=_server_options(settings))

    def __enter__(self) -> Self:
        """Give the open database."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the connection."""
        self._connection.close()
        self._engine.dispose()

    def rows(self, query: Executable) -> Iterator[Mapping[str, Any]]:
        """Run a query and give its rows one by one, as they come from the server."""
        with self._errors():
            streaming = self._connection.execution_options(stream_results=True, yield_per=_BATCH)
            for row in streaming.execute(query).mappings():
                yield dict(row)

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
            raise DatabaseError(f"database {self.name}: {_reason(error)}") from None


def _server_url(settings: DatabaseSettings) -> URL:
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
    options: dict[str, Any] = {"connect_timeout": 10}
    if settings.unix_socket is not None:
        options["unix_socket"] = settings.unix_socket
    if settings.ssl_ca is not None:
        options["ssl"] = {"ca": settings.ssl_ca}
    return options


def _require_sqlite_file(url: str) -> None:
    scheme, _, name = url.partition(":///")
    if scheme == "sqlite" and not Path(name).is_file():
        raise DatabaseError(f"database {name}: no such file")


def _reason(error: SQLAlchemyError) -> str:
    """Give the driver's own words in one line, without the statement and its parameters."""
    words = str(getattr(error, "orig", None) or error)
    return " ".join(next(islice(re.split(r"\n\[SQL", words), 1)).split())[:300]
