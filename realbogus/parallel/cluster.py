"""Workers of a Dask cluster, given by the address of its scheduler."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from realbogus.errors import ConfigError, RealBogusError

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["Cluster", "open_cluster"]

Item = TypeVar("Item")
Result = TypeVar("Result")

_PATIENCE = 20
"""Seconds to wait for an answer of the scheduler."""


@contextmanager
def open_cluster(address: str) -> Iterator["Cluster"]:
    """Connect to a Dask scheduler, whose workers see the same files and have the same packages.

    Raises
    ------
    ConfigError
        If dask.distributed is not installed, or nothing answers at the address.
    """
    try:
        from distributed import Client
    except ImportError as error:
        raise ConfigError(
            "scheduler: dask.distributed is not installed: pip install 'psat-ml[cluster]'"
        ) from error
    try:
        client = Client(address, timeout=_PATIENCE, set_as_default=False)
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"scheduler: no Dask scheduler answers at {address!r}; give an address such as "
            "tcp://host:8786"
        ) from error
    with client:
        try:
            client.wait_for_workers(1, timeout=_PATIENCE)
        except TimeoutError as error:
            raise ConfigError(f"scheduler: {address} has no workers") from error
        yield Cluster(client)


class Cluster:
    """The workers of a cluster; Dask gives the work of one that died to another."""

    def __init__(self, client: "Client") -> None:
        self._client = client

    def map(
        self,
        function: Callable[[Item], Result],
        items: Sequence[Item],
        *,
        on_death: Callable[[Item], Result] | None = None,
    ) -> Iterator[Result]:
        """Call ``function`` on every item, as `realbogus.parallel.Workers` says."""
        from distributed import KilledWorker

        futures = {self._client.submit(function, item, pure=False): item for item in items}
        try:
            for future in self._completed(set(futures)):
                error = future.exception()
                if error is None:
                    yield future.result()
                elif isinstance(error, KilledWorker):
                    yield _result_of_death(futures[future], on_death, error)
                else:
                    raise error
        finally:
            self._client.cancel(list(futures))

    def _completed(self, futures: set[Any]) -> Iterator[Any]:
        """Give futures as they end; Dask itself would wait for ever for workers that are gone."""
        from distributed import wait

        while futures:
            try:
                with self._client.as_current():
                    done, futures = wait(futures, timeout=_PATIENCE, return_when="FIRST_COMPLETED")
            except TimeoutError as error:
                if not self._client.scheduler_info(n_workers=-1)["workers"]:
                    raise RealBogusError("the cluster has lost all of its workers") from error
            else:
                yield from done


def _result_of_death(
    item: Item, on_death: Callable[[Item], Result] | None, error: Exception
) -> Result:
    if on_death is None:
        raise RealBogusError(
            "the workers of the cluster died, perhaps because their memory is full"
        ) from error
    return on_death(item)
