from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import balanced_accuracy_score, brier_score_loss, confusion_matrix, f1_score, log_loss

from emotion.errors import DataError
from emotion.evaluation import metrics, tables
from emotion.evaluation.metrics import Predictions

THREE = ("happy", "sad", "fear")


def predictions_of(
    actual: list[int], probabilities: Any, duplicate: list[bool] | None = None, classes: Any = THREE
) -> Predictions:
    faces = len(actual)
    return Predictions(
        classes=classes,
        actual=np.array(actual, np.int8),
        probabilities=np.array(probabilities, np.float32).reshape(faces, len(classes)),
        duplicate=np.array(duplicate or [False] * faces),
        names=np.array([f"face{index}.jpg" for index in range(faces)]),
    )


def random_predictions(seed: int, faces: int, classes: int = 3) -> Predictions:
    generator = np.random.default_rng(seed)
    actual = np.concatenate([np.arange(classes), generator.integers(0, classes, faces - classes)])
    names = tuple(f"class{index}" for index in range(classes))
    return predictions_of(actual.tolist(), generator.dirichlet(np.ones(classes), faces), classes=names)


# Three of four predictions are right; for the last face the second most probable class is right.
FOUR = predictions_of(
    [0, 0, 1, 2],
    [[0.8, 0.1, 0.1], [0.6, 0.3, 0.1], [0.2, 0.7, 0.1], [0.5, 0.1, 0.4]],
    duplicate=[True, False, False, False],
)


def test_headline_of_a_case_computed_by_hand() -> None:
    figures = metrics.headline(FOUR, bins=10)
    assert figures["accuracy"] == 0.75
    assert figures["accuracy_unseen"] == round(2 / 3, 6)
    assert figures["balanced_accuracy"] == round(2 / 3, 6)  # recalls 1, 1, 0
    assert figures["macro_f1"] == 0.6  # F1 0.8, 1, 0
    assert figures["weighted_f1"] == 0.65
    assert figures["top2_accuracy"] == 1.0
    assert figures["log_loss"] == pytest.approx(-np.log([0.8, 0.6, 0.7, 0.4]).mean(), abs=1e-6)


def test_headline_has_at_most_ten_figures_with_six_decimals() -> None:
    figures = metrics.headline(random_predictions(0, 50), bins=15)
    assert len(figures) <= 10
    assert all(figure == round(figure, 6) for figure in figures.values() if figure is not None)


@given(seed=st.integers(0, 2**31), faces=st.integers(8, 200), classes=st.integers(2, 7))
@settings(max_examples=25, deadline=None)
def test_headline_agrees_with_scikit_learn_where_every_class_has_faces(seed: int, faces: int, classes: int) -> None:
    predictions = random_predictions(seed, faces, classes)
    figures = metrics.headline(predictions, bins=15)
    expected = {
        "balanced_accuracy": balanced_accuracy_score(predictions.actual, predictions.predicted),
        "macro_f1": f1_score(predictions.actual, predictions.predicted, average="macro", labels=range(classes)),
        "log_loss": log_loss(predictions.actual, predictions.probabilities, labels=range(classes)),
    }
    assert {name: figures[name] for name in expected} == pytest.approx(expected, abs=1e-6)
    np.testing.assert_array_equal(
        metrics.confusion(predictions), confusion_matrix(predictions.actual, predictions.predicted)
    )


def test_class_without_faces_changes_no_average_but_appears_in_the_tables() -> None:
    without = predictions_of([0, 0, 1, 1], [[0.9, 0.1], [0.2, 0.8], [0.3, 0.7], [0.4, 0.6]], classes=("happy", "sad"))
    padded = np.column_stack([without.probabilities, np.zeros(4)])
    figures = metrics.headline(predictions_of([0, 0, 1, 1], padded), bins=10)
    expected = metrics.headline(without, bins=10)
    for name in ("accuracy", "balanced_accuracy", "macro_f1", "weighted_f1", "calibration_error"):
        assert figures[name] == expected[name], name
    scores = tables.tabulate_classes(predictions_of([0, 0, 1, 1], padded))
    assert scores.iloc[2].tolist() == ["fear", 0.0, 0.0, 0.0, 0]


def test_without_unseen_faces_their_accuracy_is_none() -> None:
    predictions = predictions_of([0, 1], np.eye(3)[:2], duplicate=[True, True])
    assert metrics.headline(predictions, bins=5)["accuracy_unseen"] is None


def test_accuracy_on_unseen_faces_leaves_out_duplicates() -> None:
    predictions = predictions_of([0, 0, 1], np.eye(3)[[0, 1, 1]], duplicate=[False, False, True])
    assert metrics.headline(predictions, bins=5)["accuracy_unseen"] == 0.5


def test_two_classes_and_a_certain_mistake_give_finite_figures() -> None:
    figures = metrics.headline(predictions_of([0, 1], [[1, 0], [1, 0]], classes=("happy", "sad")), bins=5)
    assert figures["top2_accuracy"] == 1.0
    assert json.loads(json.dumps(figures, allow_nan=False)) == figures


def test_a_single_face_can_be_evaluated() -> None:
    assert metrics.headline(predictions_of([2], [0.1, 0.2, 0.7]), bins=5)["accuracy"] == 1.0


