"""Which classifier scores the images of which camera, and how each wants stamps treated."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Protocol

from realbogus.blocks import Cut
from realbogus.config import Config
from realbogus.errors import ConfigError
from realbogus.features import Treatment
from realbogus.files import require_readable_file
from realbogus.models.files import (
    FeatureOptions,
    read_cameras,
    read_feature_options,
    read_model_recipe,
    read_pool,
    require_suffix,
)
from realbogus.models.serving import Classifier, load_classifier
from realbogus.options import parse_classifiers
from realbogus.pooling import Pool
from realbogus.provenance import identify
from realbogus.recipes import Input, Recipe
from realbogus.surveys.stamps import FORMS, StampForm
from realbogus.verdicts import FALLBACK

__all__ = ["Bench", "Scorer", "Seat", "Taken", "choose_classifiers", "prepare_bench"]

log = logging.getLogger(__name__)

# A camera of this name stands for all, if one classifier was given for all.
_ALL = ""
_KEPT = 8


class Taken(Protocol):
    """Images, by what took them."""

    @property
    def cameras(self) -> Mapping[str, int]:
        """How many are of each camera."""

    @property
    def examples(self) -> Mapping[str, str]:
        """One of each camera."""


@dataclass(frozen=True)
class Seat:
    """A classifier's file, its recipe, and how it wants stamps treated.

    Attributes
    ----------
    cameras : sequence of str
        Those that it was trained on; empty if its recipe does not say.
    """

    path: Path
    recipe: Recipe | None
    options: FeatureOptions
    treatment: Treatment
    cameras: Sequence[str] = ()

    def is_strange_to(self, camera: str) -> bool:
        """Say whether it is known to be trained on other cameras only."""
        return bool(camera and self.cameras) and camera not in self.cameras


@dataclass(frozen=True)
class Scorer:
    """What a worker needs to know of a classifier.

    Attributes
    ----------
    path : Path
        Its file.
    digest : str
        Stands for what the file holds, so that a worker loads a file that changed anew.
    treatment : Treatment
        How it wants stamps treated.
    own : str or None
        The user's own architecture, if it is one.
    engine : str
        One of `realbogus.models.engines.ENGINES`.
    """

    path: Path
    digest: str
    treatment: Treatment
    own: str | None = None
    engine: str = "auto"

    def load(self) -> Classifier:
        """Load the classifier; each process keeps it."""
        return _load(self.path, self.digest, self.own, self.engine)


@dataclass(frozen=True)
class Bench:
    """The classifiers by camera, and that of the cameras without one."""

    seats: Mapping[str, Seat]
    fallback: Seat | None = None

    def key(self, camera: str) -> str:
        """Give the name of the classifier that a camera's images go to."""
        if _ALL in self.seats:
            return _ALL
        return camera if camera in self.seats else FALLBACK

    def used_by(self, images: Taken) -> Mapping[str, Seat]:
        """Give the classifiers that images need, by the names that `key` gives."""
        fallback = {} if self.fallback is None else {FALLBACK: self.fallback}
        used = {self.key(camera) for camera in images.cameras}
        return {key: seat for key, seat in {**self.seats, **fallback}.items() if key in used}

    def require_all(self, images: Taken) -> None:
        """Check that every image has a classifier.

        Raises
        ------
        ConfigError
            If a camera has none, and there is no fallback.
        """
        used = self.used_by(images)
        for camera, count in sorted(images.cameras.items()):
            if self.key(camera) not in used:
                whose = f"camera {camera}" if camera else "the unknown camera"
                raise ConfigError(
                    f"classifier: {whose} has none, and took {count} images such as "
                    f"{images.examples[camera]}: give {camera or 'CAMERA'}=MODEL, or a fallback"
                )

    def warn_of_strange(self, images: Taken) -> None:
        """Name the classifier for all cameras if it was not trained on one of the images'."""
        seat = self.seats.get(_ALL)
        for camera in sorted(images.cameras):
            if seat is not None and seat.is_strange_to(camera):
                known = ", ".join(seat.cameras)
                log.warning("%s scores camera %s, and was trained on %s", seat.path, camera, known)

    def pools_of(self, images: Taken) -> Mapping[str, Pool]:
        """Give how the scores of each camera's images are pooled.

        Raises
        ------
        ModelError, FormatError
            If a classifier that is needed does not say so.
        """
        seats = self.used_by(images)
        pools = {key: read_pool(seat.path, seat.recipe) for key, seat in seats.items()}
        return {camera: pools[self.key(camera)] for camera in images.cameras}

    def load_all(
        self, images: Taken, *, own: str | None = None, engine: str = "auto"
    ) -> Mapping[str, Scorer]:
        """Load the classifiers that images need, so that what is wrong with one shows before work.

        Parameters
        ----------
        images : Taken
            By camera.
        own, engine : str
            As of `Scorer`.

        Raises
        ------
        ModelError
            If one is damaged, or can't be computed as asked for.
        """
        scorers = {
            key: Scorer(
                seat.path.absolute(), identify(seat.path).digest, seat.treatment, own, engine
            )
            for key, seat in self.used_by(images).items()
        }
        for scorer in scorers.values():
            scorer.load()
        return scorers

    @property
    def files(self) -> Sequence[Path]:
        """The classifiers' files."""
        seats = [*self.seats.values(), *([] if self.fallback is None else [self.fallback])]
        return [seat.path for seat in seats]

    @property
    def wrong_models(self) -> Mapping[str, str]:
        """For cameras whose own classifier is known to be of other cameras only, that in words."""
        return {
            camera: f"its classifier {seat.path.name} was trained on {', '.join(seat.cameras)}, "
            f"not on {camera}"
            for camera, seat in self.seats.items()
            if seat.is_strange_to(camera)
        }

    @property
    def inputs(self) -> Mapping[str, Input]:
        """What recipes say of the classifiers."""
        names = {key: f"classifier[{key}]" if key else "classifier" for key in self.seats}
        found = {names[key]: identify(seat.path) for key, seat in self.seats.items()}
        if self.fallback is not None:
            found[FALLBACK] = identify(self.fallback.path)
        return found


