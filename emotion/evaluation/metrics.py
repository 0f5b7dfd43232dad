"""How well a network does on one split: headline figures, scores of each class, confusion and calibration.

Pure functions of labels and probabilities.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emotion.errors import DataError
from emotion.evaluation.intervals import Interval, bootstrap, ratio
from emotion.files import rounded


@dataclass(frozen=True)
class Predictions:
    """What a network predicted for the faces of one split.

    Attributes:
        classes: class names in the order of the probabilities.
        actual: integer, shape (n,), the labels, index into `classes`.
        probabilities: float32, shape (n, classes), 0-1, rows sum to 1.
        duplicate: bool, shape (n,), true where train contains an exact copy of the face.
        names: str, shape (n,), the archive member that each face came from.
    """

    classes: tuple[str, ...]
    actual: NDArray[np.integer]
    probabilities: NDArray[np.float32]
    duplicate: NDArray[np.bool_]
    names: NDArray[np.str_]

    def __post_init__(self) -> None:
        """Refuse predictions from which no figure can be computed.

        Raises:
            DataError: there is no face, or a probability is not finite.
        """
        if len(self.actual) == 0:
            raise DataError("there are no faces to evaluate; run: dvc repro preprocess")
        if not np.isfinite(self.probabilities).all():
            raise DataError("the network predicts NaN or infinity; train it again: dvc repro --force train")

    @property
    def predicted(self) -> NDArray[np.intp]:
        """The most probable class of each face; the first of them in a tie."""
        places: NDArray[np.intp] = np.argmax(self.probabilities, axis=1)
        return places

    @property
    def correct(self) -> NDArray[np.bool_]:
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

    Balanced accuracy and both F1 scores average over the classes that have faces in the split; the recall of a class
    without faces is undefined. `accuracy_unseen` leaves out faces with an exact copy in train; it is None where no face
    remains.

    Args:
        predictions: of one split.
        bins: number of bins of the expected calibration error.

    Returns:
        Figures rounded to 6 decimals; `log_loss` is in nats, all others are shares of 1.
    """
    from sklearn.metrics import f1_score, log_loss, recall_score, top_k_accuracy_score

    actual, predicted, probabilities = predictions.actual, predictions.predicted, predictions.probabilities
    every, present = range(len(predictions.classes)), np.unique(actual)
    unseen = predictions.correct[~predictions.duplicate]
    figures = {
        "accuracy": predictions.correct.mean(),
        "accuracy_unseen": unseen.mean() if len(unseen) else None,
        "balanced_accuracy": recall_score(actual, predicted, labels=present, average="macro"),
        "macro_f1": f1_score(actual, predicted, labels=present, average="macro"),
        "weighted_f1": f1_score(actual, predicted, labels=present, average="weighted"),
        # With two classes the label is always among the top two, and scikit-learn expects scores of another shape.
        "top2_accuracy": top_k_accuracy_score(actual, probabilities, k=2, labels=every) if len(every) > 2 else 1.0,
        "log_loss": log_loss(actual, probabilities, labels=every),
        "calibration_error": calibration_error(predictions, bins),
    }
    return {name: None if figure is None else rounded(figure) for name, figure in figures.items()}


def intervals(predictions: Predictions) -> dict[str, tuple[float, Interval]]:
    """Compute headline figures, as `headline` does, with both ends of their confidence intervals.

    Returns:
        Figure and interval by name; NaN for a figure that cannot be computed.
    """
    counts = np.zeros((2, len(predictions.classes), len(predictions.classes)), np.int64)
    np.add.at(counts, (predictions.duplicate.astype(np.int64), predictions.actual, predictions.predicted), 1)
    statistics = {
        "accuracy": _accuracy,
        "accuracy_unseen": _accuracy_unseen,
        "balanced_accuracy": _balanced_accuracy,
        "macro_f1": _macro_f1,
    }
    return {name: (float(compute(counts[None])[0]), bootstrap(counts, compute)) for name, compute in statistics.items()}


