"""The architectures by name."""

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

from realbogus.errors import ConfigError, ModelError
from realbogus.models.backend import keras
from realbogus.models.d4 import build_d4, build_d4_fast, build_d4_fast_psf, build_d4_psf
from realbogus.models.files import user_file
from realbogus.models.psat import build_psat
from realbogus.options import require_choice

__all__ = ["ARCHITECTURES", "SYMMETRIC", "WANT_PSF", "build_model", "require_architecture"]

ARCHITECTURES: dict[str, Callable[[int], keras.Model]] = {
    "psat": build_psat,
    "d4": build_d4,
    "d4fast": build_d4_fast,
    "d4psf": build_d4_psf,
    "d4fastpsf": build_d4_fast_psf,
}
"""Functions from the side of a feature in pixels to an untrained network."""

SYMMETRIC = ("d4", "d4fast", "d4psf", "d4fastpsf")
"""Those whose scores are the same in every orientation of a stamp."""

WANT_PSF = ("d4psf", "d4fastpsf")
"""Those for features whose first pixel says how wide the PSF is."""


def require_architecture(name: str) -> None:
    """Check that there is an architecture of that name, or a function ``FILE.py:function``.

    Raises
    ------
    ConfigError
        If there is not.
    """
    if user_file(name) is not None:
        _users_own(name)
    else:
        require_choice("model", name, (*ARCHITECTURES, "FILE.py:function"))


def build_model(name: str, side: int) -> keras.Model:
    """Make an untrained network for features of shape (side, side).

    Raises
    ------
    ConfigError
        If there is no such architecture.
    ModelError
        If a user's own is none, or not from (n, side, side, 1) to (n, 2).
    """
    require_architecture(name)
    if user_file(name) is None:
        return ARCHITECTURES[name](side)
    model = _users_own(name)(side)
    if not isinstance(model, keras.Model):
        raise ModelError(f"model {name}: gives {type(model).__name__}, not a Keras model")
    shapes = (model.input_shape, model.output_shape)
    if shapes != ((None, side, side, 1), (None, 2)):
        raise ModelError(
            f"model {name}: its network must go from (None, {side}, {side}, 1) to (None, 2); "
            f"got {shapes[0]} to {shapes[1]}"
        )
    return model


def _users_own(name: str) -> Callable[[int], Any]:
    """Find the function that a user's own file defines. The file's code is run."""
    file, _, function = name.rpartition(":")
    path = Path(file)
    if not path.is_file():
        raise ConfigError(f"model: {path} does not exist")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
        build: Callable[[int], Any] = getattr(module, function)
    except Exception as error:  # a user's own code may raise anything
        raise ConfigError(f"model {name}: {type(error).__name__}: {error}") from error
    if not callable(build):
        raise ConfigError(f"model {name}: {function} is not a function")
    return build
