"""The images that are to be scored: found by their names, and kept on the disk until it is time."""

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np

from realbogus.errors import ConfigError, FormatError, StampError
from realbogus.exposures import read_exposure_name
from realbogus.files import read_lines
from realbogus.lists import object_of, read_columns
from realbogus.plainfits import find_layout
from realbogus.records import Records
from realbogus.stamps import read_planes, split_plane

__all__ = ["Image", "Worklist", "find_images", "read_object_ids"]

_SUFFIXES = (".fits", ".fit", ".fts", ".fz", ".fits.gz")
_HEADER = 32 * 1024
_CARD = 80
_EXPOSURE = re.compile(rb"EXPNAME = *'([0-9A-Za-z_.]{1,60}) *'")
_NO_EXPOSURE = b"-"
_LARGEST_ID = 2**64


@dataclass(frozen=True, slots=True)
class Image:
    """An image to be scored.

    Attributes
    ----------
    object : str
        Whose it is.
    file : str
        Its file; empty if the object has no image.
    plane : int
        Of a cube, from 0; -1 for a file of its own.
    camera : str
        What took it; empty if neither its name nor its header says.
    fault : str
        Why it can't be scored, if that is known already.
    exposure : str
        The name of the exposure that it is cut from; empty if nothing says.
    """

    object: str
    file: str = ""
    plane: int = -1
    camera: str = ""
    fault: str = ""
    exposure: str = ""

    @property
    def name(self) -> str:
        """Its file, and its plane if it is one of a cube."""
        return self.file if self.plane < 0 else f"{self.file}[{self.plane}]"

    @property
    def is_readable(self) -> bool:
        """Whether there is something to try."""
        return bool(self.file) and not self.fault


class Worklist:
    """Images to be scored, in a nameless file if they are many.

    Use it as a context manager.

    Parameters
    ----------
    images : iterable of Image
        Those of an object one after the other.

    Attributes
    ----------
    objects, count : int
        The number of objects, and of the entries for them.
    cameras : Counter of str
        The number of images of each camera that can be tried.
    examples : dict of str to str
        An image of each camera.
    """

    def __init__(self, images: Iterable[Image]) -> None:
        self.objects = 0
        self.count = 0
        self.cameras: Counter[str] = Counter()
        self.examples: dict[str, str] = {}
        self._images = Records(Image, self._counted(images))

    def __enter__(self) -> Self:
        """Give the list."""
        return self

    def __exit__(self, *_: object) -> None:
        """Forget the list."""
        self._images.close()

    def __iter__(self) -> Iterator[Image]:
        """Give the images in their order."""
        return iter(self._images)

    def _counted(self, images: Iterable[Image]) -> Iterator[Image]:
        last = None
        for image in images:
            self.count += 1
            self.objects += image.object != last
            last = image.object
            if image.is_readable:
                self.cameras[image.camera] += 1
                self.examples.setdefault(image.camera, image.name)
            yield image


def find_images(words: Sequence[Path]) -> list[Image]:
    """Find the images that names stand for, each once, by object.

    Parameters
    ----------
    words : sequence of Path
        FITS files, cubes or single planes of them; folders, all FITS files under which count; and
        files of names: good.txt and the like, or a name a line, relative to the file's folder.

    Raises
    ------
    ConfigError, FormatError, StampError
        If there is nothing of a name, a file of names is none, or a cube has no such plane.
    """
    found = {image.name: image for word in words for image in _named(word)}
    return sorted(found.values(), key=lambda image: (image.object, image.file, image.plane))


def read_object_ids(words: Sequence[str]) -> list[int]:
    """Read ids of objects, given as such or in files with one a line.

    Returns
    -------
    list of int
        Each once, in order.

    Raises
    ------
    ConfigError, FormatError
        If a word is neither, or a line of a file is no id.
    """
    found: set[int] = set()
    for word in words:
        if word.isascii() and word.isdecimal():
            found.add(_identifier(word, where="objects"))
        elif Path(word).is_file():
            found.update(_ids_of(Path(word)))
        else:
            raise ConfigError(f"objects must be ids, or files with one a line; got {word!r}")
    return sorted(found)


