"""How well a network does on one split: headline figures, classes, confusion and calibration.

Pure functions of labels and probabilities, plus the one place that writes them down. Knows nothing of networks,
dataset files or pictures.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from emotion.errors import DataError
from emotion.files import write_csv, write_json, write_text

DECIMALS: Final = 6
"""Of every number that is written."""


@dataclass(frozen=True)
class Answers:
    """What a network said about the faces of one split.

    Attributes:
        classes: class names in the order of the probabilities.
        actual: integer, shape (n,), the labels, index into `classes`.
        probabilities: float32, shape (n, classes), 0-1, rows sum to 1.
        twin: bool, shape (n,), true where an exact copy of the face stands in train.
        names: str, shape (n,), the archive member that each face came from.
    """

    classes: tuple[str, ...]
    actual: NDArray[np.integer]
    probabilities: NDArray[np.float32]
    twin: NDArray[np.bool_]
    names: NDArray[np.str_]

    def __post_init__(self) -> None:
        """Refuse what no figure can be computed from.

        Raises:
            DataError: there is no face, or a probability is not finite.
        """
        if len(self.actual) == 0:
            raise DataError("expected at least one face to judge, received none; run: dvc repro preprocess")
        if not np.isfinite(self.probabilities).all():
            raise DataError("expected finite probabilities, received NaN or infinity; run: dvc repro --force train")

    @property
    def predicted(self) -> NDArray[np.intp]:
        """The most probable class of each face; the first one where several are."""
        places: NDArray[np.intp] = np.argmax(self.probabilities, axis=1)
        return places

    @property
    def confidence(self) -> NDArray[np.float32]:
        """The probability of the predicted class of each face."""
        highest: NDArray[np.float32] = np.max(self.probabilities, axis=1)
        return highest


def headline(answers: Answers, bins: int) -> dict[str, float | None]:
    """Compute the figures that DVC compares.

    Balanced accuracy and the two F1 are averages over the classes that have faces in the split: a class without any
    has no recall. `accuracy_unseen` leaves out the twins; it is None where every face is one.

    Args:
        answers: of one split.
        bins: number of bins of the expected calibration error.

    Returns:
        Figures rounded to 6 decimals; all of them shares of 1 but `log_loss`, which is in nats.
    """
    from sklearn.metrics import f1_score, log_loss, recall_score, top_k_accuracy_score

    actual, predicted, probabilities = answers.actual, answers.predicted, answers.probabilities
    right = actual == predicted
    every, present = range(len(answers.classes)), np.unique(actual)
    unseen = right[~answers.twin]
    figures = {
        "accuracy": right.mean(),
        "accuracy_unseen": unseen.mean() if len(unseen) else None,
        "balanced_accuracy": recall_score(actual, predicted, labels=present, average="macro"),
        "macro_f1": f1_score(actual, predicted, labels=present, average="macro"),
        "weighted_f1": f1_score(actual, predicted, labels=present, average="weighted"),
        # Of two classes the label is always among the first two, and scikit-learn wants another form of scores.
        "top2_accuracy": top_k_accuracy_score(actual, probabilities, k=2, labels=every) if len(every) > 2 else 1.0,
        "log_loss": log_loss(actual, probabilities, labels=every),
        "calibration_error": calibration_error(answers, bins),
    }
    return {name: None if figure is None else _rounded(figure) for name, figure in figures.items()}


def calibration_error(answers: Answers, bins: int) -> float:
    """Compute the expected calibration error: how far confidence and accuracy lie apart, averaged over the faces.

    Naeini, Cooper and Hauskrecht, "Obtaining Well Calibrated Probabilities Using Bayesian Binning" (AAAI 2015), in the
    form for several classes of Guo et al., "On Calibration of Modern Neural Networks" (ICML 2017), equation 3:
    the sum over bins B of |B| / n * |accuracy(B) - confidence(B)|.

    Args:
        answers: of one split.
        bins: number of bins of equal width over the confidence, 0 to 1.

    Returns:
        0 to 1.
    """
    faces, confidence, accuracy = _fill_bins(answers, bins)
    filled = faces > 0
    return float(faces[filled] @ np.abs(accuracy - confidence)[filled] / faces.sum())


def reliability(answers: Answers, bins: int) -> list[tuple[int, float | str, float | str, int]]:
    """Tabulate accuracy over confidence, for the reliability diagram.

    Returns:
        One row per bin of equal width, from low to high: its number from 1, the mean confidence and the accuracy of
        its faces (both "" without any), and the number of its faces.
    """
    return [
        (number, _rounded(confidence), _rounded(accuracy), int(faces)) if faces else (number, "", "", 0)
        for number, (faces, confidence, accuracy) in enumerate(zip(*_fill_bins(answers, bins), strict=True), start=1)
    ]


def class_scores(answers: Answers) -> list[tuple[str, float, float, float, int]]:
    """Tabulate the classification report: class, precision, recall, F1 and number of faces (support).

    A class that was never predicted has precision 0, one without faces recall 0.
    """
    from sklearn.metrics import precision_recall_fscore_support

    scores = precision_recall_fscore_support(
        answers.actual, answers.predicted, labels=range(len(answers.classes)), zero_division=0
    )
    return [
        (name, _rounded(precision), _rounded(recall), _rounded(f1), int(support))
        for name, precision, recall, f1, support in zip(answers.classes, *scores, strict=True)
    ]


def report(answers: Answers) -> str:
    """Return scikit-learn's classification report, a table for people."""
    from sklearn.metrics import classification_report

    return str(
        classification_report(
            answers.actual,
            answers.predicted,
            labels=range(len(answers.classes)),
            target_names=answers.classes,
            digits=4,
            zero_division=0,
        )
    )


