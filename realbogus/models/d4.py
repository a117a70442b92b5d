"""Small networks whose answer does not change when a stamp is turned or mirrored."""

from collections.abc import Sequence

from realbogus.models.backend import keras, layers
from realbogus.models.hiding import HidePsf
from realbogus.models.symmetry import Fovea, OrientedConv, OrientedPool

__all__ = ["build_d4", "build_d4_fast", "build_d4_fast_psf", "build_d4_psf"]

_LAST = 32
_DENSE = 32
_DROPPED = 0.1
_SHORT = 4
# Of the stamps, so that the network learns to do without where a header says nothing.
_HIDDEN = 0.2


def build_d4(side: int) -> keras.Model:
    """Make oriented convolutions, their mean over the orientations, and two dense layers.

    Parameters
    ----------
    side : int
        Side of a feature in pixels.

    Returns
    -------
    keras.Model
        From (n, side, side, 1) to (n, 2): the probabilities of bogus and of real.
    """
    return _d4("d4", side, psf=False)


def build_d4_psf(side: int) -> keras.Model:
    """Make the same, but that the first pixel of a stamp says how wide the PSF is, if it is known.

    In training, a share of the stamps do not say it. Takes and gives what `build_d4` does.
    """
    return _d4("d4psf", side, psf=True)


def build_d4_fast(side: int) -> keras.Model:
    """Make the same with larger filters first, in steps of two: less than half the operations.

    Takes and gives what `build_d4` does.
    """
    return _d4_fast("d4fast", side, psf=False)


def build_d4_fast_psf(side: int) -> keras.Model:
    """Make the fast one of stamps whose first pixel says how wide the PSF is, as `build_d4_psf`."""
    return _d4_fast("d4fastpsf", side, psf=True)


def _d4(name: str, side: int, *, psf: bool) -> keras.Model:
    seen, steps = _seen(side, psf=psf)
    first = [OrientedConv(4, 3, lifts=True), layers.ReLU(), layers.SpatialDropout2D(_DROPPED)]
    return _chain(name, side, [*seen, *first], steps, (8, 8))


def _d4_fast(name: str, side: int, *, psf: bool) -> keras.Model:
    seen, steps = _seen(side, psf=psf)
    size, stride = (5, 2) if steps > _SHORT else (3, 1)
    first = [OrientedConv(8, size, padding="valid", stride=stride, lifts=True), layers.ReLU()]
    return _chain(name, side, [*seen, *first], (steps - size) // stride + 1, (8,))


def _seen(side: int, *, psf: bool) -> tuple[list[keras.Layer], int]:
    """Give the layers that say what is seen of a stamp, and the side of their maps in pixels."""
    fovea = Fovea(psf)
    fovea.build((None, side, side, 1))
    return [*([HidePsf(_HIDDEN)] if psf else []), fovea], fovea.steps


def _chain(
    name: str, side: int, first: Sequence[keras.Layer], length: int, filters: Sequence[int]
) -> keras.Model:
    """Go on from first layers whose maps have sides of ``length`` px."""
    stack: list[keras.Layer] = [keras.Input((side, side, 1)), *first]
    for count in filters:
        if length > _SHORT:
            size = 4 - length % 2  # so that steps of two keep the symmetry
            stack.append(OrientedConv(count, size, padding="valid", stride=2))
            length = (length - size) // 2 + 1
        else:
            stack.append(OrientedConv(count, 3))
        stack += [layers.ReLU(), layers.SpatialDropout2D(_DROPPED)]
    stack += [
        OrientedConv(_LAST, length, padding="valid"),
        layers.ReLU(),
        OrientedPool(),
        layers.Flatten(),
        layers.Dropout(_DROPPED),
        layers.Dense(_DENSE, activation="relu"),
        layers.Dropout(_DROPPED),
        layers.Dense(2, activation="softmax"),
    ]
    return keras.Sequential(stack, name=name)
