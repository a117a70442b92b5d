"""Scores of new objects: of a list of the survey's database, or of FITS stamps by name."""

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from realbogus.bench import Bench, choose_classifiers, prepare_bench
from realbogus.config import Config, load_config
from realbogus.counts import count_exposures
from realbogus.cutting import Tally
from realbogus.errors import ConfigError, StampError
from realbogus.files import require_writable_folder
from realbogus.holding import (
    Breaker,
    Judgement,
    is_released,
    judge,
    report_held,
    require_breaker,
    write_judgement,
)
from realbogus.imagescores import write_image_scores
from realbogus.models.engines import ENGINES
from realbogus.options import FALSE_ALARMS, available_cores, require_choice
from realbogus.parquet import read_parquet_recipe, require_parquet_name
from realbogus.recipes import Recipe, already_made
from realbogus.records import Records
from realbogus.references import require_own_table
from realbogus.scores import read_score_recipe
from realbogus.scoring import score_images
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
from realbogus.wanted import Wanted
from realbogus.worklist import Worklist, read_object_ids
from realbogus.writeback import read_writable, require_update, update_database

__all__ = ["EYEBALL_LIST", "score_objects"]

log = logging.getLogger(__name__)

EYEBALL_LIST = 4
"""The list of the objects that wait for a person."""


def score_objects(
    images: Sequence[Path] = (),
    *,
    output_csv: Path,
    output_parquet: Path | None = None,
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
    false_alarms: float = FALSE_ALARMS,
    reference: Sequence[Path] = (),
    release: Sequence[str] = (),
) -> bool:
    """Score objects by their stamps, each camera's by its own classifier.

    How stamps are cropped, masked and normalised, and how scores are calibrated, is what each
    classifier's recipe says. Images that can't be scored are named, in ``<output>.faults.csv``
    too, and flagged, and the run goes on. Exposures whose scores depart from those of accepted
    nights are held back, and so are cameras whose own classifier was trained on others only:
    their images do not count.

    Parameters
    ----------
    images : sequence of Path
        FITS stamps, cubes, folders, or files of names. Without any, objects of the database are
        looked up by their postage stamps.
    output_csv : Path
        The scores of the objects to make.
    output_parquet : Path, optional
        The scores of their images to make, too; without it, both are made anew.
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
    false_alarms : float
        The probability that anything of a good night is held back; 0 compares nothing.
    reference : sequence of Path
        Scores of accepted nights that the exposures are compared with; by default those of the
        same list beside ``output_csv``.
    release : sequence of str
        Exposures, nights of a camera such as ``02a/58310``, or cameras that are not held back; or
        ``all``.
        A file that is there already, but without them, is made anew.

    Returns
    -------
    bool
        Whether anything is held back.

    Raises
    ------
    ConfigError, DatabaseError, ModelError, RecipeError, StampError
        If an option is not allowed, a camera has no classifier, a classifier is none, there is
        nothing to score or nothing that can be, the scores exist and were made in another way, or
        the account may not write scores that it is to write.
    """
    _check_options(images, objects, list_id, engine, combine, update=update, rescore=rescore)
    if output_parquet is not None:
        require_parquet_name(output_parquet, name="outputparquet")
    breaker = Breaker(false_alarms, reference, release)
    require_breaker(breaker)
    ids = read_object_ids(objects)
    if objects and not ids:
        raise ConfigError(f"objects: {', '.join(objects)} names none")
    config = None if images and classifiers else load_config(config_file)
    if config is not None and update:
        require_update(config)
    wanted = Wanted(images, config, list_id, ids, image_root)
    given = choose_classifiers(classifiers, config)
    bench = prepare_bench(given, fallback=fallback, form=wanted.form)
    breaker = breaker.with_bench(bench)
    options = {**wanted.options, "combine": combine, **breaker.options}
    recipe = Recipe("score", options, bench.inputs)
    files = _Files(output_csv, output_parquet)
    made = files.made(recipe, release)
    if made is None:
        job = _Job(bench, architecture, engine, combine, workers or available_cores())
        recipe = _make(wanted, job, breaker, recipe, files)
    is_held = report_held(output_csv, (made or recipe).results)
    if config is not None and update:
        _write_back(config, output_csv, rescore)
        if made is not None:
            wanted.require_no_newcomers(output_csv)
    return is_held


