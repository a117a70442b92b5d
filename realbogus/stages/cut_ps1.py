"""Lists of labelled Pan-STARRS stamps: from the database to the stamps that exist already."""

import logging
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from realbogus.config import Config, load_config
from realbogus.cutting import (
    list_is_made,
    require_fraction,
    take_thresholds,
    too_many_missing,
)
from realbogus.database import Database
from realbogus.errors import ConfigError, DatabaseError, StampError
from realbogus.files import atomic_path, require_writable_folder
from realbogus.lists import Row, write_list
from realbogus.options import require_choice
from realbogus.parallel import progress
from realbogus.recipes import Recipe
from realbogus.surveys.ps1 import (
    SURVEY_BEGIN,
    LabelRules,
    Selection,
    Source,
    Stamp,
    database_folder,
    require_camera,
    select_bogus,
    select_real,
    select_stamps,
    stamp_file,
)

__all__ = ["IMAGE_TYPES", "cut_ps1"]

log = logging.getLogger(__name__)

IMAGE_TYPES: Mapping[str, tuple[str, ...]] = {
    "all": ("good", "bad"),
    "good": ("good",),
    "bad": ("bad",),
}
"""The lists that each value of ``imagetype`` asks for."""

_SELECT: Mapping[str, Callable[[Database, Selection], list[Source]]] = {
    "good": select_real,
    "bad": select_bogus,
}
_KINDS = {"good": "real", "bad": "bogus"}
_CENTRE = 150.0
_NAN = float("nan")
_MISSING = "missing.txt"
_LINK = "stamps"
_SHOWN = 5
_LONGEST_SHOWN = 60
_LABEL_NOTE = (
    "real: eyeballed good list, known movers by position; bogus: garbage list with a low score, so "
    "these labels come in part from an older classifier"
)


def cut_ps1(
    config_file: Path,
    *,
    location: Path,
    image_root: Path | None = None,
    camera: str = "gpc1",
    good_list: int = 2,
    bad_list: int = 0,
    bad_augment: int | None = None,
    bad_rb_lower: float | None = None,
    bad_rb_upper: float | None = None,
    flag_date: date = SURVEY_BEGIN,
    mover_list: int | None = None,
    image_type: str = "all",
    max_missing: float = 0.1,
) -> None:
    """List the stamps of labelled objects, which stay where they are.

    Writes ``bad.txt`` and ``good.txt`` under ``location``, and ``missing.txt`` if stamps are
    missing: their names relative to the image root, one a line.

    Parameters
    ----------
    config_file : Path
        The configuration: database, images, thresholds of the labels.
    location : Path
        The folder to write to.
    image_root : Path, optional
        The folder with ``<database>/<night>/<stamp>.fits``; by default the configuration's.
    camera : str
        One of the cameras of Pan-STARRS.
    good_list, bad_list : int
        The lists with the real and the bogus objects.
    bad_augment : int, optional
        A curated group of more bogus objects.
    bad_rb_lower, bad_rb_upper : float, optional
        Scores of bogus objects are from the one to below the other; by default the
        configuration's.
    flag_date : date
        Objects of these two lists count when flagged after this day; movers and the group always.
    mover_list : int, optional
        A list whose known movers are real too.
    image_type : str
        The lists to make, one of `IMAGE_TYPES`.
    max_missing : float
        The fraction of the stamps without which the run may go on.

    Raises
    ------
    ConfigError, DatabaseError, StampError, RecipeError
        If an option is not allowed, the database has nothing to give, too many stamps are missing,
        or the lists exist and were made in another way.
    """
    require_camera(camera)
    require_fraction(max_missing)
    require_choice("imagetype", image_type, IMAGE_TYPES)
    config = load_config(config_file)
    selection = Selection(
        good_list=good_list,
        bad_list=bad_list,
        bad_augment=bad_augment,
        mover_list=mover_list,
        flag_date=flag_date,
        rules=_rules(config, bad_rb_lower, bad_rb_upper),
    )
    recipe = _recipe(camera, selection)
    wanted = [
        name
        for name in IMAGE_TYPES[image_type]
        if not list_is_made(location / f"{name}.txt", recipe)
    ]
    if not wanted:
        return
    require_writable_folder(location)
    folder = _stamp_folder(config, image_root)
    with Database.connect(config.database) as database:
        found = {name: _find(database, name, selection, camera, folder) for name in wanted}
    _check_missing(found, location, folder, max_missing)
    _write_lists(location, found, _reference(folder, location), recipe)


@dataclass(frozen=True)
class _Found:
    """The stamps of a kind that exist, and the names of those that don't or can't."""

    objects: int
    stamps: Sequence[Stamp]
    missing: Sequence[str]
    refused: Sequence[str]

    @property
    def counts(self) -> dict[str, int]:
        return {
            "objects": self.objects,
            "stamps": len(self.stamps),
            "missing": len(self.missing),
            "refused": len(self.refused),
        }


