"""Images by rsync, from its daemon or over ssh."""

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from typing import IO

from realbogus.errors import ImageError
from realbogus.fetch.transfer import Transfer, TransferError

__all__ = ["fetch_by_ssh", "fetch_from_daemon"]

_POLL = 0.05
_GRACE = 2
_LONGEST_COMPLAINT = 1 << 16
_SHOWN = 200
_NO_SUCH_FILE = "No such file"
_DISK_FULL = "No space left on device"


def fetch_from_daemon(transfer: Transfer) -> None:
    """Fetch from an rsync daemon."""
    _rsync(transfer, f"--contimeout={_seconds(transfer)}")


def fetch_by_ssh(transfer: Transfer) -> None:
    """Fetch with rsync over ssh, which may ask nothing."""
    options = f"-oBatchMode=yes -oLogLevel=ERROR -oConnectTimeout={_seconds(transfer)}"
    _rsync(transfer, "-e", f"ssh {options}")


def _seconds(transfer: Transfer) -> int:
    return max(1, round(transfer.patience.silence))


def _rsync(transfer: Transfer, *connection: str) -> None:
    """Run rsync, which writes to the part itself so that no file of its own can stay behind."""
    command = [
        *("rsync", "--quiet", "--inplace", "--whole-file", "--copy-links"),
        *(f"--timeout={_seconds(transfer)}", f"--max-size={transfer.patience.largest}"),
        *(*connection, "--", transfer.source, str(transfer.part)),
    ]
    with tempfile.TemporaryFile() as errors:
        status = _run(command, errors, transfer)
        said = _first_complaint(errors)
    if _DISK_FULL in said:
        raise ImageError(f"{transfer.part.parent}: can't write an image ({_DISK_FULL})")
    if status != 0:
        raise TransferError(said or f"rsync ended with {status}", final=_NO_SUCH_FILE in said)
    if not transfer.part.exists():
        limit = transfer.patience.largest
        raise TransferError(f"not a file of at most {limit} bytes there", final=True)


def _run(command: Sequence[str], errors: IO[bytes], transfer: Transfer) -> int:
    """Run a program in a session of its own, where it finds no terminal to ask for a password."""
    environment = {**os.environ, "LC_ALL": "C"}
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=errors,
        env=environment,
        start_new_session=True,
    ) as process:
        try:
            while process.poll() is None:
                transfer.require_time()
                time.sleep(_POLL)
        finally:
            _end(process)
        return process.returncode


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a program and those that it started, if it still runs."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        if process.poll() is None:
            os.killpg(process.pid, number)
            try:
                process.wait(_GRACE)
            except subprocess.TimeoutExpired:
                continue


def _first_complaint(errors: IO[bytes]) -> str:
    """Give the first line that rsync or ssh wrote, which says most, without ssh's frame of @."""
    errors.seek(0)
    lines = errors.read(_LONGEST_COMPLAINT).decode("utf-8", "replace").splitlines()
    said = next((words for line in lines if (words := line.strip("@ \t"))), "")
    return "".join(character for character in said if character.isprintable())[:_SHOWN]