def test_calibration_error_of_a_case_computed_by_hand() -> None:
    # Bins of ten: 0.8 and 0.7 right, 0.6 right, 0.5 wrong; gaps 0.2, 0.3, 0.4 and 0.5.
    assert metrics.calibration_error(FOUR, bins=10) == pytest.approx((0.2 + 0.3 + 0.4 + 0.5) / 4, abs=1e-6)
    # One bin: accuracy 0.75 against a mean confidence of 0.65.
    assert metrics.calibration_error(FOUR, bins=1) == pytest.approx(0.1, abs=1e-6)


def test_calibration_error_is_0_where_accuracy_equals_confidence() -> None:
    share = predictions_of([0, 0, 0, 1], [[0.75, 0.25, 0]] * 4)
    assert metrics.calibration_error(share, bins=15) == pytest.approx(0)


@given(seed=st.integers(0, 2**31), bins=st.integers(1, 100))
@settings(max_examples=25, deadline=None)
def test_reliability_table_holds_every_face_once_and_explains_the_calibration_error(seed: int, bins: int) -> None:
    predictions = random_predictions(seed, 60)
    table = tables.tabulate_reliability(predictions.confidence, predictions.correct, bins)
    assert table["bin"].tolist() == list(range(1, bins + 1))
    assert table["faces"].sum() == 60
    error = (table["faces"] * (table["accuracy"] - table["confidence"]).abs()).sum() / 60
    assert error == pytest.approx(metrics.calibration_error(predictions, bins), abs=1e-5)


def test_bin_includes_its_upper_bound_and_the_last_bin_certainty() -> None:
    halves = predictions_of([0, 0, 0], [[0.5, 0.25, 0.25], [0.75, 0.25, 0], [1, 0, 0]])
    table = tables.tabulate_reliability(halves.confidence, halves.correct, bins=4)
    assert table["faces"].tolist() == [0, 1, 1, 1]
    assert table[["confidence", "accuracy"]].iloc[0].isna().all()


@pytest.mark.parametrize(("faces", "message"), [(0, "no faces to evaluate"), (2, "NaN or infinity")])
def test_no_faces_and_no_finite_probabilities_are_refused(faces: int, message: str) -> None:
    with pytest.raises(DataError, match=message):
        predictions_of([0] * faces, np.full((faces, 3), np.nan))


@given(seed=st.integers(0, 2**31), faces=st.integers(8, 100), classes=st.integers(2, 7))
@settings(max_examples=25, deadline=None)
def test_brier_score_agrees_with_scikit_learn(seed: int, faces: int, classes: int) -> None:
    predictions = random_predictions(seed, faces, classes)
    truth = np.eye(classes)[predictions.actual] if classes > 2 else predictions.actual
    shares = predictions.probabilities if classes > 2 else predictions.probabilities[:, 1]
    expected = brier_score_loss(truth, shares, scale_by_half=False)
    assert metrics.brier_score(predictions) == pytest.approx(expected, abs=1e-6)


@given(seed=st.integers(0, 2**31), faces=st.integers(8, 200), classes=st.integers(2, 7), absent=st.booleans())
@settings(max_examples=25, deadline=None)
def test_figures_with_intervals_are_those_of_the_headline(seed: int, faces: int, classes: int, absent: bool) -> None:
    predictions = random_predictions(seed, faces, classes)
    duplicate = np.random.default_rng(seed).random(faces) < 0.3
    labels = np.minimum(predictions.actual, classes - 2) if absent else predictions.actual
    predictions = replace(predictions, duplicate=duplicate, actual=labels)
    expected = metrics.headline(predictions, bins=10)
    table = tables.tabulate_intervals(predictions).set_index("metric")
    for name, row in table.to_dict("index").items():
        value = np.nan if expected[str(name)] is None else expected[str(name)]
        assert row["value"] == pytest.approx(value, abs=1e-6, nan_ok=True)
        assert np.isnan(row["value"]) or 0 <= row["low"] <= row["high"] <= 1


def test_interval_of_macro_f1_is_that_of_resampled_faces() -> None:
    predictions = random_predictions(3, 150)
    generator = np.random.default_rng(0)
    scores = []
    for _ in range(300):
        chosen = generator.integers(0, 150, 150)
        scores.append(f1_score(predictions.actual[chosen], predictions.predicted[chosen], average="macro"))
    table = tables.tabulate_intervals(predictions).set_index("metric")
    ends = [table["low"]["macro_f1"], table["high"]["macro_f1"]]
    assert ends == pytest.approx(np.quantile(scores, [0.025, 0.975]).tolist(), abs=0.02)


def test_interval_of_unseen_faces_is_wider_and_empty_where_there_are_none() -> None:
    predictions = random_predictions(1, 200)
    half = replace(predictions, duplicate=np.arange(200) % 2 == 0)
    table = tables.tabulate_intervals(half).set_index("metric")
    widths = table["high"] - table["low"]
    assert widths["accuracy_unseen"] > 1.2 * widths["accuracy"]
    none = tables.tabulate_intervals(replace(predictions, duplicate=np.ones(200, bool)))
    assert none.iloc[1].tolist() == ["accuracy_unseen", *[pytest.approx(np.nan, nan_ok=True)] * 3]
