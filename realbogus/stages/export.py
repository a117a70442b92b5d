"""A classifier for other pipelines."""

import logging
from pathlib import Path

from realbogus.errors import ConfigError
from realbogus.files import require_readable_file
from realbogus.models.files import read_model_recipe, require_suffix
from realbogus.models.onnx_export import export_onnx
from realbogus.models.storage import load_model

__all__ = ["export_classifier"]

log = logging.getLogger(__name__)

_SIDE = 20


def export_classifier(
    classifier: Path, output: Path, *, side: int | None = None, model: str | None = None
) -> None:
    """Write a classifier as ONNX.

    Parameters
    ----------
    classifier : Path
        ``.h5`` or ``.keras``.
    output : Path
        The file to make; one that is there is replaced.
    side : int, optional
        Side of a feature in pixels; by default as the recipe says, or 20.
    model : str, optional
        The user's own architecture that the classifier has.

    Raises
    ------
    ConfigError, ModelError
        If an option is not allowed, the package onnx is missing, or the classifier is none, or has
        a layer that can't be exported.
    """
    require_readable_file(classifier, name="classifier")
    require_suffix(classifier)
    if output.suffix != ".onnx":
        raise ConfigError(f"the file to make must end in .onnx; got {output.name!r}")
    if side is not None and side < 10:
        raise ConfigError(f"side must be at least 10 pixels; got {side}")
    recipe = read_model_recipe(classifier)
    extent = None if recipe is None else recipe.options.get("e")
    side = side or (2 * extent if isinstance(extent, int) else _SIDE)
    network = load_model(classifier, recipe, side=side, own=model)
    export_onnx(output, network, recipe)
    log.info("%s: for stamps of %d x %d pixels", output, side, side)
