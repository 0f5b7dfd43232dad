"""Votes of several raters for each face: the classes they chose from, their majority and their distribution.

The rules are those of FER+ (Barsoum et al. 2016, arXiv:1608.01041). Knows nothing of files.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

EXPRESSIONS: Final = ("neutral", "happy", "surprise", "sad", "angry", "disgust", "fear", "contempt")
"""What raters could see in a face, in the order of the columns of FER+, by the names of our classes."""

CHOICES: Final = (*EXPRESSIONS, "unknown", "no face")
"""All that raters could choose: the columns of the votes."""

HEADER: Final = (
    *("Usage", "Image name", "neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear"),
    *("contempt", "unknown", "NF"),
)
"""Header of a csv of votes, as FER+ has it: where the face belongs, its name, and the columns of `CHOICES`."""

NO_MAJORITY: Final = -1


def majority(votes: NDArray[np.uint8]) -> NDArray[np.intp]:
    """Find the choice that has more than half of the votes for each face, without outliers (choices of one rater).

    This is the mode `majority` of the authors of FER+, for whom a face without a majority is unknown.

    Args:
        votes: uint8, shape (n, 10), columns as `CHOICES`.

    Returns:
        Shape (n,), index into `CHOICES`, or `NO_MAJORITY`.
    """
    kept = _drop_outliers(votes)
    choices: NDArray[np.intp] = np.where(2 * kept.max(axis=1) > kept.sum(axis=1), kept.argmax(axis=1), NO_MAJORITY)
    return choices


def distribution(votes: NDArray[np.uint8], classes: Sequence[str]) -> NDArray[np.float32]:
    """Return the share of each class among the votes for these classes, without outliers (choices of one rater).

    Votes for `unknown`, `no face` and expressions that are not among the classes do not count.

    Args:
        votes: uint8, shape (n, 10), columns as `CHOICES`.
        classes: class names.

    Returns:
        float32, shape (n, classes); a row sums to 1, or to 0 where no vote counts.
    """
    kept = _drop_outliers(votes)[:, [EXPRESSIONS.index(name) for name in classes]]
    shares = kept / np.maximum(kept.sum(axis=1, keepdims=True), 1)
    return np.asarray(shares, np.float32)


def targets(
    labels: NDArray[np.int8], votes: NDArray[np.uint8], classes: Sequence[str], share: float
) -> NDArray[np.float32]:
    """Return what a network is taught for each face: its label, mixed with the distribution of its votes.

    Args:
        labels: int8, shape (n,), index into `classes`.
        votes: uint8, shape (n, 10), columns as `CHOICES`.
        classes: class names.
        share: of the votes, 0-1; a face without a vote for one of the classes keeps its label.

    Returns:
        float32, shape (n, classes), rows sum to 1.
    """
    one_hot = np.eye(len(classes), dtype=np.float32)[labels]
    if not share:
        return one_hot
    distributions = distribution(votes, classes)
    mixed = (1 - share) * one_hot + share * distributions
    return np.where(distributions.any(axis=1, keepdims=True), mixed, one_hot)


def _drop_outliers(votes: NDArray[np.uint8]) -> NDArray[np.int64]:
    return np.where(votes > 1, votes, 0).astype(np.int64)
