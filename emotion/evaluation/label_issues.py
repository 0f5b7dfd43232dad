"""Label issues: faces whose label may be wrong, ranked by how improbable the network finds the label.

Meaningful only for faces that the network was not trained on, and hence not for exact copies of training faces.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from emotion.dataframes import stack_splits, write_table
from emotion.dataset import Dataset
from emotion.evaluation.metrics import Predictions
from emotion.files import rounded, write_json

COLUMNS: Final = ("rank", "split", "name", "label", "predicted", "quality", "contradictory")


@dataclass(frozen=True)
class LabelIssues:
    """How doubtful the label of each face is.

    Attributes:
        quality: float64, shape (n,), 0-1; the lower, the more doubtful. It is cleanlab's normalized margin:
            (1 + probability of the label - highest probability of another class) / 2.
        doubtful: bool, shape (n,), true where confident learning considers the label wrong.
    """

    quality: NDArray[np.float64]
    doubtful: NDArray[np.bool_]

    @property
    def order(self) -> NDArray[np.intp]:
        """Indices of the faces, from the most to the least doubtful label."""
        indices: NDArray[np.intp] = np.argsort(self.quality, kind="stable")
        return indices


def detect(labels: NDArray[np.integer], probabilities: NDArray[np.float32]) -> LabelIssues:
    """Find doubtful labels by confident learning.

    Northcutt, Jiang and Chuang, "Confident Learning: Estimating Uncertainty in Dataset Labels" (JAIR 2021).

    Args:
        labels: integer, shape (n,), index into the classes.
        probabilities: shape (n, classes), calibrated, of faces that the network was not trained on.
    """
    from cleanlab.filter import find_label_issues
    from cleanlab.rank import get_label_quality_scores

    exact = probabilities.astype(np.float64)
    quality = get_label_quality_scores(labels, exact, method="normalized_margin")
    return LabelIssues(quality, find_label_issues(labels, exact, filter_by="confident_learning", n_jobs=1))


def find_contradictory(splits: Mapping[str, Dataset]) -> dict[str, NDArray[np.bool_]]:
    """Mark faces with an exact copy, in any split, that has another label; one of the two labels must be wrong.

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
    """Write the doubtful labels to `metrics/details/doubtful.csv`, and a check of the ranking to `doubts.json`.

    Args:
        root: the folder with the pipeline's folders.
        splits: predictions for faces that the network was not trained on.
        contradictory: for each split, which faces have an exact copy with another label.
    """
    faces = stack_splits({split: _tabulate_faces(splits[split], contradictory[split]) for split in splits})
    probabilities = np.concatenate([predictions.probabilities for predictions in splits.values()])
    issues = detect(np.concatenate([predictions.actual for predictions in splits.values()]), probabilities)
    details = root / "metrics/details"
    write_table(details / "doubtful.csv", _rank(faces, issues))
    summary = summarize(issues, faces["contradictory"].to_numpy(bool), faces["duplicate"].to_numpy(bool))
    write_json(details / "doubts.json", summary)


def summarize(
    issues: LabelIssues, contradictory: NDArray[np.bool_], in_train: NDArray[np.bool_]
) -> dict[str, int | dict[str, int | float | None]]:
    """Check the ranking on labels that are known to be doubtful.

    Args:
        issues: of all faces.
        contradictory: bool, shape (n,), true where an exact copy of the face has another label.
        in_train: bool, shape (n,), true where train contains an exact copy, whose label the network learned.

    Returns:
        The number of faces and of doubtful labels. Then, for the contradictory faces and for those of them without a
        copy in train (`contradictory_untaught`): their number, how many are doubtful, and their mean rank, from 0 (most
        doubtful) to 1 (least doubtful); a random ranking gives 0.5.
    """
    ranks = np.argsort(issues.order) / max(len(in_train) - 1, 1)

    def count(chosen: NDArray[np.bool_]) -> dict[str, int | float | None]:
        mean = rounded(ranks[chosen].mean()) if chosen.any() else None
        return {"faces": int(chosen.sum()), "doubtful": int(issues.doubtful[chosen].sum()), "mean_rank": mean}

    return {
        "faces": len(in_train),
        "doubtful": int(issues.doubtful.sum()),
        "contradictory": count(contradictory),
        "contradictory_untaught": count(contradictory & ~in_train),
    }


def _tabulate_faces(predictions: Predictions, contradictory: NDArray[np.bool_]) -> pd.DataFrame:
    classes = np.array(predictions.classes)
    return pd.DataFrame(
        {
            "name": predictions.names,
            "label": classes[predictions.actual],
            "predicted": classes[predictions.predicted],
            "contradictory": contradictory.astype(int),
            "duplicate": predictions.duplicate,
        }
    )


def _rank(faces: pd.DataFrame, issues: LabelIssues) -> pd.DataFrame:
    """Return the faces with doubtful labels, the most doubtful first."""
    chosen = issues.order[issues.doubtful[issues.order]]
    table = faces.iloc[chosen].assign(rank=range(1, len(chosen) + 1), quality=issues.quality[chosen])
    return table[list(COLUMNS)]
