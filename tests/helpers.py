"""What several tests make: images, FITS files, recipes, rows, and runs of scripts."""

import os
import shutil
import socket
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
from astropy.io import fits

from realbogus.intervals import Sample
from realbogus.lists import Row
from realbogus.recipes import Recipe

ROOT = Path(__file__).parent.parent


def run_python(*words, cwd, check=False):
    """Run Python with the words of a command line; give what it printed and its exit status."""
    command = [sys.executable, *map(str, words)]
    return subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, timeout=300, check=check
    )


def unique_image(ny, nx, dtype=np.int16):
    """Make an image whose every pixel is unique, so that no shift or transposition can hide."""
    return np.arange(1, ny * nx + 1).reshape(ny, nx).astype(dtype)


def write_fits(path, pixels, *, packing=None, tile=None, **cards):
    """Write an image plain in HDU 0, or packed in HDU 1 with ``packing`` such as ``RICE_1``."""
    header = fits.Header(cards)
    if packing is None:
        hdus = [fits.PrimaryHDU(pixels, header)]
    else:
        packed = fits.CompImageHDU(pixels, header, compression_type=packing, tile_shape=tile)
        hdus = [fits.PrimaryHDU(), packed]
    fits.HDUList(hdus).writeto(path)
    return path


MALFORMED = "FILTER  = w (malformed"
"""A card as one camera writes it: text without quotes."""


def replace_card(path, keyword, text):
    """Overwrite the first card of a keyword as raw text."""
    content = path.read_bytes()
    place = content.index(f"{keyword:8s}=".encode())
    path.write_bytes(content[:place] + text.ljust(80).encode() + content[place + 80 :])
    return path


def make_recipe(stage="build", *, results=None, inputs=None, **options):
    """Make a recipe with a few options."""
    return Recipe(stage, options or {"e": 10}, inputs or {}, results or {})


def save_untrained(path, *, cameras=None):
    """Save a documented network with drawn weights and the usual features; give its file."""
    from realbogus.models.registry import build_model
    from realbogus.models.storage import save_model

    results = {} if cameras is None else {"cameras": cameras}
    recipe = make_recipe("train", results=results, model="psat", e=10, N="spn")
    save_model(path, build_model("psat", 20), recipe)
    return path


def make_row(number=1, **changes):
    """Make a row of a list."""
    values = {
        "x": 100.5 + number,
        "y": 200.25,
        "mag": 18.5,
        "dmag": 0.11,
        "ra": 123.456789,
        "dec": -45.6789,
        "obs": "02a58310o0123c",
        "object": str(1101010101101010100 + number),
        "stamp": f"good/{1101010101101010100 + number}_02a58310o0123c_{number}.fits",
    }
    return Row(**{**values, **changes})


@cache
def program(*names):
    """Find a program, also where many systems keep servers and only root looks."""
    places = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])
    return next((found for name in names if (found := shutil.which(name, path=places))), None)


def free_port():
    """Find a port that nobody listens to."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def draw_sample(n_real, n_bogus, *, distance=2.0, detections=1, shared=0.0, ties=False, rng=None):
    """Draw normal scores of objects whose detections have a share of their deviation in common."""
    rng = rng or np.random.default_rng(0)
    objects = n_real + n_bogus
    sizes = rng.geometric(1 / detections, objects)
    number = np.repeat(np.arange(objects), sizes)
    targets = (number < n_real).astype(np.int8)
    own = rng.normal(size=len(number)) * (1 - shared) ** 0.5
    scores = distance * targets + own + (rng.normal(size=objects) * shared**0.5)[number]
    return Sample.of(targets, np.round(scores, 1) if ties else scores, number)


def network_of_other_layers():
    """Make a network as a team may have changed it, with one score and weights of its own."""
    from realbogus.models.backend import keras, layers

    stack = [
        keras.Input((20, 20, 1)),
        layers.Conv2D(4, (3, 2), strides=2, padding="same", activation="tanh", use_bias=False),
        layers.BatchNormalization(epsilon=0.01),
        layers.ReLU(),
        layers.Conv2D(6, 2, activation="softmax"),
        layers.AveragePooling2D(3, strides=2, padding="same"),
        layers.MaxPooling2D(2),
        layers.Activation("elu"),
        layers.GlobalAveragePooling2D(),
        layers.Dense(1, activation="sigmoid"),
    ]
    model = keras.Sequential(stack)
    rng = np.random.default_rng(0)
    model.set_weights([abs(rng.normal(0, 1, w.shape)) for w in model.get_weights()])
    return model


def open_files():
    """Name the files that this process has open."""
    return sorted(os.path.realpath(path) for path in Path("/proc/self/fd").iterdir())
