#!/usr/bin/env python3
"""How well the pipeline does on real stamps of another survey.

Turns labelled stamps (an HDF5 file with ``diff``, ``label``, ``object``, ``mag``, ``ra``, ``dec``)
into FITS stamps with good.txt and bad.txt, and runs the last three tasks on them through Luigi;
the test part shares no object with the training part. With ``--train-on`` the classifier is
trained on that data set instead, and tested on all the labelled stamps.

    python benchmarks/real_sky.py STAMPS.h5
    python benchmarks/real_sky.py STAMPS.h5 --train-on demo/training/dataset.h5

The labels are scores of another network (real above 0.9, bogus below 0.1): what is measured is the
agreement with them. The rival is the magnitude alone.
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from realbogus.cli import ArgumentParser, run
from realbogus.errors import DatasetError, RealBogusError
from realbogus.files import atomic_path
from realbogus.hdf5 import open_hdf5
from realbogus.lists import Row, read_list, write_list
from realbogus.metrics import area_under, bootstrap, rates
from realbogus.normalisation import normalise
from realbogus.plots.stamps import draw_stamps
from realbogus.provenance import read_recipe
from realbogus.recipes import Recipe
from realbogus.scores import Scores, read_scores, write_scores
from realbogus.stamps import crop, read_stamp, write_stamp

_PIPELINE = Path(__file__).parent.parent / "atlasClassificationPipeline.py"
_FOLDERS = {1: "good", 0: "bad"}
_ACROSS, _SHOWN = 16, 32


@dataclass(frozen=True)
class RealStamps:
    """Labelled stamps of shape (n, ny, nx); the other arrays have shape (n,)."""

    pixels: NDArray[np.float32]
    labels: NDArray[np.int8]
    objects: NDArray[np.str_]
    mag: NDArray[np.float64]
    ra: NDArray[np.float64]
    dec: NDArray[np.float64]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark with the words of a command line; return the exit status."""
    parser = ArgumentParser(__doc__)
    parser.add_argument("stamps", type=Path, help="labelled stamps (.h5)")
    parser.add_argument("--train-on", type=Path, help="a data set to train on instead")
    parser.add_argument("--seeds", type=int, default=5, help="trainings (%(default)s)")
    parser.add_argument("--picture", type=Path, help="draw some of the stamps (.png), no training")
    parser.add_argument("--folder", type=Path, help="where to work (a temporary folder)")
    options = parser.parse_args(argv)
    return run(lambda: _benchmark(options), verbose=options.verbose)


def _benchmark(options: argparse.Namespace) -> None:
    if options.picture is not None:
        _draw(read_stamps(options.stamps), options.picture)
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        stamps = read_stamps(options.stamps)
        _write_stamps(folder, stamps)
        for seed in range(options.seeds):
            if options.train_on is None:
                scores = _train_and_test_on_real(folder, seed)
            else:
                scores = _train_elsewhere(folder, options.train_on, seed)
            _report(f"seed {seed}", scores)
        _report_magnitude(stamps)


def read_stamps(path: Path) -> RealStamps:
    """Read the stamps that have a label."""
    with open_hdf5(path) as file:
        labels = file["label"][:]
        known = np.flatnonzero(labels >= 0)
        if not len(known):
            raise DatasetError(f"{path}: no stamp has a label")
        return RealStamps(
            file["diff"][:][known],
            labels[known],
            file["object"].asstr()[:].astype(str)[known],
            *(file[name][:][known].astype(np.float64) for name in ("mag", "ra", "dec")),
        )


def _draw(stamps: RealStamps, output: Path) -> None:
    """Draw real and bogus stamps, bright to faint, as the simulated ones are drawn."""
    lines = {}
    for label, name, count in ((1, "real", 4), (0, "bogus", 4)):
        chosen = np.flatnonzero(stamps.labels == label)
        order = chosen[np.argsort(stamps.mag[chosen])]
        places = order[np.linspace(0, len(order) - 1, count * _ACROSS).astype(int)]
        for line in range(count):
            some = places[line * _ACROSS : (line + 1) * _ACROSS]
            lines[f"{name} {line + 1}"] = [_middle(stamps.pixels[index]) for index in some]
    with atomic_path(output) as part:
        draw_stamps(lines).savefig(part)


