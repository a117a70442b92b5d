"""Pages of HTML in one file: built as a tree, so that no text from outside is ever markup."""

import re
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from realbogus.errors import ConfigError, FormatError
from realbogus.files import atomic_path
from realbogus.recipes import Recipe

__all__ = ["element", "read_page_recipe", "require_page_suffix", "table", "write_page"]

_RECIPE = re.compile(r'<script type="application/json" id="recipe">(.*?)</script>', re.S)
# Nothing is fetched and nothing runs: pictures and style are in the page itself.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
_STYLE = """
:root { color-scheme: light; --ink: #1b2733; --dim: #5b6b7a; --line: #dde3e8; }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 76rem; padding: 1.5rem; color: var(--ink); background: #fff;
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; }
h1 { font-size: 1.7rem; margin: 0; } h2 { font-size: 1.25rem; margin: 2.2rem 0 .4rem; }
h3 { font-size: 1.02rem; margin: 1.5rem 0 .3rem; } p { margin: .3rem 0 .8rem; max-width: 48rem; }
.dim, figcaption { color: var(--dim); font-size: .85rem; }
section { border-top: 1px solid var(--line); }
img.plot { width: 100%; height: auto; display: block; } img.wide { min-width: 44rem; }
.two { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(26rem, 100%), 1fr));
  gap: 1rem; } figure { margin: 0; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .85rem; font-variant-numeric: tabular-nums;
  margin: .4rem 0 1rem; }
th, td { text-align: right; padding: .22rem .7rem; border-bottom: 1px solid var(--line);
  white-space: nowrap; } th { color: var(--dim); font-weight: 600; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
.stamps { display: grid; gap: .8rem; grid-template-columns: repeat(auto-fill, minmax(7rem, 1fr)); }
.stamps img { width: 100%; image-rendering: pixelated; display: block; }
.stamps figcaption { font-size: .68rem; line-height: 1.3; overflow-wrap: anywhere; }
td.prose { white-space: normal; text-align: left; overflow-wrap: anywhere; min-width: 16rem; }
@page { margin: 14mm; }
@media print { body { padding: 0; max-width: none; font-size: 10pt; }
  .keep, figure, tr { break-inside: avoid; }
  .scroll { overflow: visible; } img.wide { min-width: 0; }
  table { font-size: 7pt; } th, td { padding: .12rem .3rem; }
  .stamps { grid-template-columns: repeat(6, 1fr); } .two { grid-template-columns: 1fr 1fr; }
  img { print-color-adjust: exact; } }
"""


def element(tag: str, *content: "str | Element", **attributes: str) -> Element:
    """Make an element of texts and elements; ``kind`` is its class."""
    names = {("class" if name == "kind" else name): text for name, text in attributes.items()}
    made = Element(tag, names)
    last: Element | None = None
    for item in content:
        if isinstance(item, Element):
            made.append(item)
            last = item
        elif last is None:
            made.text = (made.text or "") + item
        else:
            last.tail = (last.tail or "") + item
    return made


def table(
    header: Sequence[str], rows: Sequence[Sequence[str]], *, prose: int | None = None
) -> Element:
    """Make a table that scrolls where there is no room for it; the column ``prose`` may wrap."""
    head = element("thead", element("tr", *(element("th", cell) for cell in header)))
    lines = [
        element("tr", *(_cell(text, place == prose) for place, text in enumerate(row)))
        for row in rows
    ]
    return element("div", element("table", head, element("tbody", *lines)), kind="scroll")


def _cell(text: str, is_prose: bool) -> Element:
    return element("td", text, kind="prose") if is_prose else element("td", text)


def write_page(path: Path, title: str, content: Sequence[Element], recipe: Recipe) -> None:
    """Write a page, with its recipe in it."""
    kept = element("script", recipe.to_json().replace("<", "\\u003c"), type="application/json")
    kept.set("id", "recipe")
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", **{"http-equiv": "Content-Security-Policy", "content": _POLICY}),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", title),
        element("style", _STYLE),
    )
    page = element("html", head, element("body", *content, kept), lang="en")
    text = ElementTree.tostring(page, encoding="unicode", method="html")
    with atomic_path(path) as part:
        part.write_text(f"<!DOCTYPE html>\n{text}\n", encoding="utf-8")


def read_page_recipe(path: Path) -> Recipe | None:
    """Read the recipe of a page; None if it has none.

    Raises
    ------
    FormatError
        If the file is not a page of HTML.
    """
    text = path.read_bytes().decode("utf-8", "replace")
    if "<html" not in text[:1000].lower():
        raise FormatError(f"{path}: exists and is not a page of HTML")
    found = _RECIPE.search(text)
    return None if found is None else Recipe.from_json(found[1])


def require_page_suffix(path: Path) -> None:
    """Check that a page's name ends in ``.html``.

    Raises
    ------
    ConfigError
        If it does not.
    """
    if path.suffix.lower() != ".html":
        raise ConfigError(f"out must end in .html; got {path.name!r}")
