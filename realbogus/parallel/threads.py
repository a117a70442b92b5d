"""Work and waiting spread over threads."""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import (
    Executor,
    Future,
    ThreadPoolExecutor,
    as_completed,
)
from contextlib import contextmanager
from functools import partial
from itertools import islice
from threading import Event
from typing import TypeVar

from tqdm import tqdm

from realbogus.errors import ConfigError
from realbogus.parallel.memory import keep_freed_memory

__all__ = [
    "in_background",
    "map_ordered",
    "map_threads",
    "on_the_side",
    "progress",
    "read_ahead",
    "require_workers",
]

Item = TypeVar("Item")
Result = TypeVar("Result")
_AHEAD = 3


def map_ordered(
    function: Callable[[Item], Result], items: Iterable[Item], *, workers: int, ahead: int = 0
) -> Generator[Result, None, None]:
    """Call ``function`` on every item in ``workers`` threads, and give results in their order.

    For work on arrays, for which NumPy lets go of the interpreter: threads start at once and share
    the memory, and keep what arrays leave (`keep_freed_memory`). Only a few items more than were
    given back are taken and worked on, three for each worker or ``ahead`` if that is more, so that
    neither the items nor the results fill the memory. With one worker everything happens in this
    thread.

    Raises
    ------
    ConfigError
        If there are no workers.
    """
    require_workers(workers)
    if workers == 1:
        yield from map(function, items)
        return
    most = max(_AHEAD * workers, ahead)
    waiting: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(workers, initializer=keep_freed_memory) as pool:
        try:
            for item in items:
                waiting.append(pool.submit(function, item))
                if len(waiting) > most:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


@contextmanager
def read_ahead(items: Generator[Item, None, None]) -> Iterator[Iterator[Item]]:
    """Let a thread get the first item at once, and then the next one while one is worked on.

    Only that thread ever runs ``items``.

    Yields
    ------
    iterator
        Gives the items in their order.
    """
    with ThreadPoolExecutor(1) as pool:
        try:
            yield _one_ahead(pool, items, pool.submit(_take_one, items))
        finally:
            pool.submit(items.close).result()


@contextmanager
def in_background(function: Callable[[], None]) -> Iterator[Callable[[], None]]:
    """Let a function be called in a thread, over and over, while others go on.

    Yields
    ------
    callable
        It begins a call, unless one is under way. What a call raises is raised by a later one, or
        when the block ends, which waits for the last.
    """
    begun: list[Future[None]] = []

    def begin() -> None:
        if not begun or begun[-1].done():
            for earlier in begun:
                earlier.result()
            begun[:] = [pool.submit(function)]

    with ThreadPoolExecutor(1) as pool:
        yield begin
        for last in begun:
            last.result()


@contextmanager
def on_the_side(workers: int) -> Iterator[Callable[..., object]]:
    """Let threads make calls that nobody waits for.

    Yields
    ------
    callable
        Takes a function and its arguments. When the block ends, calls under way are waited for, and
        those that have not begun are dropped. What they return or raise is lost.
    """
    with ThreadPoolExecutor(workers) as pool:
        try:
            yield pool.submit
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _one_ahead(pool: Executor, items: Iterator[Item], coming: Future[list[Item]]) -> Iterator[Item]:
    while item := coming.result():
        coming = pool.submit(_take_one, items)
        yield from item


def _take_one(items: Iterator[Item]) -> list[Item]:
    return list(islice(items, 1))


def map_threads(
    function: Callable[[Item, Event], Result], items: Iterable[Item], *, workers: int, label: str
) -> Generator[Result, None, None]:
    """Call ``function`` on every item in ``workers`` threads, and give results as they come.

    For work that waits for others. ``function`` also gets an event that is set once nobody wants
    the results any more, so that calls under way can end. A progress bar with ``label`` is shown
    on a terminal.
    """
    require_workers(workers)
    stop = Event()
    with ThreadPoolExecutor(workers) as pool:
        try:
            yield from _gather(pool, partial(_call, function, stop), list(items), label)
        finally:
            stop.set()
            pool.shutdown(wait=True, cancel_futures=True)


def require_workers(workers: int) -> None:
    """Check the number of workers.

    Raises
    ------
    ConfigError
        If there are none.
    """
    if workers < 1:
        raise ConfigError(f"the number of workers must be at least 1; got {workers}")


def _call(function: Callable[[Item, Event], Result], stop: Event, item: Item) -> Result:
    return function(item, stop)


def _gather(
    pool: Executor, function: Callable[[Item], Result], work: Sequence[Item], label: str
) -> Iterator[Result]:
    futures: list[Future[Result]] = [pool.submit(function, item) for item in work]
    for future in progress(as_completed(futures), label=label, total=len(work)):
        yield future.result()


def progress(items: Iterable[Item], *, label: str, total: int | None = None) -> Iterable[Item]:
    """Show a progress bar on a terminal, and nothing elsewhere."""
    bar: Iterable[Item] = tqdm(items, desc=label, total=total, disable=None, leave=False)
    return bar
