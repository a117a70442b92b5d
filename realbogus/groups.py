"""Groups of equal values: arrays in, numbers out."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["number_values"]


def number_values(values: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.intp]]:
    """Return the different values of an array of shape (n,), sorted, and the number of each row's.

    As `numpy.unique` does, but where equal values come together, as exposures do in a list, each
    run is sorted as one.
    """
    is_first = np.ones(len(values), np.bool_)
    is_first[1:] = values[1:] != values[:-1]
    names, numbers = np.unique(values[is_first], return_inverse=True)
    return names, np.repeat(numbers, np.diff(np.append(np.flatnonzero(is_first), len(values))))
