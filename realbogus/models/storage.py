"""Classifier files: a network's weights and its recipe, in Keras's own formats.

On loading, the network is made anew from the registry and takes only numbers from the file, so
that nothing in a file is ever run.
"""

import logging
import zipfile
import zlib
from pathlib import Path

from realbogus.errors import ModelError
from realbogus.files import atomic_path
from realbogus.hdf5 import write_recipe
from realbogus.models.backend import keras
from realbogus.models.files import RECIPE_MEMBER, require_suffix
from realbogus.models.registry import build_model
from realbogus.recipes import Recipe

__all__ = ["load_model", "save_model"]

_DAMAGE = (
    OSError,
    EOFError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    RuntimeError,
    zipfile.BadZipFile,
    zlib.error,
)


def save_model(path: Path, model: keras.Model, recipe: Recipe) -> None:
    """Write a classifier, whole or not at all: ``.h5`` or ``.keras`` by the suffix."""
    require_suffix(path)
    # Keras advises against .h5 at every save; the choice is the user's.
    logging.getLogger("absl").setLevel(logging.ERROR)
    with atomic_path(path) as part:
        model.save(part)
        if path.suffix == ".h5":
            write_recipe(part, recipe, error=ModelError)
        else:
            with zipfile.ZipFile(part, "a") as archive:
                archive.writestr(RECIPE_MEMBER, recipe.to_json())


def load_model(path: Path, recipe: Recipe | None, *, side: int) -> keras.Model:
    """Load a classifier for features of shape (side, side).

    Parameters
    ----------
    path : Path
        The file.
    recipe : Recipe or None
        Its recipe, from `read_model_recipe`. Without one, it is taken for the weights of the
        documented network.
    side : int
        Side of the features that it is to score, in pixels.

    Raises
    ------
    ModelError
        If the file is damaged, or its network is for other features.
    """
    name = "psat" if recipe is None else recipe.options.get("model")
    if not isinstance(name, str):
        raise ModelError(f"{path}: its recipe names no network")
    model = build_model(name, side)
    try:
        model.load_weights(path)
    except _DAMAGE as error:
        raise ModelError(
            f"{path}: does not hold weights of the network {name!r} for {side} x {side} pixels"
        ) from error
    return model
