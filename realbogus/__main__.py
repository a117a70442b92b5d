"""``python -m realbogus describe FILE``: what made a file of the pipeline."""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from realbogus.cli import ArgumentParser, run


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; return the exit status."""
    parser = ArgumentParser(__doc__)
    commands = parser.add_subparsers(
        dest="command", required=True, parser_class=argparse.ArgumentParser
    )
    describe = commands.add_parser("describe", help="say what made a list, data set, classifier, …")
    describe.add_argument("file", type=Path)
    describe.add_argument("--results", action="store_true", help="only what came of it")
    describe.add_argument("--json", action="store_true", help="the whole recipe as JSON")
    options = parser.parse_args(argv)
    return run(lambda: _describe(options), verbose=options.verbose)


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
