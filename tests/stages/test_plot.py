import numpy as np
import pytest
from PIL import Image

from realbogus.errors import ConfigError, FormatError, RecipeError
from realbogus.plots.formats import read_figure_recipe
from realbogus.scores import Scores, write_scores
from realbogus.stages.plot import plot_results
from tests.helpers import make_recipe


def make_scores(path, *, count=400, seed=0):
    rng = np.random.default_rng(seed)
    targets = (np.arange(count) % 4 == 0).astype(np.int8)
    scores = np.clip(rng.normal(0.3 + 0.4 * targets, 0.15), 0, 1)
    names = np.array([f"{i}_x_{i}.fits" for i in range(count)])
    write_scores(
        path,
        Scores(names, np.arange(count).astype(str), targets, scores),
        make_recipe("score", seed=seed),
    )
    return path


def test_figure_is_a_picture_with_two_panels_of_curves(tmp_path):
    plot_results([make_scores(tmp_path / "a.csv")], tmp_path / "plots.png")
    with Image.open(tmp_path / "plots.png") as image:
        pixels = np.asarray(image.convert("RGB")).astype(int)
    is_blue = np.abs(pixels - (0x00, 0x72, 0xB2)).sum(axis=-1) < 30
    half = pixels.shape[1] // 2
    assert is_blue[:, :half].sum() > 500
    assert is_blue[:, half:].sum() > 500


def test_recipe_holds_the_operating_points_with_intervals(tmp_path):
    plot_results([make_scores(tmp_path / "a.csv")], tmp_path / "plots.png")
    results = read_figure_recipe(tmp_path / "plots.png").results["a"]
    assert (results["real"], results["bogus"]) == (100, 300)
    value, low, high = (float(word.strip("[],")) for word in results["auc"].split())
    assert 0.9 < low < value < high <= 1


def test_several_files_are_drawn_in_several_colours(tmp_path):
    files = [make_scores(tmp_path / f"{name}.csv", seed=i) for i, name in enumerate("ab")]
    plot_results(files, tmp_path / "plots.png")
    with Image.open(tmp_path / "plots.png") as image:
        pixels = np.asarray(image.convert("RGB")).astype(int)
    for colour in ((0x00, 0x72, 0xB2), (0xD5, 0x5E, 0x00)):
        assert (np.abs(pixels - colour).sum(axis=-1) < 30).sum() > 500
    assert set(read_figure_recipe(tmp_path / "plots.png").results) == {"a", "b"}


def test_files_of_one_name_are_told_apart_by_their_folders(tmp_path):
    files = []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        files.append(make_scores(tmp_path / name / "scores.csv"))
    plot_results(files, tmp_path / "plots.png")
    results = read_figure_recipe(tmp_path / "plots.png").results
    assert set(results) == {"first/scores", "second/scores"}


def test_second_run_changes_nothing_and_other_scores_are_an_error(tmp_path):
    source, output = make_scores(tmp_path / "a.csv"), tmp_path / "plots.png"
    plot_results([source], output)
    made = output.stat().st_mtime_ns
    plot_results([source], output)
    assert output.stat().st_mtime_ns == made
    make_scores(source, seed=1)
    with pytest.raises(RecipeError, match=r"plots\.png exists .* another inputFiles\[0\]"):
        plot_results([source], output)


def test_csv_of_something_else_is_an_error_that_names_the_line(tmp_path):
    (tmp_path / "a.csv").write_text("ra,dec\n1,2\n")
    with pytest.raises(FormatError, match=r"a\.csv, line 1: not a name, a target"):
        plot_results([tmp_path / "a.csv"], tmp_path / "plots.png")
    assert not (tmp_path / "plots.png").exists()


def test_one_class_only_is_an_error(tmp_path):
    (tmp_path / "a.csv").write_text("a_1.fits,1,0.5\nb_1.fits,1,0.6\n")
    with pytest.raises(FormatError, match="holds 2 real and 0 bogus: both are needed"):
        plot_results([tmp_path / "a.csv"], tmp_path / "plots.png")


