"""Scores of new objects: of a list of the survey's database, or of FITS stamps by name."""

import logging
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from realbogus.bench import Bench, choose_classifiers, prepare_bench
from realbogus.config import Config, load_config
from realbogus.cutting import Tally
from realbogus.database import Database
from realbogus.errors import ConfigError, DatabaseError, RecipeError, StampError
from realbogus.features import Treatment
from realbogus.files import require_writable_folder
from realbogus.models.engines import ENGINES
from realbogus.models.serving import load_classifier
from realbogus.options import available_cores, require_choice
from realbogus.parallel import map_ordered, progress
from realbogus.recipes import Recipe, already_made
from realbogus.scores import read_object_scores, read_score_recipe
from realbogus.surveys.ps1 import database_folder
from realbogus.surveys.stamps import FORMS, StampForm, images_of, objects_on
from realbogus.triage import BLOCK, Block, blocks_of, read_block
from realbogus.verdicts import (
    COMBINATIONS,
    FALLBACK,
    FAULTS,
    ImageScore,
    ObjectScore,
    combine,
    faults_path,
    write_faults,
    write_verdicts,
)
from realbogus.worklist import Image, Worklist, find_images, read_object_ids
from realbogus.writeback import read_writable, require_update, update_database

__all__ = ["EYEBALL_LIST", "score_objects"]

log = logging.getLogger(__name__)

EYEBALL_LIST = 4
"""The list of the objects that wait for a person."""


def score_objects(
    images: Sequence[Path] = (),
    *,
    output_csv: Path,
    classifiers: Sequence[str] = (),
    fallback: Path | None = None,
    config_file: Path = Path("config.yaml"),
    list_id: int = EYEBALL_LIST,
    objects: Sequence[str] = (),
    image_root: Path | None = None,
    architecture: str | None = None,
    engine: str = "auto",
    combine: str = "median",
    workers: int | None = None,
    update: bool = False,
    rescore: bool = False,
) -> None:
    """Score objects by their stamps, each camera's by its own classifier.

    How stamps are cropped, masked and normalised, and how scores are calibrated, is what each
    classifier's recipe says. Images that can't be scored are named, in ``<output>.faults.csv``
    too, and flagged, and the run goes on.

    Parameters
    ----------
    images : sequence of Path
        FITS stamps, cubes, folders, or files of names. Without any, objects of the database are
        looked up by their postage stamps.
    output_csv : Path
        The scores of the objects to make.
    classifiers : sequence of str
        A classifier for all cameras, or ``CAMERA=MODEL`` for each; by default those of the
        configuration.
    fallback : Path, optional
        The classifier of cameras that have none; every score that it gives is flagged.
    config_file : Path
        The configuration: database, images, classifiers. Not needed for images and classifiers
        that were given.
    list_id : int
        The list of the objects in the database …
    objects : sequence of str
        … or their ids, or files of ids.
    image_root : Path, optional
        The folder with ``<database>/<night>/<stamp>.fits``; by default the configuration's.
    architecture : str, optional
        The user's own, ``FILE.py:function``, if a classifier has one.
    engine : str
        What computes: ``onnx``, ``keras``, or ``auto``, the first where it can.
    combine : str
        How the scores of an object's images make one: one of `COMBINATIONS`.
    workers : int, optional
        Threads that read and score; by default as many as there are cores. The result is the same.
    update : bool
        Write the scores to the database, too, where it has none; those of a file that is there
        already as well.
    rescore : bool
        … or where it has one, too.

    Raises
    ------
    ConfigError, DatabaseError, ModelError, RecipeError, StampError
        If an option is not allowed, a camera has no classifier, a classifier is none, there is
        nothing to score or nothing that can be, the scores exist and were made in another way, or
        the account may not write scores that it is to write.
    """
    if rescore and not update:
        raise ConfigError("rescore: does nothing without update")
    if images and update:
        raise ConfigError("update: images are no objects of the database; leave one of both out")
    require_choice("combine", combine, COMBINATIONS)
    if list_id < 0:
        raise ConfigError(f"listid must not be negative; got {list_id}")
    require_choice("engine", engine, ENGINES)
    if images and objects:
        raise ConfigError("objects: give either images or objects of the database")
    ids = read_object_ids(objects)
    if objects and not ids:
        raise ConfigError(f"objects: {', '.join(objects)} names none")
    config = None if images and classifiers else load_config(config_file)
    if config is not None and update:
        require_update(config)
    given = choose_classifiers(classifiers, config)
    bench = prepare_bench(given, fallback=fallback, form=None if images else _form(config))
    recipe = _recipe(bench, images, list_id, ids, None if images else config, combine)
    if already_made(
        output_csv, read_score_recipe(output_csv) if output_csv.exists() else None, recipe
    ):
        if config is not None and update:
            _write_back(config, output_csv, rescore)
            if not ids:
                _require_no_newcomers(config, list_id, output_csv)
        return
    require_writable_folder(output_csv.parent)
    with _worklist(images, config, list_id, ids, image_root) as worklist:
        _require_work(worklist)
        bench.require_all(worklist)
        scored = _score(
            worklist, bench, architecture, engine, combine, workers or available_cores()
        )
    _report(scored, output_csv)
    recipe = replace(recipe, results=scored.results)
    write_faults(faults_path(output_csv), scored.faults, recipe)
    write_verdicts(output_csv, scored.objects, recipe)
    log.info("%s: %d objects", output_csv, len(scored.objects))
    if config is not None and update:
        _write_back(config, output_csv, rescore)