@dataclass(frozen=True)
class _Files:
    """The scores to make: of objects, and of their images if these are asked for."""

    csv: Path
    parquet: Path | None

    @property
    def readers(self) -> Mapping[Path, Callable[[Path], Recipe | None]]:
        """All of them, that of objects first, and what reads their recipes."""
        of_images = {} if self.parquet is None else {self.parquet: read_parquet_recipe}
        return {self.csv: read_score_recipe, **of_images}

    def made(self, wanted: Recipe, release: Sequence[str]) -> Recipe | None:
        """Give the recipe of the files if all are there, and nothing more is to be released."""
        found = [read(path) if path.exists() else None for path, read in self.readers.items()]
        is_there = [already_made(*item, wanted) for item in zip(self.readers, found, strict=True)]
        if any(is_there) and found != [found[0]] * len(found):
            log.info("%s and %s are made anew, since they are not of one run", *self.readers)
        elif all(is_there) and found[0] is not None:
            if is_released(found[0], release):
                return found[0]
            log.info("%s is made anew, since more is released: %s", self.csv, ", ".join(release))
        return None


@dataclass(frozen=True)
class _Job:
    """How images are scored, and their scores combined."""

    bench: Bench
    architecture: str | None
    engine: str
    rule: str
    workers: int


@dataclass(frozen=True)
class _Scored:
    """What came of the worklist."""

    objects: Sequence[ObjectScore]
    faults: Sequence[ImageScore]
    images: int
    judgement: Judgement

    @property
    def results(self) -> dict[str, Any]:
        """What a recipe says of it."""
        return {
            "objects": len(self.objects),
            "without_score": sum(item.score is None for item in self.objects),
            "images": self.images,
            "faults": dict(Counter(item.fault for item in self.faults)),
            **self.judgement.results,
        }


def _check_options(
    images: Sequence[Path],
    objects: Sequence[str],
    list_id: int,
    engine: str,
    combine: str,
    *,
    update: bool,
    rescore: bool,
) -> None:
    if rescore and not update:
        raise ConfigError("rescore: does nothing without update")
    if images and update:
        raise ConfigError("update: images are no objects of the database; leave one of both out")
    if images and objects:
        raise ConfigError("objects: give either images or objects of the database")
    if list_id < 0:
        raise ConfigError(f"listid must not be negative; got {list_id}")
    require_choice("engine", engine, ENGINES)
    require_choice("combine", combine, COMBINATIONS)


def _make(wanted: Wanted, job: _Job, breaker: Breaker, recipe: Recipe, files: _Files) -> Recipe:
    """Score all images, hold back those of bad exposures, and write what came of it."""
    for path in files.readers:
        require_writable_folder(path.parent)
    require_own_table(files.csv, recipe)
    with wanted.worklist() as worklist:
        job.bench.require_all(worklist)
        job.bench.warn_of_strange(worklist)
        pools = job.bench.pools_of(worklist) if job.rule == "calibrated" else {}
        with Records(ImageScore, _score_images(worklist, job)) as images:
            judgement = judge(count_exposures(images), breaker, recipe, output=files.csv)
            faults = [image for image in images if image.fault]
            count = sum(image.is_scored for image in images)
            objects = list(combine(_marked(images, judgement), rule=job.rule, pools=pools))
            scored = _Scored(objects, faults, count, judgement)
            return _write(scored, _marked(images, judgement), files, recipe, breaker)


def _score_images(worklist: Worklist, job: _Job) -> Iterator[ImageScore]:
    scorers = job.bench.load_all(worklist, own=job.architecture, engine=job.engine)
    return score_images(worklist, scorers=scorers, key=job.bench.key, workers=job.workers)


def _marked(images: Iterable[ImageScore], judgement: Judgement) -> Iterator[ImageScore]:
    """Mark the scored images whose exposures are held back."""
    held = judgement.held
    for image in images:
        is_held = image.is_scored and (image.camera, image.exposure) in held
        yield replace(image, is_held=True) if is_held else image


def _write(
    scored: _Scored,
    images: Iterable[ImageScore],
    files: _Files,
    recipe: Recipe,
    breaker: Breaker,
) -> Recipe:
    """Write what came of it, the scores of objects last; give the recipe as they have it."""
    _report(scored, files.csv)
    done = breaker.judged(recipe, scored.results)
    write_faults(faults_path(files.csv), scored.faults, done)
    write_judgement(files.csv, scored.judgement, done)
    if files.parquet is not None:
        write_image_scores(files.parquet, images, done)
        log.info("%s: %d images", files.parquet, scored.images + len(scored.faults))
    write_verdicts(files.csv, scored.objects, done)
    log.info("%s: %d objects", files.csv, len(scored.objects))
    return done


def _write_back(config: Config, output_csv: Path, rescore: bool) -> None:
    """Write what the file says, whether it was made now or before a run was killed."""
    scores = read_writable(output_csv)
    update_database(config, scores, output_csv=output_csv, rescore=rescore)


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
