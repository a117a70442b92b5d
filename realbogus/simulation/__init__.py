"""A survey made from a seed: sky, artefacts, database rows and packed images.

``psf`` and ``sky`` are the blank image; ``sources``, ``residuals``, ``artefacts`` and ``defects``
what is drawn on it; ``population`` and ``promoted`` how much of it, how bright, and on which list;
``measure`` the survey's own photometry; ``exposure`` all of these on one image. ``plan`` says which
exposures there are, ``atlas`` makes them, ``atlas_rows`` fills the database, ``survey`` the folder.
"""

from realbogus.simulation.survey import simulate

__all__ = ["simulate"]
