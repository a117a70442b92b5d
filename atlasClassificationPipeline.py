#!/usr/bin/env python3
"""The pipeline as Luigi tasks; asking for any of them builds whatever it lacks.

python atlasClassificationPipeline.py PlotResults --local-scheduler --GetCutOuts-mjds 58310-58320
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import luigi

from realbogus.config import SURVEYS, load_config
from realbogus.cutting import take_thresholds
from realbogus.errors import ConfigError
from realbogus.models.files import user_file
from realbogus.options import (
    FALSE_ALARMS,
    fill_date,
    parse_classifiers,
    parse_holdout,
    parse_limits,
    parse_rates,
    require_one_way,
)
from realbogus.provenance import read_recipe
from realbogus.surveys.atlas import LabelRules as AtlasRules
from realbogus.surveys.ps1 import LabelRules as Ps1Rules
from realbogus.tasks import FilesParameter, NightsParameter, RecipeTask, run_luigi
from realbogus.writeback import record_path

_LISTS: Mapping[str, str] = {"real": "good", "bogus": "bad"}


class _LocatedTask(RecipeTask):
    stampLocation = luigi.Parameter(
        default="training", description="folder of everything that is made"
    )

    def path(self, option: str, name: str) -> Path:
        """Give the file of an option, by default ``name`` under ``stampLocation``."""
        return Path(getattr(self, option) or Path(self.stampLocation, name))


class GetCutOuts(_LocatedTask):
    """List stamps of labelled detections in good.txt and bad.txt; those of ATLAS are cut first."""

    configFile = luigi.Parameter(default="config.yaml", description="database credentials")
    survey = luigi.ChoiceParameter(
        default="", choices=("", *SURVEYS), description="as configFile says, unless given"
    )
    camera = luigi.Parameter(
        default="02a", description="01a, 02a, 03a, 04a or 05r; for ps1 gpc1 (its default) or gpc2"
    )
    maxMissing = luigi.FloatParameter(default=0.1, significant=False)
    mjds = NightsParameter(default=(), description="nights: [58310,58311] or 58310-58320")
    stampSize = luigi.IntParameter(default=40, description="side of a stamp, px")
    stampFormat = luigi.ChoiceParameter(
        default="files", choices=("files", "cube"), description="atlas: a file for each, or cubes"
    )
    stampsToGenerate = luigi.ChoiceParameter(
        default="all", choices=("all", "real", "bogus"), significant=False
    )
    goodAsReal = luigi.BoolParameter(description="atlas: the good list instead of asteroids")
    bogusFrom = luigi.ChoiceParameter(
        default="garbage", choices=("garbage", "unpromoted"), description="atlas"
    )
    bogusPerExposure = luigi.IntParameter(default=75, description="atlas: unpromoted to draw")
    seed = luigi.IntParameter(default=0, description="atlas: of that draw")
    downloadthreads = luigi.IntParameter(default=5, significant=False)
    stampThreads = luigi.OptionalIntParameter(default=None, significant=False)
    scheduler = luigi.OptionalParameter(
        default=None, significant=False, description="atlas: Dask scheduler whose workers cut"
    )
    imageRoot = luigi.Parameter(default="", significant=False, description="ps1: folder of stamps")
    goodlist = luigi.IntParameter(default=2, description="ps1: list of the real objects")
    moverlist = luigi.OptionalIntParameter(default=None, description="ps1: list of known movers")
    badlist = luigi.IntParameter(default=0, description="ps1: list of the bogus objects")
    badaugment = luigi.OptionalIntParameter(default=None, description="ps1: group of more bogus")
    badrblower = luigi.OptionalFloatParameter(default=None, description="ps1: lowest bogus score")
    badrbupper = luigi.OptionalFloatParameter(default=None, description="ps1: bogus are below it")
    flagdate = luigi.DateParameter(default=date(2009, 1, 1), description="ps1: flagged after it")

    survey_options: Mapping[str, tuple[str, ...]] = {
        "atlas": (
            *("mjds", "stampSize", "stampFormat", "goodAsReal"),
            *("bogusFrom", "bogusPerExposure", "seed"),
        ),
        "ps1": (
            *("goodlist", "moverlist", "badlist", "badaugment"),
            *("badrblower", "badrbupper", "flagdate"),
        ),
    }
    """The options that decide the content, besides survey and camera."""

    def output(self) -> Mapping[str, luigi.LocalTarget]:
        return {
            name: luigi.LocalTarget(Path(self.stampLocation, f"{name}.txt"))
            for kind, name in _LISTS.items()
            if self.stampsToGenerate in ("all", kind)
        }

    def wanted_options(self) -> Mapping[str, Any]:
        if self.isUpstream:
            names = sum(self.survey_options.values(), ("survey", "camera"))
            return {name: self._recorded(name) for name in names}
        survey = self.chosen_survey()
        options = {name: self._recorded(name) for name in self.survey_options[survey]}
        for name in ("badrblower", "badrbupper"):
            if getattr(self, name) is None:  # the configuration decides
                options.pop(name, None)
        if self.bogusFrom == "garbage":  # nothing is drawn
            for name in ("bogusPerExposure", "seed"):
                options.pop(name, None)
        camera = self.chosen_camera(survey)
        return {"survey": survey, "camera": camera, **self._thresholds(survey), **options}

    def chosen_survey(self) -> str:
        """Give the survey: as asked for, or as the configuration says."""
        config = Path(self.configFile)
        if self.survey or not config.exists():
            return self.survey or "atlas"
        return load_config(config).survey

    def chosen_camera(self, survey: str) -> str:
        """Give the camera: as asked for, or the survey's default."""
        return "gpc1" if survey == "ps1" and not self._is_given("camera") else self.camera

    def run(self) -> None:
        survey = self.chosen_survey()
        for other, names in self.survey_options.items():
            for name in names:
                if other != survey and self._is_given(name):
                    raise ConfigError(f"{name} is an option of survey {other}, not of {survey}")
        _CUT[survey](self)

    def _thresholds(self, survey: str) -> Mapping[str, float]:
        config = Path(self.configFile)
        if not config.exists():
            return {}
        return take_thresholds(_RULES[survey], load_config(config).labels).options

    def _recorded(self, name: str) -> object:
        value = getattr(self, name)
        if name == "flagdate":
            return value.isoformat()
        return (value or None) if name == "mjds" else value


