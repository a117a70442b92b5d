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
from realbogus.models.building import build_described
from realbogus.models.committee import join
from realbogus.models.description import Layer, read_networks, require_known_layers
from realbogus.models.files import (
    RECIPE_MEMBER,
    read_network_count,
    read_orientations,
    require_suffix,
    user_file,
)
from realbogus.models.registry import build_model
from realbogus.models.turning import turn, unturned
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
    """Write a classifier, whole or not at all: ``.h5`` or ``.keras`` by the suffix.

    Of one that gives the mean over the orientations, the network itself is written: that the mean
    is to be taken is for the recipe to say (orientations).
    """
    require_suffix(path)
    # Keras advises against .h5 at every save; the choice is the user's.
    logging.getLogger("absl").setLevel(logging.ERROR)
    with atomic_path(path) as part:
        unturned(model).save(part)
        if path.suffix == ".h5":
            write_recipe(part, recipe, error=ModelError)
        else:
            with zipfile.ZipFile(part, "a") as archive:
                archive.writestr(RECIPE_MEMBER, recipe.to_json())


def load_model(
    path: Path, recipe: Recipe | None, *, side: int, own: str | None = None
) -> keras.Model:
    """Load a classifier for features of shape (side, side).

    Parameters
    ----------
    path : Path
        The file.
    recipe : Recipe or None
        Its recipe, from `read_model_recipe`. Without one, the network is made as the file
        describes it; weights alone are taken for those of the documented network.
    side : int
        Side of the features that it is to score, in pixels.
    own : str, optional
        The user's own architecture, ``FILE.py:function``. The file's recipe may name another, but
        never has its code run.

    Raises
    ------
    ModelError
        If the file is damaged, has layers that may run code, or is for other features.
    """
    name = "psat" if recipe is None else recipe.options.get("model")
    if not isinstance(name, str):
        raise ModelError(f"{path}: its recipe names no network")
    described = _described(path) if user_file(name) is None else None
    for chain in described or []:
        require_known_layers(path, chain)
    if user_file(name) is not None and name != own:
        raise ModelError(f"{path}: its network is {name}: give that as model to have it run")
    if recipe is None and described is not None:
        name = "that it describes"
        model = join([build_described(path, chain, side=side) for chain in described])
    else:
        count = read_network_count(path, recipe)
        model = join([build_model(name, side) for _ in range(count)])
    try:
        model.load_weights(path)
    except _DAMAGE as error:
        raise ModelError(
            f"{path}: does not hold weights of the network {name!r} for {side} x {side} pixels"
        ) from error
    return turn(model) if read_orientations(path, recipe) else model


def _described(path: Path) -> list[list[Layer]] | None:
    try:
        return read_networks(path)
    except ModelError:
        raise
    except _DAMAGE as error:
        raise ModelError(f"{path}: not a Keras classifier") from error
