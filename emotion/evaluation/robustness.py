"""How much of a network's accuracy is left when the pictures are worse than those it learned from.

Takes the network as a function from faces to probabilities. Knows nothing of dataset files and pictures.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from emotion.evaluation.corruptions import CORRUPTIONS
from emotion.evaluation.intervals import bootstrap
from emotion.files import write_csv, write_json

DECIMALS: Final = 6
CLEAN: Final = "clean"

Network = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
"""From faces, uint8 (n, 48, 48), to probabilities, float32 (n, classes)."""


class Score(NamedTuple):
    """Accuracy under one kind of corruption at one strength.

    Attributes:
        corruption: its kind; `clean` for none.
        strength: 1 weak, 2 medium, 3 strong; 0 for none.
        accuracy: 0-1.
        low: lower end of its 95% interval over the faces.
        high: upper end.
        faces: how many were judged.
        meaning: what was done to the faces, for people.
    """

    corruption: str
    strength: int
    accuracy: float
    low: float
    high: float
    faces: int
    meaning: str


def measure(network: Network, faces: NDArray[np.uint8], labels: NDArray[np.integer]) -> list[Score]:
    """Score a network on faces as they are, and under every corruption at every strength.

    Args:
        network: what is measured.
        faces: uint8, shape (n, 48, 48), grey, 0-255; n at least 1.
        labels: integer, shape (n,), index into the columns of the probabilities.

    Returns:
        The clean score, then three of each kind from weak to strong; numbers rounded to 6 decimals.
    """
    scores = [_score(CLEAN, 0, network(faces), labels, "as they are")]
    for kind, corruption in CORRUPTIONS.items():
        for strength, value in enumerate(corruption.strengths, start=1):
            probabilities = network(corruption.apply(faces, value))
            scores.append(_score(kind, strength, probabilities, labels, corruption.meaning.format(value)))
    return scores


def _score(
    kind: str, strength: int, probabilities: NDArray[np.float32], labels: NDArray[np.integer], meaning: str
) -> Score:
    right = int(np.count_nonzero(np.argmax(probabilities, axis=1) == labels))
    interval = bootstrap(np.array([len(labels) - right, right]), lambda counts: counts[:, 1] / counts.sum(axis=1))
    accuracy, low, high = (round(figure, DECIMALS) for figure in (right / len(labels), *interval))
    return Score(kind, strength, accuracy, low, high, len(labels), meaning)


def headline(scores: list[Score]) -> dict[str, float]:
    """Return the clean accuracy, the mean accuracy under all corruptions, and the mean under each kind; 0-1."""
    figures = {CLEAN: _mean(scores, {CLEAN}), "mean": _mean(scores, set(CORRUPTIONS))}
    return figures | {kind: _mean(scores, {kind}) for kind in CORRUPTIONS}


def _mean(scores: list[Score], kinds: set[str]) -> float:
    return round(float(np.mean([score.accuracy for score in scores if score.corruption in kinds])), DECIMALS)


def write(scores: list[Score], root: Path) -> None:
    """Write the table and the headline below `root`, in the pipeline's places."""
    write_csv(root / "metrics/robustness.csv", Score._fields, scores)
    write_json(root / "metrics/robustness.json", headline(scores))
