from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax
from small_runs import faces_of, predictions_for

from emotion.evaluation import calibration, metrics
from emotion.evaluation.metrics import Predictions
from emotion.labels import NAMES

SOME = predictions_for(faces_of(NAMES, 200, 0), 5)


def with_probabilities(probabilities: list[list[float]], actual: list[int]) -> Predictions:
    return Predictions(
        classes=("happy", "sad"),
        actual=np.array(actual),
        probabilities=np.array(probabilities, np.float32),
        twin=np.zeros(len(actual), bool),
        names=np.array([f"face{index}.jpg" for index in range(len(actual))]),
    )


# Confidence 0.9, 0.8, 0.7, 0.6; only the last answer is wrong.
FOUR = with_probabilities([[0.9, 0.1], [0.2, 0.8], [0.7, 0.3], [0.6, 0.4]], [0, 1, 0, 1])


@given(seed=st.integers(0, 2**31), temperature=st.floats(0.2, 5))
@settings(max_examples=50, deadline=None)
def test_uncalibrated_probabilities_are_the_softmax_of_the_logits(seed: int, temperature: float) -> None:
    logits = np.random.default_rng(seed).normal(scale=3, size=(200, 7))
    calibrated = replace(SOME, probabilities=softmax(logits / temperature, axis=1).astype(np.float32))
    found = calibration.uncalibrate(calibrated, temperature).probabilities
    np.testing.assert_allclose(found, softmax(logits, axis=1), atol=1e-5)


def test_temperature_of_one_and_certainty_change_nothing() -> None:
    np.testing.assert_allclose(calibration.uncalibrate(SOME, 1).probabilities, SOME.probabilities, atol=1e-6)
    certain = with_probabilities([[1, 0], [0, 1]], [0, 0])
    np.testing.assert_array_equal(calibration.uncalibrate(certain, 0.9).probabilities, certain.probabilities)


def test_rows_compare_both_probabilities_by_the_headlines_figures() -> None:
    (before, *old), (after, *new) = calibration.calibration_rows(SOME, 1.5, bins=10)
    assert (before, after) == ("uncalibrated", "calibrated")
    expected = metrics.headline(SOME, 10)
    assert new[0] == expected["calibration_error"]
    assert new[2] == expected["log_loss"]
    assert new[1] == pytest.approx(metrics.brier_score(SOME), abs=1e-6)
    assert old != new


def test_thresholds_keep_their_share_of_validation() -> None:
    thresholds = calibration.choose_thresholds(SOME, own=0.5)
    assert list(thresholds) == ["100%", "90%", "80%", "70%", "50%", "uncertain"]
    for rule in list(thresholds)[:-1]:
        kept = np.mean(SOME.confidence >= thresholds[rule])
        assert kept == pytest.approx(float(rule.rstrip("%")) / 100, abs=1 / 200)
    assert thresholds["uncertain"] == 0.5
    assert "uncertain" not in calibration.choose_thresholds(SOME, own=None)


def test_all_faces_of_another_split_are_kept_by_the_first_rule() -> None:
    unsure = with_probabilities([[0.5, 0.5]], [0])
    (_, threshold, coverage, accuracy, *_), *_ = calibration.selective_rows(
        unsure, calibration.choose_thresholds(FOUR, own=None)
    )
    assert (threshold, coverage, accuracy) == (0, 1, 1)


def test_accuracy_is_that_of_the_faces_at_or_above_the_threshold() -> None:
    rows = calibration.selective_rows(FOUR, {"all": 0, "sure": float(np.float32(0.7)), "none": 0.95})
    assert [row[:4] for row in rows] == [("all", 0, 1, 0.75), ("sure", 0.7, 0.75, 1), ("none", 0.95, 0, "")]
    assert rows[1][4:] == (1, 1)
    assert rows[2][4:] == ("", "")


@given(seed=st.integers(0, 2**31))
@settings(max_examples=10, deadline=None)
def test_interval_of_the_kept_faces_holds_their_accuracy(seed: int) -> None:
    for _, _, _, accuracy, low, high in calibration.selective_rows(
        predictions_for(faces_of(NAMES, 80, 1), seed), {"half": 0.5}
    ):
        assert float(low) <= float(accuracy) <= float(high)
