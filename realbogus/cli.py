"""The edge: options, logging, and one line for an error."""

import argparse
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn, TypeVar

from tqdm.contrib.logging import logging_redirect_tqdm

from realbogus.errors import RealBogusError

__all__ = ["ArgumentParser", "describe_error", "run", "start_logging"]

log = logging.getLogger("realbogus")

Result = TypeVar("Result")


class ArgumentParser(argparse.ArgumentParser):
    """A parser whose errors are one line and exit status 1, and which knows ``--verbose``."""

    def __init__(self, description: str | None) -> None:
        super().__init__(
            description=description,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        self.add_argument("-v", "--verbose", action="store_true", help="say more")

    def error(self, message: str) -> NoReturn:
        """Print one line and exit."""
        self.exit(1, f"{self.prog}: {message} (see --help)\n")


def run(
    stage: Callable[[], Result], *, verbose: bool, status: Callable[[Result], int] = lambda _: 0
) -> int:
    """Call a stage, and turn its errors into one line.

    Parameters
    ----------
    stage : callable
        What to do.
    verbose : bool
        Say more.
    status : callable
        From what the stage gives to the exit status, where that is not 0.

    Returns
    -------
    int
        The exit status: 0 or as ``status`` says, or 1 after an error, or 130 after Ctrl-C.
    """
    start_logging(verbose=verbose)
    try:
        with _bars_below_the_log():
            found = stage()
    except (RealBogusError, OSError) as error:
        log.error("%s", describe_error(error))
        return 1
    except KeyboardInterrupt:
        log.error("interrupted; nothing half-written is left")
        return 130
    return status(found)


def describe_error(error: BaseException) -> str:
    """Say an error in one line."""
    if isinstance(error, RealBogusError) or not isinstance(error, OSError):
        text = str(error)
    else:
        text = f"{error.filename or 'system'}: {error.strerror or error}"
    return " ".join(text.splitlines())


def start_logging(*, verbose: bool) -> None:
    """Send this project's log to the standard error stream: warnings, progress, or everything."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(levelname)s: %(message)s"))
    log.handlers = [handler]
    log.propagate = False
    log.setLevel(logging.DEBUG if verbose else logging.INFO)


@contextmanager
def _bars_below_the_log() -> Iterator[None]:
    with logging_redirect_tqdm(loggers=[log]):
        yield