def _cut_atlas(task: GetCutOuts) -> None:
    from realbogus.stages.cut_atlas import cut_atlas

    cut_atlas(
        Path(task.configFile),
        nights=task.mjds,
        location=Path(task.stampLocation),
        camera=task.camera,
        stamp_size=task.stampSize,
        stamp_format=task.stampFormat,
        good_as_real=task.goodAsReal,
        stamps_to_generate=task.stampsToGenerate,
        bogus_from=task.bogusFrom,
        bogus_per_exposure=task.bogusPerExposure,
        seed=task.seed,
        download_threads=task.downloadthreads,
        stamp_threads=task.stampThreads,
        scheduler=task.scheduler,
        max_missing=task.maxMissing,
    )


def _cut_ps1(task: GetCutOuts) -> None:
    from realbogus.stages.cut_ps1 import cut_ps1

    cut_ps1(
        Path(task.configFile),
        location=Path(task.stampLocation),
        image_root=Path(task.imageRoot) if task.imageRoot else None,
        camera=task.chosen_camera("ps1"),
        good_list=task.goodlist,
        bad_list=task.badlist,
        bad_augment=task.badaugment,
        bad_rb_lower=task.badrblower,
        bad_rb_upper=task.badrbupper,
        flag_date=task.flagdate,
        mover_list=task.moverlist,
        image_type=_LISTS.get(task.stampsToGenerate, "all"),
        max_missing=task.maxMissing,
    )


_RULES: Mapping[str, type[AtlasRules] | type[Ps1Rules]] = {"atlas": AtlasRules, "ps1": Ps1Rules}
_CUT: Mapping[str, Callable[[GetCutOuts], None]] = {"atlas": _cut_atlas, "ps1": _cut_ps1}


