"""The mean of a network's probabilities over the eight orientations of a stamp."""

from typing import Any

from realbogus.models.backend import keras, layers
from realbogus.models.orientations import ORIENTATIONS, turned_places

__all__ = ["is_turned", "turn", "unturned"]


def turn(network: keras.Model) -> keras.Model:
    """Give a network whose probabilities are the mean of those of another, over the orientations.

    Parameters
    ----------
    network : keras.Model
        From (n, side, side, 1) to (n, classes).
    """
    stamps = keras.Input(network.input_shape[1:])
    return keras.Model(stamps, _MeanOfTurns()(network(_Turns()(stamps))))


def is_turned(model: keras.Model) -> bool:
    """Tell whether the probabilities of a network are the mean over the orientations."""
    return isinstance(model.layers[-1], _MeanOfTurns)


def unturned(model: keras.Model) -> keras.Model:
    """Give the network that sees a stamp in one orientation."""
    return model.layers[-2] if is_turned(model) else model


class _Turns(layers.Layer):  # type: ignore[misc]
    """All orientations of each stamp, one after the other."""

    def build(self, shape: tuple[int | None, ...]) -> None:
        """Take the side from an input of shape (n, side, side, 1)."""
        self._places = turned_places(int(shape[1] or 0)).ravel()
        super().build(shape)

    def call(self, stamps: Any) -> Any:
        """Give stamps of shape (8 n, side, side, 1) of stamps of shape (n, side, side, 1)."""
        side = stamps.shape[1]
        flat = keras.ops.reshape(stamps, (-1, side * side))
        return keras.ops.reshape(keras.ops.take(flat, self._places, axis=1), (-1, side, side, 1))

    def compute_output_shape(self, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Give the shape of the output."""
        return (None, *shape[1:])


class _MeanOfTurns(layers.Layer):  # type: ignore[misc]
    """The mean over the orientations of each stamp."""

    def call(self, probabilities: Any) -> Any:
        """Reduce probabilities of shape (8 n, classes) to (n, classes)."""
        classes = probabilities.shape[1]
        each = keras.ops.reshape(probabilities, (-1, ORIENTATIONS, classes))
        return keras.ops.mean(each, axis=1)

    def compute_output_shape(self, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Give the shape of the output."""
        return (None, *shape[1:])