@dataclass(frozen=True)
class _Scored:
    """What came of the worklist."""

    objects: Sequence[ObjectScore]
    faults: Sequence[ImageScore]
    images: int

    @property
    def results(self) -> dict[str, Any]:
        """What a recipe says of it."""
        return {
            "objects": len(self.objects),
            "without_score": sum(item.score is None for item in self.objects),
            "images": self.images,
            "faults": dict(Counter(item.fault for item in self.faults)),
        }


def _form(config: Config | None) -> StampForm:
    assert config is not None
    return FORMS[config.survey]


def _recipe(
    bench: Bench,
    images: Sequence[Path],
    list_id: int,
    ids: Sequence[int],
    config: Config | None,
    combine: str,
) -> Recipe:
    chosen: dict[str, Any] = {"images": [str(path) for path in images]}
    if config is not None:
        wanted = {"objects": list(ids)} if ids else {"listid": list_id}
        chosen = {"survey": config.survey, "database": database_folder(config.database), **wanted}
    return Recipe("score", {**chosen, "combine": combine}, bench.inputs)


@contextmanager
def _worklist(
    images: Sequence[Path],
    config: Config | None,
    list_id: int,
    ids: Sequence[int],
    image_root: Path | None,
) -> Iterator[Worklist]:
    """Find all images before the first is read; the database is then done with."""
    if images:
        with Worklist(find_images(images)) as worklist:
            yield worklist
        return
    assert config is not None
    folder = (image_root or config.images.stamp_root) / database_folder(config.database)
    with Database.connect(config.database) as database:
        wanted = ids or objects_on(database, config.survey, list_id)
        found = images_of(database, config.survey, progress(wanted, label="objects"), folder)
        worklist = Worklist(found)
    with worklist:
        if not worklist.objects:
            raise DatabaseError(f"listid: the database has no object on list {list_id}")
        yield worklist


def _require_work(worklist: Worklist) -> None:
    if not worklist.cameras:
        first = next(iter(worklist))
        raise StampError(
            f"none of {worklist.objects} objects has an image to score, such as {first.object}"
        )


def _score(
    worklist: Worklist,
    bench: Bench,
    architecture: str | None,
    engine: str,
    rule: str,
    workers: int,
) -> _Scored:
    pools = bench.pools_of(worklist) if rule == "calibrated" else {}
    seats = bench.used_by(worklist)
    scorers = {
        key: load_classifier(
            seat.path, seat.recipe, seat.options, own=architecture, engine=engine
        ).score
        for key, seat in seats.items()
    }
    treatments = {key: seat.treatment for key, seat in seats.items()}
    read = partial(_score_block, treatments=treatments, key=bench.key, scorers=scorers)
    done = map_ordered(read, blocks_of(worklist), workers=workers)
    total = math.ceil(worklist.count / BLOCK)
    images = _Results(progress(done, label="images", total=total))
    objects = list(combine(images, rule=rule, pools=pools))
    return _Scored(objects, images.faults, images.count)


