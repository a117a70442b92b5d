"""Option values as people type them."""

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, date, datetime
from pathlib import Path

from realbogus.errors import ConfigError

__all__ = [
    "FALSE_ALARMS",
    "available_cores",
    "fill_date",
    "free_memory",
    "parse_classifiers",
    "parse_date",
    "parse_holdout",
    "parse_limits",
    "parse_names",
    "parse_nights",
    "parse_rates",
    "require_choice",
    "require_false_alarms",
    "require_one_way",
    "total_memory",
]

FALSE_ALARMS = 0.01
"""The probability that anything of a good night is held back, if no other is asked for."""

_OF_DETECTIONS = ("camera", "scheduler", "stampThreads")
_OF_OBJECTS = (
    *("outputcsv", "images", "objects", "imageRoot", "update", "rescore", "listid", "combine"),
)
_OWN_GROUPS = Path("/proc/self/cgroup")
# Where Linux keeps the limits of memory, by the kind of the hierarchy: version 2, and version 1.
_CONTROL_GROUPS = {
    "": (Path("/sys/fs/cgroup"), "memory.max"),
    "memory": (Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes"),
}
_NIGHT = re.compile(r"[1-9][0-9]{4}")


def parse_nights(text: str | Iterable[object]) -> tuple[int, ...]:
    """Read a list of nights: ``[58310,58311]``, ``58310,58311``, ``58310-58320``, or a mixture.

    Parameters
    ----------
    text : str or iterable
        As typed, or the words of a command line.

    Returns
    -------
    tuple of int
        The nights (MJD) in order, each once.

    Raises
    ------
    ConfigError
        If a word is neither a night nor a range of nights.
    """
    words = (
        _words(text) if isinstance(text, str) else [w for part in text for w in _words(str(part))]
    )
    return tuple(sorted({night for word in words for night in _night_range(word)}))


def parse_holdout(text: str) -> tuple[int, ...]:
    """Read the nights to hold out: nights as `parse_nights` reads them, or how many of the newest.

    Returns
    -------
    tuple of int
        Nights (MJD), or one number below 10000; empty for none.

    Raises
    ------
    ConfigError
        If it is neither.
    """
    if re.fullmatch(r"\s*[1-9][0-9]{0,3}\s*", text, re.ASCII):
        return (int(text),)
    try:
        return parse_nights(text)
    except ConfigError as error:
        raise ConfigError(
            f"holdoutNights must be nights such as 58318-58320, or how many of the newest, such "
            f"as 2; got {text!r}"
        ) from error


def parse_date(text: str, *, name: str) -> date:
    """Read a day, ``2019-01-31`` or ``20190131``, given as the option ``name``.

    Raises
    ------
    ConfigError
        If it is not a day.
    """
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise ConfigError(f"{name} must be a day such as 2019-01-31; got {text!r}") from error


def fill_date(name: str, *, now: datetime | None = None) -> str:
    """Put the date and the hour (UTC) into a name: ``scores/{date}.csv``, ``{date}T{hour}.csv``."""
    now = now or datetime.now(UTC)
    return name.replace("{date}", f"{now:%Y-%m-%d}").replace("{hour}", f"{now:%H}")


def parse_names(text: str) -> tuple[str, ...]:
    """Read a list of file names: ``[a.csv,b.csv]``, ``["a.csv", "b.csv"]`` or ``a.csv,b.csv``."""
    try:
        names = json.loads(text)
    except (ValueError, RecursionError):
        names = _words(text)
    if isinstance(names, str):
        names = [names]
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ConfigError(f"must be a list of file names such as [a.csv,b.csv]; got {text!r}")
    return tuple(names)


def parse_classifiers(words: Iterable[str]) -> dict[str, Path]:
    """Read classifiers by camera, such as ``02a=a.h5``; or one for all, whose camera is empty.

    Raises
    ------
    ConfigError
        If a camera has two, or there is one for all besides.
    """
    found: dict[str, Path] = {}
    for word in words:
        camera, equals, name = word.partition("=")
        camera, name = (camera.strip(), name.strip()) if equals else ("", word)
        if not name or (equals and not camera):
            raise ConfigError(
                f"classifier must be MODEL or CAMERA=MODEL, such as 02a=a.h5; got {word!r}"
            )
        if camera in found:
            what = f"camera {camera}" if camera else "all cameras"
            raise ConfigError(f"classifier: {what} has two, {found[camera]} and {name}")
        found[camera] = Path(name)
    if "" in found and len(found) > 1:
        raise ConfigError(
            f"classifier: {found['']} is for all cameras, and others are for some: give the one "
            "for all others as fallback"
        )
    return found


def parse_rates(text: str, *, name: str) -> tuple[float, ...]:
    """Read rates, such as ``0.01,0.04``, given as the option ``name``; empty for none.

    Raises
    ------
    ConfigError
        If one is not a number between 0 and 1.
    """
    try:
        rates = tuple(float(word) for word in _words(text))
    except ValueError:
        rates = (-1.0,)
    if not all(0 < rate < 1 for rate in rates):
        raise ConfigError(f"{name} must be rates between 0 and 1 such as 0.01,0.04; got {text!r}")
    return rates


def parse_limits(text: str, *, name: str) -> tuple[float, float] | None:
    """Read the ends of an axis of rates, such as ``0.001,0.5``; None if there is no text.

    Raises
    ------
    ConfigError
        If they are not two numbers from 0 to 1, the lower first.
    """
    words = _words(text)
    if not words:
        return None
    try:
        low, high = map(float, words)
        is_valid = 0 <= low < high <= 1
    except ValueError:
        is_valid = False
    if not is_valid:
        raise ConfigError(f"{name} must be two rates such as 0.001,0.5; got {text!r}")
    return low, high


def require_choice(name: str, value: str, allowed: Iterable[str]) -> None:
    """Check the value of an option that has a few names to choose from.

    Raises
    ------
    ConfigError
        If it is none of them; it says which are.
    """
    choices = tuple(allowed)
    if value not in choices:
        raise ConfigError(f"{name} must be one of {', '.join(choices)}; got {value!r}")


def require_false_alarms(rate: float) -> None:
    """Check the probability that anything of a good night is held back.

    Raises
    ------
    ConfigError
        If it is none, or 1.
    """
    if not 0 <= rate < 1:
        raise ConfigError(f"falseAlarms must be from 0, for no comparison, to below 1; got {rate}")


def require_one_way(*, detections: bool, given: Mapping[str, bool]) -> None:
    """Check that options for scoring detections, or objects, come without those of the other way.

    Parameters
    ----------
    detections : bool
        Whether detections of nights are asked for, rather than objects.
    given : mapping of str to bool
        Which of the options were given.

    Raises
    ------
    ConfigError
        If one belongs to the other way, or the file to make has no name.
    """
    for name in _OF_OBJECTS if detections else _OF_DETECTIONS:
        if given.get(name):
            joined = "with" if detections else "without"
            raise ConfigError(f"{name}: can't be given {joined} detections")
    output = "outputparquet" if detections else "outputcsv"
    if not given.get(output):
        raise ConfigError(f"{output}: name the file to make")


def available_cores() -> int:
    """Return the number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def total_memory() -> int:
    """Return the bytes of memory that the machine has."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def free_memory() -> int:
    """Return the bytes that are free on the machine, or allowed to this process if that is less."""
    free = total_memory()
    with suppress(OSError):
        words = re.findall(r"^MemAvailable: *(\d+) kB", Path("/proc/meminfo").read_text(), re.M)
        free = min([free, *(1024 * int(word) for word in words)])
    return min([free, *_memory_limits()])


def _memory_limits() -> Iterator[int]:
    """Give the limits of the control groups that this process is in, see cgroups(7)."""
    with suppress(OSError):
        for line in _OWN_GROUPS.read_text().splitlines():
            _, kinds, name = line.split(":", 2)
            root, limit = _CONTROL_GROUPS.get(kinds, (None, ""))
            if root is None:
                continue
            group = root / name.lstrip("/")
            for folder in (group, *group.parents):
                with suppress(OSError, ValueError):
                    yield int((folder / limit).read_text())


def _words(text: str) -> list[str]:
    inner = text.strip()
    for opening, closing in ("[]", "()"):
        if inner.startswith(opening) and inner.endswith(closing):
            inner = inner[1:-1]
    return [word for part in inner.split(",") if (word := part.strip(" \t\"'"))]


def _night_range(word: str) -> range:
    first, dash, last = (part.strip() for part in word.partition("-"))
    nights = [first, last] if dash else [first]
    if not all(_NIGHT.fullmatch(night) for night in nights):
        raise ConfigError(
            f"nights are given like 58310, [58310,58311] or 58310-58320; got {word!r}"
        )
    if int(nights[-1]) < int(nights[0]):
        raise ConfigError(f"nights: the range {word!r} ends before it begins")
    return range(int(nights[0]), int(nights[-1]) + 1)
