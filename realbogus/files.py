"""Files that are whole or absent."""

import errno
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self, TextIO

from realbogus.errors import ConfigError, FormatError, RealBogusError

__all__ = [
    "Spool",
    "atomic_path",
    "errors_name",
    "flush_to_disk",
    "read_blocks",
    "read_lines",
    "require_readable_file",
    "require_writable_folder",
    "write_small_file",
]

# Characters of the lines that are read at one go: with what is made of them a core's cache is full.
_BLOCK_LENGTH = 2**18
# HDF5 hides the number of an error of the operating system in its text, even of a RuntimeError.
_HIDDEN_NUMBER = re.compile(r"\berrno = (\d{1,3})\b")


@contextmanager
def atomic_path(target: Path) -> Iterator[Path]:
    """Give a path to write to, and move it to ``target`` once the block has ended well.

    Parameters
    ----------
    target : Path
        The file to make. Its folder is made too.

    Yields
    ------
    Path
        A hidden name beside ``target`` with the same suffix. It is removed when the block raises.

    Raises
    ------
    ConfigError
        If the folder can't be made or written to.
    OSError
        If the disk is full, or fails; it names ``target``.
    """
    require_writable_folder(target.parent)
    part = target.with_name(f".{target.stem}.{secrets.token_hex(4)}{target.suffix}")
    try:
        with errors_name(target):
            yield part
            flush_to_disk(part)
            part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def write_small_file(path: str, content: bytes) -> None:
    """Write one of many small files, whole or not at all, at the speed of the operating system.

    Its folder exists. Nothing waits for the disk, so that a power cut may lose it.

    Raises
    ------
    OSError
        If the disk is full, or fails; it names ``path``.
    """
    folder, name = os.path.split(path)
    part = f"{folder or '.'}/.{name}.{os.getpid()}"
    try:
        with errors_name(path):
            descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
            try:
                while content:
                    content = content[os.write(descriptor, content) :]
            finally:
                os.close(descriptor)
            os.replace(part, path)  # noqa: PTH105 - a tenth of what pathlib takes
    except BaseException:
        with suppress(OSError):
            os.unlink(part)  # noqa: PTH108
        raise


@contextmanager
def errors_name(target: Path | str) -> Iterator[None]:
    """Let the operating system's errors in the block name the file that was being written.

    The errors of this project pass unchanged.
    """
    try:
        yield
    except RealBogusError:
        raise
    except (OSError, RuntimeError) as error:
        hidden = _HIDDEN_NUMBER.search(str(error))
        if hidden is None and not isinstance(error, OSError):
            raise
        number = int(hidden[1]) if hidden else getattr(error, "errno", None) or errno.EIO
        raise OSError(number, os.strerror(number), str(target)) from error


class Spool:
    """Lines on their way into a text file that can't be begun yet, kept on the disk and not here.

    They wait beside ``target`` in a file without a name, so that nothing stays behind whatever
    happens. Use it as a context manager.

    Parameters
    ----------
    target : Path
        The file to make. Its folder must exist.
    """

    def __init__(self, target: Path) -> None:
        self.target = target
        self.count = 0
        with errors_name(target):
            # It is closed when the spool is.
            self._file = tempfile.TemporaryFile(  # noqa: SIM115
                "w+", encoding="utf-8", dir=target.parent
            )

    def __enter__(self) -> Self:
        """Give the spool."""
        return self

    def __exit__(self, *_: object) -> None:
        """Forget the lines."""
        with suppress(OSError):  # a disk that was full is so still
            self._file.close()

    def add_line(self, line: str) -> None:
        """Add a line, given without its end."""
        with errors_name(self.target):
            self._file.write(f"{line}\n")
        self.count += 1

    def save(self, head: str = "") -> None:
        """Write the target: the head, and then the lines."""
        with atomic_path(self.target) as part, part.open("w", encoding="utf-8") as stream:
            stream.write(head)
            self._file.seek(0)
            shutil.copyfileobj(self._file, stream)


def require_writable_folder(folder: Path) -> None:
    """Make ``folder`` if need be, and check that files can be made in it.

    Raises
    ------
    ConfigError
        If it can't be made or written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ConfigError(f"{folder}: can't write in this folder ({error.strerror})") from error


def require_readable_file(path: Path, *, name: str) -> None:
    """Check that ``path``, given as the option ``name``, is a file that can be read.

    Raises
    ------
    ConfigError
        If it is missing, a folder, or not readable.
    """
    if not path.exists():
        raise ConfigError(f"{name}: {path} does not exist")
    if not path.is_file() or not os.access(path, os.R_OK):
        raise ConfigError(f"{name}: {path} is not a readable file")


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Read a text file line by line, each with its number from 1.

    Raises
    ------
    FormatError
        If it is missing, or is not text.
    """
    with _open_text(path) as stream:
        yield from enumerate(stream, 1)


def read_blocks(path: Path) -> Iterator[tuple[int, str]]:
    """Read a text file some lines at a time, each block with the number of its first line.

    Raises
    ------
    FormatError
        If it is missing, or is not text.
    """
    first = 1
    with _open_text(path) as stream:
        while block := stream.read(_BLOCK_LENGTH):
            block += stream.readline()
            yield first, block
            first += block.count("\n")


def flush_to_disk(path: Path) -> None:
    """Wait until a file, or the list of the files of a folder, outlives a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _open_text(path: Path) -> Iterator[TextIO]:
    try:
        with path.open(encoding="utf-8") as stream:
            yield stream
    except FileNotFoundError as error:
        raise FormatError(f"{path}: no such file") from error
    except (OSError, UnicodeDecodeError) as error:
        raise FormatError(f"{path}: not a text file that can be read") from error
