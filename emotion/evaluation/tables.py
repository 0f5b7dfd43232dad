"""The files that `evaluate` writes: the headline of each split, detailed tables, and one row per face."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from emotion.dataframes import stack_splits, write_table
from emotion.evaluation import agreement, metrics
from emotion.evaluation.calibration import choose_thresholds, tabulate_calibration, tabulate_selective
from emotion.evaluation.intervals import accuracy_gain
from emotion.evaluation.metrics import Predictions
from emotion.files import DECIMALS, write_json, write_text
from emotion.metadata import Metadata

Votes = Mapping[str, NDArray[np.uint8]]
"""The votes for the faces of each split, shape (n, 10), columns as `votes.CHOICES`."""


def write(
    root: Path,
    splits: Mapping[str, Predictions],
    flipped: Mapping[str, Predictions],
    votes: Votes,
    network: Metadata,
    bins: int,
) -> None:
    """Write the results of all splits below `root`, to the paths of the pipeline.

    `metrics/<split>.json` holds the headline, `metrics/details/` the detailed tables, `plots/evaluation/` one row per
    face for DVC's confusion matrix, `data/predictions.csv` every face of every split in the order of the datasets.
    What compares the network with votes is written only where somebody voted.

    Args:
        root: the folder with the pipeline's folders.
        splits: `validation`, which sets the thresholds, and any others.
        flipped: the same splits, with probabilities averaged over each face and its mirror image.
        votes: of the same splits.
        network: metadata of the network that made the predictions.
        bins: number of bins of the calibration error.
    """
    details = root / "metrics/details"
    voted = any(part.any() for part in votes.values())
    for split, predictions in splits.items():
        on_votes = agreement.headline(predictions, votes[split]) if voted else {}
        write_json(root / f"metrics/{split}.json", metrics.headline(predictions, bins) | on_votes)
        _write_details(predictions, bins, details, split)
    if voted:
        _write_agreement(details, splits, votes, bins)
    for name, table in _compare_splits(splits, flipped, votes, network, bins).items():
        write_table(details / f"{name}.csv", table)
    write_json(details / "model.json", asdict(network))
    listed = {split: tabulate_predictions(predictions) for split, predictions in splits.items()}
    write_table(root / "data/predictions.csv", stack_splits(listed))
    for split, table in listed.items():
        write_table(root / f"plots/evaluation/confusion_{split}.csv", table[["actual", "predicted"]])


def tabulate_predictions(predictions: Predictions) -> pd.DataFrame:
    """Tabulate the prediction for each face: name, actual, predicted, one probability per class, duplicate (0 or 1).

    The probabilities are text with six decimals.
    """
    classes = np.array(predictions.classes)
    probabilities = np.char.mod(f"%.{DECIMALS}f", predictions.probabilities)
    return pd.DataFrame(
        {
            "name": predictions.names,
            "actual": classes[predictions.actual],
            "predicted": classes[predictions.predicted],
            **dict(zip(predictions.classes, probabilities.T, strict=True)),
            "duplicate": predictions.duplicate.astype(int),
        }
    )


def tabulate_intervals(predictions: Predictions) -> pd.DataFrame:
    """Tabulate the headline figures with their confidence intervals: metric, value, low, high; NaN without a figure."""
    rows = [(name, value, *interval) for name, (value, interval) in metrics.intervals(predictions).items()]
    return pd.DataFrame(rows, columns=["metric", "value", "low", "high"])


def tabulate_reliability(
    confidence: NDArray[np.floating], truth: NDArray[np.generic], bins: int, name: str = "accuracy"
) -> pd.DataFrame:
    """Tabulate truth over confidence, for the reliability diagram.

    Args:
        confidence: shape (n,), 0-1, of each face.
        truth: bool or float, shape (n,), 0-1: what the confidence stands for.
        bins: number of bins.
        name: of the column of the truth.

    Returns:
        One row per bin of equal width, from low to high: its number (`bin`, from 1), the mean confidence and the mean
        truth of its faces (NaN without any), and the number of its faces.
    """
    faces, *both = metrics.fill_bins(confidence, truth, bins)
    means = dict(zip(("confidence", name), both, strict=True))
    table = pd.DataFrame({"bin": np.arange(1, bins + 1), **means, "faces": faces})
    table.loc[faces == 0, list(means)] = np.nan
    return table


def tabulate_classes(predictions: Predictions) -> pd.DataFrame:
    """Tabulate precision, recall, F1 and number of faces (support) of each class.

    The precision of a class that was never predicted is 0, and so is the recall of a class without faces.
    """
    from sklearn.metrics import precision_recall_fscore_support

    precision, recall, f1, support = precision_recall_fscore_support(
        predictions.actual, predictions.predicted, labels=range(len(predictions.classes)), zero_division=0
    )
    scores = {"precision": precision, "recall": recall, "f1": f1, "support": support}
    return pd.DataFrame({"class": predictions.classes, **scores})


def report(predictions: Predictions) -> str:
    """Return scikit-learn's classification report as text."""
    from sklearn.metrics import classification_report

    return str(
        classification_report(
            predictions.actual,
            predictions.predicted,
            labels=range(len(predictions.classes)),
            target_names=predictions.classes,
            digits=4,
            zero_division=0,
        )
    )