def _middle(stamp: NDArray[np.float32]) -> NDArray[np.float32]:
    return crop(stamp, extent=_SHOWN // 2)[:-1, :-1]


def _write_stamps(folder: Path, stamps: RealStamps) -> None:
    recipe = Recipe("real_sky", {"labels": "scores of another network"})
    for label, name in _FOLDERS.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        chosen = np.flatnonzero(stamps.labels == label)
        rows = [_write_stamp(folder, stamps, int(index), name) for index in chosen]
        write_list(folder / f"{name}.txt", rows, recipe)


def _write_stamp(folder: Path, stamps: RealStamps, index: int, label: str) -> Row:
    pixels, name = stamps.pixels[index], f"{label}/{stamps.objects[index]}_{index}.fits"
    write_stamp(folder / name, pixels, shared="", cards=[("OBJECT", str(stamps.objects[index]))])
    centre = pixels.shape[0] // 2 + 0.5
    return Row(
        centre,
        centre,
        float(stamps.mag[index]),
        float("nan"),
        float(stamps.ra[index]),
        float(stamps.dec[index]),
        f"stamp{index}",
        str(stamps.objects[index]),
        name,
    )


def _train_and_test_on_real(folder: Path, seed: int) -> Scores:
    """Run data set, training and plot on the real stamps alone."""
    names = {name: str(folder / f"{name}{seed}") for name in ("dataset", "model", "scores")}
    _run_task(
        "PlotResults",
        f"--inputFiles=[{names['scores']}.csv]",
        f"--outputFile={folder / f'plots{seed}.png'}",
        f"--stampLocation={folder}",
        f"--KerasTensorflowClassifier-trainingset={names['dataset']}.h5",
        f"--KerasTensorflowClassifier-classifierfile={names['model']}.h5",
        f"--KerasTensorflowClassifier-seed={seed}",
        f"--BuildMLDataset-seed={seed}",
    )
    return read_scores(Path(f"{names['scores']}.csv"))


def _train_elsewhere(folder: Path, dataset: Path, seed: int) -> Scores:
    """Train on another data set, and score all the real stamps as its recipe says."""
    classifier = folder / f"model{seed}.h5"
    _run_task(
        "KerasTensorflowClassifier",
        f"--trainingset={dataset}",
        f"--classifierfile={classifier}",
        f"--outputcsv={folder / f'own_scores{seed}.csv'}",
        f"--seed={seed}",
    )
    output = folder / f"scores{seed}.csv"
    scores = _score(folder, classifier)
    write_scores(output, scores, Recipe("score", {"classifierfile": classifier.name}))
    _run_task("PlotResults", f"--inputFiles=[{output}]", f"--outputFile={folder / f'{seed}.png'}")
    return scores


def _score(folder: Path, classifier: Path) -> Scores:
    from realbogus.models.prediction import predict
    from realbogus.models.storage import load_model

    recipe = read_recipe(classifier)
    if recipe is None:
        raise RealBogusError(f"{classifier}: does not say what made it")
    extent, normalisation = recipe.options["e"], recipe.options["N"]
    rows = [
        (row, label)
        for label, name in _FOLDERS.items()
        for row in read_list(folder / f"{name}.txt")
    ]
    crops = [crop(read_stamp(folder / row.stamp), extent=extent)[:-1, :-1] for row, _ in rows]
    model = load_model(classifier, recipe, side=2 * extent)
    return Scores(
        np.array([Path(row.stamp).name for row, _ in rows]),
        np.array([row.object for row, _ in rows]),
        np.array([label for _, label in rows], np.int8),
        predict(model, normalise(np.array(crops), normalisation)),
    )


def _run_task(task: str, *options: str) -> None:
    command = [sys.executable, str(_PIPELINE), task, "--local-scheduler", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RealBogusError(f"{task} failed:\n{done.stderr}")


def _report(name: str, scores: Scores) -> None:
    rng = np.random.default_rng(0)
    statistics = bootstrap(scores.targets, scores.scores, scores.objects, rng=rng)
    words = [f"{key} {interval}" for key, interval in statistics.items()]
    print(f"{name}: {len(scores.targets)} stamps, " + ", ".join(words))


def _report_magnitude(stamps: RealStamps) -> None:
    known = np.isfinite(stamps.mag)
    area = area_under(rates(stamps.labels[known], stamps.mag[known]))
    print(f"magnitude alone, on all {known.sum()} stamps: auc {max(area, 1 - area):.4f}")


if __name__ == "__main__":
    sys.exit(main())
