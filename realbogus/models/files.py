"""Classifier files as files: their names and their recipes, without loading Keras."""

import math
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from realbogus.calibration import Calibration
from realbogus.errors import ConfigError, ModelError
from realbogus.hdf5 import read_recipe
from realbogus.normalisation import canonical_name
from realbogus.pooling import Pool
from realbogus.recipes import Recipe
from realbogus.seeing import says_seeing

__all__ = [
    "MOST_NETWORKS",
    "RECIPE_MEMBER",
    "SUFFIXES",
    "FeatureOptions",
    "read_calibration",
    "read_cameras",
    "read_feature_options",
    "read_model_recipe",
    "read_network_count",
    "read_orientations",
    "read_pool",
    "require_suffix",
    "user_file",
]

SUFFIXES = (".h5", ".keras")
RECIPE_MEMBER = "recipe.json"
MOST_NETWORKS = 32
"""Whose mean one classifier may be."""

_LARGEST_RECIPE = 2**26
_LARGEST_EXTENT = 500


@dataclass(frozen=True)
class FeatureOptions:
    """How a classifier wants stamps treated; by default as the documented network does.

    Attributes
    ----------
    extent : int
        Half the side of a feature in pixels.
    normalisation : str
        One of the normalisations.
    mask_value : float or None
        The value that marks masked pixels, besides NaN.
    psf : bool
        Whether the first pixel says how wide the exposure's PSF is.
    """

    extent: int = 10
    normalisation: str = "signPreserveNorm"
    mask_value: float | None = None
    psf: bool = False


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


def read_cameras(path: Path, recipe: Recipe | None) -> list[str]:
    """Read which cameras took all the stamps that a classifier was trained on.

    Empty if its recipe does not say: that of an earlier version, of the predecessor, or of a
    data set with stamps whose camera is not known.

    Raises
    ------
    ModelError
        If what the recipe says is no list of names.
    """
    said = None if recipe is None else recipe.results.get("cameras")
    if said is None:
        return []
    if not isinstance(said, list) or not all(isinstance(name, str) and name for name in said):
        raise ModelError(f"{path}: its recipe gives no names of cameras; got {said!r:.40}")
    return said


def read_network_count(path: Path, recipe: Recipe | None) -> int:
    """Read of how many networks a classifier is the mean; 1 if its recipe does not say.

    Raises
    ------
    ModelError
        If what the recipe says is no such number.
    """
    count = None if recipe is None else recipe.options.get("networks")
    if count is None:
        return 1
    if type(count) is not int or not 1 <= count <= MOST_NETWORKS:
        raise ModelError(f"{path}: its recipe gives no number of networks; got {count!r:.40}")
    return count


def read_orientations(path: Path, recipe: Recipe | None) -> bool:
    """Read whether scores are the mean over the orientations; no if its recipe does not say.

    Raises
    ------
    ModelError
        If what the recipe says is neither yes nor no.
    """
    said = None if recipe is None else recipe.options.get("orientations")
    if said not in (None, False, True):
        raise ModelError(f"{path}: its recipe says {said!r:.40} of orientations, not yes or no")
    return bool(said)


def read_pool(path: Path, recipe: Recipe | None) -> Pool:
    """Read how the scores that a classifier gives to the images of an object are pooled.

    Raises
    ------
    ModelError
        If its recipe does not say, as that of an earlier version or of the predecessor.
    FormatError
        If what the recipe says is damaged.
    """
    record = None if recipe is None else recipe.results.get("pool")
    if record is None:
        raise ModelError(
            f"combine: {path} does not say how scores of images are combined, as classifiers "
            "trained here do: train it anew, or take the median"
        )
    return Pool.from_record(record)


def read_feature_options(path: Path, recipe: Recipe | None) -> FeatureOptions:
    """Read how a classifier wants stamps treated, which its recipe says.

    Parameters
    ----------
    path : Path
        Its file, for the message.
    recipe : Recipe or None
        Its recipe. Without one it is a classifier of the predecessor, for the documented features.

    Raises
    ------
    ModelError
        If the recipe does not say.
    """
    if recipe is None:
        return FeatureOptions()
    extent, mask_value = recipe.options.get("e"), recipe.options.get("m")
    if type(extent) is not int or not 1 <= extent <= _LARGEST_EXTENT:
        raise ModelError(f"{path}: its recipe gives no extent (e) of features; got {extent!r:.40}")
    if mask_value is not None and not _is_number(mask_value):
        raise ModelError(f"{path}: its recipe gives no mask value (m); got {mask_value!r:.40}")
    try:
        normalisation = canonical_name(str(recipe.options.get("N")))
    except ConfigError as error:
        raise ModelError(f"{path}: in its recipe, {error}") from error
    psf = says_seeing(path, recipe.options.get("psf"), error=ModelError)
    mask = None if mask_value is None else float(mask_value)
    return FeatureOptions(extent, normalisation, mask, psf)


def require_suffix(path: Path) -> None:
    """Check that a classifier's name ends as Keras wants it.

    Raises
    ------
    ModelError
        If it does not.
    """
    if path.suffix not in SUFFIXES:
        raise ModelError(f"classifierfile must end in {' or '.join(SUFFIXES)}; got {path.name!r}")


def user_file(name: str) -> Path | None:
    """Give the file of a user's own architecture, ``FILE.py:function``; None for the others."""
    file, colon, _ = name.rpartition(":")
    return Path(file) if colon and file.endswith(".py") else None


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)
