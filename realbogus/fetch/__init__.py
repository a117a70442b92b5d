"""Missing images, fetched to the image root from the place that ``images.remote`` names.

A transfer writes to a hidden file, which gets its name once its content has been checked. Access is
by ssh key, or open: nothing here knows a password, and nothing asks for one.
"""

import logging
import shutil
import time
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath
from threading import Event

from realbogus.errors import ConfigError, ImageError
from realbogus.fetch.folder import copy
from realbogus.fetch.rsync import fetch_by_ssh, fetch_from_daemon
from realbogus.fetch.transfer import Patience, Transfer, TransferError
from realbogus.fetch.web import download
from realbogus.files import atomic_path, require_writable_folder
from realbogus.fitsfiles import check_fits
from realbogus.remotes import Remote

__all__ = ["FETCHERS", "Fetched", "Patience", "fetch_missing"]

log = logging.getLogger(__name__)

FETCHERS: Mapping[str, Callable[[Transfer], None]] = {
    "ssh": fetch_by_ssh,
    "rsync": fetch_from_daemon,
    "http": download,
    "https": download,
    "file": copy,
}
"""How to get a file, by the scheme of the remote place."""

_PROGRAMS = {"ssh": {"rsync": "rsync", "ssh": "openssh-client"}, "rsync": {"rsync": "rsync"}}
"""The programs that a scheme needs, and the Debian packages that have them."""


@dataclass(frozen=True)
class Fetched:
    """The files that came; and those that did not, with the reason."""

    names: Sequence[PurePosixPath] = ()
    problems: Mapping[PurePosixPath, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Outcome:
    name: PurePosixPath
    problem: str | None = None
    final: bool = False


_Fetch = Callable[[PurePosixPath, Event], _Outcome]
_Spread = Callable[[_Fetch, Sequence[PurePosixPath]], Generator[_Outcome, None, None]]


def fetch_missing(
    names: Iterable[PurePosixPath],
    *,
    remote: Remote,
    root: Path,
    spread: _Spread,
    patience: Patience | None = None,
) -> Fetched:
    """Fetch the files that the image root lacks; those it has are left as they are.

    Parameters
    ----------
    names : iterable of PurePosixPath
        Checked names, relative to the image root and to the remote place alike.
    remote : Remote
        Where to fetch from.
    root : Path
        The image root.
    spread : callable
        How to call a function on every name, such as ``partial(map_threads, workers=5, label="")``.
    patience : Patience, optional
        When to give up.

    Returns
    -------
    Fetched
        A file that did not come is no error; it is named in the log too.

    Raises
    ------
    ConfigError
        If the image root can't be written to, or a program that is needed is not installed.
    """
    missing = [name for name in names if not (root / name).exists()]
    if not missing:
        return Fetched()
    _require_programs(remote.scheme)
    _require_writable_root(root)
    log.info("fetching %d missing images from %s", len(missing), remote.address)
    patience = patience or Patience()
    function = partial(_fetch, remote=remote, root=root, patience=patience)
    with closing(spread(function, missing)) as outcomes:
        return _collect(outcomes, missing, patience)


def _collect(
    outcomes: Iterable[_Outcome], missing: Sequence[PurePosixPath], patience: Patience
) -> Fetched:
    """Sort what came from what did not, until too many have failed one after another."""
    problems = dict.fromkeys(missing, "not tried")
    failures = 0
    for outcome in outcomes:
        if outcome.problem is None:
            del problems[outcome.name]
        else:
            problems[outcome.name] = outcome.problem
            log.warning("%s: not fetched: %s", outcome.name, outcome.problem)
        failures = 0 if outcome.problem is None or outcome.final else failures + 1
        if failures == patience.hopeless:
            log.warning("%d images failed one after another: trying no more", failures)
            break
    names = [name for name in missing if name not in problems]
    log.info("fetched %d of %d missing images", len(names), len(missing))
    return Fetched(names, problems)


def _fetch(
    name: PurePosixPath, stop: Event, *, remote: Remote, root: Path, patience: Patience
) -> _Outcome:
    """Try to fetch a file, and again after a pause, until it has come or can't."""
    problem = "not tried"
    for number in range(patience.tries):
        if stop.wait(patience.pause * 2 ** (number - 1) if number else 0):
            break
        try:
            _try(name, stop, remote=remote, root=root, patience=patience)
        except TransferError as error:
            if error.final:
                return _Outcome(name, str(error), final=True)
            problem = f"{error} (tries: {number + 1})"
            log.debug("%s: %s", name, problem)
        else:
            return _Outcome(name)
    return _Outcome(name, problem)


def _try(
    name: PurePosixPath, stop: Event, *, remote: Remote, root: Path, patience: Patience
) -> None:
    deadline = time.monotonic() + patience.longest
    with atomic_path(root / name) as part:
        source = f"{remote.address}/{name}"
        FETCHERS[remote.scheme](Transfer(source, part.absolute(), patience, stop, deadline))
        try:
            check_fits(part)
        except ImageError as error:
            raise TransferError(str(error).removeprefix(f"{part}: ")) from error


def _require_programs(scheme: str) -> None:
    for program, package in _PROGRAMS.get(scheme, {}).items():
        if shutil.which(program) is None:
            raise ConfigError(
                f"images.remote needs the program {program}: install it, on Debian and Ubuntu with "
                f"`apt-get install {package}`"
            )


def _require_writable_root(root: Path) -> None:
    try:
        require_writable_folder(root)
    except ConfigError as error:
        raise ConfigError(f"images.remote needs an images.root to fetch to: {error}") from error
