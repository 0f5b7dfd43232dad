"""How well a network does on one split: headline figures, classes, confusion and calibration.

Pure functions of labels and probabilities. Knows nothing of networks, dataset files or pictures.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emotion.errors import DataError
from emotion.evaluation.intervals import bootstrap, ratio
from emotion.files import rounded


@dataclass(frozen=True)
class Predictions:
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


def headline(predictions: Predictions, bins: int) -> dict[str, float | None]:
    """Compute the figures that DVC compares.

    Balanced accuracy and the two F1 are averages over the classes that have faces in the split: a class without any
    has no recall. `accuracy_unseen` leaves out the twins; it is None where every face is one.

    Args:
        predictions: of one split.
        bins: number of bins of the expected calibration error.

    Returns:
        Figures rounded to 6 decimals; all of them shares of 1 but `log_loss`, which is in nats.
    """
    from sklearn.metrics import f1_score, log_loss, recall_score, top_k_accuracy_score

    actual, predicted, probabilities = predictions.actual, predictions.predicted, predictions.probabilities
    every, present = range(len(predictions.classes)), np.unique(actual)
    unseen = predictions.right[~predictions.twin]
    figures = {
        "accuracy": predictions.right.mean(),
        "accuracy_unseen": unseen.mean() if len(unseen) else None,
        "balanced_accuracy": recall_score(actual, predicted, labels=present, average="macro"),
        "macro_f1": f1_score(actual, predicted, labels=present, average="macro"),
        "weighted_f1": f1_score(actual, predicted, labels=present, average="weighted"),
        # Of two classes the label is always among the first two, and scikit-learn wants another form of scores.
        "top2_accuracy": top_k_accuracy_score(actual, probabilities, k=2, labels=every) if len(every) > 2 else 1.0,
        "log_loss": log_loss(actual, probabilities, labels=every),
        "calibration_error": calibration_error(predictions, bins),
    }
    return {name: None if figure is None else rounded(figure) for name, figure in figures.items()}


def headline_intervals(predictions: Predictions) -> list[tuple[str | float, ...]]:
    """Tabulate headline figures with both ends of their intervals, named and computed as by `headline`.

    Returns:
        Name, figure, low and high of each; "" for a figure that there is none of.
    """
    counts = np.zeros((2, len(predictions.classes), len(predictions.classes)), np.int64)
    np.add.at(counts, (predictions.twin.astype(np.int64), predictions.actual, predictions.predicted), 1)
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


def calibration_error(predictions: Predictions, bins: int) -> float:
    """Compute the expected calibration error: how far confidence and accuracy lie apart, averaged over the faces.

    Naeini, Cooper and Hauskrecht, "Obtaining Well Calibrated Probabilities Using Bayesian Binning" (AAAI 2015), in the
    form for several classes of Guo et al., "On Calibration of Modern Neural Networks" (ICML 2017), equation 3:
    the sum over bins B of |B| / n * |accuracy(B) - confidence(B)|.

    Args:
        predictions: of one split.
        bins: number of bins of equal width over the confidence, 0 to 1.

    Returns:
        0 to 1.
    """
    faces, confidence, accuracy = _fill_bins(predictions, bins)
    filled = faces > 0
    return float(faces[filled] @ np.abs(accuracy - confidence)[filled] / faces.sum())


def brier_score(predictions: Predictions) -> float:
    """Compute the Brier score: the squared distance of the probabilities from the label, averaged over the faces.

    Brier, "Verification of Forecasts Expressed in Terms of Probability" (Monthly Weather Review, 1950), for several
    classes. It needs no bins, and falls with better calibration and with better discrimination alike.

    Returns:
        0 to 2.
    """
    truth = np.eye(len(predictions.classes))[predictions.actual]
    return float(np.mean(np.sum((predictions.probabilities - truth) ** 2, axis=1)))


def reliability(predictions: Predictions, bins: int) -> list[tuple[int, float | str, float | str, int]]:
    """Tabulate accuracy over confidence, for the reliability diagram.

    Returns:
        One row per bin of equal width, from low to high: its number from 1, the mean confidence and the accuracy of
        its faces (both "" without any), and the number of its faces.
    """
    return [
        (number, rounded(confidence), rounded(accuracy), int(faces)) if faces else (number, "", "", 0)
        for number, (faces, confidence, accuracy) in enumerate(
            zip(*_fill_bins(predictions, bins), strict=True), start=1
        )
    ]


def class_scores(predictions: Predictions) -> list[tuple[str, float, float, float, int]]:
    """Tabulate the classification report: class, precision, recall, F1 and number of faces (support).

    A class that was never predicted has precision 0, one without faces recall 0.
    """
    from sklearn.metrics import precision_recall_fscore_support

    scores = precision_recall_fscore_support(
        predictions.actual, predictions.predicted, labels=range(len(predictions.classes)), zero_division=0
    )
    return [
        (name, rounded(precision), rounded(recall), rounded(f1), int(support))
        for name, precision, recall, f1, support in zip(predictions.classes, *scores, strict=True)
    ]


def report(predictions: Predictions) -> str:
    """Return scikit-learn's classification report, a table for people."""
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


def confusion(predictions: Predictions) -> NDArray[np.int64]:
    """Count the faces of each actual class (rows) by predicted class (columns)."""
    counts = np.zeros((len(predictions.classes), len(predictions.classes)), np.int64)
    np.add.at(counts, (predictions.actual, predictions.predicted), 1)
    return counts


def _fill_bins(
    predictions: Predictions, bins: int
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Return faces, mean confidence and accuracy of each bin; the last two are 0 where it is empty.

    As Guo et al. have it, a bin holds its upper bound and not its lower one.
    """
    confidence = predictions.confidence.astype(np.float64)
    places = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    faces = np.bincount(places, minlength=bins)
    share = 1 / np.maximum(faces, 1)
    right = predictions.right.astype(np.float64)
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
