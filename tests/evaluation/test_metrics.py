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
from emotion.evaluation import metrics
from emotion.evaluation.metrics import Predictions

THREE = ("happy", "sad", "fear")


def predictions(
    actual: list[int], probabilities: Any, twin: list[bool] | None = None, classes: Any = THREE
) -> Predictions:
    faces = len(actual)
    return Predictions(
        classes=classes,
        actual=np.array(actual, np.int8),
        probabilities=np.array(probabilities, np.float32).reshape(faces, len(classes)),
        twin=np.array(twin or [False] * faces),
        names=np.array([f"face{index}.jpg" for index in range(faces)]),
    )


def random_answers(seed: int, faces: int, classes: int = 3) -> Predictions:
    generator = np.random.default_rng(seed)
    actual = np.concatenate([np.arange(classes), generator.integers(0, classes, faces - classes)])
    names = tuple(f"class{index}" for index in range(classes))
    return predictions(actual.tolist(), generator.dirichlet(np.ones(classes), faces), classes=names)


# Three of four are right; the second choice is right for the last one.
FOUR = predictions(
    [0, 0, 1, 2],
    [[0.8, 0.1, 0.1], [0.6, 0.3, 0.1], [0.2, 0.7, 0.1], [0.5, 0.1, 0.4]],
    twin=[True, False, False, False],
)


def test_headline_of_a_case_worked_out_by_hand() -> None:
    figures = metrics.headline(FOUR, bins=10)
    assert figures["accuracy"] == 0.75
    assert figures["accuracy_unseen"] == round(2 / 3, 6)
    assert figures["balanced_accuracy"] == round(2 / 3, 6)  # recalls 1, 1, 0
    assert figures["macro_f1"] == 0.6  # F1 0.8, 1, 0
    assert figures["weighted_f1"] == 0.65
    assert figures["top2_accuracy"] == 1.0
    assert figures["log_loss"] == pytest.approx(-np.log([0.8, 0.6, 0.7, 0.4]).mean(), abs=1e-6)


def test_headline_keeps_to_ten_figures_of_six_decimals() -> None:
    figures = metrics.headline(random_answers(0, 50), bins=15)
    assert len(figures) <= 10
    assert all(figure == round(figure, 6) for figure in figures.values() if figure is not None)


@given(seed=st.integers(0, 2**31), faces=st.integers(8, 200), classes=st.integers(2, 7))
@settings(max_examples=25, deadline=None)
def test_headline_agrees_with_scikit_learn_where_every_class_has_faces(seed: int, faces: int, classes: int) -> None:
    some = random_answers(seed, faces, classes)
    figures = metrics.headline(some, bins=15)
    expected = {
        "balanced_accuracy": balanced_accuracy_score(some.actual, some.predicted),
        "macro_f1": f1_score(some.actual, some.predicted, average="macro", labels=range(classes)),
        "log_loss": log_loss(some.actual, some.probabilities, labels=range(classes)),
    }
    assert {name: figures[name] for name in expected} == pytest.approx(expected, abs=1e-6)
    np.testing.assert_array_equal(metrics.confusion(some), confusion_matrix(some.actual, some.predicted))


def test_class_without_faces_changes_no_average_but_stands_in_the_tables() -> None:
    without = predictions([0, 0, 1, 1], [[0.9, 0.1], [0.2, 0.8], [0.3, 0.7], [0.4, 0.6]], classes=("happy", "sad"))
    padded = np.column_stack([without.probabilities, np.zeros(4)])
    figures = metrics.headline(predictions([0, 0, 1, 1], padded), bins=10)
    expected = metrics.headline(without, bins=10)
    for name in ("accuracy", "balanced_accuracy", "macro_f1", "weighted_f1", "calibration_error"):
        assert figures[name] == expected[name], name
    assert metrics.class_scores(predictions([0, 0, 1, 1], padded))[2] == ("fear", 0.0, 0.0, 0.0, 0)


def test_only_twins_leave_no_figure_for_unseen_faces() -> None:
    assert metrics.headline(predictions([0, 1], np.eye(3)[:2], twin=[True, True]), bins=5)["accuracy_unseen"] is None


def test_class_of_twins_only_is_left_out_of_unseen_faces() -> None:
    some = predictions([0, 0, 1], np.eye(3)[[0, 1, 1]], twin=[False, False, True])
    assert metrics.headline(some, bins=5)["accuracy_unseen"] == 0.5


def test_two_classes_and_a_certain_mistake_give_finite_figures() -> None:
    figures = metrics.headline(predictions([0, 1], [[1, 0], [1, 0]], classes=("happy", "sad")), bins=5)
    assert figures["top2_accuracy"] == 1.0
    assert json.loads(json.dumps(figures, allow_nan=False)) == figures


def test_a_single_face_can_be_judged() -> None:
    assert metrics.headline(predictions([2], [0.1, 0.2, 0.7]), bins=5)["accuracy"] == 1.0


