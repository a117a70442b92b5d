import base64
import io
import warnings

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from PIL import Image
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss, confusion_matrix

from realbogus.evaluation import Bin, brier_score, calibrate, confuse, group_rates, worst
from realbogus.intervals import Sample, point
from realbogus.metrics import Interval
from realbogus.plots.evaluation import (
    draw_calibration,
    draw_distribution,
    draw_groups,
    picture_of_stamp,
    svg_of,
)
from tests.helpers import draw_sample

SCORED = st.lists(st.tuples(st.integers(0, 1), st.floats(0, 1)), min_size=2, max_size=60)


def make_sample(scored):
    targets, scores = map(np.array, zip(*scored, strict=True))
    assume(0 < targets.sum() < len(targets))
    return Sample.of(targets, scores, np.arange(len(targets)))


@given(SCORED, st.floats(0, 1))
def test_counts_are_those_of_scikit_learn(scored, threshold):
    sample = make_sample(scored)
    found = confuse(sample, threshold)
    expected = confusion_matrix(sample.targets, sample.scores >= threshold).ravel()
    assert (found.rejected, found.passed, found.missed, found.found) == tuple(expected)


@given(SCORED)
def test_the_brier_score_is_that_of_scikit_learn(scored):
    sample = make_sample(scored)
    assert brier_score(sample) == pytest.approx(brier_score_loss(sample.targets, sample.scores))


@given(SCORED)
def test_the_calibration_is_that_of_scikit_learn(scored):
    sample = make_sample(scored)
    real, score = calibration_curve(sample.targets, sample.scores, n_bins=10)
    bins = calibrate(sample)
    assert [item.real.value for item in bins] == pytest.approx(real)
    assert [item.score for item in bins] == pytest.approx(score)
    assert sum(item.count for item in bins) == len(scored)


def test_rates_of_groups_are_those_at_the_thresholds():
    sample = draw_sample(100, 300)
    camera = np.where(np.arange(400) % 4 == 0, "02a", "01a")
    points = [point(sample, mdr=0.1), point(sample, fpr=0.1)]
    first, second = group_rates(sample, points, {"camera": camera})["camera"]
    assert (first.label, second.label) == ("01a", "02a")
    assert second.n_real + first.n_real == 100
    for place, at in enumerate(points):
        passes = sample.scores >= at.threshold.value
        chosen = passes[(camera == "02a") & (sample.targets == 1)]
        assert second.recall[place].value == pytest.approx(chosen.mean())
        assert second.recall[place].low < chosen.mean() < second.recall[place].high


def test_a_group_without_reals_has_no_recall_and_is_not_drawn_there():
    sample = Sample.of(np.array([1, 0, 0]), np.array([0.9, 0.1, 0.2]), np.arange(3))
    camera = np.array(["01a", "02a", "02a"])
    groups = group_rates(sample, [point(sample, threshold=0.5)], {"camera": camera})["camera"]
    assert groups[1].recall == [None]
    assert groups[0].fpr == [None]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        panels = draw_groups(groups, ["a"], title="camera").axes
    assert [list(panel.containers[0][0].get_xdata()) for panel in panels] == [[0], [1]]


def test_the_worst_are_the_lowest_reals_and_the_highest_bogus():
    sample = Sample.of(np.array([1, 1, 1, 0, 0]), np.array([0.5, 0.1, 0.9, 0.3, 0.8]), np.arange(5))
    assert list(worst(sample, kind=1, count=2)) == [1, 0]
    assert list(worst(sample, kind=0, count=9)) == [4, 3]


def test_the_distribution_counts_each_kind():
    targets, scores = np.array([1, 1, 0]), np.array([0.99, 1.0, 0.0])
    axes = draw_distribution(targets, scores, [0.5]).axes[0]
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == ["bogus: 1", "real: 2"]
    assert axes.patches[2].get_data().values.max() == 2


def test_the_calibration_names_the_numbers_in_its_bins():
    axes = draw_calibration([Bin(1234, 0.4, Interval(0.5, 0.4, 0.6))]).axes[0]
    assert "1,234" in [text.get_text() for text in axes.texts]
    assert axes.containers[0][0].get_xdata() == [0.4]


def test_many_groups_share_the_axis():
    sample = draw_sample(100, 300)
    nights = 58000 + np.arange(400) // 4
    groups = group_rates(sample, [point(sample, mdr=0.1)], {"night": nights})["night"]
    axes = draw_groups(groups, ["mdr 0.1"], title="night").axes[0]
    assert len(groups) == 100
    assert len(axes.get_xticks()) <= 16


def test_a_stamp_is_a_picture_with_its_first_row_below():
    stamp = np.zeros((4, 6), np.float32)
    stamp[0, 5] = 2
    stamp[3, 0] = -2
    kind, _, content = picture_of_stamp(stamp).partition(";base64,")
    assert kind == "data:image/png"
    with Image.open(io.BytesIO(base64.b64decode(content))) as image:
        pixels = np.asarray(image)
    assert pixels.shape == (4, 6)
    assert (pixels[3, 5], pixels[0, 0], pixels[1, 1]) == (255, 0, 128)


def test_a_figure_in_a_page_is_an_svg():
    address = svg_of(draw_calibration([Bin(1, 0.4, Interval(0.5, 0.4, 0.6))]))
    kind, _, content = address.partition(";base64,")
    assert kind == "data:image/svg+xml"
    assert b"<svg" in base64.b64decode(content)