def _rules(config: Config, lower: float | None, upper: float | None) -> LabelRules:
    given = {"bad_rb_lower": lower, "bad_rb_upper": upper}
    return take_thresholds(
        LabelRules,
        {**config.labels, **{key: value for key, value in given.items() if value is not None}},
    )


def _recipe(camera: str, selection: Selection) -> Recipe:
    options = {
        "survey": "ps1",
        "camera": camera,
        "goodlist": selection.good_list,
        "badlist": selection.bad_list,
        "badaugment": selection.bad_augment,
        "flagdate": selection.flag_date.isoformat(),
        "moverlist": selection.mover_list,
        **selection.rules.options,
    }
    return Recipe("cut", options)


def _stamp_folder(config: Config, image_root: Path | None) -> Path:
    return (image_root or config.images.root) / database_folder(config.database)


def _find(database: Database, name: str, selection: Selection, camera: str, folder: Path) -> _Found:
    sources = _SELECT[name](database, selection)
    if not sources:
        raise DatabaseError(
            f"the database has no {_KINDS[name]} object of these lists that was flagged after "
            f"{selection.flag_date}"
        )
    stamps = progress(select_stamps(database, sources, camera), label=f"{_KINDS[name]} stamps")
    found = _look_up(stamps, folder, objects=len(sources))
    _report_refused(found.refused)
    if not found.stamps and not found.missing:
        raise DatabaseError(
            f"none of {len(sources)} {_KINDS[name]} objects has a difference stamp of camera "
            f"{camera}"
        )
    return found


def _look_up(stamps: Iterable[Stamp], folder: Path, *, objects: int) -> _Found:
    """Sort stamps by whether they have a file, and may have one."""
    existing, missing, refused = [], [], []
    for stamp in stamps:
        file = stamp_file(stamp.name)
        if file is None:
            refused.append(stamp.name)
        elif _holds_something(folder / file):
            existing.append(stamp)
        else:
            missing.append(f"{folder.name}/{file}")
    return _Found(objects, existing, missing, refused)


def _holds_something(file: Path) -> bool:
    try:
        return file.is_file() and file.stat().st_size > 0
    except OSError:
        return False


def _report_refused(names: Sequence[str]) -> None:
    if names:
        shown = _some([repr(name[:_LONGEST_SHOWN]) for name in names])
        log.warning("%d stamps are left out for their names: %s", len(names), shown)


def _check_missing(
    found: Mapping[str, _Found], location: Path, folder: Path, max_missing: float
) -> None:
    """Name the stamps that are missing, and stop the run if they are too many."""
    names = [name for item in found.values() for name in item.missing]
    list_file = location / _MISSING
    if not names:
        list_file.unlink(missing_ok=True)
        return
    with atomic_path(list_file) as part:
        part.write_text("".join(f"{name}\n" for name in names), encoding="utf-8")
    total = len(names) + sum(len(item.stamps) for item in found.values())
    named = f"{_some(names)} (all in {list_file})"
    problem = too_many_missing(len(names), total, max_missing=max_missing, things="stamps")
    if problem is not None:
        raise StampError(f"{problem}, under {folder.parent}: {named}")
    for name, item in found.items():
        if not item.stamps:
            raise StampError(
                f"every {_KINDS[name]} stamp is missing under {folder.parent}: {named}"
            )
    log.warning("going on without %d of %d stamps: %s", len(names), total, named)


def _reference(folder: Path, location: Path) -> Path:
    """Say how the lists refer to the stamps' folder: by a relative path where that makes sense.

    A list is words apart by white space, so a folder whose path has some is given a symbolic link.
    """
    target, base = folder.resolve(), location.resolve()
    if len(Path(os.path.commonpath([target, base])).parts) > 1:
        target = Path(os.path.relpath(target, base))
    if str(target).isprintable() and " " not in str(target):
        return target
    return _link(location / _LINK, target)


def _link(link: Path, target: Path) -> Path:
    if link.exists() and not link.is_symlink():
        raise ConfigError(f"{link} is in the way of a link to {str(target)!r}: remove it")
    part = link.with_name(f".{link.name}.{os.getpid()}")
    part.unlink(missing_ok=True)
    part.symlink_to(target)
    part.replace(link)
    return Path(link.name)


def _write_lists(
    location: Path, found: Mapping[str, _Found], reference: Path, recipe: Recipe
) -> None:
    for name in sorted(found):
        item = found[name]
        results = {name: item.counts, "labels": _LABEL_NOTE}
        rows = (_row(stamp, reference) for stamp in item.stamps)
        write_list(location / f"{name}.txt", rows, replace(recipe, results=results))
        log.info("%s: %d stamps", location / f"{name}.txt", len(item.stamps))


def _row(stamp: Stamp, reference: Path) -> Row:
    source, file = stamp.source, stamp_file(stamp.name)
    return Row(
        _CENTRE,
        _CENTRE,
        _NAN,
        _NAN,
        source.ra,
        source.dec,
        stamp.name,
        str(source.id),
        f"{reference}/{file}",
    )


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (" …" if len(names) > _SHOWN else "")
