"""Everything that `evaluate` leaves: the headline of each split, the tables beside it and one row per face."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from emotion.evaluation.calibration import calibration_rows, choose_thresholds, selective_rows
from emotion.evaluation.intervals import accuracy_gain
from emotion.evaluation.metrics import (
    Predictions,
    class_scores,
    confusion,
    headline,
    headline_intervals,
    reliability,
    report,
)
from emotion.files import DECIMALS, rounded, write_csv, write_json, write_text
from emotion.metadata import Metadata


def write(
    root: Path, splits: Mapping[str, Predictions], flipped: Mapping[str, Predictions], network: Metadata, bins: int
) -> None:
    """Write what is known of the splits below `root`, in the pipeline's places.

    `metrics/<split>.json` holds the headline, `metrics/details/` the tables beside it, `plots/evaluation/` one row per
    face for DVC's own confusion matrix, `data/predictions.csv` every face of every split in the order of the datasets.

    Args:
        root: where the pipeline's folders lie.
        splits: `validation`, which chooses the thresholds, and any others.
        flipped: the same splits with each probability averaged over the face and its mirror image.
        network: facts of the network that answered.
        bins: number of bins of the calibration error.
    """
    details = root / "metrics/details"
    for split, predictions in splits.items():
        write_json(root / f"metrics/{split}.json", headline(predictions, bins))
        _write_split(predictions, bins, details, split)
        decisions = [row[1:3] for row in prediction_rows(predictions)]
        write_csv(root / f"plots/evaluation/confusion_{split}.csv", ("actual", "predicted"), decisions)
    _write_comparisons(details, splits, network, bins)
    gains = {split: [_flipped_row(predictions, flipped[split])] for split, predictions in splits.items()}
    _write_rows(details / "flipped.csv", ("accuracy", "accuracy_flipped", "gain", "low", "high"), gains)
    write_json(details / "model.json", asdict(network))
    classes = next(iter(splits.values())).classes
    rows = [[split, *row] for split, predictions in splits.items() for row in prediction_rows(predictions)]
    write_csv(root / "data/predictions.csv", ("split", "name", "actual", "predicted", *classes, "twin"), rows)


def prediction_rows(predictions: Predictions) -> list[list[str]]:
    """Tabulate what was said of each face: name, actual, predicted, one probability per class, twin (0 or 1)."""
    columns = (
        predictions.names,
        predictions.actual,
        predictions.predicted,
        predictions.probabilities.tolist(),
        predictions.twin,
    )
    return [
        [
            str(name),
            predictions.classes[actual],
            predictions.classes[predicted],
            *(f"{probability:.{DECIMALS}f}" for probability in probabilities),
            str(int(twin)),
        ]
        for name, actual, predicted, probabilities, twin in zip(*columns, strict=True)
    ]


def _write_split(predictions: Predictions, bins: int, folder: Path, split: str) -> None:
    write_csv(
        folder / f"{split}_classes.csv", ("class", "precision", "recall", "f1", "support"), class_scores(predictions)
    )
    counts = [(name, *row) for name, row in zip(predictions.classes, confusion(predictions).tolist(), strict=True)]
    write_csv(folder / f"{split}_confusion.csv", ("actual", *predictions.classes), counts)
    bin_table = reliability(predictions, bins)
    write_csv(folder / f"{split}_reliability.csv", ("bin", "confidence", "accuracy", "faces"), bin_table)
    write_text(folder / f"{split}_report.txt", report(predictions))


def _write_comparisons(folder: Path, splits: Mapping[str, Predictions], network: Metadata, bins: int) -> None:
    thresholds = choose_thresholds(splits["validation"], network.threshold)
    intervals = {split: headline_intervals(predictions) for split, predictions in splits.items()}
    calibration = {
        split: calibration_rows(predictions, network.temperature, bins) for split, predictions in splits.items()
    }
    selective = {split: selective_rows(predictions, thresholds) for split, predictions in splits.items()}
    _write_rows(folder / "intervals.csv", ("metric", "value", "low", "high"), intervals)
    scores = ("calibration_error", "brier_score", "log_loss")
    _write_rows(folder / "calibration.csv", ("probabilities", *scores), calibration)
    _write_rows(folder / "selective.csv", ("rule", "threshold", "coverage", "accuracy", "low", "high"), selective)


def _write_rows(path: Path, columns: Sequence[str], rows: Mapping[str, Sequence[Sequence[object]]]) -> None:
    """Write the rows of each split below one another."""
    write_csv(path, ("split", *columns), [(split, *row) for split, some in rows.items() for row in some])


def _flipped_row(plain: Predictions, flipped: Predictions) -> tuple[float, ...]:
    gain, interval = accuracy_gain(plain.right, flipped.right)
    return tuple(map(rounded, (plain.right.mean(), flipped.right.mean(), gain, *interval)))
