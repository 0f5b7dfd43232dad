"""Where a network looks: by how much the probability of the label falls when a patch of the face is covered.

Zeiler and Fergus, "Visualizing and Understanding Convolutional Networks" (ECCV 2014), section 4.2, averaged over the
faces of a class. Takes the network as a function from faces to probabilities; knows nothing of pictures.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emotion.evaluation.sampling import limit_classes
from emotion.files import rounded, write_csv
from emotion.images import FACE_SIZE

PATCH: Final = 12
"""Edge of the patch that is covered, in pixels. Of 8 pixels the maps of two halves of the faces agreed too little."""

STEP: Final = 4
"""Pixels from one patch to the next."""

CORNERS: Final = range(0, FACE_SIZE - PATCH + 1, STEP)
"""First rows, and first columns, of the patches."""

# Rows of the middle of a patch. Read off the mean of FER-2013's validation faces: brows and eyes lie in rows 11-21,
# the mouth in 34-42.
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
    """Where a network looks for each class.

    Attributes:
        classes: class names.
        faces: number of faces that each class's map is the mean of.
        drops: float64, shape (classes, patches down, patches across), the fall of the label's probability, -1 to 1;
            negative where a patch spoke against the label, NaN for a class without faces.
    """

    classes: tuple[str, ...]
    faces: NDArray[np.int64]
    drops: NDArray[np.float64]


def measure(
    network: Network, faces: NDArray[np.uint8], labels: NDArray[np.integer], classes: tuple[str, ...], limit: int
) -> Saliency:
    """Average the drops over faces that the network gets right, class by class.

    Args:
        network: what is looked at.
        faces: uint8, shape (n, 48, 48), grey, 0-255; n at least 1.
        labels: integer, shape (n,), index into `classes`.
        classes: class names in the order of the probabilities.
        limit: most faces of a class, drawn at random.
    """
    right = np.flatnonzero(np.argmax(network(faces), axis=1) == labels)
    chosen = right[limit_classes(labels[right], limit)]
    drops, owners = cover_patches(network, faces[chosen], labels[chosen]), labels[chosen]
    maps = np.full((len(classes), *drops.shape[1:]), np.nan)
    for index in np.unique(owners):
        maps[index] = drops[owners == index].mean(axis=0)
    return Saliency(classes, np.bincount(owners, minlength=len(classes)), maps)


def cover_patches(network: Network, faces: NDArray[np.uint8], labels: NDArray[np.integer]) -> NDArray[np.float64]:
    """Compute how far the probability of each face's label falls when a patch takes the face's mean grey.

    Args:
        network: what is looked at; asked once for the faces as they are and once for each patch.
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
    """Divide what the patches took from the label among the regions of the face.

    Args:
        drops: float64, shape (patches down, patches across); what is negative counts as nothing.

    Returns:
        The share of each of `REGIONS`, 0-1; they sum to 1, or are NaN where no patch took anything.
    """
    taken = np.maximum(drops, 0).sum(axis=1)
    total = taken.sum() or np.nan
    middles = [corner + PATCH // 2 for corner in CORNERS]
    return {name: float(taken[[middle in rows for middle in middles]].sum() / total) for name, rows in REGIONS.items()}


def write(saliency: Saliency, root: Path) -> None:
    """Write the maps, and each region's share of them, below `root` in the pipeline's places.

    A class without faces has empty fields. The last two rows of the regions are the mean of the classes (`all`), and
    what an even map would give (`even`).
    """
    folder = root / "metrics/saliency"
    middles = [corner + PATCH // 2 for corner in CORNERS]
    patches = [
        (name, middles[row], middles[column], _text(drop))
        for name, drops in zip(saliency.classes, saliency.drops, strict=True)
        for (row, column), drop in np.ndenumerate(drops)
    ]
    write_csv(folder / "patches.csv", ("class", "row", "column", "drop"), patches)
    write_csv(folder / "regions.csv", ("class", "faces", *REGIONS), _region_rows(saliency))


def _region_rows(saliency: Saliency) -> list[tuple[str | float, ...]]:
    shares = np.array([list(region_shares(drops).values()) for drops in saliency.drops])
    known = shares[~np.isnan(shares).any(axis=1)]
    everywhere = known.mean(axis=0) if len(known) else np.full(len(REGIONS), np.nan)
    even = list(region_shares(np.ones(saliency.drops.shape[1:])).values())
    names = (*saliency.classes, "all", "even")
    counts = (*saliency.faces.tolist(), int(saliency.faces.sum()), "")
    rows = zip(names, counts, (*shares, everywhere, even), strict=True)
    return [(name, count, *map(_text, row)) for name, count, row in rows]


def _of_labels(probabilities: NDArray[np.float32], labels: NDArray[np.integer]) -> NDArray[np.float64]:
    chosen: NDArray[np.float32] = probabilities[np.arange(len(labels)), labels]
    return chosen.astype(np.float64)


def _text(value: float) -> float | str:
    return "" if np.isnan(value) else rounded(value)
