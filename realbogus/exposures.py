"""What the names of exposures and stamps say: night, camera and filter."""

import re
from dataclasses import dataclass
from functools import lru_cache

__all__ = ["UNKNOWN", "ExposureName", "read_exposure_name"]

# Camera, night, sequence and filter; a longer word may hold the like by chance.
_ATLAS = re.compile(r"(?<![0-9A-Za-z])(\d{2}[a-z])(\d{5})o\d{4}([A-Za-z])(?![0-9A-Za-z])", re.ASCII)
# A Pan-STARRS stamp: the object, the MJD whose whole part is the night, and the image.
_PS1 = re.compile(r"\d+_(\d{5})(?:\.\d+)?_(?:(\d{1,20})_)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class ExposureName:
    """What a name says; what it does not say is -1 or empty."""

    night: int = -1
    camera: str = ""
    filter: str = ""
    exposure: str = ""


UNKNOWN = ExposureName()


@lru_cache(maxsize=8192)
def read_exposure_name(name: str) -> ExposureName:
    """Read the name of an exposure, or of a stamp that holds it."""
    base = name.rpartition("/")[2]
    atlas = _ATLAS.search(base)
    if atlas:
        return ExposureName(int(atlas[2]), atlas[1], atlas[3], atlas[0])
    ps1 = _PS1.match(base)
    return ExposureName(int(ps1[1]), exposure=ps1[2] or "") if ps1 else UNKNOWN
