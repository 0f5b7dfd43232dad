"""Choosing the faces to evaluate: all of a dataset file, a stratified sample, or a limited number of each class."""

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
    """Read a dataset file for a network with these classes.

    Raises:
        DataError: the file is missing or damaged, has no faces, or has other classes or another order of them.
    """
    faces = dataset.load(path)
    if faces.classes != classes:
        expected, received = ", ".join(classes), ", ".join(faces.classes)
        raise DataError(f"{path.name}: expected the classes {expected}, received {received}; run: dvc repro train")
    if not len(faces):
        raise DataError(f"{path.name} has no faces; run: dvc repro preprocess")
    return faces


def stratify(labels: NDArray[np.integer], number: int) -> NDArray[np.intp]:
    """Choose faces at random, with the same share of each class as in all faces, to within one face.

    Args:
        labels: integer, shape (n,).
        number: how many faces to choose; all of them where there are fewer.

    Returns:
        Indices in ascending order, shape (min(n, number),); the same for the same labels and number.
    """
    by_class = _shuffled_by_class(labels)
    number = min(number, len(labels))
    # Evenly spaced places in a list sorted by class draw on each class in proportion.
    places = (np.arange(number) + 0.5) * len(labels) / max(number, 1)
    return np.sort(by_class[places.astype(np.intp)])


def limit_classes(labels: NDArray[np.integer], limit: int) -> NDArray[np.intp]:
    """Choose up to `limit` faces of each class at random.

    Args:
        labels: integer, shape (n,).
        limit: largest number of faces of a class.

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
