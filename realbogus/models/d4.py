"""A small network whose answer does not change when a stamp is turned or mirrored."""

from realbogus.models.backend import keras, layers
from realbogus.models.symmetry import Fovea, OrientedConv, OrientedPool

__all__ = ["build_d4"]

_FILTERS = (4, 8, 8)
_LAST = 32
_DENSE = 32
_DROPPED = 0.1


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
    fovea = Fovea()
    fovea.build((None, side, side, 1))
    stack: list[keras.Layer] = [keras.Input((side, side, 1)), fovea]
    length = fovea.steps
    for level, filters in enumerate(_FILTERS):
        if level == 0:
            stack.append(OrientedConv(filters, 3, lifts=True))
        elif length > 4:
            size = 4 - length % 2  # so that steps of two keep the symmetry
            stack.append(OrientedConv(filters, size, padding="valid", stride=2))
            length = (length - size) // 2 + 1
        else:
            stack.append(OrientedConv(filters, 3))
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
    return keras.Sequential(stack, name="d4")
