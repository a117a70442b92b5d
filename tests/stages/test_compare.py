import numpy as np
import pytest
from PIL import Image

from realbogus.errors import ConfigError, FormatError, RecipeError, ReleaseError
from realbogus.plots.comparison import draw_comparison
from realbogus.scores import Scores, read_scores, write_scores
from realbogus.stages.compare import (
    compare_scores,
    read_differences,
    recorded_differences,
    require_release,
    tabulate,
)
from tests.helpers import make_recipe


def write(path, names, targets, values):
    objects = np.array([name.partition("_")[0] for name in names])
    scores = Scores(np.array(names), objects, targets, np.clip(values, 0, 1))
    write_scores(path, scores, make_recipe("score"))
    return path


@pytest.fixture
def files(tmp_path):
    """Write an old and a new score file of two cameras; the new one fails on 03a."""
    rng = np.random.default_rng(0)
    count = 1200
    targets = (np.arange(count) % 3 == 0).astype(np.int8)
    is_03a = np.arange(count) % 2 == 0
    names = [f"{i}_0{3 if b else 2}a58310o0123c_{i}.fits" for i, b in enumerate(is_03a)]
    old = 0.3 + 0.3 * targets + rng.normal(0, 0.12, count)
    new = old + rng.normal(0, 0.02, count) - 0.15 * is_03a * targets
    order = rng.permutation(count)
    return (
        write(tmp_path / "old.csv", names, targets, old),
        write(tmp_path / "new.csv", [names[i] for i in order], targets[order], new[order]),
    )


def test_worse_camera_stops_the_release_whatever_the_order_of_the_rows(files, tmp_path):
    found = compare_scores(*files, tmp_path / "c.png", resamples=200)
    with pytest.raises(ReleaseError, match=r"significantly worse: fpr of all .*camera 03a"):
        require_release(found)
    assert "worse" in [row[-1] for row in tabulate(found)]


def test_equal_classifiers_are_released(files, tmp_path):
    found = compare_scores(files[0], files[0], tmp_path / "c.png", resamples=200)
    require_release(found)
    assert {item.group for item in found} == {"all", "camera 02a", "camera 03a"}


def test_second_run_reads_the_differences_back_and_other_options_are_an_error(files, tmp_path):
    found = compare_scores(*files, tmp_path / "c.svg", resamples=200)
    made = (tmp_path / "c.svg").stat().st_mtime_ns
    assert compare_scores(*files, tmp_path / "c.svg", resamples=200) == found
    assert (tmp_path / "c.svg").stat().st_mtime_ns == made
    with pytest.raises(RecipeError, match=r"made with margin = 0\.0, not 0\.1"):
        compare_scores(*files, tmp_path / "c.svg", resamples=200, margin=0.1)


def test_picture_has_a_panel_for_each_rate_and_marks_what_is_worse(files, tmp_path):
    found = compare_scores(*files, tmp_path / "c.png", resamples=200)
    panels = draw_comparison(found, names=("old", "new")).axes
    assert len(panels) == 4
    assert panels[0].get_title() == "false positive rate\nat 1% missed"
    marks = [line.get_marker() for panel in panels for line in panel.lines]
    assert marks.count(">") == sum(item.is_worse for item in found)
    assert marks.count("o") == sum(not item.is_worse for item in found)


def test_magnitudes_and_nights_come_from_the_data_set(dataset, trained, tmp_path):
    scores = trained / "scores.csv"
    found = compare_scores(scores, scores, tmp_path / "c.png", dataset=dataset, resamples=100)
    groups = {item.group for item in found}
    assert {"night 58310", "night 58311"} <= groups
    assert any(group.startswith("mag ") for group in groups)


def test_files_of_other_detections_are_an_error(files, tmp_path):
    scores = read_scores(files[0])
    names = scores.names.tolist()
    fewer = write(tmp_path / "a.csv", names[1:], scores.targets[1:], scores.scores[1:])
    with pytest.raises(FormatError, match=r"a\.csv: has 1199 detections and old\.csv has 1200"):
        compare_scores(files[0], fewer, tmp_path / "c.png")
    other = write(tmp_path / "b.csv", ["x", *names[1:]], scores.targets, scores.scores)
    with pytest.raises(FormatError, match=r"b\.csv: has no '0_03a.*', which old\.csv has"):
        compare_scores(files[0], other, tmp_path / "c.png")
    turned = write(tmp_path / "d.csv", names, 1 - scores.targets, scores.scores)
    with pytest.raises(FormatError, match=r"d\.csv: '0_03a.*' has another target than in old"):
        compare_scores(files[0], turned, tmp_path / "c.png")
    assert not (tmp_path / "c.png").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mdrs": ()}, "mdr: give at least one missed detection rate"),
        ({"margin": -0.1}, "margin must be from 0 to 1; got -0.1"),
        ({"least": 1}, "least must be at least 2 objects; got 1"),
        ({"resamples": 10}, "resamples must be at least 100; got 10"),
    ],
)
def test_option_that_is_not_allowed_is_an_error(files, tmp_path, options, message):
    with pytest.raises(ConfigError, match=message):
        compare_scores(*files, tmp_path / "c.png", **options)


def test_missing_file_is_an_error(files, tmp_path):
    with pytest.raises(ConfigError, match=r"old: .*none\.csv does not exist"):
        compare_scores(tmp_path / "none.csv", files[1], tmp_path / "c.png")


@pytest.mark.parametrize("results", [{}, {"differences": [1]}, {"differences": [{"group": "a"}]}])
def test_recipe_without_differences_is_an_error(results):
    with pytest.raises(FormatError, match="not that of a comparison"):
        recorded_differences(make_recipe("compare", results=results))


def test_recorded_differences_are_those_of_the_figure(files, tmp_path):
    found = compare_scores(*files, tmp_path / "c.pdf", resamples=100)
    assert read_differences(tmp_path / "c.pdf") == found


def test_picture_without_a_recipe_releases_nothing(tmp_path):
    Image.new("L", (4, 4)).save(tmp_path / "c.png")
    with pytest.raises(FormatError, match=r"c\.png: does not say what made it"):
        read_differences(tmp_path / "c.png")
