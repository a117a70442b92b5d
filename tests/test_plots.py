import struct
import zlib

import matplotlib.colors
import numpy as np
import pytest
from hypothesis import given
from matplotlib.figure import Figure
from matplotlib.table import Table
from matplotlib.text import Text
from PIL import Image

from realbogus.errors import ConfigError, FormatError
from realbogus.intervals import area, operating_points
from realbogus.known import KnownObjects
from realbogus.metrics import Rates
from realbogus.plots.figures import COLOURS, line_style, save_figure
from realbogus.plots.formats import SUFFIXES, read_figure_recipe, require_figure_suffix
from realbogus.plots.rates import Look, Run, draw_rates, thin
from realbogus.plots.recall import draw_recall
from tests.helpers import draw_sample, make_recipe
from tests.test_properties import PLAIN


def make_run(label="scores", n=60, **points):
    sample = draw_sample(n // 2, n // 2)
    asked = points or {"mdrs": (0.1,), "fprs": (0.2,)}
    return Run(label, sample.curve, area(sample), operating_points(sample, **asked), n // 2, n // 2)


def words_of(figure):
    cells = [cell for table in figure.findobj(Table) for cell in table.get_celld().values()]
    texts = [*figure.findobj(Text), *(cell.get_text() for cell in cells)]
    return {text.get_text() for text in texts}


@pytest.fixture(scope="module")
def figure():
    return draw_rates([make_run("02a"), make_run("03a", 80)])


def curves(axes):
    return [line for line in axes.lines if line.get_linewidth() == 1.8]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_recipe_of_a_figure_comes_back_however_large(tmp_path, figure, suffix):
    path = tmp_path / f"plots{suffix}"
    recipe = make_recipe("plot", results={"history": ["0.123"] * 300_000})
    save_figure(figure, path, recipe)
    assert read_figure_recipe(path) == recipe
    assert [item.name for item in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("suffix", SUFFIXES)
@given(recipe=PLAIN)
def test_the_recipe_of_a_figure_comes_back_whatever_its_words(tmp_path, suffix, recipe):
    save_figure(Figure((0.1, 0.1)), tmp_path / f"plots{suffix}", recipe)
    assert read_figure_recipe(tmp_path / f"plots{suffix}") == recipe


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_same_figure_is_the_same_file(tmp_path, suffix):
    for name in "ab":
        save_figure(draw_rates([make_run()]), tmp_path / f"{name}{suffix}", make_recipe("plot"))
    assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()


def test_the_figure_is_a_picture(tmp_path, figure):
    save_figure(figure, tmp_path / "plots.PNG", make_recipe("plot"))
    with Image.open(tmp_path / "plots.PNG") as image:
        image.load()
        assert min(image.size) > 500


def test_both_panels_have_axes_with_names_and_a_legend_of_every_run(figure):
    roc, tradeoff, _ = figure.axes
    assert (roc.get_title(), tradeoff.get_title()) == ("ROC curve", "Detection error tradeoff")
    assert roc.get_xlabel() == tradeoff.get_xlabel() == "False positive rate"
    assert tradeoff.get_ylabel() == "Missed detection rate"
    assert (tradeoff.get_xscale(), tradeoff.get_yscale()) == ("log", "log")
    for axes in (roc, tradeoff):
        shown = [text.get_text() for text in axes.get_legend().get_texts()]
        assert {"02a", "03a"} <= set(shown)


def test_the_curves_are_the_rates():
    run = make_run()
    roc, tradeoff, _ = draw_rates([run]).axes
    x, y = curves(roc)[0].get_data()
    assert np.array_equal(x, run.curve.fpr)
    assert np.array_equal(y, 1 - run.curve.mdr)
    assert curves(tradeoff)[0].get_xdata().min() > 0


def test_the_table_has_a_line_for_each_operating_point():
    run = make_run("02a", 200, mdrs=(0.01, 0.2), fprs=())
    shown = words_of(draw_rates([run]))
    assert {"mdr 0.01", "mdr 0.2", "02a", "100, 100"} <= shown
    assert run.points["mdr 0.2"].fpr.as_percent() in shown
    assert any(text.startswith(f"{run.area.value:.4f} (") for text in shown)


def test_the_intervals_of_a_point_are_drawn_along_both_axes():
    run = make_run("02a", 400, mdrs=(0.1,), fprs=())
    point = run.points["mdr 0.1"]
    bars = [line for line in draw_rates([run]).axes[1].lines if line.get_alpha() == 0.35]
    assert list(bars[0].get_xdata()) == [point.fpr.low, point.fpr.high]
    assert list(bars[1].get_ydata()) == [point.mdr.low, point.mdr.high]


@pytest.mark.parametrize(
    ("scale", "expected"),
    [
        ("mixed", ("linear", "log", "log")),
        ("linear", ("linear",) * 3),
        ("log", ("log",) * 3),
    ],
)
def test_the_scale_is_that_asked_for(scale, expected):
    roc, tradeoff, _ = draw_rates([make_run()], Look(scale)).axes
    assert (roc.get_xscale(), tradeoff.get_xscale(), tradeoff.get_yscale()) == expected


def test_limits_title_and_labels_are_those_asked_for():
    look = Look("log", (0.001, 0.5), (0.01, 0.4), "Test of 02a", ("a", "b"))
    figure = draw_rates([make_run()], look)
    roc, tradeoff, _ = figure.axes
    assert roc.get_xlim() == tradeoff.get_xlim() == (0.001, 0.5)
    assert tradeoff.get_ylim() == (0.01, 0.4)
    assert roc.get_ylim() == pytest.approx((0.6, 0.9939))
    assert (roc.get_title("left"), tradeoff.get_title("left")) == ("a", "b")
    assert figure.get_suptitle() == "Test of 02a"


def test_a_thinned_curve_is_the_same_picture():
    curve = draw_sample(40_000, 60_000).curve
    kept = thin(curve)
    assert len(kept.fpr) < 8000 < len(curve.fpr)
    before = np.searchsorted(-kept.threshold, -curve.threshold, "right") - 1
    assert np.abs(kept.mdr[before] - curve.mdr).max() < 1 / 1000
    assert np.abs(kept.fpr[before] - curve.fpr).max() < 1 / 1000
    assert (kept.fpr[0], kept.fpr[-1], kept.mdr[0], kept.mdr[-1]) == (0, 1, 1, 0)


def test_a_short_curve_is_kept_whole():
    curve = Rates(np.array([np.inf, 0.9, 0.1]), np.array([0, 0, 1.0]), np.array([1, 0.5, 0]))
    assert np.array_equal(thin(curve).mdr, curve.mdr)


def test_runs_differ_in_grey_and_for_the_colour_blind():
    styles = [line_style(index) for index in range(6)]
    assert len({str(style["linestyle"]) for style in styles}) == 6
    lightness = [matplotlib.colors.rgb_to_hsv(matplotlib.colors.to_rgb(c)) for c in COLOURS]
    assert len(np.unique(np.round(lightness, 2), axis=0)) == len(COLOURS)


KNOWN = KnownObjects("good", np.array(["7", "8", "9"]), np.array([0.1, 0.5, 0.9]))


def test_the_recall_says_how_many_are_found_and_names_the_missed():
    shown = words_of(draw_recall([KNOWN], 0.5))
    assert {"missed: 1", "found: 2", "7\n0.1"} <= shown
    assert any(text.startswith("good: 67% (") and "of 3 found" in text for text in shown)
    assert not any(text.startswith("8\n") for text in shown)


def test_the_stamps_of_missed_objects_are_shown():
    figure = draw_recall([KNOWN], 0.6, stamps=[{"7": np.eye(4, dtype=np.float32)}])
    shown = [image.get_array() for axes in figure.axes for image in axes.images]
    assert len(shown) == 1
    assert np.array_equal(shown[0], np.eye(4))


def test_a_list_that_is_found_whole_says_so():
    assert "none is missed" in words_of(draw_recall([KNOWN], 0.0))


def test_bars_of_the_recall_add_up_to_the_objects():
    figure = draw_recall([KNOWN, KNOWN], 0.3)
    for axes in figure.axes:
        if axes.patches:
            assert sum(bar.get_height() for bar in axes.patches) == 3


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_picture_without_recipe_says_so(tmp_path, figure, suffix):
    figure.savefig(tmp_path / f"plots{suffix}")
    assert read_figure_recipe(tmp_path / f"plots{suffix}") is None


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("content", [b"", b"not a picture", b"\x89PNG\r\n\x1a\n", b"GIF89a"])
def test_what_is_no_picture_is_one_line(tmp_path, content, suffix):
    (tmp_path / f"plots{suffix}").write_bytes(content)
    kind = suffix[1:].upper()
    with pytest.raises(FormatError, match=rf"plots\{suffix}: exists and is not an? {kind}"):
        read_figure_recipe(tmp_path / f"plots{suffix}")


@pytest.mark.parametrize("name", ["plots.doc", "plots", "plots.png.txt"])
def test_a_figure_of_another_format_is_refused(tmp_path, name):
    message = rf"outputFile must end in \.png or \.pdf or \.svg; got '{name}'"
    with pytest.raises(ConfigError, match=message):
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
