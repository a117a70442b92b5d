"""Planes of cubes as stamps in files of their own, which DS9 shows on the sky."""

import logging
from collections.abc import Sequence
from pathlib import Path

from realbogus.files import require_writable_folder
from realbogus.stamps import read_plane, split_plane, write_plane

__all__ = ["extract_planes"]

log = logging.getLogger(__name__)


def extract_planes(names: Sequence[str], folder: Path) -> list[Path]:
    """Write planes of cubes as stamps.

    Parameters
    ----------
    names : sequence of str
        As lists name them: ``cubes/02a58310o0123c.fits[7]``.
    folder : Path
        Where to write ``02a58310o0123c_7.fits``; one that is there is replaced.

    Returns
    -------
    list of Path
        The stamps.

    Raises
    ------
    StampError, ConfigError
        If a name is none of a plane, there is no such plane, or the folder can't be written to.
    """
    require_writable_folder(folder)
    return [_extract(name, folder) for name in names]


def _extract(name: str, folder: Path) -> Path:
    stamp = read_plane(name)
    file, plane = split_plane(name)
    path = folder / f"{Path(file).stem}_{plane}.fits"
    write_plane(path, stamp)
    log.info("%s", path)
    return path
