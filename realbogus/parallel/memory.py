"""Memory of threads that make arrays over and over."""

import numpy as np

__all__ = ["keep_freed_memory"]

_KEPT = 16 * 2**20


def keep_freed_memory() -> None:
    """Let the C library keep for this thread what arrays leave, 16 MiB, for the next ones.

    By default it gives large blocks back to the system, which clears each page of the next array
    anew. That of GNU keeps blocks up to the size of the largest that was ever freed, see
    ``M_MMAP_THRESHOLD`` in mallopt(3), and NumPy asks for huge pages for an array of that size,
    so that the system clears 2 MiB at one go. Elsewhere nothing changes.
    """
    np.empty(_KEPT, np.uint8)  # freed at once