def calibration_error(predictions: Predictions, bins: int) -> float:
    """Compute the expected calibration error: the gap between confidence and accuracy, averaged over the faces.

    Naeini, Cooper and Hauskrecht, "Obtaining Well Calibrated Probabilities Using Bayesian Binning" (AAAI 2015), in the
    form for several classes of Guo et al., "On Calibration of Modern Neural Networks" (ICML 2017), equation 3:
    the sum over bins B of |B| / n * |accuracy(B) - confidence(B)|.

    Args:
        predictions: of one split.
        bins: number of bins of equal width, which divide the confidence from 0 to 1.

    Returns:
        0 to 1.
    """
    return mean_gap(*fill_bins(predictions.confidence, predictions.correct, bins))


def mean_gap(faces: NDArray[np.int64], confidence: NDArray[np.float64], truth: NDArray[np.float64]) -> float:
    """Average the gaps between confidence and truth in the bins of `fill_bins` over the faces; NaN without a face."""
    return float(faces @ np.abs(truth - confidence) / faces.sum()) if faces.any() else float("nan")


def fill_bins(
    confidence: NDArray[np.floating], truth: NDArray[np.generic], bins: int
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Divide the confidence from 0 to 1 into bins of equal width, as `bin_of` does.

    Args:
        confidence: shape (n,), 0-1.
        truth: bool or float, shape (n,), 0-1: what the confidence of each face stands for, such as whether it is right.
        bins: number of bins.

    Returns:
        Faces, mean confidence and mean truth of each bin, shape (bins,); the last two are 0 for an empty bin.
    """
    exact = confidence.astype(np.float64)
    places = bin_of(exact, bins)
    faces = np.bincount(places, minlength=bins)
    share = 1 / np.maximum(faces, 1)
    return (
        faces,
        np.bincount(places, exact, bins) * share,
        np.bincount(places, truth.astype(np.float64), bins) * share,
    )


def bin_of(confidence: NDArray[np.float64], bins: int) -> NDArray[np.int64]:
    """Return the number of the bin of each confidence, from 0; a bin includes its upper bound, as in Guo et al."""
    places: NDArray[np.int64] = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    return places


def brier_score(predictions: Predictions) -> float:
    """Compute the Brier score: the squared distance of the probabilities from the label, averaged over the faces.

    Brier, "Verification of Forecasts Expressed in Terms of Probability" (Monthly Weather Review, 1950), for several
    classes. It needs no bins; better calibration and better discrimination both lower it.

    Returns:
        0 to 2.
    """
    truth = np.eye(len(predictions.classes))[predictions.actual]
    return float(np.mean(np.sum((predictions.probabilities - truth) ** 2, axis=1)))


def confusion(predictions: Predictions) -> NDArray[np.int64]:
    """Count the faces of each actual class (rows) by predicted class (columns)."""
    counts = np.zeros((len(predictions.classes), len(predictions.classes)), np.int64)
    np.add.at(counts, (predictions.actual, predictions.predicted), 1)
    return counts


# The statistics below take tables of shape (resamples, 2, actual, predicted): the second axis separates the faces
# without an exact copy in train from those with one.


def _accuracy(tables: NDArray[np.int64]) -> NDArray[np.float64]:
    return ratio(np.trace(tables, axis1=2, axis2=3).sum(axis=1), tables.sum(axis=(1, 2, 3)))


def _accuracy_unseen(tables: NDArray[np.int64]) -> NDArray[np.float64]:
    return _accuracy(tables[:, :1])


def _balanced_accuracy(tables: NDArray[np.int64]) -> NDArray[np.float64]:
    correct, actual, _ = _margins(tables)
    means: NDArray[np.float64] = np.nanmean(ratio(correct, actual), axis=1)
    return means


def _macro_f1(tables: NDArray[np.int64]) -> NDArray[np.float64]:
    correct, actual, predicted = _margins(tables)
    scores = ratio(2 * correct, actual + predicted)
    means: NDArray[np.float64] = np.nanmean(np.where(actual > 0, scores, np.nan), axis=1)
    return means


def _margins(tables: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return, for each class, how many faces are predicted correctly, belong to it, and are predicted as it."""
    whole = tables.sum(axis=1)
    return np.diagonal(whole, axis1=1, axis2=2), whole.sum(axis=2), whole.sum(axis=1)
