import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from realbogus.quality import find_thresholds, judge, object_scores


def sample(n=4000, seed=0):
    rng = np.random.default_rng(seed)
    targets = (np.arange(n) % 4 == 0).astype(np.int8)
    logits = rng.normal(np.where(targets == 1, 3, -3), 2)
    return targets, 1 / (1 + np.exp(-logits)), np.arange(n) // 8 * 2 + targets


def test_a_threshold_misses_what_it_says_and_its_interval_holds_that_of_other_detections():
    targets, scores, objects = sample()
    found = find_thresholds(targets, scores, objects)
    others, other_scores, _ = sample(400_000, seed=1)
    for name, mdr in (("mdr 0.01", 0.01), ("mdr 0.04", 0.04)):
        threshold, low, high = found[name]["threshold"]
        assert np.mean(scores[targets == 1] < threshold) == pytest.approx(mdr, abs=1e-3)
        assert low < np.quantile(other_scores[others == 1], mdr) < high
        assert low <= threshold <= high
        assert found[name]["fpr"][0] == pytest.approx(np.mean(scores[targets == 0] >= threshold))


def test_a_judgement_has_rates_intervals_and_the_error_of_the_scores():
    targets, scores, objects = sample()
    found = judge(targets, scores, objects)
    area, low, high = found["auc"]
    assert area == pytest.approx(roc_auc_score(targets, scores))
    assert low < area < high
    assert 0 < found["calibration_error"] < 0.1
    assert found["objects"]["auc"][0] > area


def test_an_object_has_the_median_of_its_scores():
    objects = np.array(["b", "a", "b", "a", "b", "c"])
    scores = np.array([0.9, 0.2, 0.1, 0.4, 0.7, 0.5])
    kinds, medians = object_scores(np.array([1, 0, 1, 0, 1, 0]), scores, objects)
    assert kinds.tolist() == [1, 0, 0]
    assert medians == pytest.approx([0.7, 0.3, 0.5])
