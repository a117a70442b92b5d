"""What is on the sky: which kinds of detection, how many, how bright, and what they are called."""

from dataclasses import dataclass

import numpy as np

from realbogus.simulation.artefacts import ARTEFACTS
from realbogus.simulation.sources import SOURCES

__all__ = [
    "FAINTEST",
    "FAMILY",
    "GARBAGE_MIX",
    "Item",
    "asteroid_magnitude",
    "draw_depth",
    "draw_kind",
    "draw_ordinary",
]

FAINTEST = -0.08
"""Magnitude relative to the 5-sigma limit at which dmag reaches 0.2, where the survey cuts."""

FAMILY = {
    "noise_peak": "pno",
    "raised_noise": "pno",
    "mask_edge": "pno",
    "fan": "psc",
    "dipole": "psc",
    "ring": "psc",
    "saturated_star": "psc",
    "bleed": "psc",
    "ghost": "pxt",
    "variable_star": "pvr",
    "cosmic_ray": "pcr",
    "hot_pixel": "pcr",
    "burn": "pbn",
    "crosstalk": "pxt",
    "satellite": "pmv",
    "asteroid": "pmv",
    "supernova": "ptr",
    "point_source": "ptr",
}
"""The largest of the ``p*`` columns for a typical detection of each kind."""

# Shares of positive det = 0 rows by largest p*, measured on 15 ATLAS exposures of MJD 58764.
_FAMILY_SHARES = {
    "pno": 0.509,
    "ptr": 0.198,
    "psc": 0.191,
    "pvr": 0.046,
    "pbn": 0.030,
    "pxt": 0.011,
    "pcr": 0.010,
    "pmv": 0.005,
}

_FAMILY_KINDS = {
    "pno": {"noise_peak": 0.70, "raised_noise": 0.22, "mask_edge": 0.08},
    "ptr": {"noise_peak": 0.55, "point_source": 0.35, "raised_noise": 0.10},
    "psc": {
        "dipole": 0.42,
        "ring": 0.32,
        "saturated_star": 0.10,
        "fan": 0.06,
        "bleed": 0.05,
        "raised_noise": 0.05,
    },
    "pvr": {"variable_star": 0.75, "ring": 0.25},
    "pbn": {"burn": 1.0},
    "pxt": {"crosstalk": 0.85, "ghost": 0.15},
    "pcr": {"cosmic_ray": 0.70, "hot_pixel": 0.30},
    "pmv": {"asteroid": 0.5, "satellite": 0.5},
}

GARBAGE_MIX = {
    "dipole": 0.32,
    "ring": 0.17,
    "noise_peak": 0.12,
    "cosmic_ray": 0.08,
    "raised_noise": 0.09,
    "saturated_star": 0.05,
    "hot_pixel": 0.04,
    "mask_edge": 0.04,
    "bleed": 0.02,
    "burn": 0.015,
    "satellite": 0.015,
    "fan": 0.015,
    "crosstalk": 0.01,
    "variable_star": 0.01,
    "ghost": 0.005,
}
"""Kinds of the objects that a classifier and the eyeballers have put on the garbage list."""

# Magnitude relative to the limit at 0, 5, 50, 95 and 100% of each family's rows.
_LEVELS = (0.0, 0.05, 0.5, 0.95, 1.0)
_DEPTHS = {
    "pno": (-2.2, -0.75, -0.2, -0.02, 0.02),
    "ptr": (-2.2, -0.85, -0.25, -0.05, 0.0),
    "psc": (-5.5, -4.2, -1.3, -0.1, FAINTEST),
    "pvr": (-4.0, -2.8, -0.8, -0.12, FAINTEST),
    "pbn": (-3.0, -2.2, -0.8, -0.12, FAINTEST),
    "pxt": (-2.5, -1.2, -0.3, -0.08, FAINTEST),
    "pcr": (-6.5, -5.5, -1.5, -0.15, FAINTEST),
    "pmv": (-3.0, -2.0, -0.7, -0.1, FAINTEST),
}

# Known asteroids (pkn > 900), same exposures: magnitudes at these shares of the rows.
_ASTEROID_LEVELS = (0.0, 0.05, 0.25, 0.50, 0.75, 0.95, 1.0)
_ASTEROID_MAGNITUDES = (13.5, 16.4, 17.9, 18.5, 19.0, 19.4, 19.8)

# Of artefacts; sources are never negative, so that 16.4% of all rows are.
_NEGATIVE = 0.178
_ELONGATED = frozenset({"dipole", "cosmic_ray", "satellite", "fan", "bleed", "burn"})


@dataclass(frozen=True)
class Item:
    """One thing to draw and, if the survey finds it, one row.

    Parameters
    ----------
    kind : str
        A key of ``ARTEFACTS`` or ``SOURCES``.
    role : str
        ``known`` asteroid, ``promoted`` object, or ``ordinary``.
    column, row : float
        Array position, pixel centres at integers.
    depth : float
        Magnitude relative to the 5-sigma limit.
    sign : int
        -1 for a negative source.
    det : int
        The survey's code: 0 normal, 1 elongated, 2 blended, 4 streak, 5 negative.
    family : str
        The largest of its ``p*`` columns.
    key : int
        Index of the promoted object, or -1.
    """

    kind: str
    role: str
    column: float
    row: float
    depth: float
    sign: int = 1
    det: int = 0
    family: str = "pno"
    key: int = -1

    @property
    def real(self) -> bool:
        """Whether there is an astrophysical source."""
        return self.kind in SOURCES


def draw_kind(mix: dict[str, float], rng: np.random.Generator) -> str:
    """Draw a key of ``mix`` with its value as its share."""
    shares = np.cumsum(list(mix.values()))
    place = int(np.searchsorted(shares, rng.uniform() * shares[-1], side="right"))
    return list(mix)[min(place, len(mix) - 1)]


def draw_depth(family: str, rng: np.random.Generator) -> float:
    """Draw a magnitude relative to the limit, as the rows of a family have it."""
    return float(np.interp(rng.uniform(), _LEVELS, _DEPTHS[family]))


def asteroid_magnitude(limit: float, rng: np.random.Generator) -> float:
    """Draw the magnitude of a known asteroid that an exposure with this 5-sigma limit can show."""
    most = float(np.interp(limit + FAINTEST, _ASTEROID_MAGNITUDES, _ASTEROID_LEVELS))
    return float(np.interp(rng.uniform() * most, _ASTEROID_LEVELS, _ASTEROID_MAGNITUDES))


def draw_ordinary(size: tuple[int, int], rng: np.random.Generator) -> Item:
    """Draw a detection that nobody looked at: the bulk of every exposure's rows."""
    family = draw_kind(_FAMILY_SHARES, rng)
    kind = draw_kind(_FAMILY_KINDS[family], rng)
    det = _draw_det(kind, rng)
    negative = det == 5 or rng.uniform() < 0.01
    return Item(
        kind,
        "ordinary",
        float(rng.uniform(2, size[1] - 3)),
        float(rng.uniform(2, size[0] - 3)),
        draw_depth(family, rng),
        -1 if negative else 1,
        det,
        family,
    )


def _draw_det(kind: str, rng: np.random.Generator) -> int:
    """Draw the survey's code for the shape of a detection: 16.4% are negative, 11.9% elongated."""
    chance = rng.uniform()
    if chance < _NEGATIVE and kind in ARTEFACTS:
        return 5
    elongated = 0.25 if kind in _ELONGATED else 0.08
    if chance < _NEGATIVE + elongated:
        return 4 if kind == "satellite" and chance < 0.22 else 1
    return 2 if chance > 0.996 else 0
