"""Scores of all detections of whole nights, straight from the difference images."""

import logging
from collections import Counter
from collections.abc import Container, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby, islice
from pathlib import Path

from realbogus.bench import Bench, Scorer, choose_classifiers, prepare_bench
from realbogus.config import Config, load_config
from realbogus.counts import counts_path, read_counts
from realbogus.cutting import Tally
from realbogus.database import Database
from realbogus.detections import ExposureScores, ScoreJob, score_exposure
from realbogus.errors import ConfigError, DatabaseError, ImageError
from realbogus.fetch import fetch_missing
from realbogus.files import require_readable_file, require_writable_folder
from realbogus.holding import (
    Breaker,
    is_released,
    judge,
    report_held,
    require_breaker,
    write_judgement,
)
from realbogus.models.engines import ENGINES
from realbogus.nights import Found, NightFiles, hold_anew
from realbogus.options import FALSE_ALARMS, available_cores, require_choice
from realbogus.parallel import Workers, map_threads, open_workers, progress, read_ahead
from realbogus.parquet import read_parquet_recipe, require_parquet_name
from realbogus.recipes import Recipe, already_made
from realbogus.references import require_own_table
from realbogus.surveys.atlas import (
    CAMERAS,
    Positions,
    find_exposures,
    image_name,
    night_of,
    read_positions,
    require_camera,
)
from realbogus.surveys.ps1 import database_folder
from realbogus.surveys.stamps import FORMS
from realbogus.verdicts import FALLBACK

__all__ = ["score_detections"]

log = logging.getLogger(__name__)

# Detections that are in memory at a time; as many more are read ahead.
_ROWS = 1_000_000


def score_detections(
    nights: Sequence[int],
    *,
    output: Path,
    cameras: Sequence[str] = (),
    classifiers: Sequence[str] = (),
    fallback: Path | None = None,
    config_file: Path = Path("config.yaml"),
    architecture: str | None = None,
    engine: str = "auto",
    download_threads: int = 5,
    workers: int | None = None,
    scheduler: str | None = None,
    false_alarms: float = FALSE_ALARMS,
    reference: Sequence[Path] = (),
    release: Sequence[str] = (),
) -> bool:
    """Score every detection of some nights of ATLAS, each camera's by its own classifier.

    An exposure is read in one pass, and no stamp is written. Missing images are fetched first, if
    the configuration says from where. One that stays missing, or is damaged, is named; its
    detections are in the file without a score. Each night gets a file of its own, until all are
    there and make one; a run that was killed goes on with the nights that have none. Exposures
    whose scores depart from those of accepted nights are held back, and so are cameras whose own
    classifier was trained on others only: their scores are kept apart.

    Parameters
    ----------
    nights : sequence of int
        MJD.
    output : Path
        The Parquet file to make: a row a detection, by night, camera, exposure and id.
    cameras : sequence of str
        By default all.
    classifiers, fallback, config_file, architecture, engine
        As `realbogus.stages.score.score_objects` takes them.
    download_threads : int
        Number of connections that fetch missing exposures.
    workers : int, optional
        Number of processes that read and score; by default one for every core.
    scheduler : str, optional
        The address of a Dask scheduler, ``tcp://host:8786``, whose workers do so instead.
    false_alarms : float
        The probability that anything of a good night is held back; 0 compares nothing.
    reference : sequence of Path
        Scores of accepted nights that the exposures are compared with; by default those of
        detections beside ``output``.
    release : sequence of str
        Exposures, nights of a camera such as ``02a/58310``, or cameras that are not held back; or
        ``all``.
        Of a file that is there already they get their scores back.

    Returns
    -------
    bool
        Whether anything is held back.

    Raises
    ------
    ConfigError, DatabaseError, ImageError, ModelError, RecipeError
        If an option is not allowed, a camera has no classifier, a classifier is none, there is
        nothing to score or no image of it, or the file exists and was made in another way.
    """
    _check_options(nights, output, cameras, engine, download_threads)
    breaker = Breaker(false_alarms, reference, release)
    require_breaker(breaker)
    config = load_config(config_file)
    _require_whole_images(config)
    given = choose_classifiers(classifiers, config)
    bench = prepare_bench(given, fallback=fallback, form=FORMS[config.survey])
    breaker = breaker.with_bench(bench)
    scored_by = _recipe(bench, nights, cameras, config)
    recipe = replace(scored_by, options={**scored_by.options, **breaker.options})
    files = NightFiles(output, _recipes_of_nights(scored_by))
    made = read_parquet_recipe(output) if output.exists() else None
    if already_made(output, made, recipe) and made is not None:
        files.remove()
        done = made if is_released(made, release) else _release(output, made, breaker)
        return report_held(output, done.results)
    require_writable_folder(output.parent)
    require_own_table(output, recipe)
    targets = _find_targets(config, nights, cameras)
    bench.require_all(targets)
    bench.warn_of_strange(targets)
    scorers = bench.load_all(targets, own=architecture, engine=engine)
    plan = _Plan(config, bench, scorers, download_threads)
    count = available_cores() if workers is None else workers
    files = files.of(targets.nights)
    left = targets.without(files.finished())
    with open_workers(count, scheduler=scheduler, preload=["realbogus.detections"]) as crew:
        problem = _write_nights(files, plan, left, crew)
    found = files.found()
    if not found.scored:
        files.remove()
    _report(found, problem)
    done, held = _judge(found, breaker, recipe, output)
    files.join(done, held)
    log.info("%s: %d detections", output, found.detections)
    return report_held(output, done.results)


