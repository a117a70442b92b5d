#!/usr/bin/env python3
"""How fast the recipes train, against a plain fit of the default one.

    python benchmarks/training.py default.h5 recommended.h5

The default recipe trains the documented network with Adam, batches of 128 and 20 epochs. It is
timed as Keras's plain ``fit`` on arrays; what counts is that time, and the validation loss of the
weights to keep, the lowest of its epochs. The others are timed until they reach that loss on the
same detections, and are left then but for ``--whole``: the recommended recipe, and in one short
cycle the fast symmetric network and the documented one; the symmetric networks on their own data
set of the same stamps. ``--rivals`` names others, and the default recipe as this project runs it.
They take turns, seed by seed; times are from the call to the end of an epoch, validation included.
The seconds of the processor, of all threads, tell more than those of the clock where others use the
machine too.
"""

import argparse
import os
import statistics
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
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
_RIVALS = {
    "d4psf, long": ("recommended", "d4psf"),
    "d4fastpsf, cycle": ("recommended", "d4fastpsf"),
    "psat, cycle": ("default", "psat"),
    "d4fast, cycle": ("recommended", "d4fast"),
    "d4psf, cycle": ("recommended", "d4psf"),
    "d4, cycle": ("recommended", "d4"),
    "psat, plain": ("default", "psat"),
}
"""By network and scheme: which data set, and which network."""


@dataclass(frozen=True)
class _Times:
    """Seconds by the clock, and of the processor."""

    clock: float
    processor: float

    @classmethod
    def now(cls) -> "_Times":
        used = os.times()
        return cls(time.perf_counter(), sum(used[:4]))  # the process and its children

    def since(self, begin: "_Times") -> "_Times":
        return _Times(self.clock - begin.clock, self.processor - begin.processor)

    def __str__(self) -> str:
        return f"{self.processor:.0f} s of the processor, {self.clock:.0f} s by the clock"


class _ReachedError(Exception):
    """The loss is reached."""


class _Run:
    """The times at the end of each epoch, and the validation loss then."""

    def __init__(self) -> None:
        self.losses: list[float] = []
        self.times: list[_Times] = []
        self._begin = _Times.now()

    def note(self, loss: float) -> None:
        """Note the end of an epoch."""
        self.losses.append(loss)
        self.times.append(_Times.now().since(self._begin))

    def time_to(self, loss: float) -> _Times:
        """Give the times until the loss is reached; infinity if it never is."""
        reached = (t for t, found in zip(self.times, self.losses, strict=True) if found <= loss)
        return next(reached, _Times(float("inf"), float("inf")))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark with the words of a command line; return the exit status."""
    parser = ArgumentParser(__doc__)
    parser.add_argument("default", type=Path, help="the data set of the default recipe")
    parser.add_argument("recommended", type=Path, help="that of the symmetric networks")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--rivals", nargs="+", choices=_RIVALS, default=list(_RIVALS)[:3])
    parser.add_argument("--whole", action="store_true", help="go on once the loss is reached")
    options = parser.parse_args(argv)
    return run(lambda: _benchmark(options), verbose=options.verbose)


def _benchmark(options: argparse.Namespace) -> None:
    parts = {
        name: read_part(getattr(options, name), "train") for name in ("default", "recommended")
    }
    ratios: dict[str, list[_Times]] = {name: [] for name in options.rivals}
    for seed in options.seeds:
        plain = _plain_fit(*_split(parts["default"], seed), seed)
        total, loss = plain.times[-1], min(plain.losses)
        print(f"seed {seed}: plain fit {total}, loss {loss:.4f}", flush=True)
        for name in options.rivals:
            data, model = _RIVALS[name]
            stop = -1.0 if options.whole else loss
            found = _timed(parts[data], model, name.split(", ")[1], seed, stop)
            until = found.time_to(loss)
            ratio = _Times(until.clock / total.clock, until.processor / total.processor)
            ratios[name].append(ratio)
            print(
                f"  {name}: {until} to that loss, ratio {ratio.processor:.2f} and "
                f"{ratio.clock:.2f}; {len(found.losses)} epochs {found.times[-1]}, "
                f"loss {min(found.losses):.4f}",
                flush=True,
            )
    for name, values in ratios.items():
        of_processor, by_clock = (
            statistics.median(getattr(ratio, word) for ratio in values)
            for word in ("processor", "clock")
        )
        print(f"{name}: median ratio {of_processor:.2f} of the processor, {by_clock:.2f} by clock")


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
    found = _Run()
    keras.utils.set_random_seed(seed)
    model = build_model("psat", train_part.stamps.shape[-1])
    model.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        *arrays[0],
        batch_size=128,
        epochs=20,
        validation_data=arrays[1],
        callbacks=[
            keras.callbacks.LambdaCallback(
                on_epoch_end=lambda _, logs: found.note(logs["val_loss"])
            )
        ],
        verbose=0,
    )
    return found


def _timed(part: Part, model: str, scheme: str, seed: int, stop: float) -> _Run:
    """Train, and leave it once the loss is as low as ``stop``."""
    train_part, validation = _split(part, seed)
    epochs, batch = SCHEMES[scheme].fit_to(len(train_part))
    found = _Run()

    def note(history: History) -> None:
        found.note(history[-1]["val_loss"])
        if found.losses[-1] <= stop:
            raise _ReachedError

    with suppress(_ReachedError):
        train(Plan(model, scheme, epochs, batch, seed), train_part, validation, on_epoch=note)
    return found


if __name__ == "__main__":
    sys.exit(main())
