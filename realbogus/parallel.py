"""Work spread over processes."""

import multiprocessing
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from typing import TypeVar

from tqdm import tqdm

from realbogus.errors import ConfigError

__all__ = ["map_unordered", "progress"]

Item = TypeVar("Item")
Result = TypeVar("Result")


def map_unordered(
    function: Callable[[Item], Result], items: Iterable[Item], *, workers: int, label: str
) -> Iterator[Result]:
    """Call ``function`` on every item in ``workers`` processes, and give results as they come.

    With one worker everything happens in this process. A progress bar with ``label`` is shown on a
    terminal. ``function`` and its items must be picklable.
    """
    if workers < 1:
        raise ConfigError(f"the number of workers must be at least 1; got {workers}")
    work = list(items)
    if workers == 1 or len(work) < 2:
        yield from progress(map(function, work), label=label, total=len(work))
        return
    context = multiprocessing.get_context("forkserver")
    with ProcessPoolExecutor(min(workers, len(work)), mp_context=context) as pool:
        futures: list[Future[Result]] = [pool.submit(function, item) for item in work]
        try:
            for future in progress(as_completed(futures), label=label, total=len(work)):
                yield future.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def progress(items: Iterable[Item], *, label: str, total: int | None = None) -> Iterable[Item]:
    """Show a progress bar on a terminal, and nothing elsewhere."""
    bar: Iterable[Item] = tqdm(items, desc=label, total=total, disable=None, leave=False)
    return bar