@dataclass(frozen=True)
class _Plan:
    """What every exposure needs to know."""

    config: Config
    bench: Bench
    scorers: Mapping[str, Scorer]
    download_threads: int


@dataclass(frozen=True)
class _Targets:
    """The exposures by night, as (id in the database, name), and how many are of each camera."""

    exposures: Sequence[tuple[int, str]]

    @property
    def cameras(self) -> Mapping[str, int]:
        return Counter(_camera(obs) for _, obs in self.exposures)

    @property
    def examples(self) -> Mapping[str, str]:
        return {_camera(obs): obs for _, obs in reversed(self.exposures)}

    @property
    def nights(self) -> Mapping[int, int]:
        return Counter(night_of(obs) for _, obs in self.exposures)

    def without(self, nights: Container[int]) -> "_Targets":
        return _Targets([item for item in self.exposures if night_of(item[1]) not in nights])


def _check_options(
    nights: Sequence[int], output: Path, cameras: Sequence[str], engine: str, threads: int
) -> None:
    if not nights:
        raise ConfigError("detections: give at least one night, such as 58310 or 58310-58320")
    require_parquet_name(output, name="outputparquet")
    for camera in cameras:
        require_camera(camera)
    require_choice("engine", engine, ENGINES)
    if threads < 1:
        raise ConfigError(f"downloadthreads must be at least 1; got {threads}")


def _require_whole_images(config: Config) -> None:
    if config.survey != "atlas":
        raise ConfigError(
            f"detections: {config.path} is for {config.survey}, of which only stamps are at hand, "
            "no whole difference images; score its objects, by listid or objects"
        )


def _judge(
    found: Found, breaker: Breaker, recipe: Recipe, output: Path
) -> tuple[Recipe, Sequence[str]]:
    """Compare exposures with accepted nights, and write the table of them and what departs.

    Gives the recipe of the scores, and the exposures that are held back.
    """
    judgement = judge(found.counts, breaker, recipe, output=output)
    held = [name for _, name in judgement.held]
    done = breaker.judged(recipe, {**found.judged(held).results, **judgement.results})
    write_judgement(output, judgement, done)
    return done, held


def _release(output: Path, made: Recipe, breaker: Breaker) -> Recipe:
    """Judge scores that are there anew, some of which were kept apart; no image is read."""
    log.info("more of %s is released: %s", output, ", ".join(breaker.release))
    table = counts_path(output)
    require_readable_file(table, name="release")
    found = replace(Found.read(made.results), counts=read_counts(table))
    done, held = _judge(found, breaker, made, output)
    hold_anew(output, done, held)
    return done


def _recipe(bench: Bench, nights: Sequence[int], cameras: Sequence[str], config: Config) -> Recipe:
    options = {
        "survey": config.survey,
        "database": database_folder(config.database),
        "detections": sorted(set(nights)),
        "camera": sorted(set(cameras)),
    }
    return Recipe("score", options, bench.inputs)


