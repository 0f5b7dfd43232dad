"""Tests whether a change made the network better, on the faces that both revisions classified.

The tests are paired: only faces that exactly one revision gets right tell the two apart. Knows nothing of Git or of how
the result is shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emotion.comparison.revision import Revision, RevisionPredictions
from emotion.evaluation.intervals import Interval, accuracy_gain

DECIDING_SPLIT: Final = "validation"
"""The split that decides the verdict; other splits are only reported."""

SIGNIFICANCE: Final = 0.05
"""Significance level: a difference with a p-value below it counts as real."""

FLIPS: Final = 10
"""Faces that are listed as changed most."""


class Verdict(StrEnum):
    """The result of a comparison."""

    BETTER = "better"
    WORSE = "worse"
    SAME = "no evidence of a difference"
    INCOMPARABLE = "not comparable: different data"
    WITHHELD = "withheld"


@dataclass(frozen=True)
class Pairs:
    """Two networks on the same faces.

    Attributes:
        faces: number of faces.
        before: accuracy of the first network, 0-1; 0 if there are no faces.
        after: accuracy of the second network, 0-1; 0 if there are no faces.
        lost: faces that only the first network got right.
        gained: faces that only the second network got right.
        interval: 95% confidence interval of `after - before`; both ends are NaN if there are no faces.
        p_value: of McNemar's exact test.
    """

    faces: int
    before: float
    after: float
    lost: int
    gained: int
    interval: Interval
    p_value: float

    @property
    def difference(self) -> float:
        """Change of the accuracy, -1 to 1."""
        return self.after - self.before


@dataclass(frozen=True)
class ClassChange:
    """Change of the recall of one class.

    Attributes:
        name: name of the class.
        pairs: the two networks on the faces of this class.
        p_value: of McNemar's exact test, corrected for the number of classes.
    """

    name: str
    pairs: Pairs
    p_value: float

    @property
    def is_significant(self) -> bool:
        """Whether the recall changed significantly."""
        return self.p_value < SIGNIFICANCE


@dataclass(frozen=True)
class Flip:
    """A face for which the two networks predict different classes.

    Attributes:
        name: archive member that the face came from.
        label: its label.
        before: class predicted by the first network.
        after: class predicted by the second network.
        confidence_before: probability of the label by the first network, 0-1.
        confidence_after: probability of the label by the second network, 0-1.
    """

    name: str
    label: str
    before: str
    after: str
    confidence_before: float
    confidence_after: float


@dataclass(frozen=True)
class Comparison:
    """Two revisions on the same faces.

    Attributes:
        stale: names of the revisions whose predictions are not those of their settings and data.
        differences: why a split cannot be compared, by split; the key `classes` says why no split can be.
        unseen: by split, the pairs on faces without an exact copy in train.
        all_faces: by split, the pairs on all faces.
        changed: by split, the number of faces with different predictions.
        classes: change of the recall of each class, on the unseen faces of `DECIDING_SPLIT`.
        flips: changed predictions in `DECIDING_SPLIT`, those whose label gained or lost the most probability first.
    """

    stale: tuple[str, ...]
    differences: dict[str, str]
    unseen: dict[str, Pairs]
    all_faces: dict[str, Pairs]
    changed: dict[str, int]
    classes: tuple[ClassChange, ...]
    flips: tuple[Flip, ...]

    @property
    def verdict(self) -> Verdict:
        """The result on the unseen faces of `DECIDING_SPLIT`."""
        if self.stale:
            return Verdict.WITHHELD
        if DECIDING_SPLIT not in self.unseen:
            return Verdict.INCOMPARABLE
        pairs = self.unseen[DECIDING_SPLIT]
        if pairs.p_value >= SIGNIFICANCE:
            return Verdict.SAME
        return Verdict.BETTER if pairs.gained > pairs.lost else Verdict.WORSE


def compare(before: Revision, after: Revision) -> Comparison:
    """Compare two revisions on every split for which both have predictions of the same faces."""
    differences = _find_differences(before, after)
    equal = {
        split: (before.splits[split], after.splits[split])
        for split in before.splits
        if not {split, "classes"} & set(differences)
    }
    deciding = equal.get(DECIDING_SPLIT)
    return Comparison(
        stale=tuple(revision.name for revision in (before, after) if revision.is_stale),
        differences=differences,
        unseen={split: pair_up(*sides, ~_is_duplicate(*sides)) for split, sides in equal.items()},
        all_faces={split: pair_up(*sides) for split, sides in equal.items()},
        changed={split: int((old.predicted != new.predicted).sum()) for split, (old, new) in equal.items()},
        classes=compare_classes(*deciding, before.classes) if deciding else (),
        flips=find_flips(*deciding) if deciding else (),
    )


def pair_up(before: RevisionPredictions, after: RevisionPredictions, chosen: NDArray[np.bool_] | None = None) -> Pairs:
    """Count the faces that each network gets right, and test the difference.

    Args:
        before: predictions of the first network.
        after: predictions of the second network for the same faces.
        chosen: bool, shape (n,), the faces to count; None counts all.
    """
    old, new = (side.right[... if chosen is None else chosen] for side in (before, after))
    faces, lost, gained = len(old), int((old & ~new).sum()), int((new & ~old).sum())
    return Pairs(
        faces=faces,
        before=int(old.sum()) / max(faces, 1),
        after=int(new.sum()) / max(faces, 1),
        lost=lost,
        gained=gained,
        interval=accuracy_gain(old, new)[1] if faces else Interval(np.nan, np.nan),
        p_value=mcnemar(lost, gained),
    )


def mcnemar(lost: int, gained: int) -> float:
    """Compute the two-sided p-value of McNemar's exact test.

    Under the null hypothesis that both networks are equally good, each face that exactly one of them gets right is
    equally likely to be lost or gained (Fagerland, Lydersen and Laake, BMC Medical Research Methodology 13:91, 2013,
    "exact conditional test").

    Args:
        lost: faces that only the first network got right.
        gained: faces that only the second network got right.

    Returns:
        0 to 1; 1 if there is no such face.

    Example:
        >>> mcnemar(lost=0, gained=0)
        1.0
        >>> mcnemar(lost=1, gained=9)
        0.021484375
    """
    from scipy.stats import binomtest

    return float(binomtest(gained, lost + gained).pvalue) if lost + gained else 1.0


def holm(p_values: Sequence[float]) -> list[float]:
    """Correct p-values for multiple testing, with Holm's step-down method.

    Holm, "A Simple Sequentially Rejective Multiple Test Procedure", Scandinavian Journal of Statistics 6 (1979).
    """
    values = np.asarray(p_values, np.float64)
    order = np.argsort(values, kind="stable")
    steps = np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1))
    corrected = np.empty(len(values))
    corrected[order] = np.minimum(steps, 1)
    return [float(value) for value in corrected]


def compare_classes(
    before: RevisionPredictions, after: RevisionPredictions, classes: Sequence[str]
) -> tuple[ClassChange, ...]:
    """Compare the recall of each class on the faces without an exact copy in either network's training data."""
    unseen = ~_is_duplicate(before, after)
    pairs = [pair_up(before, after, unseen & (before.labels == name)) for name in classes]
    corrected = holm([each.p_value for each in pairs])
    return tuple(map(ClassChange, classes, pairs, corrected))


