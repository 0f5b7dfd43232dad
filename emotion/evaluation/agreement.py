"""How well a network agrees with the raters' votes: with their majority, and with the distribution of their votes.

A majority counts where it is one of the expressions, whether or not the network has that class; `unknown` and `no face`
are left out, as by the authors of FER+.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from emotion.evaluation.intervals import bootstrap, ratio
from emotion.evaluation.metrics import Predictions, fill_bins, mean_gap
from emotion.files import rounded
from emotion.votes import EXPRESSIONS, distribution, majority


@dataclass(frozen=True)
class _Majorities:
    """The faces of a split on which raters agree.

    Attributes:
        classes: those of the network, then the other expressions.
        faces: integer, shape (m,), index into the faces of the split.
        actual: integer, shape (m,), the majorities, index into `classes`.
        labels: integer, shape (m,), the labels of these faces.
        predicted: integer, shape (m,), the predicted classes of these faces.
    """

    classes: tuple[str, ...]
    faces: NDArray[np.intp]
    actual: NDArray[np.intp]
    labels: NDArray[np.integer]
    predicted: NDArray[np.intp]


def headline(predictions: Predictions, votes: NDArray[np.uint8]) -> dict[str, float | None]:
    """Compute the figures that DVC compares.

    Args:
        predictions: of one split.
        votes: uint8, shape (n, 10), columns as `votes.CHOICES`.

    Returns:
        Shares of 1, rounded to 6 decimals: `accuracy_votes`, in which the majority of a class that the network does not
        have counts as wrong, and `balanced_accuracy_votes`, the mean recall of the classes of the network. None where
        no face has such a majority.
    """
    tables = confusion(predictions, votes)[None]
    figures = {"accuracy_votes": _accuracy(tables)[0], "balanced_accuracy_votes": _balanced_accuracy(tables)[0]}
    return {name: None if np.isnan(figure) else rounded(figure) for name, figure in figures.items()}


def tabulate_intervals(predictions: Predictions, votes: NDArray[np.uint8]) -> pd.DataFrame:
    """Tabulate the figures of `headline` with both ends of their confidence intervals.

    Returns:
        One row per figure: metric, value, low, high; no row where there is no majority.
    """
    counts = confusion(predictions, votes)
    statistics = {"accuracy_votes": _accuracy, "balanced_accuracy_votes": _balanced_accuracy}
    rows = [
        (name, compute(counts[None])[0], *bootstrap(counts, compute))
        for name, compute in statistics.items()
        if counts.any()
    ]
    return pd.DataFrame(rows, columns=["metric", "value", "low", "high"])


def describe(predictions: Predictions, votes: NDArray[np.uint8], bins: int) -> dict[str, int | float | None]:
    """Describe votes, majorities and labels of one split, and how well the probabilities match the votes.

    Args:
        predictions: of one split.
        votes: uint8, shape (n, 10), columns as `votes.CHOICES`.
        bins: number of bins of the expected calibration error.

    Returns:
        `faces`, those with votes (`voted`) and with a majority for an expression (`majorities`); the share of these
        majorities that the labels agree with (`labels_agree`), and the accuracy of the network on the majorities with
        which they agree (`accuracy_agreed`) and on the others (`accuracy_disputed`); the number of faces with votes for
        the network's classes (`distributions`), and for these the figures of `compare_with_votes`. Shares are None
        without a face.
    """
    found = _find_majorities(predictions, votes)
    agreed, correct = found.labels == found.actual, found.predicted == found.actual
    return {
        "faces": len(votes),
        "voted": int(votes.any(axis=1).sum()),
        "majorities": len(found.faces),
        "labels_agree": _mean(agreed),
        "accuracy_agreed": _mean(correct[agreed]),
        "accuracy_disputed": _mean(correct[~agreed]),
        "distributions": int(distribution(votes, predictions.classes).any(axis=1).sum()),
        **compare_with_votes(predictions, votes, bins),
    }


def compare_with_votes(predictions: Predictions, votes: NDArray[np.uint8], bins: int) -> dict[str, float | None]:
    """Compare the probabilities with the distribution of the votes for the network's classes.

    Returns:
        `log_loss`, the cross-entropy in nats, and `calibration_error`, the expected calibration error of the confidence
        as the share of the raters that chose the predicted class. Both are None where no face has such votes.
    """
    shares = distribution(votes, predictions.classes)
    floor = np.finfo(np.float32).tiny
    losses = -np.sum(shares * np.log(np.maximum(predictions.probabilities, floor)), axis=1)
    found = losses[shares.any(axis=1)]
    if not len(found):
        return {"log_loss": None, "calibration_error": None}
    gap = mean_gap(*fill_bins(*share_of_raters(predictions, votes), bins))
    return {"log_loss": _mean(found), "calibration_error": rounded(gap)}


def share_of_raters(
    predictions: Predictions, votes: NDArray[np.uint8]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return confidence and share of the raters that chose the predicted class, for the faces with such votes.

    The votes are those for the network's classes, without choices of a single rater.
    """
    shares = distribution(votes, predictions.classes)
    counted = shares.any(axis=1)
    return predictions.confidence[counted], shares[np.arange(len(shares)), predictions.predicted][counted]


def confusion(predictions: Predictions, votes: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Count the faces of each majority by predicted class.

    Returns:
        int64, shape (expressions, classes): the first rows are the classes of the network, and the others the
        expressions that it does not have, as `names_of_rows` lists them.
    """
    found = _find_majorities(predictions, votes)
    counts = np.zeros((len(found.classes), len(predictions.classes)), np.int64)
    np.add.at(counts, (found.actual, found.predicted), 1)
    return counts


def tabulate_confusion(predictions: Predictions, votes: NDArray[np.uint8]) -> pd.DataFrame:
    """Tabulate the matrix of `confusion`: the column `majority`, then the number of faces by predicted class."""
    counts = pd.DataFrame(confusion(predictions, votes), columns=list(predictions.classes))
    counts.insert(0, "majority", names_of_rows(predictions.classes))
    return counts


def names_of_rows(classes: tuple[str, ...]) -> tuple[str, ...]:
    """Return the classes of a network, then the expressions that raters could see and the network cannot."""
    return (*classes, *(name for name in EXPRESSIONS if name not in classes))


def _find_majorities(predictions: Predictions, votes: NDArray[np.uint8]) -> _Majorities:
    choices, classes = majority(votes), names_of_rows(predictions.classes)
    faces = np.flatnonzero((choices >= 0) & (choices < len(EXPRESSIONS)))
    places = np.array([classes.index(name) for name in EXPRESSIONS])
    return _Majorities(classes, faces, places[choices[faces]], predictions.actual[faces], predictions.predicted[faces])


def _mean(values: NDArray[np.generic]) -> float | None:
    return rounded(np.mean(values, dtype=np.float64)) if len(values) else None  # type: ignore[arg-type]


# The statistics below take tables of shape (resamples, expressions, classes).


def _accuracy(tables: NDArray[np.int64]) -> NDArray[np.float64]:
    return ratio(np.trace(tables, axis1=1, axis2=2), tables.sum(axis=(1, 2)))


def _balanced_accuracy(tables: NDArray[np.int64]) -> NDArray[np.float64]:
    recalls = ratio(np.diagonal(tables, axis1=1, axis2=2), tables.sum(axis=2)[:, : tables.shape[2]])
    present = ~np.isnan(recalls)
    return ratio(np.nansum(recalls, axis=1), present.sum(axis=1))
