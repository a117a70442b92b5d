"""Several networks as one, whose probabilities are the mean of theirs."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from realbogus.dataset import Part
from realbogus.models.backend import keras, layers
from realbogus.models.checkpoint import checkpoint_path, history_path, write_history
from realbogus.models.training import Plan, Trained, train
from realbogus.models.turning import unturned

__all__ = ["forget_progress", "join", "members", "train_networks"]

log = logging.getLogger(__name__)

_Weights = Sequence[NDArray[np.float32]]


def join(networks: Sequence[keras.Model]) -> keras.Model:
    """Give a network whose probabilities are the mean of those of others; of one, itself.

    Parameters
    ----------
    networks : sequence of keras.Model
        Each from (n, side, side, 1) to (n, classes). They get names of their own.
    """
    if len(networks) == 1:
        return networks[0]
    for place, network in enumerate(networks, start=1):
        network.name = f"network{place}"
    stamps = keras.Input(networks[0].input_shape[1:])
    return keras.Model(stamps, layers.Average()([network(stamps) for network in networks]))


def members(model: keras.Model) -> list[keras.Model]:
    """Give the networks that were joined, or the only one."""
    seen = unturned(model)
    *others, last = seen.layers
    inner = [layer for layer in others if isinstance(layer, keras.Model)]
    return inner if isinstance(last, layers.Average) and inner else [seen]


def train_networks(
    plan: Plan,
    count: int,
    train_part: Part,
    validation: Part,
    *,
    classifier: Path,
    key: str,
    starts: Sequence[_Weights] = (),
    tensorboard: Path | None = None,
) -> list[Trained]:
    """Train networks that differ in their seeds, one after the other.

    The first is that of a training alone. Each keeps its progress in a file of its own beside the
    classifier, so that they can be taken up where they were stopped; `forget_progress` removes it.

    Parameters
    ----------
    plan : Plan
        What decides the training of the first.
    count : int
        How many.
    train_part, validation : Part
        As `realbogus.models.training.train` takes them.
    classifier : Path
        The file that is to be made.
    key : str
        Stands for all that decides the training.
    starts : sequence of sequence of ndarray
        Weights to start from, of one network or of as many as are trained.
    tensorboard : Path, optional
        Folder of logs for TensorBoard.
    """
    done = []
    for network in range(1, count + 1):
        if count > 1:
            log.info("network %d of %d", network, count)
        logs = tensorboard if network == 1 else tensorboard and tensorboard / f"network{network}"
        trained = train(
            replace(plan, seed=_seed(plan.seed, network)),
            train_part,
            validation,
            start=starts[(network - 1) % len(starts)] if starts else (),
            checkpoint=checkpoint_path(classifier, network),
            key=key,
            on_epoch=partial(write_history, history_path(classifier, network)),
            tensorboard=logs,
        )
        done.append(trained)
    return done


def forget_progress(classifier: Path, count: int) -> None:
    """Remove the files that kept the progress of a classifier's networks."""
    for network in range(1, count + 1):
        checkpoint_path(classifier, network).unlink(missing_ok=True)


def _seed(seed: int, network: int) -> int:
    """Give the seed of the nth network, so that those of other seeds are all different."""
    if network == 1:
        return seed
    return int(np.random.SeedSequence([seed, network]).generate_state(1)[0])
