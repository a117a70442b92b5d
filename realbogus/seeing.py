"""How wide the PSF is, as networks are told it: by the first pixel of a feature."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from realbogus.errors import RealBogusError

__all__ = ["TOLD", "UNKNOWN", "describe_seeing", "says_seeing"]

TOLD = "octaves or unknown"
"""What recipes say (psf) of features whose first pixel says how wide the PSF is."""

UNKNOWN = -9.0
"""What that pixel says where the width is not known."""

# FWHM in pixels, the median of ATLAS; and what is the most that a width is said to differ from it.
_USUAL = 2.2
_OCTAVES = 3


def describe_seeing(seeing: NDArray[np.floating]) -> NDArray[np.float32]:
    """Say how wide the PSF is, as networks want it: in octaves beside what is usual.

    Parameters
    ----------
    seeing : ndarray
        FWHM in pixels; NaN, or what can't be one, where it is not known.

    Returns
    -------
    ndarray of the same shape
        The logarithm to base 2 of the ratio to 2.2 pixels, from -3 to 3; `UNKNOWN` where it is not
        known.
    """
    is_known = np.isfinite(seeing) & (seeing > 0)
    octaves = np.log2(np.where(is_known, seeing, _USUAL) / _USUAL)
    return np.where(is_known, np.clip(octaves, -_OCTAVES, _OCTAVES), UNKNOWN).astype(np.float32)


def says_seeing(path: Path, said: Any, *, error: type[RealBogusError]) -> bool:
    """Tell whether features say how wide the PSF is, by their recipe.

    Parameters
    ----------
    path : Path
        The data set or classifier whose recipe it is, for the message.
    said : object
        What the recipe says of it (psf).
    error : type
        What to raise.

    Raises
    ------
    RealBogusError
        If it says something else, as that of an earlier version, whose features do not tell an
        unknown width from the usual one.
    """
    if said not in (None, False, TOLD):
        raise error(
            f"{path}: its recipe says {said!r:.40} of the PSF (psf), not {TOLD!r}: build the data "
            "set and train the classifier anew"
        )
    return bool(said)