def confusion(answers: Answers) -> NDArray[np.int64]:
    """Count the faces of each actual class (rows) by predicted class (columns)."""
    counts = np.zeros((len(answers.classes), len(answers.classes)), np.int64)
    np.add.at(counts, (answers.actual, answers.predicted), 1)
    return counts


def write(splits: Mapping[str, Answers], bins: int, root: Path) -> None:
    """Write everything that is known of the splits below `root`, in the pipeline's places.

    `metrics/<split>.json` holds the headline, `metrics/details/` the tables beside it, `plots/evaluation/` one row per
    face for DVC's own confusion matrix, `data/predictions.csv` every face of every split in the order of the datasets.
    """
    for split, answers in splits.items():
        write_json(root / "metrics" / f"{split}.json", headline(answers, bins))
        _write_details(answers, bins, root / "metrics" / "details", split)
        decisions = [row[1:3] for row in prediction_rows(answers)]
        write_csv(root / "plots" / "evaluation" / f"confusion_{split}.csv", ("actual", "predicted"), decisions)
    classes = next(iter(splits.values())).classes
    rows = [[split, *row] for split, answers in splits.items() for row in prediction_rows(answers)]
    write_csv(root / "data" / "predictions.csv", ("split", "name", "actual", "predicted", *classes, "twin"), rows)


def prediction_rows(answers: Answers) -> list[list[str]]:
    """Tabulate what was said of each face: name, actual, predicted, one probability per class, twin (0 or 1)."""
    columns = (answers.names, answers.actual, answers.predicted, answers.probabilities.tolist(), answers.twin)
    return [
        [
            str(name),
            answers.classes[actual],
            answers.classes[predicted],
            *(f"{probability:.{DECIMALS}f}" for probability in probabilities),
            str(int(twin)),
        ]
        for name, actual, predicted, probabilities, twin in zip(*columns, strict=True)
    ]


def _write_details(answers: Answers, bins: int, folder: Path, split: str) -> None:
    write_csv(folder / f"{split}_classes.csv", ("class", "precision", "recall", "f1", "support"), class_scores(answers))
    counts = [(name, *row) for name, row in zip(answers.classes, confusion(answers).tolist(), strict=True)]
    write_csv(folder / f"{split}_confusion.csv", ("actual", *answers.classes), counts)
    bin_table = reliability(answers, bins)
    write_csv(folder / f"{split}_reliability.csv", ("bin", "confidence", "accuracy", "faces"), bin_table)
    write_text(folder / f"{split}_report.txt", report(answers))


def _rounded(value: float | np.floating[Any]) -> float:
    return round(float(value), DECIMALS)


def _fill_bins(answers: Answers, bins: int) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Return faces, mean confidence and accuracy of each bin; the last two are 0 where it is empty.

    As Guo et al. have it, a bin holds its upper bound and not its lower one.
    """
    confidence = answers.confidence.astype(np.float64)
    places = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    faces = np.bincount(places, minlength=bins)
    share = 1 / np.maximum(faces, 1)
    right = (answers.actual == answers.predicted).astype(np.float64)
    return (
        faces,
        np.bincount(places, confidence, bins) * share,
        np.bincount(places, right, bins) * share,
    )
