"""The Parquet file of detections, made night by night, so that a run that was killed can go on."""

import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from realbogus.detections import DETECTION_FAULTS, ExposureScores, ScoreJob
from realbogus.errors import FormatError
from realbogus.parquet import ParquetColumn, ParquetFile, open_parquet, read_parquet_recipe
from realbogus.recipes import Recipe, find_difference

__all__ = ["Found", "NightFile", "NightFiles"]

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
    ("fallback", "bool", "the score is of the fallback"),
    ("fault", "text", f"why there is no score: {', '.join(DETECTION_FAULTS)}"),
)


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
    """

    exposures: int = 0
    detections: int = 0
    scored: int = 0
    by_fallback: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    missing: list[str] = field(default_factory=list)

    @classmethod
    def sum(cls, parts: Iterable["Found"]) -> "Found":
        """Put several together."""
        found = cls()
        for part in parts:
            for name, value in vars(part).items():
                setattr(found, name, getattr(found, name) + value)
        return found

    @property
    def results(self) -> dict[str, Any]:
        """What a recipe says of it."""
        return {**vars(self), "faults": dict(self.faults)}

    def add(self, job: ScoreJob, done: ExposureScores, *, is_fallback: bool) -> None:
        """Count an exposure."""
        counts = Counter(done.faults.tolist())
        scored = counts.pop("", 0)
        self.exposures += 1
        self.detections += len(job.positions)
        self.scored += scored
        self.by_fallback += scored * is_fallback
        self.faults.update(counts)
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

    def join(self, recipe: Recipe) -> None:
        """Make the whole by its recipe, of the files of all nights, and remove them."""
        paths = [self._path(night) for night in self.recipes]
        if len(paths) == 1 and _recorded(paths[0])[0] == recipe:
            paths[0].replace(self.output)
        else:
            with open_parquet(self.output, _COLUMNS) as file:
                for path in paths:
                    file.add_file(path)
                file.recipe = recipe
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


def _recorded(path: Path) -> tuple[Recipe, Found]:
    """Read what the file of a night says made it, and what came of it."""
    recipe = read_parquet_recipe(path)
    if recipe is None:
        raise FormatError(f"{path}: does not say what made it")
    try:
        faults = Counter(recipe.results["faults"])
        return recipe, Found(**{**recipe.results, "faults": faults})
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
        "fallback": is_scored & is_fallback,
        "fault": np.ma.masked_array(done.faults, is_scored),
    }
