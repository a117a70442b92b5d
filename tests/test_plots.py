import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from realbogus.errors import ConfigError, FormatError
from realbogus.metrics import bootstrap, rates
from realbogus.plots import (
    Run,
    draw_rates,
    read_figure_recipe,
    require_figure_suffix,
    save_figure,
)
from tests.helpers import make_recipe


def make_run(label="scores", n=60, *, perfect=False):
    rng = np.random.default_rng(0)
    targets = np.arange(n) % 2
    scores = targets.astype(float) if perfect else rng.random(n) / 2 + targets / 4
    statistics = bootstrap(targets, scores, np.arange(n).astype(str), resamples=20, rng=rng)
    return Run(label, rates(targets, scores), statistics, n // 2, n // 2)


@pytest.fixture(scope="module")
def figure():
    return draw_rates([make_run("02a"), make_run("03a", perfect=True)])


def test_the_recipe_of_a_figure_comes_back_however_large(tmp_path, figure):
    recipe = make_recipe("plot", results={"history": ["0.123"] * 300_000})
    save_figure(figure, tmp_path / "plots.png", recipe)
    assert read_figure_recipe(tmp_path / "plots.png") == recipe
    assert [path.name for path in tmp_path.iterdir()] == ["plots.png"]


def test_the_figure_is_a_picture(tmp_path, figure):
    save_figure(figure, tmp_path / "plots.PNG", make_recipe("plot"))
    with Image.open(tmp_path / "plots.PNG") as image:
        image.load()
        assert min(image.size) > 500


def test_both_panels_have_axes_with_names_and_a_legend_of_every_run(figure):
    roc, tradeoff = figure.axes
    assert (roc.get_title(), tradeoff.get_title()) == ("ROC curve", "Detection error tradeoff")
    assert roc.get_xlabel() == tradeoff.get_xlabel() == "False positive rate"
    assert tradeoff.get_ylabel() == "Missed detection rate"
    assert (tradeoff.get_xscale(), tradeoff.get_yscale()) == ("log", "log")
    for axes in (roc, tradeoff):
        shown = " ".join(text.get_text() for text in axes.get_legend().get_texts())
        assert "02a: " in shown
        assert "03a: " in shown


def test_the_curves_are_the_rates():
    run = make_run()
    roc, tradeoff = draw_rates([run]).axes
    x, y = roc.lines[1].get_data()
    assert np.array_equal(x, run.curve.fpr)
    assert np.array_equal(y, 1 - run.curve.mdr)
    assert tradeoff.lines[0].get_xdata().min() > 0


def test_a_picture_without_recipe_says_so(tmp_path):
    Image.new("L", (4, 4)).save(tmp_path / "plots.png")
    assert read_figure_recipe(tmp_path / "plots.png") is None


@pytest.mark.parametrize("content", [b"", b"not a picture", b"\x89PNG\r\n\x1a\n", b"GIF89a"])
def test_what_is_no_png_is_one_line(tmp_path, content):
    (tmp_path / "plots.png").write_bytes(content)
    with pytest.raises(FormatError, match=r"plots\.png: exists and is not a PNG"):
        read_figure_recipe(tmp_path / "plots.png")


@pytest.mark.parametrize("name", ["plots.pdf", "plots", "plots.png.txt"])
def test_a_figure_that_is_no_png_is_refused(tmp_path, name):
    with pytest.raises(ConfigError, match=rf"outputFile must end in \.png; got '{name}'"):
        require_figure_suffix(tmp_path / name)


def test_the_suffix_of_a_figure_may_be_in_capitals(tmp_path):
    require_figure_suffix(tmp_path / "plots.PNG")


def test_a_picture_that_unpacks_without_end_is_no_figure(tmp_path):
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + header
    packed = struct.pack(">I", len(header)) + chunk + struct.pack(">I", zlib.crc32(chunk))
    (tmp_path / "plots.png").write_bytes(b"\x89PNG\r\n\x1a\n" + packed)
    with pytest.raises(FormatError, match=r"plots\.png: exists and is not a PNG"):
        read_figure_recipe(tmp_path / "plots.png")
