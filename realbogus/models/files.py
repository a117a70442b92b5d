"""Classifier files as files: their names and their recipes, without loading Keras."""

import zipfile
import zlib
from pathlib import Path

from realbogus.calibration import Calibration
from realbogus.errors import ModelError
from realbogus.hdf5 import read_recipe
from realbogus.recipes import Recipe

__all__ = [
    "RECIPE_MEMBER",
    "SUFFIXES",
    "read_calibration",
    "read_model_recipe",
    "require_suffix",
]

SUFFIXES = (".h5", ".keras")
RECIPE_MEMBER = "recipe.json"
_LARGEST_RECIPE = 2**26


def read_model_recipe(path: Path) -> Recipe | None:
    """Read the recipe of a classifier; None if it has none.

    Raises
    ------
    ModelError
        If the file is no classifier.
    """
    require_suffix(path)
    if path.suffix == ".h5":
        return read_recipe(path, error=ModelError)
    try:
        with zipfile.ZipFile(path) as archive:
            if RECIPE_MEMBER not in archive.namelist():
                return None
            if archive.getinfo(RECIPE_MEMBER).file_size > _LARGEST_RECIPE:
                raise ModelError(f"{path}: its recipe is too large to be one")
            text = archive.read(RECIPE_MEMBER).decode()
    except ModelError:
        raise
    except (OSError, EOFError, ValueError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise ModelError(f"{path}: not a Keras classifier") from error
    return Recipe.from_json(text)


def read_calibration(recipe: Recipe | None) -> Calibration:
    """Read how a classifier's scores are calibrated; not at all if its recipe does not say.

    Raises
    ------
    FormatError
        If what the recipe says is damaged.
    """
    record = {} if recipe is None else recipe.results.get("calibration", {})
    return Calibration.from_record(record) if record else Calibration()


def require_suffix(path: Path) -> None:
    """Check that a classifier's name ends as Keras wants it.

    Raises
    ------
    ModelError
        If it does not.
    """
    if path.suffix not in SUFFIXES:
        raise ModelError(f"classifierfile must end in {' or '.join(SUFFIXES)}; got {path.name!r}")
