"""Exact copies of faces: which faces are copies, in which splits, and with which labels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def group_copies(faces: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Give every face a group number that it shares with its exact copies only.

    Args:
        faces: uint8, shape (n, 48, 48), grey, 0-255.

    Returns:
        int64, shape (n,), from 0 to the number of different faces - 1.
    """
    numbers: dict[bytes, int] = {}
    return np.array([numbers.setdefault(face.tobytes(), len(numbers)) for face in faces], dtype=np.int64)


def mark_duplicates(groups: NDArray[np.int64], split: NDArray[np.str_]) -> NDArray[np.bool_]:
    """Mark faces of validation and test with an exact copy in train, and faces of train with one in validation or test.

    Args:
        groups: int64, shape (n,), as `group_copies` returns them.
        split: str, shape (n,), names of `labels.SPLITS`.

    Returns:
        bool, shape (n,).
    """
    train = split == "train"
    in_train, elsewhere = np.isin(groups, groups[train]), np.isin(groups, groups[~train])
    return np.where(train, elsewhere, in_train)


def count_conflicts(groups: NDArray[np.int64], labels: NDArray[np.int8]) -> int:
    """Count the groups of exact copies with different labels.

    Args:
        groups: int64, shape (n,), as `group_copies` returns them.
        labels: int8, shape (n,).
    """
    different = np.unique(np.stack([groups, labels]), axis=1)
    return int(np.sum(np.bincount(different[0]) > 1))
