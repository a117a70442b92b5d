"""The report of a scored test set: one page for the screen and for paper."""

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

import numpy as np

from realbogus.dataset import read_stamps
from realbogus.errors import ConfigError, FormatError
from realbogus.evaluation import (
    Group,
    brier_score,
    calibrate,
    confuse,
    group_rates,
    worst,
)
from realbogus.files import require_readable_file, require_writable_folder
from realbogus.intervals import Point, Sample, area, operating_points
from realbogus.metrics import Interval
from realbogus.pages import element, read_page_recipe, require_page_suffix, table, write_page
from realbogus.plots.evaluation import (
    draw_calibration,
    draw_distribution,
    draw_groups,
    picture_of_stamp,
    svg_of,
)
from realbogus.plots.rates import Look, Run, draw_rates, thin
from realbogus.provenance import identify
from realbogus.recipes import Recipe, already_made
from realbogus.scores import Scores, read_scores
from realbogus.traits import TITLES, Traits, read_traits

__all__ = ["write_report"]

log = logging.getLogger(__name__)

_SHOWN = 24


def write_report(
    scores: Path,
    output: Path,
    *,
    dataset: Path | None = None,
    labels: Path | None = None,
    mdrs: Sequence[float] = (0.01, 0.04),
    fprs: Sequence[float] = (),
) -> None:
    """Write the report of a scored test set.

    Parameters
    ----------
    scores : Path
        The score file.
    output : Path
        The page to make, ``.html``.
    dataset : Path, optional
        The data set whose test part was scored: for what is known of the detections, and stamps.
    labels : Path, optional
        Objects and their targets, if the score file has objects and scores alone.
    mdrs, fprs : sequence of float
        Missed detection and false positive rates of the operating points.

    Raises
    ------
    ConfigError, FormatError, DatasetError, RecipeError
        If an option is not allowed, a file is not what it should be, or the page exists and was
        made in another way.
    """
    require_page_suffix(output)
    if not mdrs and not fprs:
        raise ConfigError("mdr: give at least one rate, or an fpr")
    files = {"scores": scores, "dataset": dataset, "labels": labels}
    given = {name: path for name, path in files.items() if path is not None}
    for name, path in given.items():
        require_readable_file(path, name=name)
    inputs = {name: identify(path) for name, path in given.items()}
    recipe = Recipe("report", {"mdr": list(mdrs), "fpr": list(fprs)}, inputs)
    if already_made(output, read_page_recipe(output) if output.exists() else None, recipe):
        return
    require_writable_folder(output.parent)
    detections = read_scores(scores, labels=labels)
    if len(set(detections.targets.tolist())) < 2:
        raise FormatError(f"{scores}: has one kind alone: both real and bogus are needed")
    traits = read_traits(detections, dataset)
    sample = Sample.of(detections.targets, detections.scores, detections.objects)
    points = operating_points(sample, mdrs=mdrs, fprs=fprs)
    kept = Recipe("report", recipe.options, inputs, _results(sample, points))
    content = [
        _title(scores, sample, kept),
        _operating_points(scores.stem, sample, points),
        _scores(sample, points),
        *_groups(sample, points, traits),
        *_montages(detections, sample, traits, dataset),
        _recipe(kept),
    ]
    write_page(output, f"Report of {scores.name}", content, kept)
    log.info("the report is %s", output)


def _results(sample: Sample, points: Mapping[str, Point]) -> Mapping[str, Any]:
    found = {
        name: {"threshold": str(at.threshold), "fpr": str(at.fpr), "mdr": str(at.mdr)}
        for name, at in points.items()
    }
    return {"auc": str(area(sample)), "brier": brier_score(sample), **found}


def _title(scores: Path, sample: Sample, recipe: Recipe) -> Element:
    real = sample.targets == 1
    kinds = [
        f"{int(kind.sum()):,} {name} detections of {len(np.unique(sample.objects[kind])):,} objects"
        for kind, name in ((real, "real"), (~real, "bogus"))
    ]
    made_of = ", ".join(item.name for item in recipe.inputs.values())
    return element(
        "header",
        element("h1", f"Report of {scores.name}"),
        element("p", f"{kinds[0]} and {kinds[1]}. Made of {made_of}.", kind="dim"),
    )


def _operating_points(label: str, sample: Sample, points: Mapping[str, Point]) -> Element:
    real = int((sample.targets == 1).sum())
    counts = (real, len(sample.targets) - real)
    run = Run(label, thin(sample.curve), area(sample), points, *counts)
    header = ["at", "threshold", "false positive rate", "missed detection rate"]
    header += ["reals found", "reals missed", "bogus passed", "bogus rejected"]
    rows = [[name, *_cells(sample, at)] for name, at in points.items()]
    caption = f"Area under the ROC curve {_plain(run.area)}; counts are of detections."
    curves = svg_of(draw_rates([run], Look(has_table=False)))
    return _section(
        "Operating points",
        "Every interval is of 95% and by object.",
        _figure(curves, "ROC curve and detection error tradeoff", is_wide=True),
        element("p", caption, kind="dim"),
        table(header, rows),
    )


