"""Classifiers at work: stamps in, calibrated scores out."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from realbogus.calibration import Calibration
from realbogus.models.backend import keras
from realbogus.models.files import FeatureOptions, read_calibration
from realbogus.models.prediction import predict
from realbogus.models.storage import load_model
from realbogus.recipes import Recipe

__all__ = ["Classifier", "load_classifier"]


@dataclass(frozen=True)
class Classifier:
    """A network and the calibration of its scores."""

    network: keras.Model
    calibration: Calibration

    def score(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the probability that each stamp is real.

        Parameters
        ----------
        features : ndarray of shape (n, side, side)
            Treated as the classifier's `FeatureOptions` say.

        Returns
        -------
        ndarray of shape (n,)
            From 0 (bogus) to 1 (real).
        """
        return self.calibration.apply(predict(self.network, features))


def load_classifier(
    path: Path, recipe: Recipe | None, options: FeatureOptions, *, own: str | None = None
) -> Classifier:
    """Load a classifier.

    Parameters
    ----------
    path : Path
        The file.
    recipe : Recipe or None
        Its recipe.
    options : FeatureOptions
        What the recipe says of features.
    own : str, optional
        The user's own architecture, ``FILE.py:function``, if it is one.

    Raises
    ------
    ModelError
        If it is damaged, or its network is for features of another extent than its recipe says.
    """
    network = load_model(path, recipe, side=2 * options.extent, own=own)
    return Classifier(network, read_calibration(recipe))
