"""The Parquet file of detections, made night by night, so that a run that was killed can go on."""

import logging
from collections import Counter
from collections.abc import Collection, Container, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from realbogus.counts import HELD, Counts
from realbogus.detections import DETECTION_FAULTS, ExposureScores, ScoreJob
from realbogus.errors import FormatError
from realbogus.parquet import Masked, ParquetColumn, ParquetFile, open_parquet, read_parquet_recipe
from realbogus.recipes import Recipe, find_difference

__all__ = ["Found", "NightFile", "NightFiles", "hold_anew"]

log = logging.getLogger(__name__)

_COLUMNS: Sequence[ParquetColumn] = (
    ("detection", "uint64", "its id"),
    ("object", "uint64", "the id of its object"),
    ("exposure", "text", "its name"),
    ("camera", "text", "what took it"),
    ("x", "float64", "pixels, centres at half-integers"),
    ("y", "float64", "pixels, centres at half-integers"),
    ("mag", "float64", "magnitude; negative for negative flux"),
    ("score", "float64", "from 0 (bogus) to 1 (real)"),
    ("held_score", "float64", "the score, if its exposure is held back, so that it does not count"),
    ("fallback", "bool", "the score is of the fallback"),
    ("fault", "text", f"why there is no score: {', '.join(DETECTION_FAULTS)}"),
)
_HOLDING = ("exposure", "score", "held_score", "fault")


@dataclass
class Found:
    """What came of exposures: numbers of them, of detections, of those scored, and the faults.

    Attributes
    ----------
    by_fallback : int
        How many scores are of the fallback.
    faults : Counter of str
        How many detections have no score, by the reason.
    missing : list of str
        The exposures whose images are missing or damaged.
    counts : list of Counts
        Those of the exposures that have any.
    """

    exposures: int = 0
    detections: int = 0
    scored: int = 0
    by_fallback: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    missing: list[str] = field(default_factory=list)
    counts: list[Counts] = field(default_factory=list)

    @classmethod
    def sum(cls, parts: Iterable["Found"]) -> "Found":
        """Put several together."""
        found = cls()
        for part in parts:
            for name, value in vars(part).items():
                setattr(found, name, getattr(found, name) + value)
        return found

    @classmethod
    def read(cls, results: Mapping[str, Any]) -> "Found":
        """Read what a recipe says of it.

        Raises
        ------
        KeyError, TypeError
            If it says something else.
        """
        given = {"counts": (), **results}
        given = {name: given[name] for name in cls.__dataclass_fields__}
        counts = [Counts(**_with_tuples(row)) for row in given["counts"]]
        return cls(**{**given, "faults": Counter(given["faults"]), "counts": counts})

    @property
    def results(self) -> dict[str, Any]:
        """What a recipe says of it, a night's with the counts of the exposures."""
        counts = {"counts": [vars(item) for item in self.counts]}
        told = {name: value for name, value in vars(self).items() if name != "counts"}
        return {**told, "faults": dict(self.faults), **(counts if self.counts else {})}

    def judged(self, held: Container[str]) -> "Found":
        """Give what is left if these exposures are held back and no others; without the counts."""
        gone = sum(item.scored for item in self.counts if item.name in held)
        faults = {name: count for name, count in self.faults.items() if name != HELD}
        scored = self.scored + self.faults[HELD] - gone
        faults = Counter(faults | ({HELD: gone} if gone else {}))
        return replace(self, scored=scored, faults=faults, counts=[])

    def add(self, job: ScoreJob, done: ExposureScores, *, is_fallback: bool) -> None:
        """Count an exposure."""
        counts = Counter(done.faults.tolist())
        scored = counts.pop("", 0)
        self.exposures += 1
        self.detections += len(job.positions)
        self.scored += scored
        self.by_fallback += scored * is_fallback
        self.faults.update(counts)
        if (seen := done.count(job.obs)).images:
            self.counts.append(seen)
        if done.problem is not None:
            log.warning("%s", done.problem)
            self.missing.append(job.obs)


@dataclass(frozen=True)
class NightFile:
    """The file of a night that is being written."""

    file: ParquetFile
    found: Found

    def add(self, job: ScoreJob, done: ExposureScores, *, is_fallback: bool) -> None:
        """Add the rows of an exposure, and count them."""
        self.found.add(job, done, is_fallback=is_fallback)
        self.file.add(_columns(job, done, is_fallback=is_fallback))