def _recipes_of_nights(whole: Recipe) -> Mapping[int, Recipe]:
    nights = whole.options["detections"]
    return {
        night: replace(whole, options={**whole.options, "detections": [night]}) for night in nights
    }


def _find_targets(config: Config, nights: Sequence[int], cameras: Sequence[str]) -> _Targets:
    with Database.connect(config.database) as database:
        found = [
            exposure
            for night in sorted(set(nights))
            for camera in sorted(set(cameras or CAMERAS))
            for exposure in find_exposures(database, camera=camera, night=night)[0]
        ]
    if not found:
        asked = ", ".join(map(str, sorted(set(nights))))
        of = f" of camera {', '.join(cameras)}" if cameras else ""
        raise DatabaseError(f"the database has no exposure{of} in night {asked}")
    return _Targets(found)


_Pair = tuple[ScoreJob, ExposureScores]


def _score(plan: _Plan, targets: _Targets, workers: Workers) -> Iterator[_Pair]:
    """Score exposures, in their order; the next are read while these are scored."""
    with read_ahead(_read_jobs(plan, targets)) as coming:
        for jobs in coming:
            places = {job.obs: job for job in jobs}
            done = dict(workers.map(_score_named, jobs, on_death=_worker_died))
            yield from ((places[obs], done[obs]) for obs in places)


def _score_named(job: ScoreJob) -> tuple[str, ExposureScores]:
    return job.obs, score_exposure(job)


def _worker_died(job: ScoreJob) -> tuple[str, ExposureScores]:
    reason = "the process that read it died, perhaps because the memory is full"
    return job.obs, ExposureScores.none(job, f"{job.image}: {reason}")


def _read_jobs(plan: _Plan, targets: _Targets) -> Generator[list[ScoreJob], None, None]:
    """Give as many exposures of a night at a time as have about so many detections.

    Their images have been fetched.
    """
    with Database.connect(plan.config.database) as database:
        for _, exposures in groupby(targets.exposures, key=lambda item: night_of(item[1])):
            jobs: list[ScoreJob] = []
            for number, obs in exposures:
                jobs.append(_job(plan, obs, read_positions(database, number, obs)))
                if sum(len(job.positions) for job in jobs) >= _ROWS:
                    yield _fetched(jobs, plan)
                    jobs = []
            if jobs:
                yield _fetched(jobs, plan)


def _job(plan: _Plan, obs: str, positions: Positions) -> ScoreJob:
    scorer = plan.scorers[plan.bench.key(_camera(obs))]
    return ScoreJob(obs, plan.config.images.root / image_name(obs), scorer, positions)


def _fetched(jobs: list[ScoreJob], plan: _Plan) -> list[ScoreJob]:
    images = plan.config.images
    if images.remote is not None:
        names = [image_name(job.obs) for job in jobs if len(job.positions)]
        threads = partial(map_threads, workers=plan.download_threads, label="missing images")
        fetch_missing(names, remote=images.remote, root=images.root, spread=threads)
    return jobs


def _write_nights(
    files: NightFiles, plan: _Plan, targets: _Targets, workers: Workers
) -> str | None:
    """Write the file of each night; give the first reason why an exposure has no scores."""
    problem = None
    scored = _score(plan, targets, workers)
    shown = iter(progress(scored, label="exposures", total=len(targets.exposures)))
    for night, count in targets.nights.items():
        with files.open(night) as file:
            for job, done in islice(shown, count):
                problem = problem or done.problem
                is_fallback = plan.bench.key(_camera(job.obs)) == FALLBACK
                file.add(job, done, is_fallback=is_fallback)
    return problem


def _report(found: Found, problem: str | None) -> None:
    """Say what has no score, and stop if that is everything."""
    if not found.scored:
        raise ImageError(
            f"none of {found.detections} detections can be scored"
            + (f": {problem}" if problem else "")
        )
    if found.missing:
        names = Tally.sum([Tally(1, [obs]) for obs in found.missing])
        text = "%d of %d exposures are missing or unreadable: %s; their detections have no score"
        log.warning(text, len(found.missing), found.exposures, names)
    if found.by_fallback:
        log.warning("%d detections have scores of the fallback", found.by_fallback)


def _camera(obs: str) -> str:
    return obs[:3]
