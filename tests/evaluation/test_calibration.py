from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax
from small_runs import faces_of, predictions_for

from emotion.evaluation import agreement, calibration, metrics
from emotion.evaluation.metrics import Predictions
from emotion.labels import NAMES

PREDICTIONS = predictions_for(faces_of(NAMES, 200, 0), 5)


def with_probabilities(probabilities: list[list[float]], actual: list[int]) -> Predictions:
    return Predictions(
        classes=("happy", "sad"),
        actual=np.array(actual),
        probabilities=np.array(probabilities, np.float32),
        duplicate=np.zeros(len(actual), bool),
        names=np.array([f"face{index}.jpg" for index in range(len(actual))]),
    )


# Confidence 0.9, 0.8, 0.7, 0.6; only the last prediction is wrong.
FOUR = with_probabilities([[0.9, 0.1], [0.2, 0.8], [0.7, 0.3], [0.6, 0.4]], [0, 1, 0, 1])


@given(seed=st.integers(0, 2**31), temperature=st.floats(0.2, 5))
@settings(max_examples=50, deadline=None)
def test_uncalibrated_probabilities_are_the_softmax_of_the_logits(seed: int, temperature: float) -> None:
    logits = np.random.default_rng(seed).normal(scale=3, size=(200, 7))
    calibrated = replace(PREDICTIONS, probabilities=softmax(logits / temperature, axis=1).astype(np.float32))
    found = calibration.uncalibrate(calibrated, temperature).probabilities
    np.testing.assert_allclose(found, softmax(logits, axis=1), atol=1e-5)


def test_temperature_of_one_and_certain_predictions_change_nothing() -> None:
    np.testing.assert_allclose(
        calibration.uncalibrate(PREDICTIONS, 1).probabilities, PREDICTIONS.probabilities, atol=1e-6
    )
    certain = with_probabilities([[1, 0], [0, 1]], [0, 0])
    np.testing.assert_array_equal(calibration.uncalibrate(certain, 0.9).probabilities, certain.probabilities)


def test_table_compares_both_probabilities_by_the_figures_of_the_headline() -> None:
    votes = faces_of(NAMES, 200, 0, voted=True).votes
    table = calibration.tabulate_calibration(PREDICTIONS, votes, 1.5, bins=10)
    assert table["probabilities"].tolist() == ["uncalibrated", "calibrated"]
    before, after = table.drop(columns="probabilities").to_dict("records")
    expected = metrics.headline(PREDICTIONS, 10)
    assert after["calibration_error"] == expected["calibration_error"]
    assert after["log_loss"] == expected["log_loss"]
    assert after["brier_score"] == pytest.approx(metrics.brier_score(PREDICTIONS), abs=1e-6)
    on_votes = agreement.compare_with_votes(PREDICTIONS, votes, 10)
    assert {name: after[f"{name}_votes"] for name in on_votes} == on_votes
    assert all(before[name] != after[name] for name in before)


def test_thresholds_keep_their_share_of_validation() -> None:
    thresholds = calibration.choose_thresholds(PREDICTIONS, own=0.5)
    assert list(thresholds) == ["100%", "90%", "80%", "70%", "50%", "uncertain"]
    for rule in list(thresholds)[:-1]:
        kept = np.mean(PREDICTIONS.confidence >= thresholds[rule])
        assert kept == pytest.approx(float(rule.rstrip("%")) / 100, abs=1 / 200)
    assert thresholds["uncertain"] == 0.5
    assert "uncertain" not in calibration.choose_thresholds(PREDICTIONS, own=None)


def test_first_rule_keeps_every_prediction_of_another_split() -> None:
    unsure = with_probabilities([[0.5, 0.5]], [0])
    table = calibration.tabulate_selective(unsure, calibration.choose_thresholds(FOUR, own=None))
    assert table[["threshold", "coverage", "accuracy"]].iloc[0].tolist() == [0, 1, 1]


def test_accuracy_counts_the_predictions_at_or_above_the_threshold() -> None:
    sure = float(np.float32(0.7))
    table = calibration.tabulate_selective(FOUR, {"all": 0, "sure": sure, "none": 0.95})
    expected = pd.DataFrame(
        {
            "rule": ["all", "sure", "none"],
            "threshold": [0, sure, 0.95],
            "coverage": [1, 0.75, 0],
            "accuracy": [0.75, 1, np.nan],
        }
    )
    pd.testing.assert_frame_equal(table.drop(columns=["low", "high"]), expected, check_dtype=False)
    assert table[["low", "high"]].iloc[1].tolist() == [1, 1]
    assert table[["low", "high"]].iloc[2].isna().all()


@given(seed=st.integers(0, 2**31))
@settings(max_examples=10, deadline=None)
def test_interval_of_the_kept_predictions_contains_their_accuracy(seed: int) -> None:
    table = calibration.tabulate_selective(predictions_for(faces_of(NAMES, 80, 1), seed), {"half": 0.5})
    assert table["accuracy"].between(table["low"], table["high"]).all()
