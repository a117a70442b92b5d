"""Fitting a network to a training set."""

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from realbogus.dataset import Part
from realbogus.errors import ModelError
from realbogus.models.backend import keras
from realbogus.models.checkpoint import Progress, read_progress, write_progress
from realbogus.models.devices import shared_batch, sharing
from realbogus.models.feed import Feed
from realbogus.models.optimiser import make_optimiser
from realbogus.models.registry import build_model
from realbogus.models.schemes import SCHEMES

__all__ = ["History", "Plan", "Trained", "train"]

log = logging.getLogger(__name__)

_VALIDATION_BATCH = 1024

History = list[dict[str, float]]
"""What each epoch gave."""


@dataclass(frozen=True)
class Plan:
    """What decides a training, besides the stamps.

    Attributes
    ----------
    model : str
        The architecture.
    scheme : str
        One of `realbogus.models.schemes.SCHEMES`.
    epochs, batch : int
        Passes over the training part, and stamps a step.
    seed : int
        Of the weights, the order and the dropout.
    rate : float, optional
        The (peak) learning rate; by default as the scheme has it.
    patience : int, optional
        Stop after so many epochs without a lower validation loss.
    """

    model: str
    scheme: str
    epochs: int
    batch: int
    seed: int
    rate: float | None = None
    patience: int | None = None


@dataclass(frozen=True)
class Trained:
    """A network with the weights of its best epoch, and what every epoch gave."""

    model: keras.Model
    history: tuple[dict[str, float], ...]
    best_epoch: int


def train(
    plan: Plan,
    train_part: Part,
    validation: Part,
    *,
    start: Sequence[NDArray[np.float32]] = (),
    checkpoint: Path | None = None,
    key: str = "",
    on_epoch: Callable[[History], None] | None = None,
    tensorboard: Path | None = None,
    devices: Sequence[str] | None = None,
) -> Trained:
    """Train a network on the categorical cross-entropy.

    Parameters
    ----------
    plan : Plan
        What decides the training.
    train_part, validation : Part
        Normalised stamps of shape (n, side, side); no object is in both.
    start : sequence of ndarray
        Weights to start from, instead of drawn ones.
    checkpoint : Path, optional
        Where to keep the progress; a training of the same ``key`` is taken up from there. The file
        is left behind.
    key : str
        Stands for all that decides the training.
    on_epoch : callable, optional
        Is given what every epoch gave, after each of them.
    tensorboard : Path, optional
        Folder of logs for TensorBoard.
    devices : sequence of str, optional
        Share the batches among these, as `realbogus.models.devices.sharing` has it.

    Returns
    -------
    Trained
        With the weights of the epoch of the lowest validation loss.

    Raises
    ------
    ModelError
        If the loss is not finite in any epoch.
    """
    keras.utils.set_random_seed(plan.seed)
    side = train_part.stamps.shape[-1]
    with sharing(devices):
        model = build_model(plan.model, side)
        if start:
            model.set_weights(list(start))
        plan = replace(plan, batch=shared_batch(plan.batch, len(train_part), _devices(model)))
        _compile(model, plan, len(train_part))
    done = read_progress(checkpoint, key) if checkpoint is not None else None
    if done is not None:
        _restore(model, done)
        log.info("the training goes on after epoch %d", len(done.history))
    keeper = _Keeper(plan, done or Progress(key, [], 0, [], []), checkpoint, on_epoch)
    keeper.fit(model, train_part, validation, tensorboard)
    progress = keeper.progress
    if not progress.best_epoch:
        raise ModelError("the training diverged: no epoch has a finite loss")
    best = build_model(plan.model, side)
    best.set_weights(progress.best)
    return Trained(best, tuple(progress.history), progress.best_epoch)


def _compile(model: keras.Model, plan: Plan, count: int) -> None:
    scheme = SCHEMES[plan.scheme]
    optimiser = make_optimiser(
        scheme,
        steps=-(-count // plan.batch) * plan.epochs,
        rate=plan.rate or scheme.rate_at(plan.batch),
    )
    model.compile(optimizer=optimiser, loss="categorical_crossentropy", metrics=["accuracy"])
    optimiser.build(model.trainable_variables)


def _devices(model: keras.Model) -> int:
    return int(model.distribute_strategy.num_replicas_in_sync)


def _restore(model: keras.Model, progress: Progress) -> None:
    for variable, value in zip(_variables(model), progress.variables, strict=True):
        variable.assign(value)


def _variables(model: keras.Model) -> list[keras.Variable]:
    return [*model.variables, *model.optimizer.variables]


class _Keeper(keras.callbacks.Callback):  # type: ignore[misc]
    """Keep the weights of the lowest validation loss and the progress, and show a bar."""

    def __init__(
        self,
        plan: Plan,
        progress: Progress,
        checkpoint: Path | None,
        on_epoch: Callable[[History], None] | None,
    ) -> None:
        super().__init__()
        self.progress = progress
        self._plan, self._checkpoint, self._on_epoch = plan, checkpoint, on_epoch
        self._bar = tqdm(
            desc="epochs",
            total=plan.epochs,
            initial=len(progress.history),
            disable=None,
            leave=False,
        )

    def fit(
        self, model: keras.Model, part: Part, validation: Part, tensorboard: Path | None
    ) -> None:
        """Fit for the epochs that are left."""
        plan, epoch = self._plan, len(self.progress.history)
        others = [] if tensorboard is None else [keras.callbacks.TensorBoard(str(tensorboard))]
        if epoch < plan.epochs and not self._is_stale():
            devices = _devices(model)
            model.fit(
                Feed(part, batch=plan.batch, seed=plan.seed, epoch=epoch),
                epochs=plan.epochs,
                initial_epoch=epoch,
                validation_data=_validation(validation, devices),
                callbacks=[self, *others],
                shuffle=False,  # the feed does it
                verbose=0,
            )
        self._bar.close()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        row = {name: float(value) for name, value in (logs or {}).items()}
        history = [*self.progress.history, row]
        losses = [past["val_loss"] for past in self.progress.history]
        is_best = row["val_loss"] < min(filter(math.isfinite, losses), default=math.inf)
        self.progress = replace(self.progress, history=history)
        if is_best:
            best = self.model.get_weights()
            self.progress = replace(self.progress, best=best, best_epoch=epoch + 1)
        self._save()
        self._bar.set_postfix(loss=row["loss"], val_loss=row["val_loss"])
        self._bar.update()
        self.model.stop_training = self._is_stale()

    def _save(self) -> None:
        if self._checkpoint is not None:
            values = [np.asarray(variable) for variable in _variables(self.model)]
            write_progress(self._checkpoint, replace(self.progress, variables=values))
        if self._on_epoch is not None:
            self._on_epoch(self.progress.history)

    def _is_stale(self) -> bool:
        patience, done = self._plan.patience, len(self.progress.history)
        return patience is not None and done - self.progress.best_epoch >= patience > 0


def _validation(part: Part, devices: int) -> Any:
    if devices > 1 or not isinstance(part.stamps, np.ndarray):
        return Feed(part, batch=shared_batch(_VALIDATION_BATCH, len(part), devices), seed=None)
    targets = np.eye(2, dtype=np.float32)[part.targets]  # (n, 2)
    return part.stamps[..., np.newaxis], targets  # (n, ny, nx, 1)
