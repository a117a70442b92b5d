"""The exceptions of realbogus.

Each is also the built-in exception that it refines, so a caller can catch either::

    RealBogusError
    ├── ConfigError     ValueError    config.yaml, or the value of an option
    ├── RecipeError     ValueError    a file exists that was made in another way
    ├── FormatError     ValueError    a list of positions or a score file is not one
    ├── DatabaseError   OSError       the survey's database
    │   └── DatabaseBusyError   DatabaseError   which went away or is busy: worth another try
    ├── ImageError      OSError       a difference image
    ├── StampError      OSError       a small cutout
    │   └── StampSizeError      StampError      which has another size than it must have
    ├── DatasetError    ValueError    a training set
    ├── ModelError      ValueError    a classifier
    └── ReleaseError    ValueError    a new classifier is worse than the one it would replace
"""

__all__ = [
    "ConfigError",
    "DatabaseBusyError",
    "DatabaseError",
    "DatasetError",
    "FormatError",
    "ImageError",
    "ModelError",
    "RealBogusError",
    "RecipeError",
    "ReleaseError",
    "StampError",
    "StampSizeError",
]


class RealBogusError(Exception):
    """Base of every error that realbogus raises on purpose: one line for the user."""


class ConfigError(RealBogusError, ValueError):
    """The configuration or an option has a value that is not allowed."""


class RecipeError(RealBogusError, ValueError):
    """A file exists already and was made by another recipe than the one asked for."""


class FormatError(RealBogusError, ValueError):
    """A list of positions or a score file holds something else."""


class DatabaseError(RealBogusError, OSError):
    """The database can't be reached, or does not hold what a survey's database holds."""


class DatabaseBusyError(DatabaseError):
    """The database server went away or is busy: another try may help."""


class ImageError(RealBogusError, OSError):
    """A difference image is missing, damaged or not one."""


class StampError(RealBogusError, OSError):
    """A stamp is missing, damaged, or too small."""


class StampSizeError(StampError):
    """A stamp is smaller than a feature, or not of the size that its survey gives stamps."""


class DatasetError(RealBogusError, ValueError):
    """A training set is damaged, not one, or can't be built from what was given."""


class ModelError(RealBogusError, ValueError):
    """A classifier is damaged, not one, or does not fit the data."""


class ReleaseError(RealBogusError, ValueError):
    """A new classifier is significantly worse than the one that it would replace."""