class BuildMLDataset(_LocatedTask):
    """Build a data set from good.txt and bad.txt."""

    good = luigi.Parameter(default="", description="list of real (stampLocation/good.txt)")
    bad = luigi.Parameter(default="", description="list of bogus (stampLocation/bad.txt)")
    outputFile = luigi.Parameter(default="", description="data set (stampLocation/dataset.h5)")
    e = luigi.IntParameter(default=10, description="extent: half the side of a feature, px")
    E = luigi.IntParameter(default=0, description="extension: the HDU of the stamps' pixels")
    s = luigi.FloatParameter(default=3, description="skew: bogus for every real")
    r = luigi.OptionalIntParameter(default=None, description="rotation step of copies: 90 or 180")
    N = luigi.Parameter(default="signPreserveNorm", description="normalisation")
    m = luigi.OptionalFloatParameter(default=None, description="value of masked pixels")
    psf = luigi.BoolParameter(default=False, description="tell d4psf how wide the PSF is")
    testFraction = luigi.FloatParameter(default=0.25, description="of the objects")
    holdoutNights = luigi.Parameter(
        default="", description="nights, or how many of the newest, to test on instead"
    )
    seed = luigi.IntParameter(default=0, description="of the draws")

    content_options = (
        *("e", "E", "s", "r", "N", "m", "psf"),
        *("testFraction", "holdoutNights", "seed"),
    )

    def content_inputs(self) -> Mapping[str, Path]:
        return {name: self.path(name, f"{name}.txt") for name in ("good", "bad")}

    def requires(self) -> Mapping[str, RecipeTask]:
        lists = self.content_inputs()
        folder = lists["good"].parent
        if all(path == folder / f"{name}.txt" for name, path in lists.items()):
            return dict.fromkeys(lists, self.need(GetCutOuts, stampLocation=str(folder)))
        for name, path in lists.items():
            if not path.exists():
                raise ConfigError(
                    f"{name}: {path} does not exist, and GetCutOuts makes only good.txt and "
                    "bad.txt in one folder"
                )
        return {}

    def output(self) -> luigi.LocalTarget:
        return luigi.LocalTarget(self.path("outputFile", "dataset.h5"))

    def wanted_options(self) -> Mapping[str, Any]:
        from realbogus.normalisation import canonical_name
        from realbogus.seeing import TOLD

        held_out = list(parse_holdout(self.holdoutNights)) or None
        normalisation = canonical_name(self.N)
        psf = TOLD if self.psf else None
        wanted = super().wanted_options()
        return {**wanted, "N": normalisation, "psf": psf, "holdoutNights": held_out}

    def run(self) -> None:
        from realbogus.stages.build import build_dataset

        lists = self.content_inputs()
        build_dataset(
            lists["good"],
            lists["bad"],
            Path(self.output().path),
            extent=self.e,
            extension=self.E,
            skew=self.s,
            rotation=self.r,
            normalisation=self.N,
            mask_value=self.m,
            psf=self.psf,
            test_fraction=self.testFraction,
            holdout_nights=parse_holdout(self.holdoutNights),
            seed=self.seed,
        )