def test_calibration_error_of_a_case_worked_out_by_hand() -> None:
    # Bins of ten: 0.8 and 0.7 right, 0.6 right, 0.5 wrong; gaps 0.2, 0.3, 0.4 and 0.5.
    assert metrics.calibration_error(FOUR, bins=10) == pytest.approx((0.2 + 0.3 + 0.4 + 0.5) / 4, abs=1e-6)
    # One bin: accuracy 0.75 against a mean confidence of 0.65.
    assert metrics.calibration_error(FOUR, bins=1) == pytest.approx(0.1, abs=1e-6)


def test_calibration_error_vanishes_where_answers_are_as_often_right_as_they_say() -> None:
    share = predictions([0, 0, 0, 1], [[0.75, 0.25, 0]] * 4)
    assert metrics.calibration_error(share, bins=15) == pytest.approx(0)


@given(seed=st.integers(0, 2**31), bins=st.integers(1, 100))
@settings(max_examples=25, deadline=None)
def test_reliability_table_holds_every_face_once_and_explains_the_calibration_error(seed: int, bins: int) -> None:
    some = random_answers(seed, 60)
    table = metrics.reliability(some, bins)
    filled = [(float(confidence), float(accuracy), faces) for _, confidence, accuracy, faces in table if faces]
    assert [row[0] for row in table] == list(range(1, bins + 1))
    assert sum(faces for *_, faces in filled) == 60
    error = sum(faces * abs(accuracy - confidence) for confidence, accuracy, faces in filled) / 60
    assert error == pytest.approx(metrics.calibration_error(some, bins), abs=1e-5)


def test_bin_holds_its_upper_bound_and_certainty_the_last_bin() -> None:
    halves = predictions([0, 0, 0], [[0.5, 0.25, 0.25], [0.75, 0.25, 0], [1, 0, 0]])
    assert [row[3] for row in metrics.reliability(halves, bins=4)] == [0, 1, 1, 1]
    assert metrics.reliability(halves, bins=4)[0] == (1, "", "", 0)


@pytest.mark.parametrize(("faces", "message"), [(0, "at least one face"), (2, "finite probabilities")])
def test_nothing_to_judge_is_refused(faces: int, message: str) -> None:
    with pytest.raises(DataError, match=message):
        predictions([0] * faces, np.full((faces, 3), np.nan))


@given(seed=st.integers(0, 2**31), faces=st.integers(8, 100), classes=st.integers(2, 7))
@settings(max_examples=25, deadline=None)
def test_brier_score_agrees_with_scikit_learn(seed: int, faces: int, classes: int) -> None:
    some = random_answers(seed, faces, classes)
    truth = np.eye(classes)[some.actual] if classes > 2 else some.actual
    shares = some.probabilities if classes > 2 else some.probabilities[:, 1]
    expected = brier_score_loss(truth, shares, scale_by_half=False)
    assert metrics.brier_score(some) == pytest.approx(expected, abs=1e-6)


@given(seed=st.integers(0, 2**31), faces=st.integers(8, 200), classes=st.integers(2, 7), absent=st.booleans())
@settings(max_examples=25, deadline=None)
def test_figures_with_intervals_are_those_of_the_headline(seed: int, faces: int, classes: int, absent: bool) -> None:
    some = random_answers(seed, faces, classes)
    twin = np.random.default_rng(seed).random(faces) < 0.3
    labels = np.minimum(some.actual, classes - 2) if absent else some.actual
    some = replace(some, twin=twin, actual=labels)
    expected = metrics.headline(some, bins=10)
    for name, value, low, high in metrics.headline_intervals(some):
        assert value == ("" if expected[str(name)] is None else pytest.approx(expected[str(name)], abs=1e-6))
        assert value == "" or 0 <= float(low) <= float(high) <= 1


def test_interval_of_macro_f1_is_that_of_faces_drawn_anew() -> None:
    some = random_answers(3, 150)
    generator = np.random.default_rng(0)
    scores = []
    for _ in range(300):
        chosen = generator.integers(0, 150, 150)
        scores.append(f1_score(some.actual[chosen], some.predicted[chosen], average="macro"))
    _, _, low, high = next(row for row in metrics.headline_intervals(some) if row[0] == "macro_f1")
    assert (low, high) == pytest.approx(tuple(np.quantile(scores, [0.025, 0.975])), abs=0.02)


def test_interval_of_unseen_faces_is_wider_and_empty_where_there_are_none() -> None:
    some = random_answers(1, 200)
    half = replace(some, twin=np.arange(200) % 2 == 0)
    widths = {str(name): float(high) - float(low) for name, _, low, high in metrics.headline_intervals(half)}
    assert widths["accuracy_unseen"] > 1.2 * widths["accuracy"]
    none = metrics.headline_intervals(replace(some, twin=np.ones(200, bool)))
    assert none[1] == ("accuracy_unseen", "", "", "")
