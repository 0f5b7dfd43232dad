"""Where a network looks: how far the probability of the label drops when a patch of the face is covered.

Occlusion maps (Zeiler and Fergus, "Visualizing and Understanding Convolutional Networks", ECCV 2014, section 4.2),
averaged over the faces of a class. The network is a function from faces to probabilities.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from emotion.dataframes import write_table
from emotion.evaluation.sampling import limit_classes
from emotion.images import FACE_SIZE

PATCH: Final = 12
"""Edge of the covered patch in pixels. With 8 pixels, the maps of two halves of the faces differed too much."""

STEP: Final = 4
"""Pixels from one patch to the next."""

CORNERS: Final = range(0, FACE_SIZE - PATCH + 1, STEP)
"""First row or column of each patch."""

CENTRES: Final = tuple(corner + PATCH // 2 for corner in CORNERS)
"""Middle row or column of each patch."""

# A patch belongs to the region that contains its middle row. Measured on the mean of FER-2013's validation faces: brows
# and eyes lie in rows 11-21, the mouth in rows 34-42.
REGIONS: Final = {
    "forehead": range(9),
    "brows_and_eyes": range(9, 21),
    "nose_and_cheeks": range(21, 33),
    "mouth": range(33, FACE_SIZE),
}


Network = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
"""From faces, uint8 (n, 48, 48), to probabilities, float32 (n, classes)."""


@dataclass(frozen=True)
class Saliency:
    """The map of each class.

    Attributes:
        classes: class names.
        faces: int64, shape (classes,), number of faces behind each map.
        drops: float64, shape (classes, patches down, patches across), the mean drop in the label's probability when the
            patch is covered, -1 to 1; negative where covering raises the probability, NaN for a class without faces.
    """

    classes: tuple[str, ...]
    faces: NDArray[np.int64]
    drops: NDArray[np.float64]


def measure(
    network: Network, faces: NDArray[np.uint8], labels: NDArray[np.integer], classes: tuple[str, ...], limit: int
) -> Saliency:
    """Average the drops over correctly classified faces, class by class.

    Args:
        network: the network to examine.
        faces: uint8, shape (n, 48, 48), grey, 0-255; n at least 1.
        labels: integer, shape (n,), index into `classes`.
        classes: class names in the order of the probabilities.
        limit: largest number of faces of a class, drawn at random.
    """
    correct = np.flatnonzero(np.argmax(network(faces), axis=1) == labels)
    chosen = correct[limit_classes(labels[correct], limit)]
    drops, chosen_labels = cover_patches(network, faces[chosen], labels[chosen]), labels[chosen]
    maps = np.full((len(classes), *drops.shape[1:]), np.nan)
    for label in np.unique(chosen_labels):
        maps[label] = drops[chosen_labels == label].mean(axis=0)
    return Saliency(classes, np.bincount(chosen_labels, minlength=len(classes)), maps)


def cover_patches(network: Network, faces: NDArray[np.uint8], labels: NDArray[np.integer]) -> NDArray[np.float64]:
    """Compute how far the probability of each label drops when a patch is filled with the mean grey of its face.

    Args:
        network: the network to examine; called once for the unmodified faces and once for each patch.
        faces: uint8, shape (n, 48, 48), grey, 0-255.
        labels: integer, shape (n,), index into the columns of the probabilities.

    Returns:
        float64, shape (n, patches down, patches across), -1 to 1.
    """
    drops = np.empty((len(faces), len(CORNERS), len(CORNERS)))
    greys = np.rint(faces.mean(axis=(1, 2))).astype(np.uint8)
    clear = _of_labels(network(faces), labels)
    for row, top in enumerate(CORNERS):
        for column, left in enumerate(CORNERS):
            covered = faces.copy()
            covered[:, top : top + PATCH, left : left + PATCH] = greys[:, None, None]
            drops[:, row, column] = clear - _of_labels(network(covered), labels)
    return drops


def region_shares(drops: NDArray[np.float64]) -> dict[str, float]:
    """Compute the share of each region of the face in the total drop.

    Args:
        drops: float64, shape (patches down, patches across); negative drops count as 0.

    Returns:
        The share of each of `REGIONS`, 0-1; they sum to 1, or are NaN where no drop is positive.
    """
    by_row = np.maximum(drops, 0).sum(axis=1)
    total = by_row.sum() or np.nan
    return {name: float(by_row[np.isin(CENTRES, rows)].sum() / total) for name, rows in REGIONS.items()}


def write(saliency: Saliency, root: Path) -> None:
    """Write the maps, and the share of each region in them, below `root`, to the paths of the pipeline.

    The fields of a class without faces stay empty. The last two rows of the regions are the mean of the classes (`all`)
    and the shares of a uniform map (`even`).
    """
    folder = root / "metrics/saliency"
    patches = pd.MultiIndex.from_product([saliency.classes, CENTRES, CENTRES], names=["class", "row", "column"])
    write_table(folder / "patches.csv", pd.Series(saliency.drops.ravel(), patches, name="drop").reset_index())
    write_table(folder / "regions.csv", _tabulate_regions(saliency))


def _tabulate_regions(saliency: Saliency) -> pd.DataFrame:
    shares = pd.DataFrame([region_shares(drops) for drops in saliency.drops], index=list(saliency.classes))
    shares.loc["all"] = shares.mean()
    shares.loc["even"] = region_shares(np.ones(saliency.drops.shape[1:]))
    counts = [*saliency.faces.tolist(), int(saliency.faces.sum()), None]
    shares.insert(0, "faces", pd.Series(counts, shares.index, "Int64"))
    return shares.reset_index(names="class")


def _of_labels(probabilities: NDArray[np.float32], labels: NDArray[np.integer]) -> NDArray[np.float64]:
    chosen: NDArray[np.float32] = probabilities[np.arange(len(labels)), labels]
    return chosen.astype(np.float64)
