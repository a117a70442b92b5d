"""Exposures held back: what they are compared with, what is said and what is kept of it."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from realbogus.bench import Bench
from realbogus.breaker import (
    EXPOSURES,
    NIGHTS,
    Reason,
    Reference,
    find_alarms,
    find_wrong_models,
    fit_reference,
    nights_of,
)
from realbogus.counts import (
    HELD,
    PASSED,
    RELEASED,
    UNCHECKED,
    Counts,
    counts_path,
    write_counts,
)
from realbogus.errors import ConfigError
from realbogus.options import FALSE_ALARMS, require_false_alarms
from realbogus.recipes import Recipe
from realbogus.references import find_accepted, find_tables

__all__ = [
    "ALL",
    "Breaker",
    "Judgement",
    "is_released",
    "judge",
    "plot_path",
    "report_held",
    "require_breaker",
    "write_judgement",
]

log = logging.getLogger(__name__)

ALL = "all"
"""Releases everything."""

_MOST_NAMED = 20


@dataclass(frozen=True)
class Breaker:
    """What of a run is held back.

    Attributes
    ----------
    false_alarms : float
        The probability that a run of good exposures raises any alarm; 0 for no comparison.
    reference : sequence of Path
        Files of scores of accepted nights, their tables of exposures, or folders of these. Without
        any, those of the same list beside the output.
    release : sequence of str
        Exposures, nights of a camera such as ``02a/58310``, or cameras that are not held whatever
        is found; or `ALL`.
    classifiers : sequence of Path
        Those that score, beside which there may be tables, too.
    wrong_models : mapping of str to str
        The cameras whose classifier is one of other cameras, and that in words. All of theirs is
        held, and nothing of it compared.
    """

    false_alarms: float = FALSE_ALARMS
    reference: Sequence[Path] = ()
    release: Sequence[str] = ()
    classifiers: Sequence[Path] = ()
    wrong_models: Mapping[str, str] = field(default_factory=dict)

    def with_bench(self, bench: Bench) -> "Breaker":
        """Give the same, with what is to be known of the classifiers."""
        return replace(self, classifiers=bench.files, wrong_models=bench.wrong_models)

    @property
    def options(self) -> dict[str, Any]:
        """What a recipe says of it, apart from what is released."""
        given = {"reference": [str(path) for path in self.reference]} if self.reference else {}
        return {"falseAlarms": self.false_alarms, **given}

    def judged(self, recipe: Recipe, results: Mapping[str, Any]) -> Recipe:
        """Give the recipe of scores that were judged: what was released, and what came of it."""
        released = {"release": list(self.release)} if self.release else {}
        return replace(recipe, options={**recipe.options, **released}, results=results)


@dataclass(frozen=True)
class Judgement:
    """What came of it.

    Attributes
    ----------
    exposures : sequence of Counts
        With their status.
    alarms : sequence of Reason
        Those that were not released.
    released : sequence of Reason
        Those that were.
    references : mapping of str to Reference
        By camera.
    compared_with : mapping of str to sequence of int
        For each camera, how many exposures and nights.
    """

    exposures: Sequence[Counts]
    alarms: Sequence[Reason]
    released: Sequence[Reason]
    references: Mapping[str, Reference]
    compared_with: Mapping[str, Sequence[int]]

    @property
    def held(self) -> frozenset[tuple[str, str]]:
        """The cameras and names of the exposures that are held back."""
        found = (item for item in self.exposures if item.status == HELD)
        return frozenset((item.camera, item.name) for item in found)

    @property
    def results(self) -> dict[str, Any]:
        """What a recipe says of it."""
        return {
            "compared_with": {camera: list(sizes) for camera, sizes in self.compared_with.items()},
            "held": {alarm.unit.name: str(alarm) for alarm in self.alarms},
            "released": {alarm.unit.name: str(alarm) for alarm in self.released},
        }


def require_breaker(breaker: Breaker) -> None:
    """Check the options before any work.

    Raises
    ------
    ConfigError
        If a value is not allowed, or there is no such file.
    """
    require_false_alarms(breaker.false_alarms)
    for path in breaker.reference:
        find_tables(path)


def judge(
    exposures: Sequence[Counts], breaker: Breaker, recipe: Recipe, *, output: Path
) -> Judgement:
    """Compare the exposures of a run with those of accepted nights, but of cameras held anyway.

    Parameters
    ----------
    exposures : sequence of Counts
        Of the run.
    breaker : Breaker
        How.
    recipe : Recipe
        Of the run, whose classifiers and list those nights must have.
    output : Path
        Its scores, beside which there may be those of earlier nights.

    Raises
    ------
    ConfigError, FormatError
        If something is to be released that is not there, or a table is none.
    """
    _require_known(breaker.release, exposures)
    compared = [item for item in exposures if item.camera not in breaker.wrong_models]
    accepted = _accepted(compared, breaker, recipe, output)
    fits = {camera: fit_reference(some) for camera, some in accepted.items()}
    references = {camera: fit for camera, fit in fits.items() if fit is not None}
    found: list[Reason] = [
        *find_wrong_models(exposures, breaker.wrong_models),
        *find_alarms(compared, references, false_alarms=breaker.false_alarms),
    ]
    released = [alarm for alarm in found if _releases(breaker.release, alarm, exposures)]
    alarms = [alarm for alarm in found if alarm not in released]
    judged = [_judged(item, alarms, released, references, breaker) for item in exposures]
    sizes = {camera: (len(some), len(nights_of(some))) for camera, some in accepted.items()}
    _warn_of_unchecked(sizes, references, recipe)
    return Judgement(judged, alarms, released, references, sizes)


def is_released(recipe: Recipe, release: Iterable[str]) -> bool:
    """Say whether scores were made with all of this released."""
    return set(release) <= set(recipe.options.get("release", ()))


def plot_path(path: Path) -> Path:
    """Name the picture of what is held that belongs to a file of scores."""
    return path.with_name(f"{path.stem}.held.png")


def write_judgement(output: Path, judgement: Judgement, recipe: Recipe) -> None:
    """Write the table of exposures, and draw what departs; without alarms, no picture is left."""
    write_counts(counts_path(output), judgement.exposures, recipe)
    picture = plot_path(output)
    if not judgement.alarms and not judgement.released:
        picture.unlink(missing_ok=True)
        return
    from realbogus.plots.figures import save_figure
    from realbogus.plots.held import draw_held

    figure = draw_held([*judgement.alarms, *judgement.released], judgement.references)
    save_figure(figure, picture, recipe)


def report_held(output: Path, results: Mapping[str, Any]) -> bool:
    """Say what is held back, as the recipe of a file has it; whether anything is."""
    held, released = results.get("held", {}), results.get("released", {})
    for name, reason in list(held.items())[:_MOST_NAMED]:
        log.warning("%s is held back: %s", name, reason)
    if len(held) > _MOST_NAMED:
        log.warning("%d more are held back", len(held) - _MOST_NAMED)
    if released:
        log.warning("%d would be held back and are released", len(released))
    if held:
        text = "%d held back are in %s and %s; their scores do not count (release: %s)"
        files = counts_path(output), plot_path(output)
        log.warning(text, len(held), *files, f"--release {next(iter(held))}")
    return bool(held)


def _require_known(release: Sequence[str], exposures: Sequence[Counts]) -> None:
    known = {ALL}.union(*map(_names, exposures))
    for name in release:
        if name not in known:
            raise ConfigError(
                f"release: {name!r} is no exposure of this run, nor a camera, nor the night of one "
                f"such as {exposures[0].night_name if exposures else '02a/58310'}"
            )


def _accepted(
    exposures: Sequence[Counts], breaker: Breaker, recipe: Recipe, output: Path
) -> Mapping[str, Sequence[Counts]]:
    """Find what exposures are compared with, if they are."""
    if breaker.false_alarms == 0:
        return {}
    return find_accepted(
        exposures, breaker.reference, recipe, output=output, classifiers=breaker.classifiers
    )


def _names(exposure: Counts) -> set[str]:
    """Give the names that an exposure is held or released by."""
    return {exposure.name, exposure.night_name, exposure.camera}


def _is_released(exposure: Counts, release: Sequence[str]) -> bool:
    return bool({ALL, *_names(exposure)} & set(release))


def _releases(release: Sequence[str], alarm: Reason, exposures: Sequence[Counts]) -> bool:
    """Say whether nothing of what an alarm holds back is left."""
    return all(_is_released(item, release) for item in exposures if _holds(alarm, item))


def _holds(alarm: Reason, exposure: Counts) -> bool:
    return alarm.unit.camera == exposure.camera and alarm.unit.name in _names(exposure)


def _judged(
    item: Counts,
    alarms: Sequence[Reason],
    released: Sequence[Reason],
    references: Mapping[str, Reference],
    breaker: Breaker,
) -> Counts:
    """Give an exposure its status, by itself, its night or its camera."""
    for alarm in (*alarms, *released):
        if _holds(alarm, item):
            is_held = alarm in alarms and not _is_released(item, breaker.release)
            reason = f"{alarm.unit.name}: {alarm}"
            return replace(item, status=HELD if is_held else RELEASED, reason=reason)
    status = PASSED if item.camera in references else UNCHECKED
    return replace(item, status=status, reason="")


def _warn_of_unchecked(
    sizes: Mapping[str, tuple[int, int]], references: Mapping[str, Reference], recipe: Recipe
) -> None:
    if "survey" not in recipe.options:
        return
    for camera, (exposures, nights) in sizes.items():
        if camera not in references:
            log.warning(
                "camera %s is not compared with earlier nights: %d exposures of %d nights are "
                "accepted, and %d of %d are needed (reference)",
                *(camera, exposures, nights, EXPOSURES, NIGHTS),
            )