def _write_details(predictions: Predictions, bins: int, folder: Path, split: str) -> None:
    counts = pd.DataFrame(metrics.confusion(predictions), columns=list(predictions.classes))
    counts.insert(0, "actual", predictions.classes)
    write_table(folder / f"{split}_confusion.csv", counts)
    write_table(folder / f"{split}_classes.csv", tabulate_classes(predictions))
    reliability = tabulate_reliability(predictions.confidence, predictions.correct, bins)
    write_table(folder / f"{split}_reliability.csv", reliability)
    write_text(folder / f"{split}_report.txt", report(predictions))


def _write_agreement(folder: Path, splits: Mapping[str, Predictions], votes: Votes, bins: int) -> None:
    for split, predictions in splits.items():
        table = agreement.tabulate_confusion(predictions, votes[split])
        write_table(folder / f"{split}_confusion_votes.csv", table)
        confidence, shares = agreement.share_of_raters(predictions, votes[split])
        reliability = tabulate_reliability(confidence, shares, bins, "raters")
        write_table(folder / f"{split}_reliability_votes.csv", reliability)
    described = {split: agreement.describe(predictions, votes[split], bins) for split, predictions in splits.items()}
    write_json(folder / "votes.json", described)


def _compare_splits(
    splits: Mapping[str, Predictions], flipped: Mapping[str, Predictions], votes: Votes, network: Metadata, bins: int
) -> dict[str, pd.DataFrame]:
    """Return the tables that hold all splits, by the name of their file."""
    thresholds = choose_thresholds(splits["validation"], network.threshold)
    parts = {
        split: {
            "intervals": _tabulate_intervals(predictions, votes[split]),
            "calibration": tabulate_calibration(predictions, votes[split], network.temperature, bins),
            "selective": tabulate_selective(predictions, thresholds),
            "flipped": _tabulate_gain(predictions, flipped[split]),
        }
        for split, predictions in splits.items()
    }
    names = parts["validation"]
    return {name: stack_splits({split: tables[name] for split, tables in parts.items()}) for name in names}


def _tabulate_intervals(predictions: Predictions, votes: NDArray[np.uint8]) -> pd.DataFrame:
    labels = tabulate_intervals(predictions)
    majorities = agreement.tabulate_intervals(predictions, votes)
    return labels if majorities.empty else pd.concat([labels, majorities])


def _tabulate_gain(plain: Predictions, flipped: Predictions) -> pd.DataFrame:
    gain, (low, high) = accuracy_gain(plain.correct, flipped.correct)
    accuracies = {"accuracy": plain.correct.mean(), "accuracy_flipped": flipped.correct.mean()}
    return pd.DataFrame([{**accuracies, "gain": gain, "low": low, "high": high}])
