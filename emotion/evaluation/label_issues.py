"""Where the label itself may be wrong: faces ranked by how little the network believes their labels.

Meaningful only for faces that the network did not learn from; of a face with an exact copy in train, it did.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emotion.dataset import Dataset
from emotion.evaluation.metrics import Predictions
from emotion.files import rounded, write_csv, write_json

COLUMNS: Final = ("rank", "split", "name", "label", "predicted", "quality", "contradictory")


@dataclass(frozen=True)
class LabelIssues:
    """How doubtful the label of each face is.

    Attributes:
        quality: float64, shape (n,), 0-1: half of one more than the label's probability less that of the most
            probable other class (cleanlab's normalized margin); the lower, the more doubtful.
        doubtful: bool, shape (n,), what confident learning takes for a wrong label.
    """

    quality: NDArray[np.float64]
    doubtful: NDArray[np.bool_]

    @property
    def order(self) -> NDArray[np.intp]:
        """Places of the faces from the most to the least doubtful label."""
        places: NDArray[np.intp] = np.argsort(self.quality, kind="stable")
        return places


def detect(labels: NDArray[np.integer], probabilities: NDArray[np.float32]) -> LabelIssues:
    """Find doubtful labels by confident learning.

    Northcutt, Jiang and Chuang, "Confident Learning: Estimating Uncertainty in Dataset Labels" (JAIR 2021).

    Args:
        labels: integer, shape (n,), index into the classes.
        probabilities: shape (n, classes), calibrated, of faces that were not learned from.
    """
    from cleanlab.filter import find_label_issues
    from cleanlab.rank import get_label_quality_scores

    shares = probabilities.astype(np.float64)
    quality = get_label_quality_scores(labels, shares, method="normalized_margin")
    return LabelIssues(quality, find_label_issues(labels, shares, filter_by="confident_learning", n_jobs=1))


def find_contradictory(splits: Mapping[str, Dataset]) -> dict[str, NDArray[np.bool_]]:
    """Mark the faces of which an exact copy, in any split, carries another label: one of the two is wrong.

    Returns:
        bool, shape (n,), for each split.
    """
    labels_of: dict[bytes, set[int]] = {}
    for faces in splits.values():
        for face, label in zip(faces.pixels, faces.labels.tolist(), strict=True):
            labels_of.setdefault(face.tobytes(), set()).add(label)
    return {
        split: np.array([len(labels_of[face.tobytes()]) > 1 for face in faces.pixels], dtype=bool)
        for split, faces in splits.items()
    }


def write(root: Path, splits: Mapping[str, Predictions], contradictory: Mapping[str, NDArray[np.bool_]]) -> None:
    """Write `metrics/details/doubtful.csv`, from the most doubtful label on, and `doubts.json`, the check of it.

    Args:
        root: where the pipeline's folders lie.
        splits: the answers on faces that the network did not learn from.
        contradictory: which faces of each split have a copy of another label.
    """
    predictions = list(splits.values())
    doubts = detect(
        np.concatenate([some.actual for some in predictions]),
        np.concatenate([some.probabilities for some in predictions]),
    )
    marked = np.concatenate([contradictory[split] for split in splits])
    taught = np.concatenate([some.twin for some in predictions])
    details = root / "metrics/details"
    write_csv(details / "doubtful.csv", COLUMNS, _doubtful_rows(splits, doubts, marked))
    write_json(details / "doubts.json", summarize(doubts, marked, taught))


def summarize(
    doubts: LabelIssues, contradictory: NDArray[np.bool_], taught: NDArray[np.bool_]
) -> dict[str, int | dict[str, int | float | None]]:
    """Check the ranking on labels that are known to be doubtful.

    Args:
        doubts: of all faces.
        contradictory: bool, shape (n,), true where a copy of the face carries another label.
        taught: bool, shape (n,), true where a copy stands in train, so that the network learned its label there.

    Returns:
        Numbers of faces and of doubtful ones; of the contradictory faces, and of those among them that the network
        was not taught, the number, how many of them are doubtful and their mean place in the ranking (`mean_rank`):
        0 for the most doubtful, 1 for the least, 0.5 by chance.
    """
    places = np.argsort(doubts.order) / max(len(taught) - 1, 1)

    def count(chosen: NDArray[np.bool_]) -> dict[str, int | float | None]:
        mean = rounded(places[chosen].mean()) if chosen.any() else None
        return {"faces": int(chosen.sum()), "doubtful": int(doubts.doubtful[chosen].sum()), "mean_rank": mean}

    return {
        "faces": len(taught),
        "doubtful": int(doubts.doubtful.sum()),
        "contradictory": count(contradictory),
        "contradictory_untaught": count(contradictory & ~taught),
    }


def _doubtful_rows(
    splits: Mapping[str, Predictions], doubts: LabelIssues, contradictory: NDArray[np.bool_]
) -> Iterator[tuple[object, ...]]:
    faces = [
        (split, name, predictions.classes[actual], predictions.classes[predicted])
        for split, predictions in splits.items()
        for name, actual, predicted in zip(predictions.names, predictions.actual, predictions.predicted, strict=True)
    ]
    for rank, place in enumerate(doubts.order[doubts.doubtful[doubts.order]], start=1):
        yield rank, *faces[place], rounded(doubts.quality[place]), int(contradictory[place])
