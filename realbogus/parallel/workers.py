"""Workers: this process, local processes, or those of a Dask cluster."""

import multiprocessing
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Protocol, TypeVar

from realbogus.errors import RealBogusError
from realbogus.parallel.threads import progress, require_workers

__all__ = ["Workers", "map_unordered", "open_workers"]

Item = TypeVar("Item")
Result = TypeVar("Result")


class Workers(Protocol):
    """Something that calls a function on many items at once."""

    def map(
        self,
        function: Callable[[Item], Result],
        items: Sequence[Item],
        *,
        on_death: Callable[[Item], Result] | None = None,
    ) -> Iterator[Result]:
        """Call ``function`` on every item, and give results as they come.

        Parameters
        ----------
        function : callable
            It and its items must be picklable, where workers are other processes.
        items : sequence
            What to work on.
        on_death : callable, optional
            Gives the result of an item that killed its worker, as one does that fills the memory.

        Raises
        ------
        RealBogusError
            If a worker died and there is no ``on_death``.
        """


@contextmanager
def open_workers(
    workers: int, *, scheduler: str | None = None, preload: Sequence[str] = ()
) -> Iterator[Workers]:
    """Give workers, and let them go at the end.

    Parameters
    ----------
    workers : int
        Number of local processes, which start when there is work; with 1, the work is done here.
    scheduler : str, optional
        The address of a Dask scheduler, ``tcp://host:8786``, whose workers are used instead.
    preload : sequence of str
        Modules that local processes need, which are then imported only once for all of them.

    Raises
    ------
    ConfigError
        If there are no workers, or nothing answers at the address.
    """
    require_workers(workers)
    if scheduler is not None:
        from realbogus.parallel.cluster import open_cluster

        with open_cluster(scheduler) as cluster:
            yield cluster
    elif workers == 1:
        yield _Here()
    else:
        with _Processes(workers, preload) as processes:
            yield processes


def map_unordered(
    function: Callable[[Item], Result], items: Iterable[Item], *, workers: int, label: str
) -> Iterator[Result]:
    """Call ``function`` on every item in ``workers`` processes, and give results as they come.

    With one worker, or one item, everything happens in this process. A progress bar with ``label``
    is shown on a terminal. ``function`` and its items must be picklable.

    Raises
    ------
    ConfigError
        If there are no workers.
    RealBogusError
        If a worker dies, as it does when the memory is full.
    """
    work = list(items)
    require_workers(workers)
    with open_workers(max(min(workers, len(work)), 1)) as crew:
        yield from progress(crew.map(function, work), label=label, total=len(work))


class _Here:
    """The only worker is this process."""

    def map(
        self,
        function: Callable[[Item], Result],
        items: Sequence[Item],
        *,
        on_death: Callable[[Item], Result] | None = None,
    ) -> Iterator[Result]:
        return map(function, items)


class _Processes:
    """Local processes; they start at the first work, and again after one has died."""

    def __init__(self, count: int, preload: Sequence[str]) -> None:
        self._count = count
        self._preload = list(preload)
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> "_Processes":
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def map(
        self,
        function: Callable[[Item], Result],
        items: Sequence[Item],
        *,
        on_death: Callable[[Item], Result] | None = None,
    ) -> Iterator[Result]:
        left = dict(enumerate(items))
        try:
            yield from self._together(function, left)
        except BrokenProcessPool as error:
            if on_death is None:
                raise RealBogusError(
                    "a worker process died, perhaps because the memory is full: give fewer workers"
                ) from error
            # Whichever killed it is among those that are left.
            yield from self._one_by_one(function, list(left.values()), on_death)

    def _together(
        self, function: Callable[[Item], Result], left: dict[int, Item]
    ) -> Iterator[Result]:
        pool = self._start()
        futures: dict[Future[Result], int] = {
            pool.submit(function, item): number for number, item in left.items()
        }
        try:
            for future in as_completed(futures):
                result = future.result()
                del left[futures[future]]
                yield result
        except BaseException:
            self._stop()
            raise

    def _one_by_one(
        self,
        function: Callable[[Item], Result],
        items: Sequence[Item],
        on_death: Callable[[Item], Result],
    ) -> Iterator[Result]:
        for item in items:
            try:
                yield from self._together(function, {0: item})
            except BrokenProcessPool:
                yield on_death(item)

    def _start(self) -> ProcessPoolExecutor:
        if self._pool is None:
            context = multiprocessing.get_context("forkserver")
            context.set_forkserver_preload(self._preload)
            self._pool = ProcessPoolExecutor(self._count, mp_context=context)
        return self._pool

    def _stop(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None
