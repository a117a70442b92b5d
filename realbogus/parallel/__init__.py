"""Work spread over processes, a cluster or threads, and waiting spread over threads."""

from realbogus.parallel.memory import keep_freed_memory
from realbogus.parallel.threads import (
    in_background,
    map_ordered,
    map_threads,
    on_the_side,
    progress,
    read_ahead,
)
from realbogus.parallel.workers import Workers, map_unordered, open_workers

__all__ = [
    "Workers",
    "in_background",
    "keep_freed_memory",
    "map_ordered",
    "map_threads",
    "map_unordered",
    "on_the_side",
    "open_workers",
    "progress",
    "read_ahead",
]