class KerasTensorflowClassifier(_LocatedTask):
    """Train a classifier unless it exists, and score the test part of the data set."""

    outputcsv = luigi.Parameter(default="", description="score file (stampLocation/scores.csv)")
    trainingset = luigi.Parameter(default="", description="data set (stampLocation/dataset.h5)")
    classifierfile = luigi.Parameter(default="", description="classifier (stampLocation/model.h5)")
    model = luigi.Parameter(
        default="psat", description="psat, d4, d4fast, d4psf, d4fastpsf or FILE.py:function"
    )
    scheme = luigi.Parameter(default="plain", description="how to train: plain or cycle")
    epochs = luigi.OptionalIntParameter(default=None, description="passes over the training part")
    batch = luigi.OptionalIntParameter(default=None, description="stamps a step")
    patience = luigi.OptionalIntParameter(default=None, description="epochs that are no better")
    networks = luigi.OptionalIntParameter(default=None, description="whose mean is taken (1)")
    orientations = luigi.BoolParameter(
        default=False, description="score the mean over turns and mirror images"
    )
    startFrom = luigi.Parameter(default="", description="a classifier to go on from")
    calibration = luigi.Parameter(
        default="auto", description="temperature, isotonic, none, or auto for the best"
    )
    tensorboard = luigi.Parameter(default="", significant=False, description="folder of logs")
    validationFraction = luigi.FloatParameter(default=0.2, description="of the training objects")
    seed = luigi.IntParameter(default=0, description="of weights, order and dropout")

    content_options = (
        *("model", "scheme", "epochs", "batch", "patience", "networks", "orientations"),
        *("calibration", "validationFraction", "seed"),
    )

    def content_inputs(self) -> Mapping[str, Path]:
        others = {
            "model": user_file(self.model),
            "startFrom": Path(self.startFrom) if self.startFrom else None,
            "classifierfile": None if self.makes_classifier() else self.classifier_path(),
        }
        given = {name: path for name, path in others.items() if path is not None}
        return {"trainingset": self.path("trainingset", "dataset.h5"), **given}

    def classifier_path(self) -> Path:
        """Give the classifier."""
        return self.path("classifierfile", "model.h5")

    def makes_classifier(self) -> bool:
        """Say whether the classifier is what another task needs of this, rather than scores."""
        return bool(self.isUpstream and self.classifierfile and not self.outputcsv)

    def requires(self) -> Mapping[str, RecipeTask]:
        trainingset = self.content_inputs()["trainingset"]
        return {
            "trainingset": self.need(
                BuildMLDataset, outputFile=str(trainingset), stampLocation=self.stampLocation
            )
        }

    def output(self) -> Sequence[luigi.LocalTarget]:
        scores = luigi.LocalTarget(self.path("outputcsv", "scores.csv"))
        classifier = luigi.LocalTarget(self.classifier_path())
        if not self.isUpstream:
            return [scores, classifier]
        return [classifier if self.makes_classifier() else scores]

    def wanted_options(self) -> Mapping[str, Any]:
        return {**super().wanted_options(), "orientations": self.orientations or None}

    def run(self) -> None:
        from realbogus.stages.train import train_classifier

        train_classifier(
            self.content_inputs()["trainingset"],
            classifier=self.classifier_path(),
            output_csv=self.path("outputcsv", "scores.csv"),
            model=self.model,
            scheme=self.scheme,
            epochs=self.epochs,
            batch=self.batch,
            patience=self.patience,
            networks=self.networks,
            orientations=self.orientations,
            start_from=Path(self.startFrom) if self.startFrom else None,
            calibration=self.calibration,
            validation_fraction=self.validationFraction,
            seed=self.seed,
            tensorboard=Path(self.tensorboard) if self.tensorboard else None,
        )