def _cells(sample: Sample, at: Point) -> list[str]:
    counts = confuse(sample, at.threshold.value)
    numbers = (counts.found, counts.missed, counts.passed, counts.rejected)
    rates = [at.fpr.as_percent(), at.mdr.as_percent()]
    return [_plain(at.threshold), *rates, *(f"{number:,}" for number in numbers)]


def _scores(sample: Sample, points: Mapping[str, Point]) -> Element:
    thresholds = [at.threshold.value for at in points.values()]
    distribution = draw_distribution(sample.targets, sample.scores, thresholds)
    calibration = draw_calibration(calibrate(sample))
    return _section(
        "Scores",
        f"Dotted lines are the thresholds. The Brier score is {brier_score(sample):.4f}; the "
        "fraction that is real depends on how many bogus for every real this test set has.",
        element(
            "div",
            _figure(svg_of(distribution), "Distribution of the scores of reals and bogus"),
            _figure(svg_of(calibration), "Fraction of reals against the score"),
            kind="two",
        ),
    )


def _groups(sample: Sample, points: Mapping[str, Point], traits: Traits) -> list[Element]:
    found = group_rates(sample, list(points.values()), traits.values)
    return [
        _section(
            f"By {TITLES[name]}",
            "At the thresholds of all detections.",
            _figure(
                svg_of(draw_groups(groups, list(points), title=TITLES[name])),
                f"Recall and false positive rate by {TITLES[name]}",
                is_wide=True,
            ),
            table(*_tabulate(TITLES[name], groups, list(points))),
        )
        for name, groups in found.items()
    ]


def _tabulate(
    title: str, groups: Sequence[Group], points: Sequence[str]
) -> tuple[list[str], list[list[str]]]:
    header = [title, "reals", *(f"recall at {name}" for name in points)]
    header += ["bogus", *(f"FPR at {name}" for name in points)]
    rows = [
        [
            *(group.label, f"{group.n_real:,}", *map(_percent, group.recall)),
            *(f"{group.n_bogus:,}", *map(_percent, group.fpr)),
        ]
        for group in groups
    ]
    return header, rows


def _montages(
    detections: Scores, sample: Sample, traits: Traits, dataset: Path | None
) -> list[Element]:
    if dataset is None or traits.rows is None:
        return []
    sections = []
    for kind, title in ((1, "Worst misses"), (0, "Worst false alarms")):
        chosen = worst(sample, kind=kind, count=_SHOWN)
        stamps = read_stamps(dataset, "test", traits.rows[chosen].tolist())
        mag = traits.values.get("mag")
        shown = [
            _stamp(
                picture_of_stamp(stamp),
                str(detections.names[row]),
                f"score {sample.scores[row]:.4g}",
                "" if mag is None or mag[row] != mag[row] else f", mag {mag[row]:.2f}",
            )
            for stamp, row in zip(stamps, chosen.tolist(), strict=True)
        ]
        order = "lowest scores of reals" if kind else "highest scores of bogus"
        about = (
            f"The {len(shown)} {order}, normalised as the classifier sees them; white is positive."
        )
        sections.append(_section(title, about, *_lines_of(shown)))
    return sections


def _lines_of(stamps: Sequence[Element]) -> list[Element]:
    """Begin a grid that may break between pages behind its heading."""
    return [element("div"), element("div", *stamps, kind="stamps")]


def _stamp(picture: str, name: str, score: str, mag: str) -> Element:
    image = element("img", src=picture, alt=f"stamp {name}")
    return element("figure", image, element("figcaption", name, element("br"), score, mag))


def _recipe(recipe: Recipe) -> Element:
    about = "What made this page, and what went into it; the page itself has the whole of it."
    rows = [["this page", recipe.stage, "", _options(recipe)], *_inputs(recipe, {})]
    return _section("Recipe", about, table(["file", "made by", "digest", "options"], rows))


def _inputs(recipe: Recipe, known: dict[str, str]) -> list[list[str]]:
    """Give a line for every file that went in, each once."""
    rows = []
    for item in recipe.inputs.values():
        if item.digest in known:
            continue
        known[item.digest] = item.name
        made = item.recipe
        options = ["", ""] if made is None else [made.stage, _options(made)]
        rows += [[item.name, options[0], item.digest[:12], options[1]]]
        rows += [] if made is None else _inputs(made, known)
    return rows


def _options(recipe: Recipe) -> str:
    return ", ".join(f"{name} {json.dumps(value)}" for name, value in recipe.options.items())


def _section(title: str, about: str, *content: Element) -> Element:
    """Keep the heading and what follows it on one page of paper."""
    head, *rest = content
    about_it = element("p", about, kind="dim")
    return element(
        "section", element("div", element("h2", title), about_it, head, kind="keep"), *rest
    )


def _figure(source: str, alt: str, *, is_wide: bool = False) -> Element:
    picture = element("img", src=source, alt=alt, kind="plot wide" if is_wide else "plot")
    return element("figure", picture, kind="scroll")


def _plain(interval: Interval) -> str:
    if interval.low == interval.high:
        return f"{interval.value:.4g}"
    return f"{interval.value:.4g} ({interval.low:.4g} to {interval.high:.4g})"


def _percent(interval: Interval | None) -> str:
    return "" if interval is None else interval.as_percent()
