"""Puts every face into a split: the one that the archive gives it, or one that a seeded random choice gives it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from emotion.data.messages import describe_no_test, describe_unassigned
from emotion.errors import DataError
from emotion.labels import ALL_NAMES
from emotion.params import Preprocess


def check_splits(names: Sequence[str], found: Mapping[str, Sequence[str]], split: str) -> None:
    """Refuse faces without a split.

    Args:
        names: of the faces.
        found: the split of each face by value of the setting `preprocess.split`, empty where the archive names none.
        split: that setting.

    Raises:
        DataError: the archive does not name the split of a face, or no folder is the test split.
    """
    if split == "random":
        return
    unassigned = [name for name, part in zip(names, found[split], strict=True) if not part]
    if unassigned:
        # Another setting is suggested only if it gives every face a split.
        others = [other for other, parts in found.items() if other != split and all(parts)]
        raise DataError(describe_unassigned(unassigned, split, others[0] if others else None))
    if split == "folders" and "train" in found[split] and "test" not in found[split]:
        raise DataError(describe_no_test("validation" in found[split]))


def takes_share(found: Mapping[str, Sequence[str]], split: str) -> bool:
    """Return whether faces of train move to validation: with folders, only where none is for validation."""
    return split == "random" or (split == "folders" and "validation" not in found[split])


def assign_splits(
    labels: NDArray[np.int8], found: Mapping[str, Sequence[str]], settings: Preprocess
) -> NDArray[np.str_]:
    """Return the split of each face, one of `labels.SPLITS`.

    Args:
        labels: int8, shape (n,), index into `settings.classes`.
        found: as for `check_splits`, which has passed.
        settings: the section `preprocess`.
    """
    split, share = settings.split, settings.validation_fraction
    splits = np.array(["train"] * len(labels) if split == "random" else found[split], dtype="<U10")
    if split == "random":
        _move_share(splits, labels, "test", share, settings)
        # The same number of faces again, out of those that are left.
        share = min(share / (1 - share), 1)
    if takes_share(found, split):
        _move_share(splits, labels, "validation", share, settings)
    return splits


def choose_share(labels: NDArray[np.int8], classes: Sequence[str], fraction: float, seed: int) -> NDArray[np.bool_]:
    """Choose a share of the faces at random: the same share of every class, and at least one face.

    Args:
        labels: int8, shape (n,), index into `classes`.
        classes: class names; the choice within a class does not depend on the other classes.
        fraction: share of each class, 0-1.
        seed: of the random choice.

    Returns:
        bool, shape (n,).
    """
    chosen = np.zeros(len(labels), dtype=bool)
    for label, name in enumerate(classes):
        members = np.flatnonzero(labels == label)
        generator = np.random.default_rng([seed, ALL_NAMES.index(name)])
        chosen[generator.permutation(members)[: max(1, round(fraction * len(members)))]] = True
    return chosen


def _move_share(
    splits: NDArray[np.str_], labels: NDArray[np.int8], target: str, fraction: float, settings: Preprocess
) -> None:
    train = np.flatnonzero(splits == "train")
    splits[train[choose_share(labels[train], settings.classes, fraction, settings.seed)]] = target