class RunKerasTensorflowClassifier(_LocatedTask):
    """Score new objects of the database, FITS stamps by name, or all detections of nights."""

    outputcsv = luigi.Parameter(
        default="",
        description="scores (stampLocation/objects.csv, with update objects_{date}.csv)",
    )
    images = FilesParameter(default=(), description="FITS stamps, folders or files of names")
    classifier = FilesParameter(
        default=(), description="MODEL or CAMERA=MODEL (configFile, or stampLocation/model.h5)"
    )
    fallback = luigi.Parameter(default="", description="for cameras without one")
    configFile = luigi.Parameter(default="config.yaml", description="database and classifiers")
    listid = luigi.IntParameter(default=4, description="list of the objects to score")
    objects = FilesParameter(default=(), description="ids instead, or files with one a line")
    imageRoot = luigi.Parameter(default="", significant=False, description="folder of stamps")
    architecture = luigi.Parameter(default="", significant=False, description="FILE.py:function")
    engine = luigi.Parameter(default="auto", significant=False, description="auto, onnx or keras")
    update = luigi.BoolParameter(description="write scores to the database where it has none")
    rescore = luigi.BoolParameter(description="and where it has one, too")
    detections = NightsParameter(default=(), description="all of these nights, from the images")
    outputparquet = luigi.Parameter(
        default="",
        description="their scores (stampLocation/detections.parquet); of objects, their images'",
    )
    camera = FilesParameter(default=(), description="whose detections (all)")
    downloadthreads = luigi.IntParameter(default=5, significant=False)
    stampThreads = luigi.OptionalIntParameter(default=None, significant=False)
    scheduler = luigi.OptionalParameter(
        default=None, significant=False, description="Dask scheduler whose workers score"
    )
    combine = luigi.Parameter(default="median", description="of images: median or calibrated")
    falseAlarms = luigi.FloatParameter(
        default=FALSE_ALARMS, description="probability that anything of a good night is held back"
    )
    reference = FilesParameter(default=(), description="scores of accepted nights")
    release = FilesParameter(default=(), description="exposures, nights or cameras not held")

    def classifiers(self) -> Sequence[str]:
        """Give the classifiers: as asked for, as configured, or the one that training makes."""
        config = Path(self.configFile)
        if self.classifier or (config.exists() and load_config(config).classifiers):
            return self.classifier
        return [str(Path(self.stampLocation, "model.h5"))]

    def content_inputs(self) -> Mapping[str, Path]:
        found = parse_classifiers(self.classifiers())
        if not found and Path(self.configFile).exists():
            found = dict(load_config(Path(self.configFile)).classifiers)
        fallback = {"fallback": Path(self.fallback)} if self.fallback else {}
        named = {f"classifier[{name}]" if name else "classifier": found[name] for name in found}
        return {**named, **fallback}

    def requires(self) -> Mapping[str, RecipeTask]:
        trained = [str(Path(self.stampLocation, "model.h5"))]
        if list(self.classifiers()) != trained:
            return {}
        return {
            "classifier": self.need(
                KerasTensorflowClassifier,
                classifierfile=trained[0],
                stampLocation=self.stampLocation,
            )
        }

    def output(self) -> Sequence[luigi.LocalTarget]:
        if self.detections:
            return [luigi.LocalTarget(self.dated("outputparquet", "detections.parquet"))]
        scores = self.score_files()
        written = [record_path(scores[0], rescore=self.rescore)] if self.update else []
        return [luigi.LocalTarget(path) for path in (*scores, *written)]

    def dated(self, option: str, name: str) -> Path:
        """Give the file of an option, with the date and the hour put into its name.

        Asked for anew each time, so that a scheduler that runs for weeks sees each night's.
        """
        return Path(fill_date(str(self.path(option, name))))

    def score_files(self) -> Sequence[Path]:
        """Give the scores of objects, and those of their images if these are asked for."""
        name = "objects_{date}.csv" if self.update else "objects.csv"
        of_images = [self.dated("outputparquet", "")] if self.outputparquet else []
        return [self.dated("outputcsv", name), *of_images]

    def complete(self) -> bool:
        """Say whether the scores are there, of one run, and nothing more is to be released."""
        if not super().complete():
            return False
        from realbogus.holding import is_released

        paths = [Path(self.output()[0].path)] if self.detections else self.score_files()
        recipe, *others = map(read_recipe, paths)
        if others not in ([], [recipe]):
            return False
        return not self.release or (recipe is not None and is_released(recipe, self.release))

    def wanted_options(self) -> Mapping[str, Any]:
        from realbogus.holding import Breaker

        breaker = Breaker(self.falseAlarms, [Path(name) for name in self.reference])
        if self.detections:
            nights = {"detections": self.detections, "camera": sorted(self.camera)}
            return {**nights, **breaker.options}
        how = {"combine": self.combine, **breaker.options}
        if self.images:
            return {"images": self.images, **how}
        from realbogus.worklist import read_object_ids

        ids = read_object_ids(self.objects)
        chosen = {"objects": ids} if self.objects else {"listid": self.listid}
        return {**chosen, **how}

    def run(self) -> None:
        given = {name: self._is_given(name) for name in self.param_kwargs}
        given["outputparquet" if self.detections else "outputcsv"] = True
        require_one_way(detections=bool(self.detections), given=given)
        if self.detections:
            self.score_detections()
        else:
            self.score_objects()

    def score_detections(self) -> None:
        """Score the detections of whole nights."""
        from realbogus.stages.detections import score_detections

        score_detections(
            self.detections,
            output=Path(self.output()[0].path),
            cameras=self.camera,
            classifiers=self.classifiers(),
            fallback=Path(self.fallback) if self.fallback else None,
            config_file=Path(self.configFile),
            architecture=self.architecture or None,
            engine=self.engine,
            download_threads=self.downloadthreads,
            workers=self.stampThreads,
            scheduler=self.scheduler,
            false_alarms=self.falseAlarms,
            reference=[Path(name) for name in self.reference],
            release=self.release,
        )

    def score_objects(self) -> None:
        """Score objects by their stamps."""
        from realbogus.stages.score import score_objects

        scores, *of_images = self.score_files()
        score_objects(
            [Path(name) for name in self.images],
            output_csv=scores,
            output_parquet=next(iter(of_images), None),
            classifiers=self.classifiers(),
            fallback=Path(self.fallback) if self.fallback else None,
            config_file=Path(self.configFile),
            list_id=self.listid,
            objects=self.objects,
            image_root=Path(self.imageRoot) if self.imageRoot else None,
            architecture=self.architecture or None,
            engine=self.engine,
            update=self.update,
            rescore=self.rescore,
            combine=self.combine,
            false_alarms=self.falseAlarms,
            reference=[Path(name) for name in self.reference],
            release=self.release,
        )


