"""Which detections train and which test: arrays in, arrays out.

No object is ever on both sides, and with nights held out no night is.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from realbogus.errors import ConfigError, DatasetError
from realbogus.groups import number_values

__all__ = ["OUT", "TEST", "TRAIN", "hold_out_nights", "split_by_night", "split_by_object"]

TRAIN = 0
"""The side of a split that trains."""
TEST = 1
"""The side that tests."""
OUT = 2
"""What is on neither side."""

_NIGHTS_BEGIN = 10_000
_SHOWN = 5


def split_by_object(
    objects: NDArray[Any],
    targets: NDArray[np.integer],
    *,
    fraction: float,
    rng: np.random.Generator,
) -> NDArray[np.bool_]:
    """Set a fraction of the objects aside, of the real and of the bogus alike.

    Parameters
    ----------
    objects : ndarray of shape (n,)
        The object of each detection.
    targets : ndarray of shape (n,)
        1 for real, 0 for bogus. An object of both counts as real.
    fraction : float
        Of the objects of each kind; at least one is set aside, and at least one is kept.
    rng : numpy.random.Generator
        The source of the draw.

    Returns
    -------
    ndarray of shape (n,)
        True where the detection's object is set aside.

    Raises
    ------
    DatasetError
        If either kind has fewer than two objects.
    """
    _, group = number_values(objects)
    kinds = np.zeros(group.max(initial=-1) + 1, np.int8)
    np.maximum.at(kinds, group, targets)
    aside = np.zeros(len(kinds), bool)
    for kind, name in ((1, "real"), (0, "bogus")):
        members = np.flatnonzero(kinds == kind)
        if len(members) < 2:
            raise DatasetError(
                f"{len(members)} {name} objects can't be split: at least 2 are needed"
            )
        count = int(np.clip(round(fraction * len(members)), 1, len(members) - 1))
        aside[rng.choice(members, count, replace=False)] = True
    return aside[group]


def split_by_night(
    objects: NDArray[Any],
    nights: NDArray[np.integer],
    *,
    held_out: NDArray[np.integer],
) -> NDArray[np.int8]:
    """Test on some nights, and train on the others without the objects that are tested.

    Parameters
    ----------
    objects : ndarray of shape (n,)
        The object of each detection.
    nights : ndarray of shape (n,)
        The night (MJD) of each detection.
    held_out : ndarray
        The nights to test on.

    Returns
    -------
    ndarray of shape (n,)
        `TEST` for every detection of those nights; `OUT` for those of other nights whose object
        is tested; `TRAIN` for the rest.
    """
    is_test = np.isin(nights, held_out)
    _, group = number_values(objects)
    is_tested = np.zeros(group.max(initial=-1) + 1, bool)
    is_tested[group[is_test]] = True
    return np.where(is_test, TEST, np.where(is_tested[group], OUT, TRAIN)).astype(np.int8)


def hold_out_nights(nights: NDArray[np.integer], asked: tuple[int, ...]) -> NDArray[np.integer]:
    """Find the nights to hold out: those named, or the newest.

    Parameters
    ----------
    nights : ndarray of shape (n,)
        The night (MJD) of each detection, -1 where unknown.
    asked : tuple of int
        Nights; or one number below 10000, that of the newest nights.

    Raises
    ------
    ConfigError
        If a night is not known for every detection, or those asked for are none or all.
    """
    unknown = int((nights < 0).sum())
    if unknown:
        raise ConfigError(
            f"holdoutNights: the night of {unknown} stamps is not known from their lists"
        )
    there = np.unique(nights)
    is_count = len(asked) == 1 and asked[0] < _NIGHTS_BEGIN
    chosen = there[-asked[0] :] if is_count else np.intersect1d(there, asked)
    if 0 < len(chosen) < len(there):
        return chosen
    words = ", ".join(map(str, there[:_SHOWN])) + (" …" if len(there) > _SHOWN else "")
    raise ConfigError(
        f"holdoutNights must leave nights on both sides; got {', '.join(map(str, asked))}, and "
        f"the lists have {len(there)} nights: {words}"
    )
