"""Memory of threads that make arrays over and over."""

import numpy as np

__all__ = ["keep_freed_memory"]

_LARGEST_KEPT = 4 * 2**20


def keep_freed_memory() -> None:
    """Let the C library keep what arrays of up to 4 MiB leave, for the next ones.

    By default it gives it back to the system, which clears each page of the next array anew. That
    of GNU keeps blocks up to the size of the largest that was ever freed, see ``M_MMAP_THRESHOLD``
    in mallopt(3); elsewhere nothing changes.
    """
    np.empty(_LARGEST_KEPT, np.uint8)  # freed at once