def test_three_columns_without_a_header_are_read(tmp_path):
    (tmp_path / "a.csv").write_text("a_1.fits,1,0.9\nb_1.fits,0,0.1\nc_1.fits,0,0.95\n")
    plot_results([tmp_path / "a.csv"], tmp_path / "plots.png")
    assert read_figure_recipe(tmp_path / "plots.png").results["a"]["auc"].startswith("0.5000")


@pytest.mark.parametrize("suffix", [".pdf", ".svg"])
def test_vector_figures_carry_their_recipe_and_are_not_made_twice(tmp_path, suffix):
    source, output = make_scores(tmp_path / "a.csv"), tmp_path / f"plots{suffix}"
    plot_results([source], output, fprs=(0.01,))
    made = output.stat().st_mtime_ns
    plot_results([source], output, fprs=(0.01,))
    assert output.stat().st_mtime_ns == made
    assert "mdr at fpr 0.01" in read_figure_recipe(output).results["a"]
    with pytest.raises(RecipeError, match=r"made with fpr = 0\.01, not 0\.02"):
        plot_results([source], output, fprs=(0.02,))


def test_operating_points_are_those_asked_for(tmp_path):
    source, output = make_scores(tmp_path / "a.csv"), tmp_path / "plots.png"
    plot_results([source], output, mdrs=(0.05,), fprs=(0.1,))
    results = read_figure_recipe(output).results["a"]
    points = {name.partition(" at ")[2] for name in results if " at " in name}
    assert points == {"mdr 0.05", "fpr 0.1"}


def test_scores_of_objects_are_plotted_with_their_labels(tmp_path):
    (tmp_path / "a.csv").write_text("7,0.9\n8,0.1\n9,0.95\n")
    (tmp_path / "labels.csv").write_text("7,1\n8,0\n9,0\n")
    output = tmp_path / "plots.png"
    plot_results([tmp_path / "a.csv"], output, labels=tmp_path / "labels.csv")
    recipe = read_figure_recipe(output)
    assert recipe.results["a"]["auc"].startswith("0.5000")
    assert set(recipe.inputs) == {"inputFiles[0]", "labels"}
    with pytest.raises(RecipeError, match=r"made with labels = labels\.csv, not None"):
        plot_results([tmp_path / "a.csv"], output)


def test_names_stand_in_the_legend(tmp_path):
    files = [make_scores(tmp_path / f"{name}.csv", seed=i) for i, name in enumerate("ab")]
    plot_results(files, tmp_path / "plots.png", names=("new", "old"))
    assert set(read_figure_recipe(tmp_path / "plots.png").results) == {"new", "old"}


@pytest.mark.parametrize("names", [("new",), ("new", "new")])
def test_names_that_do_not_tell_the_files_apart_are_an_error(tmp_path, names):
    files = [tmp_path / "a.csv", tmp_path / "b.csv"]
    with pytest.raises(ConfigError, match="names must be as many different ones as score files: 2"):
        plot_results(files, tmp_path / "plots.png", names=names)


def test_scale_that_is_none_is_an_error(tmp_path):
    with pytest.raises(ConfigError, match="scale must be one of mixed, linear, log; got 'cubic'"):
        plot_results([tmp_path / "a.csv"], tmp_path / "plots.png", scale="cubic")


def test_names_that_are_there_twice_are_counted_and_said(tmp_path, caplog):
    rows = "a_1.fits,1,0.9\nb_1.fits,0,0.1\nb_1.fits,0,0.1\n"
    (tmp_path / "a.csv").write_text(rows)
    plot_results([tmp_path / "a.csv"], tmp_path / "plots.png")
    assert "a.csv: 1 of 3 rows repeat a name; each counts" in caplog.text
    assert read_figure_recipe(tmp_path / "plots.png").results["a"]["bogus"] == 2


def test_other_picture_format_is_an_error(tmp_path):
    with pytest.raises(ConfigError, match=r"must end in \.png or .*; got 'plots\.doc'"):
        plot_results([make_scores(tmp_path / "a.csv")], tmp_path / "plots.doc")


def test_no_file_is_an_error(tmp_path):
    with pytest.raises(ConfigError, match="give at least one score file"):
        plot_results([], tmp_path / "plots.png")


def test_missing_file_is_an_error(tmp_path):
    with pytest.raises(FormatError, match=r"none\.csv: no such file"):
        plot_results([tmp_path / "none.csv"], tmp_path / "plots.png")
