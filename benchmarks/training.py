#!/usr/bin/env python3
"""How fast the recipes train, against a plain fit of the default one.

    python benchmarks/training.py default.h5 recommended.h5

The default recipe trains the documented network with Adam, batches of 128 and 20 epochs. It is
timed as Keras's plain ``fit`` on arrays; what counts is that time, and the validation loss of the
weights to keep, the lowest of its epochs. The others are timed until they reach that loss on the
same detections: the documented network in one cycle, the recommended network on its own data set
of the same stamps, and the default recipe as this project runs it. They take turns, seed by seed;
times are from the call to the end of an epoch, validation included.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from realbogus.cli import ArgumentParser, run
from realbogus.dataset import Part, read_part
from realbogus.models.backend import keras
from realbogus.models.registry import build_model
from realbogus.models.schemes import SCHEMES
from realbogus.models.training import History, Plan, train
from realbogus.splits import split_by_object

_VALIDATION = 0.2


@dataclass(frozen=True)
class _Run:
    """The seconds at the end of each epoch, and the validation loss then."""

    seconds: list[float]
    losses: list[float]

    def time_to(self, loss: float) -> float:
        """Give the seconds until the loss is reached; infinity if it never is."""
        reached = (s for s, found in zip(self.seconds, self.losses, strict=True) if found <= loss)
        return next(reached, float("inf"))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark with the words of a command line; return the exit status."""
    parser = ArgumentParser(__doc__)
    parser.add_argument("default", type=Path, help="the data set of the default recipe")
    parser.add_argument("recommended", type=Path, help="that of the recommended one")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    options = parser.parse_args(argv)
    return run(lambda: _benchmark(options), verbose=options.verbose)


def _benchmark(options: argparse.Namespace) -> None:
    parts = {
        name: read_part(getattr(options, name), "train") for name in ("default", "recommended")
    }
    rivals = {
        "psat, cycle": ("default", "psat"),
        "d4, cycle": ("recommended", "d4"),
        "psat, plain": ("default", "psat"),
    }
    ratios: dict[str, list[float]] = {name: [] for name in rivals}
    for seed in options.seeds:
        plain = _plain_fit(*_split(parts["default"], seed), seed)
        total, loss = plain.seconds[-1], min(plain.losses)
        print(f"seed {seed}: plain fit {total:.0f} s for 20 epochs, loss {loss:.4f}", flush=True)
        for name, (data, model) in rivals.items():
            found = _timed(parts[data], model, name.split(", ")[1], seed)
            until = found.time_to(loss)
            ratios[name].append(until / total)
            print(
                f"  {name}: {until:.0f} s to that loss, {until / total:.2f} of the time; "
                f"all {len(found.losses)} epochs {found.seconds[-1]:.0f} s, "
                f"loss {min(found.losses):.4f}",
                flush=True,
            )
    for name, values in ratios.items():
        print(f"{name}: median ratio {statistics.median(values):.2f}")


def _split(part: Part, seed: int) -> tuple[Part, Part]:
    rng = np.random.default_rng(seed)
    aside = split_by_object(part.objects, part.targets, fraction=_VALIDATION, rng=rng)
    return part.select(~aside), part.select(aside)


def _plain_fit(train_part: Part, validation: Part, seed: int) -> _Run:
    """Fit the documented network as Keras's own examples do."""
    arrays = [
        (part.stamps[..., np.newaxis], np.eye(2, dtype=np.float32)[part.targets])
        for part in (train_part, validation)
    ]
    found, begin = _Run([], []), time.perf_counter()

    def note(epoch: int, logs: dict[str, float]) -> None:
        found.seconds.append(time.perf_counter() - begin)
        found.losses.append(logs["val_loss"])

    keras.utils.set_random_seed(seed)
    model = build_model("psat", train_part.stamps.shape[-1])
    model.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        *arrays[0],
        batch_size=128,
        epochs=20,
        validation_data=arrays[1],
        callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=note)],
        verbose=0,
    )
    return found


def _timed(part: Part, model: str, scheme: str, seed: int) -> _Run:
    train_part, validation = _split(part, seed)
    epochs, batch = SCHEMES[scheme].fit_to(len(train_part))
    found, begin = _Run([], []), time.perf_counter()

    def note(history: History) -> None:
        found.seconds.append(time.perf_counter() - begin)
        found.losses.append(history[-1]["val_loss"])

    train(Plan(model, scheme, epochs, batch, seed), train_part, validation, on_epoch=note)
    return found


if __name__ == "__main__":
    sys.exit(main())
