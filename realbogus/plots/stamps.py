"""Pictures of stamps."""

from collections.abc import Mapping, Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from realbogus.normalisation import sign_preserving_log

__all__ = ["draw_stamps"]

# Of pictures of stamps: pixels between two, of a stamp's pixel, and for the names; shades of grey
# on either side of the middle one, few so that the file stays small.
_GAP, _ZOOM, _LABELS, _GREYS = 2, 2, 130, 6


def draw_stamps(lines: Mapping[str, Sequence[NDArray[np.float32]]]) -> Figure:
    """Draw stamps, one line for each kind.

    Parameters
    ----------
    lines : mapping of str to sequence of ndarray of shape (n, n)
        The stamps of each kind, all of one size, in ADU. Each is shown on its own scale, a
        sign-preserving logarithm; masked pixels (NaN) are blue. The first row is at the bottom.
    """
    across = max(len(stamps) for stamps in lines.values())
    picture = np.vstack([_strip(stamps, across) for stamps in lines.values()])
    height, width = (_ZOOM * side for side in picture.shape)
    figure = Figure(figsize=((width + _LABELS) / 100, height / 100), dpi=100)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((_LABELS / (width + _LABELS), 0, width / (width + _LABELS), 1))
    axes.imshow(picture, mpl.colormaps["gray"].with_extremes(bad="navy"), vmin=-1, vmax=1)
    middles = (np.arange(len(lines)) + 0.5) * picture.shape[0] / len(lines)
    axes.set_yticks(middles, [kind.replace("_", " ") for kind in lines], fontsize=11)
    axes.tick_params(length=0)
    axes.set_xticks([])
    axes.set_frame_on(False)
    return figure


def _strip(stamps: Sequence[NDArray[np.float32]], across: int) -> NDArray[np.float32]:
    """Put stamps side by side; masked pixels and gaps are NaN."""
    size = stamps[0].shape[-1]
    strip = np.full((size + _GAP, across * (size + _GAP)), np.nan, dtype=np.float32)
    for place, stamp in enumerate(stamps):
        left = place * (size + _GAP)
        shown = np.where(np.isnan(stamp), np.nan, sign_preserving_log(stamp[np.newaxis])[0])
        shown = shown / np.nanpercentile(np.abs(shown), 99.5)
        strip[:size, left : left + size] = np.round(shown[::-1] * _GREYS) / _GREYS
    return strip
