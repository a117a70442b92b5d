"""Records that wait in a nameless file, so that memory does not grow with their number."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import astuple
from pathlib import Path
from tempfile import SpooledTemporaryFile, gettempdir
from typing import IO, TYPE_CHECKING, Any, Generic, Self, TypeVar

from realbogus.files import errors_name

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

__all__ = ["Records"]

Record = TypeVar("Record", bound="DataclassInstance")

_IN_MEMORY = 1 << 20


class Records(Generic[Record]):
    """Dataclasses of texts and numbers, to be read as often as needed.

    What fits into a megabyte stays in memory. Use it as a context manager.

    Parameters
    ----------
    kind : type
        Of the records.
    records : iterable
        All of them.
    """

    def __init__(self, kind: type[Record], records: Iterable[Record]) -> None:
        self._kind: Any = kind
        # It is closed when the spool is.
        self._file: IO[str] = SpooledTemporaryFile(_IN_MEMORY, "w+")  # noqa: SIM115
        try:
            for record in records:
                self._add(json.dumps(astuple(record)))
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        """Give the records."""
        return self

    def __exit__(self, *_: object) -> None:
        """Forget the records."""
        self.close()

    def close(self) -> None:
        """Forget the records."""
        self._file.close()

    def __iter__(self) -> Iterator[Record]:
        """Give the records in their order; one reader at a time."""
        self._file.seek(0)
        return (self._kind(*json.loads(line)) for line in self._file)

    def _add(self, line: str) -> None:
        with errors_name(Path(gettempdir())):
            self._file.write(f"{line}\n")
