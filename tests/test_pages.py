import re
from html.parser import HTMLParser

import pytest

from realbogus.errors import ConfigError, FormatError
from realbogus.pages import element, read_page_recipe, require_page_suffix, table, write_page
from tests.helpers import make_recipe

HOSTILE = "<script>alert(1)</script>&\"'</style>"


class Reader(HTMLParser):
    """Take a page apart as a browser does."""

    def __init__(self):
        super().__init__()
        self.tags, self.texts, self.titles = [], [], []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.titles += [text for name, text in attributes if name == "title"]

    def handle_data(self, text):
        self.texts.append(text)


def write(path, *content, recipe=None):
    write_page(path, HOSTILE, list(content), recipe or make_recipe("report", e=HOSTILE))
    return path.read_text()


def test_no_text_becomes_markup(tmp_path):
    content = [element("p", HOSTILE, title=HOSTILE), table([HOSTILE], [[HOSTILE]], prose=0)]
    reader = Reader()
    reader.feed(write(tmp_path / "r.html", *content))
    assert reader.tags.count("script") == reader.tags.count("style") == 1
    assert reader.texts.count(HOSTILE) == 4  # title, paragraph and both cells
    assert reader.titles == [HOSTILE]


def test_the_recipe_of_a_page_comes_back(tmp_path):
    recipe = make_recipe("report", name=HOSTILE, number=1)
    write(tmp_path / "r.html", recipe=recipe)
    assert read_page_recipe(tmp_path / "r.html") == recipe


def test_a_page_needs_and_runs_nothing_else(tmp_path):
    text = write(tmp_path / "r.html", element("p", "a"))
    assert "default-src 'none'" in text
    assert not re.search(r"(src|href)=\"(?!data:)", text)
    assert text.startswith("<!DOCTYPE html>\n<html lang=")


def test_texts_and_elements_keep_their_order():
    made = element("p", "a", element("b", "c"), "d", "e", element("i"), "f", kind="x")
    assert "".join(made.itertext()) == "acdef"
    assert made.get("class") == "x"


def test_a_page_of_others_has_no_recipe(tmp_path):
    (tmp_path / "r.html").write_text("<HTML><p>by hand</p></HTML>")
    assert read_page_recipe(tmp_path / "r.html") is None


def test_what_is_no_page_is_one_line(tmp_path):
    (tmp_path / "r.html").write_bytes(b"\x89PNG")
    with pytest.raises(FormatError, match=r"r\.html: exists and is not a page of HTML"):
        read_page_recipe(tmp_path / "r.html")


def test_another_suffix_is_an_error(tmp_path):
    require_page_suffix(tmp_path / "r.HTML")
    with pytest.raises(ConfigError, match=r"out must end in \.html; got 'r\.pdf'"):
        require_page_suffix(tmp_path / "r.pdf")
