import pytest

from realbogus.dataset import read_columns
from realbogus.errors import ConfigError, RecipeError
from realbogus.plots import recall as drawing
from realbogus.plots.formats import read_figure_recipe
from realbogus.stages import recall as stage
from realbogus.stages.recall import plot_recall


@pytest.fixture
def good(tmp_path):
    (tmp_path / "good.csv").write_text("7,0.9\n8,0.1\n9,0.95\n3,0.2\n")
    return tmp_path / "good.csv"


def test_recipe_holds_the_recall_and_names_the_missed_the_lowest_first(good, tmp_path):
    plot_recall([good], tmp_path / "recall.png", threshold=0.5)
    results = read_figure_recipe(tmp_path / "recall.png").results
    assert results["threshold"] == 0.5
    assert results["good"]["missed"] == ["8", "3"]
    assert results["good"]["recall"].startswith("0.5000 [")


def test_threshold_comes_from_the_first_score_file(good, tmp_path):
    rows = "".join(f"r{i}_1,1,{i / 100}\nb{i}_1,0,0.05\n" for i in range(10, 20))
    (tmp_path / "test.csv").write_text(rows)
    files = [tmp_path / "test.csv"]
    plot_recall([good], tmp_path / "recall.svg", input_files=files, mdrs=(0.1,))
    recipe = read_figure_recipe(tmp_path / "recall.svg")
    assert recipe.results["threshold"] == 0.11
    assert recipe.results["good"]["missed"] == ["8"]
    assert set(recipe.inputs) == {"recall[0]", "inputFiles[0]"}


def test_missed_objects_are_logged(good, tmp_path, caplog):
    caplog.set_level("INFO", "realbogus")
    plot_recall([good], tmp_path / "recall.png", threshold=0.5)
    assert "good: 50% (15 to 85%) of 4 found at 0.5" in caplog.text
    assert "good: missed 8" in caplog.text
    assert "missed 7" not in caplog.text


def test_stamps_of_missed_objects_come_from_the_data_set(dataset, tmp_path, monkeypatch):
    name = str(read_columns(dataset, "train").objects[0])
    (tmp_path / "good.csv").write_text(f"{name},0.1\nunknown,0.2\n")
    shown = []
    monkeypatch.setattr(
        stage,
        "draw_recall",
        lambda lists, limit, **more: (
            shown.append(more["stamps"]) or drawing.draw_recall(lists, limit, **more)
        ),
    )
    plot_recall([tmp_path / "good.csv"], tmp_path / "r.png", threshold=0.5, dataset=dataset)
    assert list(shown[0][0]) == [name]
    assert shown[0][0][name].shape == (20, 20)


def test_two_lists_of_one_name_are_told_apart(good, tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "good.csv").write_text("1,0.5\n")
    plot_recall([good, tmp_path / "b" / "good.csv"], tmp_path / "recall.png", threshold=0.5)
    assert "b/good" in read_figure_recipe(tmp_path / "recall.png").results


def test_second_run_changes_nothing_and_another_threshold_is_an_error(good, tmp_path):
    output = tmp_path / "recall.png"
    plot_recall([good], output, threshold=0.5)
    made = output.stat().st_mtime_ns
    plot_recall([good], output, threshold=0.5)
    assert output.stat().st_mtime_ns == made
    with pytest.raises(RecipeError, match=r"made with threshold = 0\.5, not 0\.6"):
        plot_recall([good], output, threshold=0.6)


def test_no_threshold_is_an_error(good, tmp_path):
    with pytest.raises(ConfigError, match="threshold: give one, or a score file and an mdr"):
        plot_recall([good], tmp_path / "recall.png")
