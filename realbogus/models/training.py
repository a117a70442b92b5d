"""Fitting a network to a training set."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from realbogus.dataset import Part
from realbogus.errors import ModelError
from realbogus.models.backend import keras
from realbogus.models.registry import build_model

__all__ = ["Trained", "train"]


@dataclass(frozen=True)
class Trained:
    """A network with the weights of its best epoch, and the losses of every epoch."""

    model: keras.Model
    history: tuple[dict[str, float], ...]
    best_epoch: int


def train(
    name: str, train_part: Part, validation: Part, *, epochs: int, batch: int, seed: int
) -> Trained:
    """Train a network with Adam on the categorical cross-entropy.

    Parameters
    ----------
    name : str
        The architecture.
    train_part, validation : Part
        Normalised stamps of shape (n, side, side); no object is in both.
    epochs : int
        Number of passes over the training part.
    batch : int
        Stamps a step.
    seed : int
        Of the weights, the order and the dropout.

    Returns
    -------
    Trained
        With the weights of the epoch of the lowest validation loss.

    Raises
    ------
    ModelError
        If the loss is not finite in any epoch.
    """
    keras.utils.set_random_seed(seed)
    model = build_model(name, train_part.stamps.shape[-1])
    model.compile(optimizer="adam", loss="categorical_crossentropy", metrics=["accuracy"])
    best = _BestWeights(epochs)
    history = model.fit(
        *_arrays(train_part),
        batch_size=batch,
        epochs=epochs,
        validation_data=_arrays(validation),
        callbacks=[best],
        verbose=0,
    )
    if not best.epoch:
        raise ModelError("the training diverged: no epoch has a finite loss")
    best.restore()
    return Trained(model, _rows(history.history), best.epoch)


class _BestWeights(keras.callbacks.Callback):  # type: ignore[misc]
    """Keep the weights of the lowest validation loss, and show a progress bar on a terminal."""

    def __init__(self, epochs: int) -> None:
        super().__init__()
        self.epoch = 0
        self._loss = float("inf")
        self._weights: list[NDArray[np.float32]] = []
        self._bar = tqdm(desc="epochs", total=epochs, disable=None, leave=False)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        losses = logs or {}
        self._bar.set_postfix(loss=losses["loss"], val_loss=losses["val_loss"])
        self._bar.update()
        if losses["val_loss"] < self._loss:
            self._loss, self.epoch = losses["val_loss"], epoch + 1
            self._weights = self.model.get_weights()

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        self._bar.close()

    def restore(self) -> None:
        self.model.set_weights(self._weights)


def _arrays(part: Part) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    targets = keras.utils.to_categorical(part.targets, 2)  # (n, 2)
    return part.stamps[..., np.newaxis], targets  # (n, ny, nx, 1)


def _rows(history: dict[str, list[float]]) -> tuple[dict[str, float], ...]:
    epochs = range(len(history["loss"]))
    return tuple({key: float(values[i]) for key, values in history.items()} for i in epochs)
