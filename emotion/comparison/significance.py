"""Whether a change made a network better: paired tests on the faces that two revisions judged.

Both revisions answered about the same faces, so only the faces on which exactly one of them is right tell them apart.
Knows nothing of Git and of how a person reads the result.
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

JUDGE: Final = "validation"
"""The split that decides; every other one is only reported."""

SIGNIFICANCE: Final = 0.05
"""A difference that luck alone makes as often as this, or less, is believed."""

FLIPS: Final = 10


class Verdict(StrEnum):
    """What the comparison comes to."""

    BETTER = "better"
    WORSE = "worse"
    SAME = "no evidence of a difference"
    INCOMPARABLE = "not comparable: different data"


@dataclass(frozen=True)
class Pairs:
    """Two networks on the same faces.

    Attributes:
        faces: how many.
        before: share of them that the first network got right, 0-1; 0 without any face.
        after: share of them that the second one got right.
        lost: faces that only the first got right.
        gained: faces that only the second got right.
        interval: of `after - before`, shares of 1; both ends NaN without any face.
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
        """How much the share of right answers grew, -1 to 1."""
        return self.after - self.before


@dataclass(frozen=True)
class ClassMove:
    """How the recall of one class moved.

    Attributes:
        name: of the class.
        pairs: its faces.
        p_value: of McNemar's exact test, corrected for the number of classes.
    """

    name: str
    pairs: Pairs
    p_value: float

    @property
    def is_real(self) -> bool:
        """Whether luck alone seldom moves it as far."""
        return self.p_value < SIGNIFICANCE


@dataclass(frozen=True)
class Flip:
    """A face about which the two networks decided differently.

    Attributes:
        name: the archive member that it came from.
        label: its class.
        before: what the first network took it for.
        after: what the second one took it for.
        confidence_before: probability that the first network gave to the label, 0-1.
        confidence_after: probability that the second one gave to it, 0-1.
    """

    name: str
    label: str
    before: str
    after: str
    confidence_before: float
    confidence_after: float


@dataclass(frozen=True)
class Comparison:
    """What two revisions say of the same faces.

    Attributes:
        differences: what keeps a split from being compared, by split; under `classes`, what keeps all from it.
        unseen: by split, the pairs of the faces of which no exact copy stands in train.
        every: by split, the pairs of all faces.
        changed: by split, the number of faces that the networks took for different classes.
        classes: how the recall of each class moved, on the unseen faces of the split that decides.
        flips: the faces of that split whose label gained or lost most, the farthest first.
    """

    differences: dict[str, str]
    unseen: dict[str, Pairs]
    every: dict[str, Pairs]
    changed: dict[str, int]
    classes: tuple[ClassMove, ...]
    flips: tuple[Flip, ...]

    @property
    def verdict(self) -> Verdict:
        """What the unseen faces of the split that decides come to."""
        if JUDGE not in self.unseen:
            return Verdict.INCOMPARABLE
        pairs = self.unseen[JUDGE]
        if pairs.p_value >= SIGNIFICANCE:
            return Verdict.SAME
        return Verdict.BETTER if pairs.gained > pairs.lost else Verdict.WORSE


def compare(before: Revision, after: Revision) -> Comparison:
    """Compare what two revisions say of every split that both judged on equal faces."""
    differences = _find_differences(before, after)
    equal = {
        split: (before.splits[split], after.splits[split])
        for split in before.splits
        if not {split, "classes"} & set(differences)
    }
    judges = equal.get(JUDGE)
    return Comparison(
        differences=differences,
        unseen={split: pair_up(*sides, ~_is_twin(*sides)) for split, sides in equal.items()},
        every={split: pair_up(*sides) for split, sides in equal.items()},
        changed={split: int((old.predicted != new.predicted).sum()) for split, (old, new) in equal.items()},
        classes=move_classes(*judges, before.classes) if judges else (),
        flips=find_flips(*judges) if judges else (),
    )


def pair_up(before: RevisionPredictions, after: RevisionPredictions, chosen: NDArray[np.bool_] | None = None) -> Pairs:
    """Compare two networks by the faces that each got right.

    Args:
        before: what the first network said.
        after: what the second one said, about the same faces.
        chosen: bool, shape (n,), which of the faces count; None: all.
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

    Were both networks equally good, each face that exactly one of them gets right would be the toss of a coin
    (Fagerland, Lydersen and Laake, BMC Medical Research Methodology 13:91, 2013, "exact conditional test").

    Args:
        lost: faces that only the first network got right.
        gained: faces that only the second one got right.

    Returns:
        0 to 1; 1 where there is no such face.
    """
    from scipy.stats import binomtest

    return float(binomtest(gained, lost + gained).pvalue) if lost + gained else 1.0


def holm(p_values: Sequence[float]) -> list[float]:
    """Correct p-values for their number, so that luck alone makes any of them small as seldom as a single one.

    Holm, "A Simple Sequentially Rejective Multiple Test Procedure", Scandinavian Journal of Statistics 6 (1979).
    """
    values = np.asarray(p_values, np.float64)
    order = np.argsort(values, kind="stable")
    steps = np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1))
    corrected = np.empty(len(values))
    corrected[order] = np.minimum(steps, 1)
    return [float(value) for value in corrected]


def move_classes(
    before: RevisionPredictions, after: RevisionPredictions, classes: Sequence[str]
) -> tuple[ClassMove, ...]:
    """Compare the recall of each class on the faces that neither network has seen a copy of."""
    unseen = ~_is_twin(before, after)
    pairs = [pair_up(before, after, unseen & (before.labels == name)) for name in classes]
    corrected = holm([each.p_value for each in pairs])
    return tuple(ClassMove(*found) for found in zip(classes, pairs, corrected, strict=True))


def find_flips(before: RevisionPredictions, after: RevisionPredictions, number: int = FLIPS) -> tuple[Flip, ...]:
    """Find the faces with a new decision whose label gained or lost most probability, the farthest first."""
    places = np.flatnonzero(before.predicted != after.predicted)
    moves = np.abs(after.confidence - before.confidence)[places]
    return tuple(
        Flip(
            name=str(before.names[place]),
            label=str(before.labels[place]),
            before=str(before.predicted[place]),
            after=str(after.predicted[place]),
            confidence_before=float(before.confidence[place]),
            confidence_after=float(after.confidence[place]),
        )
        for place in places[np.argsort(-moves, kind="stable")][:number]
    )


def _is_twin(before: RevisionPredictions, after: RevisionPredictions) -> NDArray[np.bool_]:
    # The training faces may differ between the revisions: a face counts as unseen when it is so for both networks.
    twin: NDArray[np.bool_] = before.twin | after.twin
    return twin


def _find_differences(before: Revision, after: Revision) -> dict[str, str]:
    if set(before.classes) != set(after.classes):
        return {"classes": f"{', '.join(before.classes)} in {before.name}, {', '.join(after.classes)} in {after.name}"}
    splits = sorted({*before.splits, *after.splits, JUDGE})
    found = {split: _find_difference(before, after, split) for split in splits}
    return {split: difference for split, difference in found.items() if difference}


def _find_difference(before: Revision, after: Revision, split: str) -> str:
    """Say how the faces of a split differ; empty where they are the same."""
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
