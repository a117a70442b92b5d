"""One try to get one file, whatever the way."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from threading import Event
from urllib.error import URLError

from realbogus.errors import ImageError

__all__ = ["Patience", "Transfer", "TransferError", "read_chunks", "reason_of", "save"]

_CHUNK = 1 << 20


@dataclass(frozen=True)
class Patience:
    """How long to wait, and how often to try.

    Attributes
    ----------
    tries : int
        Of each file.
    pause : float
        Seconds before the second try; twice as many before each further one.
    silence : float
        Seconds without a byte after which a try has failed.
    longest : float
        Seconds that one try may take.
    largest : int
        Bytes that a file may have.
    hopeless : int
        Files that may fail one after another before the rest is given up.
    """

    tries: int = 3
    pause: float = 1.0
    silence: float = 60.0
    longest: float = 1800.0
    largest: int = 1 << 30
    hopeless: int = 20


@dataclass(frozen=True)
class Transfer:
    """One try to get one file.

    Attributes
    ----------
    source : str
        The file there, as the program of the scheme takes it.
    part : Path
        The file to write.
    patience : Patience
        How long it may take.
    stop : Event
        Set when nobody waits for the file any more.
    deadline : float
        When the try ends, by the monotonic clock.
    """

    source: str
    part: Path
    patience: Patience
    stop: Event
    deadline: float

    def require_time(self) -> None:
        """Check that the try may go on.

        Raises
        ------
        TransferError
            If its time is over, or nobody waits for it.
        """
        if self.stop.is_set():
            raise TransferError("interrupted", final=True)
        if time.monotonic() > self.deadline:
            raise TransferError(f"not done after {self.patience.longest:g} s")


class TransferError(Exception):
    """Why a try failed; ``final`` when another one can't do better."""

    def __init__(self, reason: str, *, final: bool = False) -> None:
        super().__init__(reason)
        self.final = final


def read_chunks(read: Callable[[int], bytes]) -> Iterator[bytes]:
    """Read until the end; an error on the way is a `TransferError`."""
    while True:
        try:
            chunk = read(_CHUNK)
        except (OSError, HTTPException) as error:
            raise TransferError(reason_of(error)) from error
        if not chunk:
            return
        yield chunk


def save(chunks: Iterable[bytes], transfer: Transfer) -> int:
    """Write what comes to the part, and count it.

    Raises
    ------
    TransferError
        If it takes too long, or is too much.
    ImageError
        If it can't be written, which no other try and no other image will mend.
    """
    size = 0
    try:
        with transfer.part.open("wb") as file:
            for chunk in chunks:
                transfer.require_time()
                size += len(chunk)
                _require_size(size, transfer.patience.largest)
                file.write(chunk)
    except OSError as error:
        folder = transfer.part.parent
        raise ImageError(f"{folder}: can't write an image ({error.strerror})") from error
    return size


def _require_size(size: int, largest: int) -> None:
    if size > largest:
        raise TransferError(f"more than {largest} bytes", final=True)


def reason_of(error: Exception) -> str:
    """Say in a few words what a connection died of."""
    cause = error.reason if isinstance(error, URLError) else error
    return str(cause) or type(cause).__name__