def choose_classifiers(words: Sequence[str], config: Config | None) -> Mapping[str, Path]:
    """Take the classifiers by camera that were given, or those of the configuration.

    Raises
    ------
    ConfigError
        If there are none, or a word is not ``MODEL`` or ``CAMERA=MODEL``.
    """
    if words:
        return parse_classifiers(words)
    found = {} if config is None else config.classifiers
    if not found:
        raise ConfigError("classifier: give one, or a block 'classifiers' in the configuration")
    return found


def prepare_bench(
    classifiers: Mapping[str, Path], *, fallback: Path | None, form: StampForm | None
) -> Bench:
    """Read how each classifier wants stamps treated; nothing heavy is loaded.

    Parameters
    ----------
    classifiers : mapping of str to Path
        By camera, or one for all, whose camera is empty.
    fallback : Path, optional
        That of the cameras without one.
    form : StampForm, optional
        What the survey's stamps are like; None for stamps of any kind.

    Raises
    ------
    ConfigError, ModelError
        If there is no such camera, or a file is missing or no classifier.
    """
    forms = FORMS.values() if form is None else [form]
    known = [camera for item in forms for camera in item.cameras]
    for camera in classifiers:
        if camera != _ALL and camera not in known:
            raise ConfigError(f"classifier: {camera!r} is not a camera: {', '.join(known)}")
    if fallback is not None and _ALL in classifiers:
        raise ConfigError(
            f"fallback: {classifiers[_ALL]} is for all cameras, so none can be without"
        )
    seats = {camera: _seat(path, "classifier", form) for camera, path in classifiers.items()}
    return Bench(seats, None if fallback is None else _seat(fallback, FALLBACK, form))


def _seat(path: Path, name: str, form: StampForm | None) -> Seat:
    require_readable_file(path, name=name)
    require_suffix(path)
    recipe = read_model_recipe(path)
    options = read_feature_options(path, recipe)
    if recipe is None:
        log.warning("%s says nothing of its features: those of the predecessor are assumed", path)
    cut = Cut(
        options.extent,
        extension=None if form is None else form.hdu,
        mask_value=options.mask_value,
        obeys_header=True,
        stamp_side=None if form is None else form.side,
    )
    treatment = Treatment(cut, options.normalisation, psf=options.psf)
    return Seat(path, recipe, options, treatment, read_cameras(path, recipe))


@lru_cache(maxsize=_KEPT)
def _load(path: Path, digest: str, own: str | None, engine: str) -> Classifier:
    recipe = read_model_recipe(path)
    options = read_feature_options(path, recipe)
    return load_classifier(path, recipe, options, own=own, engine=engine)
