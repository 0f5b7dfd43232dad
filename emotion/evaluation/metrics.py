"""How well a network does on one split: headline figures, classes, confusion and calibration.

Pure functions of labels and probabilities. Knows nothing of networks, dataset files or pictures.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from emotion.errors import DataError
from emotion.evaluation.intervals import bootstrap, ratio

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
    def right(self) -> NDArray[np.bool_]:
        """Whether the predicted class of each face is its label."""
        same: NDArray[np.bool_] = self.actual == self.predicted
        return same

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
    every, present = range(len(answers.classes)), np.unique(actual)
    unseen = answers.right[~answers.twin]
    figures = {
        "accuracy": answers.right.mean(),
        "accuracy_unseen": unseen.mean() if len(unseen) else None,
        "balanced_accuracy": recall_score(actual, predicted, labels=present, average="macro"),
        "macro_f1": f1_score(actual, predicted, labels=present, average="macro"),
        "weighted_f1": f1_score(actual, predicted, labels=present, average="weighted"),
        # Of two classes the label is always among the first two, and scikit-learn wants another form of scores.
        "top2_accuracy": top_k_accuracy_score(actual, probabilities, k=2, labels=every) if len(every) > 2 else 1.0,
        "log_loss": log_loss(actual, probabilities, labels=every),
        "calibration_error": calibration_error(answers, bins),
    }
    return {name: None if figure is None else rounded(figure) for name, figure in figures.items()}


def headline_intervals(answers: Answers) -> list[tuple[str | float, ...]]:
    """Tabulate headline figures with both ends of their intervals, named and computed as by `headline`.

    Returns:
        Name, figure, low and high of each; "" for a figure that there is none of.
    """
    counts = np.zeros((2, len(answers.classes), len(answers.classes)), np.int64)
    np.add.at(counts, (answers.twin.astype(np.int64), answers.actual, answers.predicted), 1)
    rows: list[tuple[str | float, ...]] = []
    for name, figure in (
        ("accuracy", _accuracy),
        ("accuracy_unseen", _accuracy_unseen),
        ("balanced_accuracy", _balanced_accuracy),
        ("macro_f1", _macro_f1),
    ):
        values = (float(figure(counts[None])[0]), *bootstrap(counts, figure))
        rows.append((name, *("" if np.isnan(value) else rounded(value) for value in values)))
    return rows


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


def brier_score(answers: Answers) -> float:
    """Compute the Brier score: the squared distance of the probabilities from the label, averaged over the faces.

    Brier, "Verification of Forecasts Expressed in Terms of Probability" (Monthly Weather Review, 1950), for several
    classes. It needs no bins, and falls with better calibration and with better discrimination alike.

    Returns:
        0 to 2.
    """
    truth = np.eye(len(answers.classes))[answers.actual]
    return float(np.mean(np.sum((answers.probabilities - truth) ** 2, axis=1)))


def reliability(answers: Answers, bins: int) -> list[tuple[int, float | str, float | str, int]]:
    """Tabulate accuracy over confidence, for the reliability diagram.

    Returns:
        One row per bin of equal width, from low to high: its number from 1, the mean confidence and the accuracy of
        its faces (both "" without any), and the number of its faces.
    """
    return [
        (number, rounded(confidence), rounded(accuracy), int(faces)) if faces else (number, "", "", 0)
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
        (name, rounded(precision), rounded(recall), rounded(f1), int(support))
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


def rounded(value: float | np.floating[Any]) -> float:
    """Round a figure as it is written."""
    return round(float(value), DECIMALS)


def _fill_bins(answers: Answers, bins: int) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Return faces, mean confidence and accuracy of each bin; the last two are 0 where it is empty.

    As Guo et al. have it, a bin holds its upper bound and not its lower one.
    """
    confidence = answers.confidence.astype(np.float64)
    places = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    faces = np.bincount(places, minlength=bins)
    share = 1 / np.maximum(faces, 1)
    right = answers.right.astype(np.float64)
    return (
        faces,
        np.bincount(places, confidence, bins) * share,
        np.bincount(places, right, bins) * share,
    )


# Of tables of shape (resamples, 2, actual, predicted): faces without and with an exact copy in train.


def _accuracy(tables: NDArray[np.int64]) -> NDArray[np.float64]:
    return ratio(np.trace(tables, axis1=2, axis2=3).sum(axis=1), tables.sum(axis=(1, 2, 3)))


def _accuracy_unseen(tables: NDArray[np.int64]) -> NDArray[np.float64]:
    return _accuracy(tables[:, :1])


def _balanced_accuracy(tables: NDArray[np.int64]) -> NDArray[np.float64]:
    right, actual, _ = _margins(tables)
    means: NDArray[np.float64] = np.nanmean(ratio(right, actual), axis=1)
    return means


def _macro_f1(tables: NDArray[np.int64]) -> NDArray[np.float64]:
    right, actual, predicted = _margins(tables)
    scores = ratio(2 * right, actual + predicted)
    means: NDArray[np.float64] = np.nanmean(np.where(actual > 0, scores, np.nan), axis=1)
    return means


def _margins(tables: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return how many faces of each class are right, how many are of it and how many are taken for it."""
    whole = tables.sum(axis=1)
    return np.diagonal(whole, axis1=1, axis2=2), whole.sum(axis=2), whole.sum(axis=1)