@dataclass(frozen=True)
class NightFiles:
    """The files of single nights, which lie in the folder ``<stem>.nights`` beside the whole.

    Attributes
    ----------
    output : Path
        The whole.
    recipes : mapping of int to Recipe
        What makes the file of each night, in their order.
    """

    output: Path
    recipes: Mapping[int, Recipe]

    def of(self, nights: Iterable[int]) -> "NightFiles":
        """Give those of some nights alone."""
        return replace(self, recipes={night: self.recipes[night] for night in nights})

    def finished(self) -> Sequence[int]:
        """Give the nights that an earlier try finished in the same way."""
        nights = [night for night, recipe in self.recipes.items() if self._is_made(night, recipe)]
        for night in nights:
            log.info("night %d was finished before: %s", night, self._path(night))
        return nights

    @contextmanager
    def open(self, night: int) -> Iterator[NightFile]:
        """Write the file of a night, whole or not at all."""
        with open_parquet(self._path(night), _COLUMNS) as file:
            yield (writing := NightFile(file, Found()))
            file.recipe = replace(self.recipes[night], results=writing.found.results)

    def found(self) -> Found:
        """Give what came of all nights."""
        return Found.sum(_recorded(self._path(night))[1] for night in self.recipes)

    def join(self, recipe: Recipe, held: Collection[str] = ()) -> None:
        """Make the whole by its recipe, of the files of all nights, and remove them.

        The scores of exposures that are held back are kept apart.
        """
        _join([self._path(night) for night in self.recipes], self.output, recipe, held)
        self.remove()

    def remove(self) -> None:
        """Remove the files of the nights, if there are any."""
        for night in self.recipes:
            self._path(night).unlink(missing_ok=True)
            for half in self._folder.glob(f".{night}.*.parquet"):  # of a run that was killed
                half.unlink(missing_ok=True)
        with suppress(OSError):  # it is not there, or holds something else
            self._folder.rmdir()

    @property
    def _folder(self) -> Path:
        return self.output.with_name(f"{self.output.stem}.nights")

    def _path(self, night: int) -> Path:
        return self._folder / f"{night}.parquet"

    def _is_made(self, night: int, wanted: Recipe) -> bool:
        """Say whether the file of a night can be used; another, or a damaged one, is made anew."""
        try:
            recorded, _ = _recorded(self._path(night))
        except FormatError:
            return False
        options, inputs = wanted.options, wanted.inputs
        return find_difference(recorded, options=options, inputs=inputs) is None


def hold_anew(output: Path, recipe: Recipe, held: Collection[str]) -> None:
    """Make a whole anew by another recipe, in which these exposures are held back and no others."""
    _join([output], output, recipe, held)


def _join(paths: Sequence[Path], output: Path, recipe: Recipe, held: Collection[str]) -> None:
    with open_parquet(output, _COLUMNS) as file:
        for path in paths:
            file.add_file(path, columns=_HOLDING, change=partial(_hold, held=held))
        file.recipe = recipe


def _hold(columns: Mapping[str, Masked], *, held: Collection[str]) -> Mapping[str, Masked]:
    """Keep the scores of some exposures apart, and bring those of others back."""
    exposure, score, kept, fault = (columns[name] for name in _HOLDING)
    score[~kept.mask] = kept[~kept.mask]
    is_held = np.isin(exposure, list(held)) & ~score.mask
    fault[fault.filled("") == HELD] = np.ma.masked
    fault[is_held] = HELD
    return {
        "score": np.ma.masked_where(is_held, score),
        "held_score": np.ma.masked_where(~is_held, score),
        "fault": fault,
    }


def _with_tuples(row: Mapping[str, Any]) -> dict[str, Any]:
    """Give back the tuples that JSON makes lists of."""
    return {name: tuple(some) if isinstance(some, list) else some for name, some in row.items()}


def _recorded(path: Path) -> tuple[Recipe, Found]:
    """Read what the file of a night says made it, and what came of it."""
    recipe = read_parquet_recipe(path)
    if recipe is None:
        raise FormatError(f"{path}: does not say what made it")
    try:
        return recipe, Found.read(recipe.results)
    except (KeyError, TypeError) as error:
        raise FormatError(f"{path}: does not say what it holds") from error


def _columns(
    job: ScoreJob, done: ExposureScores, *, is_fallback: bool
) -> dict[str, NDArray[Any] | str]:
    positions, is_scored = job.positions, done.faults == ""
    return {
        "detection": positions.detection,
        "object": np.ma.masked_array(positions.object, positions.object == 0),
        "exposure": job.obs,
        "camera": job.obs[:3],
        "x": positions.x,
        "y": positions.y,
        "mag": positions.mag,
        "score": done.scores,
        "held_score": np.full(len(positions), np.nan),
        "fallback": is_scored & is_fallback,
        "fault": np.ma.masked_array(done.faults, is_scored),
    }
