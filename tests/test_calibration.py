from dataclasses import asdict

import numpy as np
import pytest

from realbogus.calibration import (
    CALIBRATIONS,
    Calibration,
    calibration_error,
    choose_calibration,
    fit_isotonic,
    fit_temperature,
    log_loss,
)
from realbogus.errors import FormatError
from realbogus.metrics import area_under, rates


def expit(logits):
    return 1 / (1 + np.exp(-logits))


def drawn(n=20_000, seed=0, warp=lambda logits: logits):
    """Draw targets from true probabilities, and give these warped as a network's scores."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(-1, 2, n)
    targets = (rng.uniform(size=n) < expit(logits)).astype(np.int8)
    return targets, expit(warp(logits))


def overconfident(logits):
    return 2.5 * logits


def lopsided(logits):
    return np.where(logits > 0, 3 * logits, logits / 2) + 1


def test_temperature_is_found():
    targets, scores = drawn(warp=overconfident)
    assert fit_temperature(targets, scores).temperature == pytest.approx(2.5, rel=0.05)


@pytest.mark.parametrize(
    ("method", "warp"),
    [("temperature", overconfident), ("isotonic", overconfident), ("isotonic", lopsided)],
)
def test_calibrated_scores_of_new_detections_mean_what_they_say(method, warp):
    fitted = CALIBRATIONS[method](*drawn(warp=warp))
    targets, scores = drawn(seed=1, warp=warp)
    assert calibration_error(targets, scores) > 0.05
    assert calibration_error(targets, fitted.apply(scores)) < 0.015


@pytest.mark.parametrize("method", CALIBRATIONS)
def test_a_calibration_keeps_the_order_of_the_scores(method):
    targets, scores = drawn(2000, warp=lopsided)
    calibrated = CALIBRATIONS[method](targets, scores).apply(scores)
    assert (np.diff(calibrated[np.argsort(scores)]) > 0).all()
    assert 0 <= calibrated.min() <= calibrated.max() <= 1
    areas = [area_under(rates(targets, values)) for values in (scores, calibrated)]
    assert areas[0] == pytest.approx(areas[1], abs=1e-12)


@pytest.mark.parametrize(("warp", "best"), [(overconfident, "temperature"), (lopsided, "isotonic")])
def test_the_way_that_does_best_on_other_objects_is_chosen(warp, best):
    targets, scores = drawn(warp=warp)
    objects = np.arange(len(targets)) // 2
    fitted, losses = choose_calibration(targets, scores, objects, rng=np.random.default_rng(0))
    assert fitted.method == best
    assert min(losses, key=losses.get) == best
    assert losses["none"] > losses[best]


def test_too_few_objects_to_choose_leave_the_scores_as_they_are():
    scores = np.array([0.2, 0.8])
    fitted, losses = choose_calibration(
        np.array([0, 1]), scores, np.array(["a", "b"]), rng=np.random.default_rng(0)
    )
    assert np.array_equal(fitted.apply(scores), scores)
    assert losses == {}


def test_scores_of_0_and_1_can_be_calibrated():
    targets, scores = drawn(500)
    scores = np.round(scores)
    for fit in CALIBRATIONS.values():
        assert np.isfinite(fit(targets, scores).apply(scores)).all()


def test_calibration_error_of_known_cases():
    targets = np.array([1, 0, 1, 0])
    assert calibration_error(targets, np.full(4, 0.5)) == 0
    assert calibration_error(targets, np.array([0, 1, 0, 1])) == 1
    assert calibration_error(targets, np.array([0.9, 0.1, 0.9, 0.1])) == pytest.approx(0.1)


def test_log_loss_agrees_with_scikit_learn():
    from sklearn.metrics import log_loss as reference

    targets, scores = drawn(1000)
    assert log_loss(targets, scores) == pytest.approx(reference(targets, scores), rel=1e-9)


def test_a_calibration_is_recorded_and_read():
    fitted = fit_isotonic(*drawn(500, warp=lopsided))
    assert Calibration.from_record(asdict(fitted)) == fitted


@pytest.mark.parametrize(
    "changes",
    [
        {"temperature": 0},
        {"temperature": "hot"},
        {"temperature": float("inf")},
        {"raw": [0.1, 0.9]},
        {"raw": [0.9, 0.1], "calibrated": [0.1, 0.9]},
        {"raw": [0.1, 0.9], "calibrated": [0.9, 0.1]},
        {"raw": [0.1, 0.9], "calibrated": [0.1, 7]},
        {"raw": None},
    ],
)
def test_a_damaged_record_is_one_line(changes):
    with pytest.raises(FormatError, match="the calibration in the recipe is"):
        Calibration.from_record({**asdict(Calibration()), **changes})
