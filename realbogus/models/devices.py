"""Where a network is trained: on one device, or on several that share every batch."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from itertools import chain
from typing import Any

__all__ = ["shared_batch", "sharing"]


def sharing(devices: Sequence[str] | None = None) -> AbstractContextManager[Any]:
    """Give the scope in which to make a network that several devices train.

    Each of them has a copy of the network and a share of every batch; gradients are summed, so
    that a step is that of the whole batch. Only what dropout draws is another.

    Parameters
    ----------
    devices : sequence of str, optional
        Names as TensorFlow has them; by default all GPUs. With less than two, nothing is shared.
    """
    import tensorflow as tf

    if devices is None:
        devices = [device.name for device in tf.config.list_logical_devices("GPU")]
    if len(devices) < 2:
        return nullcontext()
    scope: AbstractContextManager[Any] = _mirror(tuple(devices)).scope()
    return scope


def shared_batch(batch: int, stamps: int, devices: int) -> int:
    """Give the size of a batch of which every device gets a share, near the one asked for.

    The first batch is in equal shares, as Keras wants it, and no device is without a stamp in the
    last, which Keras can't have either.

    Parameters
    ----------
    batch : int
        The size asked for.
    stamps : int
        In an epoch.
    devices : int
        That share it; for a single one, the size stays.
    """
    if devices < 2:
        return batch
    largest = max(min(batch, stamps) // devices, 1) * devices
    sizes = chain(range(largest, 0, -devices), range(largest, stamps, devices))
    return next((size for size in sizes if not 0 < stamps % size < devices), largest)


@cache  # a second mirror in a process is mistaken for the first
def _mirror(devices: tuple[str, ...]) -> Any:
    import tensorflow as tf

    return tf.distribute.MirroredStrategy(list(devices))
