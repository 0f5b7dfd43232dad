from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from csv_files import read_csv
from small_runs import faces_of, predictions_for

from emotion.evaluation import label_issues
from emotion.evaluation.label_issues import LabelIssues
from emotion.evaluation.metrics import Predictions
from emotion.labels import NAMES

CLEAN = predictions_for(faces_of(NAMES, 700, 0), 5)


def mislabelled(share: float) -> tuple[Predictions, np.ndarray]:
    """Give a share of the faces another label than the one their predictions were made for."""
    generator = np.random.default_rng(2)
    wrong = generator.random(700) < share
    others = (CLEAN.actual + generator.integers(1, 7, 700)) % 7
    return replace(CLEAN, actual=np.where(wrong, others, CLEAN.actual)), wrong


def test_wrong_labels_are_found_and_ranked_first() -> None:
    predictions, wrong = mislabelled(0.1)
    found = label_issues.detect(predictions.actual, predictions.probabilities)
    assert wrong[found.order[: wrong.sum()]].mean() > 0.8
    assert found.doubtful[wrong].mean() > 0.5
    assert found.doubtful[~wrong].mean() < 0.1


def test_quality_is_the_margin_of_the_label_over_the_next_class() -> None:
    probabilities = np.array([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6]], np.float32)
    np.testing.assert_allclose(label_issues.detect(np.array([0, 1]), probabilities).quality, [0.75, 0.35], atol=1e-6)


@pytest.mark.parametrize("faces", [1, 3, 7])
def test_few_faces_and_classes_without_any_raise_no_warning(faces: int) -> None:
    assert len(label_issues.detect(CLEAN.actual[:faces], CLEAN.probabilities[:faces]).doubtful) == faces


def test_copies_with_different_labels_are_contradictory_across_splits_and_within_one() -> None:
    train, validation = faces_of(NAMES, 6, 0), faces_of(NAMES, 6, 1)
    pixels = validation.pixels.copy()
    pixels[0] = train.pixels[3]  # labels 0 and 3
    pixels[2] = train.pixels[2]  # the same label
    pixels[5] = pixels[4]  # labels 4 and 5
    marks = label_issues.find_contradictory({"train": train, "validation": replace(validation, pixels=pixels)})
    assert marks["train"].nonzero()[0].tolist() == [3]
    assert marks["validation"].nonzero()[0].tolist() == [0, 4, 5]


def test_summary_counts_contradictory_faces_and_their_mean_rank() -> None:
    issues = LabelIssues(np.array([0.9, 0.1, 0.5, 0.3, 0.7]), np.array([False, True, False, True, False]))
    contradictory, in_train = np.array([False, True, True, False, False]), np.array([False, True, False, False, False])
    assert label_issues.summarize(issues, contradictory, in_train) == {
        "faces": 5,
        "doubtful": 2,
        "contradictory": {"faces": 2, "doubtful": 1, "mean_rank": 0.25},  # ranks 0 and 2 of 0 to 4
        "contradictory_untaught": {"faces": 1, "doubtful": 0, "mean_rank": 0.5},
    }
    nothing = np.zeros(5, bool)
    assert label_issues.summarize(issues, nothing, in_train)["contradictory"] == {
        "faces": 0,
        "doubtful": 0,
        "mean_rank": None,
    }


def test_written_ranking_names_the_faces_of_all_splits(tmp_path: Path) -> None:
    predictions, _ = mislabelled(0.1)
    splits = {"validation": predictions, "test": replace(CLEAN, actual=CLEAN.actual[::-1])}
    marks = {split: np.arange(700) % 3 == 0 for split in splits}
    label_issues.write(tmp_path, splits, marks)
    rows = read_csv(tmp_path / "metrics/details/doubtful.csv")
    assert list(rows[0]) == list(label_issues.COLUMNS)
    assert [int(row["rank"]) for row in rows] == list(range(1, len(rows) + 1))
    assert [float(row["quality"]) for row in rows] == sorted(float(row["quality"]) for row in rows)
    assert {row["split"] for row in rows} == set(splits)
    for row in rows:
        predictions = splits[row["split"]]
        place = predictions.names.tolist().index(row["name"])
        assert row["label"] == NAMES[predictions.actual[place]] != row["predicted"]
        assert row["predicted"] == NAMES[predictions.predicted[place]]
        assert row["contradictory"] == str(int(marks[row["split"]][place]))
    summary = json.loads((tmp_path / "metrics/details/doubts.json").read_text())
    assert (summary["faces"], summary["doubtful"]) == (1400, len(rows))


def test_correct_predictions_leave_no_doubtful_label(tmp_path: Path) -> None:
    perfect = predictions_for(faces_of(NAMES, 70, 0), 5, perfect=True)
    label_issues.write(tmp_path, {"validation": perfect}, {"validation": np.zeros(70, bool)})
    assert (tmp_path / "metrics/details/doubtful.csv").read_text() == ",".join(label_issues.COLUMNS) + "\n"
