"""Files that are brought from the disk before they are asked for."""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from stat import S_ISREG
from threading import Event

from realbogus.options import free_memory
from realbogus.parallel import on_the_side

__all__ = ["prefetching"]

# Disks like several requests at once.
_WORKERS = 2
# The system's memory keeps other files too, and those that are asked for first must still be there.
_SHARE_OF_MEMORY = 0.5
# Bytes between two looks at whether anybody still wants the files.
_STEP = 64 * 2**20


@contextmanager
def prefetching(folder: Path) -> Iterator[Callable[[Iterable[bytes]], bool]]:
    """Let the system's memory be filled with files, whole, in their order, while others work.

    That takes a fourth of the processor's time that it takes to announce their parts.

    Parameters
    ----------
    folder : Path
        Where the names of the files begin.

    Yields
    ------
    callable
        Takes names of files, and begins with those that it was not given before. It says whether it
        did: not if all that it was given would take more than half of the memory that is free.
        A file that can't be read is passed over: whoever reads it says why.
    """
    base, stop, begun = os.fsencode(folder), Event(), set[bytes]()
    room = _SHARE_OF_MEMORY * free_memory()

    def prefetch(names: Iterable[bytes]) -> bool:
        nonlocal room
        paths = [os.path.join(base, name) for name in names if name not in begun]  # noqa: PTH118
        sizes = [_size(path) for path in paths]
        if sum(sizes) > room:
            return False
        room -= sum(sizes)
        begun.update(names)
        for path, size in zip(paths, sizes, strict=True):
            if size:
                call(_fetch, path, size, stop)
        return True

    with on_the_side(_WORKERS) as call:
        try:
            yield prefetch
        finally:
            stop.set()


def _size(path: bytes) -> int:
    """Return the bytes of a file; 0 if it can't be read, or is none, such as a pipe."""
    try:
        status = Path(os.fsdecode(path)).stat()
    except (OSError, ValueError):
        return 0
    return status.st_size if S_ISREG(status.st_mode) else 0


def _fetch(path: bytes, size: int, stop: Event) -> None:
    """Send a file nowhere, since the system then reads it ahead and does not copy it."""
    with suppress(OSError):
        source, nowhere = os.open(path, os.O_RDONLY), os.open(os.devnull, os.O_WRONLY)
        try:
            place = 0
            while place < size and not stop.is_set():
                sent = os.sendfile(nowhere, source, place, min(size - place, _STEP))
                if not sent:
                    break
                place += sent
        finally:
            os.close(source)
            os.close(nowhere)