class PlotResults(_LocatedTask):
    """Plot the ROC curve and the detection error tradeoff of score files."""

    inputFiles = FilesParameter(default=(), description="score files (stampLocation/scores.csv)")
    outputFile = luigi.Parameter(
        default="", description=".png, .pdf or .svg (stampLocation/plots.png)"
    )
    labels = luigi.Parameter(
        default="", description="object and target, for files of object and score alone"
    )
    names = FilesParameter(default=(), description="of the files in the legend")
    mdr = luigi.Parameter(default="0.01,0.04", description="missed detection rates to mark")
    fpr = luigi.Parameter(default="", description="false positive rates to mark")
    scale = luigi.Parameter(default="mixed", description="mixed, log or linear")
    fprLimits = luigi.Parameter(default="", description="ends of the axes, such as 0.001,0.5")
    mdrLimits = luigi.Parameter(default="", description="ends of the axes, such as 0.001,0.5")
    title = luigi.Parameter(default="", description="above the panels")
    panelLabel = FilesParameter(default=(), description="in the corners of the two panels")
    recall = FilesParameter(default=(), description="scores of known good objects instead")
    threshold = luigi.OptionalFloatParameter(
        default=None, description="of the recall, unless that of the first score file"
    )
    dataset = luigi.Parameter(default="", description="data set with the stamps of the missed")

    def score_files(self) -> Sequence[Path]:
        """Give the score files to plot; of a recall, the one that the threshold comes from."""
        if self.recall and self.threshold is not None:
            return []
        files = [Path(name) for name in self.inputFiles] or [Path(self.stampLocation, "scores.csv")]
        return files[:1] if self.recall else files

    def scored(self) -> Mapping[str, Path]:
        """Give the score files by the names that recipes know them by."""
        return {f"inputFiles[{i}]": path for i, path in enumerate(self.score_files())}

    def content_inputs(self) -> Mapping[str, Path]:
        others = {"dataset": self.dataset} if self.recall else {"labels": self.labels}
        lists = {f"recall[{i}]": Path(name) for i, name in enumerate(self.recall)}
        given = {name: Path(path) for name, path in others.items() if path}
        return {**self.scored(), **lists, **given}

    def requires(self) -> Mapping[str, RecipeTask]:
        return {
            key: self.need(
                KerasTensorflowClassifier, outputcsv=str(path), stampLocation=self.stampLocation
            )
            for key, path in self.scored().items()
        }

    def output(self) -> luigi.LocalTarget:
        return luigi.LocalTarget(self.path("outputFile", "plots.png"))

    def wanted_options(self) -> Mapping[str, Any]:
        mdrs = self.rates("mdr")
        if self.recall:
            options = {"recall": len(self.recall), "threshold": self.threshold, "title": self.title}
            return options | ({"mdr": mdrs[:1]} if self.threshold is None else {})
        return {
            "files": len(self.score_files()),
            "names": self.names,
            "mdr": mdrs,
            "fpr": self.rates("fpr"),
            "scale": self.scale,
            "fprLimits": parse_limits(self.fprLimits, name="fprLimits"),
            "mdrLimits": parse_limits(self.mdrLimits, name="mdrLimits"),
            "title": self.title,
            "panelLabel": self.panelLabel,
        }

    def rates(self, name: str) -> Sequence[float]:
        """Give the rates of an option."""
        return parse_rates(getattr(self, name), name=name)

    def run(self) -> None:
        (_plot_recall if self.recall else _plot_rates)(self)


