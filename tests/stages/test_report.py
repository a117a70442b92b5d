import re
import shutil

import h5py
import numpy as np
import pytest

from realbogus.dataset import read_part
from realbogus.errors import ConfigError, DatasetError, FormatError, RecipeError
from realbogus.pages import read_page_recipe
from realbogus.plots.evaluation import picture_of_stamp
from realbogus.provenance import read_recipe
from realbogus.scores import read_scores
from realbogus.stages.report import write_report
from realbogus.traits import groups_of


@pytest.fixture(scope="module")
def page(dataset, trained, tmp_path_factory):
    """Write the report of the simulated survey's test part; give its file."""
    output = tmp_path_factory.mktemp("report") / "report.html"
    write_report(trained / "scores.csv", output, dataset=dataset, mdrs=(0.05,), fprs=(0.1,))
    return output


def titles_of(page):
    return re.findall(r"<h2>([^<]*)</h2>", page.read_text())


def test_page_has_every_section(page):
    assert titles_of(page) == [
        *("Operating points", "Scores", "By magnitude", "By signal to noise"),
        *("By seeing, FWHM in pixels", "By masked fraction", "By camera", "By filter"),
        *("By night (MJD)", "Worst misses", "Worst false alarms", "Recipe"),
    ]


def test_page_is_one_file(page):
    assert not re.search(r"(src|href)=\"(?!data:)", page.read_text())


def test_every_picture_says_what_it_shows(page):
    images = re.findall(r"<img [^>]*>", page.read_text())
    assert all(re.search(r'alt="[^"]+"', image) for image in images)
    assert len([image for image in images if "svg" in image]) == 10


def test_worst_misses_are_shown_with_their_own_stamps(page, dataset, trained):
    scores, part = read_scores(trained / "scores.csv"), read_part(dataset, "test")
    real = np.flatnonzero(scores.targets == 1)
    lowest = real[np.argmin(scores.scores[real])]
    stamps = page.read_text().split('class="stamps"')[1]
    first = re.search(r'<figure><img src="([^"]+)" alt="stamp ([^"]+)"', stamps)
    assert first[2] == scores.names[lowest]
    assert first[1] == picture_of_stamp(part.stamps[lowest])


def test_recipe_has_the_operating_points(page):
    recipe = read_page_recipe(page)
    assert set(recipe.results) == {"auc", "brier", "mdr 0.05", "fpr 0.1"}
    assert set(recipe.inputs) == {"scores", "dataset"}
    assert read_recipe(page) == recipe


def test_second_run_changes_nothing_and_other_options_are_an_error(page, dataset, trained):
    made = page.stat().st_mtime_ns
    write_report(trained / "scores.csv", page, dataset=dataset, mdrs=(0.05,), fprs=(0.1,))
    assert page.stat().st_mtime_ns == made
    with pytest.raises(RecipeError, match=r"made with mdr = 0\.05, not 0\.04"):
        write_report(trained / "scores.csv", page, dataset=dataset, mdrs=(0.04,), fprs=(0.1,))


def test_without_a_data_set_names_tell_cameras_and_there_are_no_stamps(trained, tmp_path):
    write_report(trained / "scores.csv", tmp_path / "r.html")
    assert titles_of(tmp_path / "r.html") == [
        *("Operating points", "Scores", "By camera", "By filter", "By night (MJD)", "Recipe"),
    ]


def test_distance_to_bright_stars_makes_groups_where_the_data_set_has_it(
    dataset, trained, tmp_path
):
    part = read_part(dataset, "test")
    distance = np.geomspace(1, 300, len(part), dtype=np.float32)
    distance[:3] = np.nan
    with_stars = tmp_path / "dataset.h5"
    shutil.copy(dataset, with_stars)
    with h5py.File(with_stars, "a") as file:
        file["test_star_distance"] = distance
    write_report(trained / "scores.csv", tmp_path / "r.html", dataset=with_stars)
    assert "By distance to the nearest bright star, arcsec" in titles_of(tmp_path / "r.html")
    found = groups_of("star_distance", read_part(with_stars, "test").traits["star_distance"])
    assert list(found) == [
        *("below 10", "10 to 20", "20 to 40", "40 to 80", "80 to 160", "160 and more"),
    ]
    assert sum(mask.sum() for mask in found.values()) == len(part) - 3


def test_tiny_file_has_a_report_too(tmp_path):
    (tmp_path / "a.csv").write_text("a_1,1,0.9\nb_1,0,0.2\n")
    write_report(tmp_path / "a.csv", tmp_path / "r.html")
    assert "1 real detections of 1 objects and 1 bogus" in (tmp_path / "r.html").read_text()


def test_hostile_names_stay_text(tmp_path):
    (tmp_path / "<b>.csv").write_text("<i>x</i>_02a58310o0001c,1,0.9\nb_1,0,0.2\n")
    write_report(tmp_path / "<b>.csv", tmp_path / "r.html")
    text = (tmp_path / "r.html").read_text()
    assert "<b>" not in text
    assert "<i>" not in text


def test_scores_of_another_data_set_are_an_error_and_leave_nothing(dataset, tmp_path):
    (tmp_path / "a.csv").write_text("a_1,1,0.9\nb_1,0,0.2\n")
    with pytest.raises(DatasetError, match=r"dataset\.h5: its test part has no 'a_1'"):
        write_report(tmp_path / "a.csv", tmp_path / "r.html", dataset=dataset)
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


def test_one_kind_alone_is_an_error(tmp_path):
    (tmp_path / "a.csv").write_text("a_1,1,0.9\n")
    with pytest.raises(FormatError, match=r"a\.csv: has one kind alone"):
        write_report(tmp_path / "a.csv", tmp_path / "r.html")


def test_no_operating_point_is_an_error(tmp_path):
    with pytest.raises(ConfigError, match="mdr: give at least one rate, or an fpr"):
        write_report(tmp_path / "a.csv", tmp_path / "r.html", mdrs=())


def test_missing_data_set_is_an_error(trained, tmp_path):
    with pytest.raises(ConfigError, match=r"dataset: .*none\.h5 does not exist"):
        write_report(trained / "scores.csv", tmp_path / "r.html", dataset=tmp_path / "none.h5")
