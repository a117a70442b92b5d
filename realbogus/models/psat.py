"""The network documented for this pipeline."""

from realbogus.models.backend import keras, layers

__all__ = ["build_psat"]


def build_psat(side: int) -> keras.Model:
    """Make three convolutions with pooling and two dense layers: 139,918 parameters at side 20.

    Parameters
    ----------
    side : int
        Side of a feature in pixels.

    Returns
    -------
    keras.Model
        From (n, side, side, 1) to (n, 2): the probabilities of bogus and of real.
    """
    stack: list[keras.Layer] = [keras.Input((side, side, 1))]
    for filters in (16, 32, 64):
        stack.append(layers.Conv2D(filters, 2, padding="same", activation="relu"))
        stack.append(layers.MaxPooling2D(2))
    stack += [
        layers.Dropout(0.3),
        layers.Flatten(),
        layers.Dense(500, activation="relu"),
        layers.Dropout(0.4),
        layers.Dense(2, activation="softmax"),
    ]
    return keras.Sequential(stack, name="psat")