def find_flips(before: RevisionPredictions, after: RevisionPredictions, number: int = FLIPS) -> tuple[Flip, ...]:
    """Find the changed predictions whose label gained or lost the most probability, in that order."""
    changed = np.flatnonzero(before.predicted != after.predicted)
    gaps = np.abs(after.confidence - before.confidence)[changed]
    return tuple(
        Flip(
            name=str(before.names[index]),
            label=str(before.labels[index]),
            before=str(before.predicted[index]),
            after=str(after.predicted[index]),
            confidence_before=float(before.confidence[index]),
            confidence_after=float(after.confidence[index]),
        )
        for index in changed[np.argsort(-gaps, kind="stable")][:number]
    )


def _is_duplicate(before: RevisionPredictions, after: RevisionPredictions) -> NDArray[np.bool_]:
    # Training faces may differ between the revisions; an unseen face has no copy in either.
    duplicate: NDArray[np.bool_] = before.duplicate | after.duplicate
    return duplicate


def _find_differences(before: Revision, after: Revision) -> dict[str, str]:
    if set(before.classes) != set(after.classes):
        return {"classes": f"{', '.join(before.classes)} in {before.name}, {', '.join(after.classes)} in {after.name}"}
    splits = sorted({*before.splits, *after.splits, DECIDING_SPLIT})
    found = {split: _find_difference(before, after, split) for split in splits}
    return {split: difference for split, difference in found.items() if difference}


def _find_difference(before: Revision, after: Revision, split: str) -> str:
    """Say how the faces of a split differ; return an empty text if they are the same."""
    missing = [revision.name for revision in (before, after) if split not in revision.splits]
    if missing:
        return f"no faces in {' and '.join(missing)}"
    old, new = before.splits[split], after.splits[split]
    if np.array_equal(old.names, new.names) and np.array_equal(old.labels, new.labels):
        return ""
    first, second = (dict(zip(side.names.tolist(), side.labels.tolist(), strict=True)) for side in (old, new))
    relabelled = sum(first[name] != second[name] for name in first.keys() & second.keys())
    return (
        f"{len(first.keys() - second.keys()):,} of {len(first):,} faces only in {before.name}, "
        f"{len(second.keys() - first.keys()):,} of {len(second):,} only in {after.name}, "
        f"{relabelled:,} with another label"
    )
