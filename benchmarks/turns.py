"""What lets those who take turns in a benchmark begin alike."""

import os

import numpy as np

__all__ = ["begin_turn"]

_PAGE = 4096


def begin_turn(memory: int) -> None:
    """Let nothing wait for the disk, and let the machine have memory of its own.

    A virtual machine lends memory that is free to others: the first touch of a page then takes
    forty times as long, and whoever comes first after a long pause pays for all.

    Parameters
    ----------
    memory : int
        Bytes that are touched and given back.
    """
    os.sync()
    np.empty(memory, np.uint8)[::_PAGE] = 1
