"""Classifiers at work: stamps in, calibrated scores out."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from realbogus.calibration import Calibration
from realbogus.models.engines import ENGINES, Network
from realbogus.models.files import FeatureOptions, read_calibration
from realbogus.recipes import Recipe

__all__ = ["Classifier", "load_classifier"]


@dataclass(frozen=True)
class Classifier:
    """A network and the calibration of its scores."""

    network: Network
    calibration: Calibration

    def score(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the probability that each stamp is real; any number of threads may ask at once.

        Parameters
        ----------
        features : ndarray of shape (n, side, side)
            Treated as the classifier's `FeatureOptions` say.

        Returns
        -------
        ndarray of shape (n,)
            From 0 (bogus) to 1 (real).
        """
        return self.calibration.apply(self.network.predict(features))


def load_classifier(
    path: Path,
    recipe: Recipe | None,
    options: FeatureOptions,
    *,
    own: str | None = None,
    engine: str = "auto",
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
    engine : str
        One of `realbogus.models.engines.ENGINES`.

    Raises
    ------
    ModelError
        If it is damaged, or its network is for features of another extent than its recipe says.
    """
    network = ENGINES[engine](path, recipe, 2 * options.extent, own)
    return Classifier(network, read_calibration(recipe))
