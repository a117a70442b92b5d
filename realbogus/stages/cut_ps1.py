"""Lists of labelled Pan-STARRS stamps: from the database to the stamps that exist already."""

import logging
import os
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path

from realbogus.config import Config, load_config
from realbogus.cutting import (
    Tally,
    list_is_made,
    require_fraction,
    take_thresholds,
    too_many_missing,
)
from realbogus.database import Database
from realbogus.errors import ConfigError, DatabaseError, StampError
from realbogus.files import Spool, require_writable_folder
from realbogus.lists import ListSpool, Row
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

_SELECT: Mapping[str, Callable[[Database, Selection], Iterator[Source]]] = {
    "good": select_real,
    "bad": select_bogus,
}
_KINDS = {"good": "real", "bad": "bogus"}
_CENTRE = 150.0
_NAN = float("nan")
_MISSING = "missing.txt"
_LINK = "stamps"
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
    plan = _Plan(selection, camera, folder, location, _nearest(folder, location))
    _require_place_for_link(plan)
    with ExitStack() as spools:
        missing = spools.enter_context(Spool(location / _MISSING))
        found = {
            name: _Found(_KINDS[name], spools.enter_context(ListSpool(location / f"{name}.txt")))
            for name in wanted
        }
        with Database.connect(config.database) as database:
            for name, item in found.items():
                _find(plan, database, _SELECT[name], item, missing)
        _check_missing(plan, list(found.values()), missing, max_missing)
        _write_lists(plan, found, recipe)


@dataclass(frozen=True)
class _Plan:
    """What both kinds need to know; ``nearest`` is the stamps' folder as seen from the lists."""

    selection: Selection
    camera: str
    folder: Path
    location: Path
    nearest: Path

    @property
    def needs_link(self) -> bool:
        """A list is words apart by white space, so it can't name a folder that has some."""
        return not str(self.nearest).isprintable() or " " in str(self.nearest)

    @property
    def reference(self) -> Path:
        return Path(_LINK) if self.needs_link else self.nearest


@dataclass
class _Found:
    """What came of the stamps of a kind; the rows of those that exist wait on the disk."""

    kind: str
    rows: ListSpool
    objects: int = 0
    missing: Tally = field(default_factory=Tally)
    refused: Tally = field(default_factory=Tally)

    @property
    def counts(self) -> dict[str, int]:
        return {
            "objects": self.objects,
            "stamps": self.rows.count,
            "missing": self.missing.count,
            "refused": self.refused.count,
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
    return (image_root or config.images.stamp_root) / database_folder(config.database)


def _find(
    plan: _Plan,
    database: Database,
    select: Callable[[Database, Selection], Iterator[Source]],
    found: _Found,
    missing: Spool,
) -> None:
    """Look for the file of every stamp of a kind, while the stamps come from the database."""
    sources = _count(select(database, plan.selection), found)
    stamps = select_stamps(database, sources, plan.camera)
    for stamp in progress(stamps, label=f"{found.kind} stamps"):
        _look_up(plan, stamp, found, missing)
    if not found.objects:
        raise DatabaseError(
            f"the database has no {found.kind} object of these lists that was flagged after "
            f"{plan.selection.flag_date}"
        )
    if found.refused.count:
        left_out = "%d stamps are left out for their names: %s"
        log.warning(left_out, found.refused.count, found.refused)
    if not found.rows.count and not found.missing.count:
        raise DatabaseError(
            f"none of {found.objects} {found.kind} objects has a difference stamp of camera "
            f"{plan.camera}"
        )


def _count(sources: Iterator[Source], found: _Found) -> Iterator[Source]:
    for source in sources:
        found.objects += 1
        yield source


def _look_up(plan: _Plan, stamp: Stamp, found: _Found, missing: Spool) -> None:
    """Sort a stamp by whether it has a file, and may have one."""
    file = stamp_file(stamp.name)
    if file is None:
        found.refused.add_hostile(stamp.name)
    elif _holds_something(f"{plan.folder}/{file}"):
        found.rows.add(_row(stamp, f"{plan.reference}/{file}"))
    else:
        name = f"{plan.folder.name}/{file}"
        found.missing.add(name)
        missing.add_line(name)


def _holds_something(file: str) -> bool:
    try:
        # Python keeps a table of the parts of every Path, which grows with their number.
        found = os.stat(file)  # noqa: PTH116
    except OSError:
        return False
    return stat.S_ISREG(found.st_mode) and found.st_size > 0


def _check_missing(
    plan: _Plan, found: Sequence[_Found], missing: Spool, max_missing: float
) -> None:
    """Name the stamps that are missing, and stop the run if they are too many."""
    if not missing.count:
        missing.target.unlink(missing_ok=True)
        return
    missing.save()
    total = missing.count + sum(item.rows.count for item in found)
    under = f"under {plan.folder.parent}"
    named = f"{Tally.sum(item.missing for item in found)} (all in {missing.target})"
    problem = too_many_missing(missing.count, total, max_missing=max_missing, things="stamps")
    if problem is not None:
        raise StampError(f"{problem}, {under}: {named}")
    for item in found:
        if not item.rows.count:
            raise StampError(f"every {item.kind} stamp is missing {under}: {named}")
    log.warning("going on without %d of %d stamps: %s", missing.count, total, named)


def _nearest(folder: Path, location: Path) -> Path:
    """Give the folder by a relative path where that makes sense."""
    target, base = folder.resolve(), location.resolve()
    if len(Path(os.path.commonpath([target, base])).parts) > 1:
        return Path(os.path.relpath(target, base))
    return target


def _require_place_for_link(plan: _Plan) -> None:
    link = plan.location / _LINK
    if plan.needs_link and link.exists() and not link.is_symlink():
        raise ConfigError(f"{link} is in the way of a link to {str(plan.nearest)!r}: remove it")


def _write_lists(plan: _Plan, found: Mapping[str, _Found], recipe: Recipe) -> None:
    if plan.needs_link:
        _link(plan.location / _LINK, plan.nearest)
    for name in sorted(found):
        item = found[name]
        item.rows.save_list(replace(recipe, results={name: item.counts, "labels": _LABEL_NOTE}))
        log.info("%s: %d stamps", item.rows.target, item.rows.count)


def _link(link: Path, target: Path) -> None:
    part = link.with_name(f".{link.name}.{os.getpid()}")
    part.unlink(missing_ok=True)
    part.symlink_to(target)
    part.replace(link)


def _row(stamp: Stamp, file: str) -> Row:
    source = stamp.source
    return Row(
        _CENTRE,
        _CENTRE,
        _NAN,
        _NAN,
        source.ra,
        source.dec,
        stamp.name,
        str(source.id),
        file,
    )
