from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from csv_files import read_csv
from small_models import metadata_of
from small_runs import faces_of, predictions_for

from emotion.dataset import no_votes
from emotion.evaluation import tables
from emotion.evaluation.metrics import Predictions

CLASSES = ("happy", "sad", "fear")
SPLITS = {
    "validation": predictions_for(faces_of(CLASSES, 40, 1), 1),
    "test": predictions_for(faces_of(CLASSES, 30, 2), 2),
}


def with_one_mistake_corrected(predictions: Predictions) -> Predictions:
    probabilities = predictions.probabilities.copy()
    place = int(np.flatnonzero(~predictions.correct)[0])
    probabilities[place] = np.eye(3)[predictions.actual[place]]
    return replace(predictions, probabilities=probabilities)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    flipped = {split: with_one_mistake_corrected(predictions) for split, predictions in SPLITS.items()}
    votes = {split: no_votes(len(predictions.actual)) for split, predictions in SPLITS.items()}
    tables.write(folder, SPLITS, flipped, votes, metadata_of(CLASSES), bins=10)
    return folder


def rows_of(root: Path, name: str, split: str) -> list[dict[str, str]]:
    return [row for row in read_csv(root / f"metrics/details/{name}.csv") if row["split"] == split]


@pytest.mark.parametrize("split", SPLITS)
def test_tables_of_a_split_agree_with_one_another(root: Path, split: str) -> None:
    details = root / "metrics/details"
    predictions = read_csv(root / "data/predictions.csv")
    assert list(predictions[0]) == ["split", "name", "actual", "predicted", *CLASSES, "duplicate"]
    rows = [row for row in predictions if row["split"] == split]
    pairs = [(row["actual"], row["predicted"]) for row in rows]
    assert [row["name"] for row in rows] == SPLITS[split].names.tolist()
    for row in rows:
        assert max(CLASSES, key=lambda name: float(row[name])) == row["predicted"]
    assert [tuple(row.values()) for row in read_csv(root / f"plots/evaluation/confusion_{split}.csv")] == pairs
    for row in read_csv(details / f"{split}_confusion.csv"):
        for name in CLASSES:
            assert int(row[name]) == pairs.count((row["actual"], name))
    for row in read_csv(details / f"{split}_classes.csv"):
        assert int(row["support"]) == sum(actual == row["class"] for actual, _ in pairs)
    accuracy = np.mean([actual == predicted for actual, predicted in pairs])
    assert json.loads((root / f"metrics/{split}.json").read_text())["accuracy"] == pytest.approx(accuracy)
    assert "macro avg" in (details / f"{split}_report.txt").read_text()


@pytest.mark.parametrize("split", SPLITS)
def test_every_comparison_contains_the_figures_of_the_headline(root: Path, split: str) -> None:
    figures = json.loads((root / f"metrics/{split}.json").read_text())
    intervals = {row["metric"]: row for row in rows_of(root, "intervals", split)}
    assert {name: float(row["value"]) for name, row in intervals.items()} == {name: figures[name] for name in intervals}
    uncalibrated, calibrated = rows_of(root, "calibration", split)
    assert uncalibrated["log_loss"] != calibrated["log_loss"] == str(figures["log_loss"])
    every, *_, own = rows_of(root, "selective", split)
    assert float(every["accuracy"]) == figures["accuracy"]
    assert (own["rule"], own["threshold"]) == ("uncertain", "0.5")
    (gain,) = rows_of(root, "flipped", split)
    assert float(gain["accuracy"]) == figures["accuracy"]
    assert float(gain["gain"]) == pytest.approx(1 / len(SPLITS[split].actual), abs=1e-6)
    assert float(gain["low"]) <= float(gain["gain"]) <= float(gain["high"])


def test_validation_sets_the_thresholds_of_both_splits(root: Path) -> None:
    validation, test = (rows_of(root, "selective", split) for split in SPLITS)
    assert [row["threshold"] for row in validation] == [row["threshold"] for row in test]
    assert [row["coverage"] for row in validation[:-1]] == ["1.0", "0.9", "0.8", "0.7", "0.5"]


def test_prediction_has_six_decimals_and_a_duplicate_of_0_or_1() -> None:
    predictions = Predictions(
        classes=("happy", "sad"),
        actual=np.array([0, 1]),
        probabilities=np.array([[0.75, 0.25], [0.5, 0.5]], np.float32),
        duplicate=np.array([True, False]),
        names=np.array(["face0.jpg", "face1.jpg"]),
    )
    assert tables.tabulate_predictions(predictions).to_numpy().tolist() == [
        ["face0.jpg", "happy", "happy", "0.750000", "0.250000", 1],
        ["face1.jpg", "sad", "happy", "0.500000", "0.500000", 0],
    ]
