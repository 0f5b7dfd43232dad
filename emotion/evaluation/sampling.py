"""Which faces of a dataset file are judged: all of them, a stratified part, or so many of each class.

Knows nothing of networks.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emotion import dataset
from emotion.dataset import Dataset
from emotion.errors import DataError

SEED: Final = 0


def load(path: Path, classes: tuple[str, ...]) -> Dataset:
    """Read a dataset file for a network of these classes.

    Raises:
        DataError: the file is missing or damaged, holds no face, or has other classes or another order of them.
    """
    faces = dataset.load(path)
    if faces.classes != classes:
        expected, received = ", ".join(classes), ", ".join(faces.classes)
        raise DataError(f"{path.name}: expected the classes {expected}, received {received}; run: dvc repro train")
    if not len(faces):
        raise DataError(f"{path.name}: expected at least one face to judge, received none; run: dvc repro preprocess")
    return faces


def stratify(labels: NDArray[np.integer], number: int) -> NDArray[np.intp]:
    """Choose faces at random so that each class keeps its share, to within one face.

    Args:
        labels: integer, shape (n,).
        number: faces to choose; all where there are no more.

    Returns:
        Indices in ascending order, shape (min(n, number),); the same for the same labels and number.
    """
    by_class = _shuffled_by_class(labels)
    number = min(number, len(labels))
    # Every n/number-th face of a list sorted by class takes from each class in proportion.
    places = (np.arange(number) + 0.5) * len(labels) / max(number, 1)
    return np.sort(by_class[places.astype(np.intp)])


def limit_classes(labels: NDArray[np.integer], limit: int) -> NDArray[np.intp]:
    """Choose at random up to so many faces of each class.

    Args:
        labels: integer, shape (n,).
        limit: most faces of a class.

    Returns:
        Indices in ascending order; the same for the same labels and limit.
    """
    by_class = _shuffled_by_class(labels)
    ordered = labels[by_class]
    rank = np.arange(len(labels)) - np.searchsorted(ordered, ordered)
    return np.sort(by_class[rank < limit])


def _shuffled_by_class(labels: NDArray[np.integer]) -> NDArray[np.intp]:
    shuffled = np.random.default_rng(SEED).permutation(len(labels))
    return shuffled[np.argsort(labels[shuffled], kind="stable")]
