"""How far the middles of stamps stand out of the noise around them: arrays in, arrays out."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["measure_prominence"]

# The standard deviation of a normal distribution whose absolute values have the median 1.
_DEVIATION = 1.4826
_SIDE = 3


def measure_prominence(crops: NDArray[np.float32]) -> NDArray[np.float32]:
    """Measure the signal of the middle 3 x 3 pixels in units of its noise.

    The noise is that of the pixels along the border, whose mean is taken to be 0, as that of
    difference images is.

    Parameters
    ----------
    crops : ndarray of shape (n, 2 * extent + 1, 2 * extent + 1)
        ADU, masked pixels not finite; the source is in the middle.

    Returns
    -------
    ndarray of shape (n,)
        From 0 up, of either sign of the signal; infinite where there is no noise; NaN where the
        middle or the border is masked.
    """
    border = [crops[:, 0, :], crops[:, -1, :], crops[:, 1:-1, 0], crops[:, 1:-1, -1]]
    noise = _DEVIATION * _lower_median(np.abs(np.concatenate(border, axis=1)))
    extent = crops.shape[1] // 2
    middle = slice(extent - _SIDE // 2, extent + _SIDE // 2 + 1)
    inner = crops[:, middle, middle]
    known = np.isfinite(inner)
    count = known.sum(axis=(1, 2))
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.where(known, inner, 0).sum(axis=(1, 2)) / count
        found: NDArray[np.float32] = np.abs(mean) * _SIDE / noise
    return found


def _lower_median(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Give the median of the finite values of each row; NaN where there are none."""
    ordered = np.sort(np.where(np.isfinite(values), values, np.nan), axis=1)  # NaN come last
    place = (np.isfinite(ordered).sum(axis=1) - 1) // 2
    median: NDArray[np.float32] = ordered[np.arange(len(ordered)), place]
    return median
