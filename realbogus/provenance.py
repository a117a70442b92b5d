"""The recipe and the identity of any file of the pipeline."""

import hashlib
from collections.abc import Callable
from pathlib import Path

from realbogus.dataset import read_dataset_recipe
from realbogus.lists import read_list_recipe
from realbogus.models.files import read_model_recipe
from realbogus.pages import read_page_recipe
from realbogus.parquet import read_parquet_recipe
from realbogus.plots.formats import SUFFIXES, read_figure_recipe
from realbogus.recipes import Input, Recipe
from realbogus.scores import read_score_recipe

__all__ = ["READERS", "identify", "read_recipe"]

READERS: dict[str, Callable[[Path], Recipe | None]] = {
    ".txt": read_list_recipe,
    ".csv": read_score_recipe,
    ".h5": read_dataset_recipe,
    ".keras": read_model_recipe,
    ".html": read_page_recipe,
    ".parquet": read_parquet_recipe,
    **dict.fromkeys(SUFFIXES, read_figure_recipe),
}
"""How to read the recipe of a file, by its suffix."""

# What people edit, and then keep the recipe of.
_TEXTS = {".txt", ".csv"}


def read_recipe(path: Path) -> Recipe | None:
    """Read the recipe of a file; None if it has none, or can't have one."""
    reader = READERS.get(path.suffix.lower())
    return None if reader is None else reader(path)


def identify(path: Path) -> Input:
    """Describe an input file: by its bytes, or by its recipe if that is in a file of numbers."""
    recipe = read_recipe(path)
    if recipe is not None and path.suffix.lower() not in _TEXTS:
        return Input(path.name, recipe.digest, recipe)
    with path.open("rb") as stream:
        return Input(path.name, hashlib.file_digest(stream, "sha256").hexdigest(), recipe)