def _plot_rates(task: PlotResults) -> None:
    from realbogus.stages.plot import plot_results

    plot_results(
        task.score_files(),
        Path(task.output().path),
        labels=Path(task.labels) if task.labels else None,
        names=task.names,
        mdrs=task.rates("mdr"),
        fprs=task.rates("fpr"),
        scale=task.scale,
        fpr_limits=parse_limits(task.fprLimits, name="fprLimits"),
        mdr_limits=parse_limits(task.mdrLimits, name="mdrLimits"),
        title=task.title,
        panel_labels=task.panelLabel,
    )


def _plot_recall(task: PlotResults) -> None:
    from realbogus.stages.recall import plot_recall

    plot_recall(
        [Path(name) for name in task.recall],
        Path(task.output().path),
        threshold=task.threshold,
        input_files=task.score_files(),
        mdrs=task.rates("mdr"),
        dataset=Path(task.dataset) if task.dataset else None,
        title=task.title,
    )


class CompareResults(_LocatedTask):
    """Compare a new classifier with the old one on the same detections; fail if it is worse.

    A task that releases a classifier requires this one.
    """

    old = luigi.Parameter(description="score file of the classifier in production")
    new = luigi.Parameter(default="", description="of the new one (stampLocation/scores.csv)")
    outputFile = luigi.Parameter(
        default="", description=".png, .pdf or .svg (stampLocation/comparison.png)"
    )
    dataset = luigi.Parameter(default="", description="data set whose test part was scored")
    mdr = luigi.Parameter(default="0.01,0.04", description="missed detection rates to compare at")
    margin = luigi.FloatParameter(default=0.0, description="by which a rate may be worse")
    least = luigi.IntParameter(default=30, description="objects that a group needs to decide")
    resamples = luigi.IntParameter(default=1000, description="draws of the bootstrap")
    seed = luigi.IntParameter(default=0, description="of the draws")

    content_options = ("margin", "least", "resamples", "seed")

    def content_inputs(self) -> Mapping[str, Path]:
        dataset = {"dataset": Path(self.dataset)} if self.dataset else {}
        return {"old": Path(self.old), "new": self.path("new", "scores.csv"), **dataset}

    def requires(self) -> Mapping[str, RecipeTask]:
        new = str(self.content_inputs()["new"])
        task = self.need(KerasTensorflowClassifier, outputcsv=new, stampLocation=self.stampLocation)
        return {"new": task}

    def output(self) -> luigi.LocalTarget:
        return luigi.LocalTarget(self.path("outputFile", "comparison.png"))

    def wanted_options(self) -> Mapping[str, Any]:
        return {**super().wanted_options(), "mdr": parse_rates(self.mdr, name="mdr")}

    def complete(self) -> bool:
        """Say whether the comparison is there; one in which the new classifier is worse fails."""
        if not super().complete():
            return False
        from realbogus.stages.compare import read_differences, require_release

        require_release(read_differences(Path(self.output().path)))
        return True

    def run(self) -> None:
        from realbogus.stages.compare import compare_scores, require_release

        inputs = self.content_inputs()
        found = compare_scores(
            inputs["old"],
            inputs["new"],
            Path(self.output().path),
            dataset=inputs.get("dataset"),
            mdrs=parse_rates(self.mdr, name="mdr"),
            margin=self.margin,
            least=self.least,
            resamples=self.resamples,
            seed=self.seed,
        )
        require_release(found)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the task of a command line; return the exit status."""
    return run_luigi(sys.argv[1:] if argv is None else argv)


if __name__ == "__main__":
    sys.exit(main())
