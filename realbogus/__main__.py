"""``python -m realbogus WORD``: what made a file, what a threshold costs, ONNX, and more."""

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from realbogus.cli import ArgumentParser, run
from realbogus.options import FALSE_ALARMS, parse_rates

Words = argparse.ArgumentParser


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; return the exit status."""
    parser = ArgumentParser(__doc__)
    commands = parser.add_subparsers(dest="command", required=True, parser_class=Words)
    for word, (about, declare, _) in _COMMANDS.items():
        declare(commands.add_parser(word, help=about, description=about))
    options = parser.parse_args(argv)
    return run(lambda: _COMMANDS[options.command][2](options), verbose=options.verbose)


def _declare_describe(words: Words) -> None:
    words.add_argument("file", type=Path)
    words.add_argument("--results", action="store_true", help="only what came of it")
    words.add_argument("--json", action="store_true", help="the whole recipe as JSON")


def _describe(options: argparse.Namespace) -> None:
    from realbogus.errors import FormatError
    from realbogus.files import require_readable_file
    from realbogus.provenance import read_recipe

    require_readable_file(options.file, name="file")
    recipe = read_recipe(options.file)
    if recipe is None:
        raise FormatError(f"{options.file}: does not say what made it")
    content = json.loads(recipe.to_json())
    if options.results:
        content = content["results"]
    text = json.dumps(content, indent=2) if options.json else "\n".join(_lines(content))
    sys.stdout.write(f"{text}\n")


def _declare_report(words: Words) -> None:
    words.add_argument("scores", type=Path, help="scores of a test (.csv)")
    words.add_argument("--out", type=Path, default=Path("report.html"), help="%(default)s")
    words.add_argument("--dataset", type=Path, help="whose test part was scored (.h5)")
    words.add_argument("--labels", type=Path, help="object and target, if it has none")
    words.add_argument("--mdr", default="0.01,0.04", help="operating points (%(default)s)")
    words.add_argument("--fpr", default="", help="more operating points: 0.001")


def _report(options: argparse.Namespace) -> None:
    from realbogus.stages.report import write_report

    write_report(
        options.scores,
        options.out,
        dataset=options.dataset,
        labels=options.labels,
        mdrs=parse_rates(options.mdr, name="mdr"),
        fprs=parse_rates(options.fpr, name="fpr"),
    )


def _declare_budget(words: Words) -> None:
    words.add_argument("scores", type=Path, help="scores of a test (.csv)")
    words.add_argument("--labels", type=Path, help="object and target, if it has none")
    words.add_argument("--candidates", type=float, required=True, help="objects scored a night")
    words.add_argument("--ratio", type=float, required=True, help="bogus for every real of them")
    asked = words.add_mutually_exclusive_group(required=True)
    asked.add_argument("--eyeballs", type=float, help="objects a night that are looked at")
    asked.add_argument("--mdr", type=float, help="fraction of the reals that may be missed")


def _budget(options: argparse.Namespace) -> None:
    from realbogus.stages.budget import find_budget

    lines = find_budget(
        options.scores,
        labels=options.labels,
        candidates=options.candidates,
        ratio=options.ratio,
        eyeballs=options.eyeballs,
        mdr=options.mdr,
    )
    sys.stdout.write("".join(f"{line}\n" for line in lines))


def _declare_compare(words: Words) -> None:
    words.add_argument("old", type=Path, help="scores of the classifier in production (.csv)")
    words.add_argument("new", type=Path, help="scores of the same detections by the new one")
    words.add_argument("--out", type=Path, default=Path("comparison.png"), help="%(default)s")
    words.add_argument("--dataset", type=Path, help="whose test part was scored (.h5)")
    words.add_argument("--mdr", default="0.01,0.04", help="operating points (%(default)s)")
    words.add_argument("--margin", type=float, default=0.0, help="by which it may be worse")
    words.add_argument("--least", type=int, default=30, help="objects that decide (%(default)s)")
    words.add_argument("--resamples", type=int, default=1000, help="draws (%(default)s)")
    words.add_argument("--seed", type=int, default=0, help="of the draws (%(default)s)")


def _compare(options: argparse.Namespace) -> None:
    from realbogus.stages.compare import compare_scores, require_release, tabulate

    found = compare_scores(
        options.old,
        options.new,
        options.out,
        dataset=options.dataset,
        mdrs=parse_rates(options.mdr, name="mdr"),
        margin=options.margin,
        least=options.least,
        resamples=options.resamples,
        seed=options.seed,
    )
    sys.stdout.write("".join(f"{line}\n" for line in _aligned(tabulate(found))))
    require_release(found)


def _declare_export(words: Words) -> None:
    words.add_argument("classifier", type=Path, help=".h5 or .keras")
    words.add_argument("onnx", type=Path, help="the file to make (.onnx)")
    words.add_argument("--side", type=int, help="of features, px (as the recipe says, or 20)")
    words.add_argument("--model", help="your own architecture, if it is one: FILE.py:function")


def _export(options: argparse.Namespace) -> None:
    from realbogus.stages.export import export_classifier

    export_classifier(options.classifier, options.onnx, side=options.side, model=options.model)


def _declare_extract(words: Words) -> None:
    words.add_argument("planes", nargs="+", help="as lists name them: cube.fits[7]")
    words.add_argument("--out", type=Path, default=Path(), help="folder for the stamps (here)")


def _extract(options: argparse.Namespace) -> None:
    from realbogus.stages.extract import extract_planes

    extract_planes(options.planes, options.out)


def _declare_runs(words: Words) -> None:
    words.add_argument("--configFile", type=Path, default=Path("config.yaml"), help="%(default)s")


def _runs(options: argparse.Namespace) -> None:
    from realbogus.stages.revert import list_runs

    sys.stdout.write("".join(f"{line}\n" for line in _aligned(list_runs(options.configFile))))


def _declare_revert(words: Words) -> None:
    words.add_argument("run", help="as `runs` lists them")
    _declare_runs(words)


def _revert(options: argparse.Namespace) -> None:
    from realbogus.stages.revert import revert_run

    lines = revert_run(options.run, options.configFile)
    sys.stdout.write("".join(f"{line}\n" for line in lines))


def _declare_reference(words: Words) -> None:
    words.add_argument("classifier", type=Path, help=".h5 or .keras")
    words.add_argument("scores", type=Path, nargs="+", help="of accepted nights, or their folder")
    words.add_argument(
        "--falseAlarms",
        type=float,
        default=FALSE_ALARMS,
        help="probability that anything of a good night is left out (%(default)s)",
    )


def _reference(options: argparse.Namespace) -> None:
    from realbogus.stages.reference import write_reference

    lines = write_reference(options.classifier, options.scores, false_alarms=options.falseAlarms)
    sys.stdout.write("".join(f"{line}\n" for line in lines))


_COMMANDS: Mapping[str, tuple[str, Callable[[Words], None], Callable[[Any], None]]] = {
    "describe": ("say what made a list, data set, classifier, …", _declare_describe, _describe),
    "report": ("write a page of all that a test says", _declare_report, _report),
    "budget": ("say which threshold so many eyeballs allow", _declare_budget, _budget),
    "compare": ("fail if a new classifier is worse anywhere", _declare_compare, _compare),
    "export": ("write a classifier as ONNX, for other pipelines", _declare_export, _export),
    "reference": ("keep what good nights are like by a classifier", _declare_reference, _reference),
    "runs": ("list what was written to the database", _declare_runs, _runs),
    "revert": ("take back what a run wrote to the database", _declare_revert, _revert),
    "extract": ("write planes of cubes as stamps of their own", _declare_extract, _extract),
}


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def _lines(content: Mapping[str, Any], indent: str = "") -> list[str]:
    """Write nested mappings one key a line; an empty one is left out."""
    lines = []
    for key, value in content.items():
        if isinstance(value, dict):
            lines += [f"{indent}{key}:", *_lines(value, f"{indent}  ")] if value else []
        else:
            lines.append(f"{indent}{key}: {_short(value)}")
    return lines


def _short(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 200 else f"{text[:200]} …"


if __name__ == "__main__":
    sys.exit(main())