_Scorers = Mapping[str, Callable[[NDArray[np.float32]], NDArray[np.float64]]]


@dataclass(frozen=True)
class _BlockScores:
    """Images and their scores, NaN where there is none; and which of them the fallback gave."""

    block: Block
    scores: NDArray[np.float64]
    by_fallback: NDArray[np.bool_]


def _score_block(
    images: Sequence[Image],
    *,
    treatments: Mapping[str, Treatment],
    key: Callable[[str], str],
    scorers: _Scorers,
) -> _BlockScores:
    """Read and score images; the threads that do so share nothing that changes."""
    block = read_block(images, treatments=treatments, key=key)
    scores = np.full(len(block.images), np.nan)
    by_fallback = np.zeros(len(block.images), np.bool_)
    for name, (places, pixels) in block.features.items():
        if len(places):
            scores[places] = scorers[name](pixels)
            by_fallback[places] = name == FALLBACK
    return _BlockScores(block, scores, by_fallback)


class _Results:
    """The scores of images, block by block, as an iterable; faults are kept and counted."""

    def __init__(self, blocks: Iterable[_BlockScores]) -> None:
        self.faults: list[ImageScore] = []
        self.count = 0
        self._blocks = blocks

    def __iter__(self) -> Iterator[ImageScore]:
        for scored in self._blocks:
            yield from self._images(scored)

    def _images(self, scored: _BlockScores) -> Iterator[ImageScore]:
        block = scored.block
        for place, image in enumerate(block.images):
            if place in block.faults:
                fault, reason = block.faults[place]
                yield self._keep(
                    ImageScore(image.object, image.name, image.camera, fault=fault, reason=reason)
                )
            elif image.file:
                self.count += 1
                yield ImageScore(
                    image.object,
                    image.name,
                    image.camera,
                    float(scored.scores[place]),
                    bool(scored.by_fallback[place]),
                )
            else:
                yield ImageScore(image.object)

    def _keep(self, image: ImageScore) -> ImageScore:
        self.faults.append(image)
        log.debug("%s", image.reason)
        return image


def _write_back(config: Config, output_csv: Path, rescore: bool) -> None:
    """Write what the file says, whether it was made now or before a run was killed."""
    scores = read_writable(output_csv)
    update_database(config, scores, output_csv=output_csv, rescore=rescore)


def _require_no_newcomers(config: Config, list_id: int, output_csv: Path) -> None:
    """Check that a file that was there already has all objects that are on the list by now."""
    known = read_object_scores(output_csv)
    newcomers = Tally()
    with Database.connect(config.database) as database:
        for identifier in objects_on(database, config.survey, list_id):
            if str(identifier) not in known:
                newcomers.add(str(identifier))
    if newcomers.count:
        raise RecipeError(
            f"{output_csv} was made before {newcomers.count} objects came to list {list_id}, which "
            f"have no score: {newcomers}: name another file, as by {{date}} or {{hour}}"
        )


def _report(scored: _Scored, output_csv: Path) -> None:
    """Name what could not be scored, and stop if that is everything."""
    if not scored.images:
        first = scored.faults[0].reason
        raise StampError(f"none of {len(scored.faults)} images can be scored: {first}")
    for fault in FAULTS:
        tally = Tally()
        for item in scored.faults:
            if item.fault == fault:
                tally.add(item.reason)
        if tally.count:
            left_out = "%d images are left out (%s): %s (all in %s)"
            log.warning(left_out, tally.count, fault, tally, faults_path(output_csv))
    without = sum(item.score is None for item in scored.objects)
    if without:
        log.warning("%d of %d objects have no score", without, len(scored.objects))
    flagged = sum(FALLBACK in item.flags for item in scored.objects)
    if flagged:
        log.warning("%d objects have scores of the fallback", flagged)