def _ids_of(path: Path) -> Iterator[int]:
    for number, line in read_lines(path):
        text = line.partition("#")[0].strip()
        if text:
            yield _identifier(text, where=f"{path}, line {number}")


def _identifier(text: str, *, where: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 20 and int(text) < _LARGEST_ID):
        raise FormatError(f"{where}: not the id of an object: {text[:80]!r}")
    return int(text)


def _named(word: Path) -> Iterator[Image]:
    name, plane = split_plane(str(word))
    if plane is not None:
        yield from _of_cube(name, [plane])
    elif word.is_dir():
        files = [path for path in sorted(word.rglob("*")) if _is_fits(path) and path.is_file()]
        if not files:
            raise ConfigError(f"images: the folder {word} holds no FITS file")
        for path in files:
            yield from _of_file(str(path))
    elif _is_fits(word):
        yield from _of_file(name)
    elif word.is_file():
        yield from _of_list(word)
    else:
        raise ConfigError(f"images: {word} does not exist")


def _is_fits(path: Path) -> bool:
    return path.name.lower().endswith(_SUFFIXES) and not path.name.startswith(".")


def _of_file(file: str) -> Iterator[Image]:
    """Give the image of a file, or those of a cube; a missing file is a fault of one image."""
    header = _header(file)
    exposure = _exposure(file, header)
    alone = Image(object_of(file), file, camera=_camera(exposure), exposure=exposure)
    if find_layout(header, axes=3) is None:
        yield alone
        return
    try:
        yield from _of_cube(file, None)
    except StampError:  # nobody knows whose its planes are
        yield replace(alone, fault="unreadable")


def _of_cube(file: str, planes: Sequence[int] | None) -> Iterator[Image]:
    """Give planes of a cube, by default all; its table says whose they are."""
    exposure = _exposure(file, _header(file))
    objects = [str(item) for item in _texts(read_planes(Path(file))["object"])]
    for plane in range(len(objects)) if planes is None else planes:
        if plane >= len(objects):
            raise StampError(f"{file}: has {len(objects)} planes, and plane {plane} is asked for")
        yield Image(objects[plane], file, plane, _camera(exposure), exposure=exposure)


def _of_list(path: Path) -> Iterator[Image]:
    columns = read_columns(path)
    bare: dict[str, list[int]] = {}
    rows = zip(columns.obs.tolist(), columns.objects.tolist(), columns.stamps.tolist(), strict=True)
    for obs, item, stamp in rows:
        name, plane = split_plane(os.path.join(path.parent, os.fsdecode(stamp)))  # noqa: PTH118
        if obs != _NO_EXPOSURE:
            exposure = obs.decode()
            camera = _camera(exposure) or _camera(_exposure(name, b""))
            place = -1 if plane is None else plane
            yield Image(item.decode(), name, place, camera, exposure=exposure)
        elif plane is not None:
            bare.setdefault(name, []).append(plane)
        else:
            yield from _of_file(name)
    for name, planes in bare.items():
        yield from _of_cube(name, planes)


def _texts(column: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> list[object]:
    return [item.decode() if isinstance(item, bytes) else item for item in column.tolist()]


def _exposure(file: str, header: bytes) -> str:
    """Give the exposure that the file's own name holds, or else its header."""
    found = read_exposure_name(file).exposure
    if found:
        return found
    cards = (match for match in _EXPOSURE.finditer(header) if match.start() % _CARD == 0)
    return next((read_exposure_name(card[1].decode()).exposure for card in cards), "")


def _camera(exposure: str) -> str:
    return read_exposure_name(exposure).camera


def _header(file: str) -> bytes:
    """Read the beginning of a file; nothing of one that can't be read, which shows later."""
    try:
        with Path(file).open("rb") as stream:
            return stream.read(_HEADER)
    except OSError:
        return b""
