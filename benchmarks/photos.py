"""Labelled photos that somebody has, for the benchmarks: the project itself has none.

EMOTION_PHOTOS names a folder, EMOTION_PHOTO_LABELS a csv with the columns repository, file, faces, expected, accepted
and pose; the photos lie in the folder, in one of its own for each repository (`OWNER+NAME`).
"""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.processes import ROOT
from emotion.images import read_image

VARIABLE: Final = "EMOTION_PHOTOS"
LABELS: Final = "EMOTION_PHOTO_LABELS"

ATTRIBUTES: Final = ROOT / "benchmarks/wild_attributes.csv"
"""What each photo shows, as seen by eye."""


@dataclass(frozen=True)
class Photo:
    """A photo and what a person saw in it.

    Attributes:
        path: the file.
        faces: number of faces that can be seen.
        labels: labels that a person would give to most of the faces.
        pose: `front`, `profile` and so on.
        attributes: such as `glasses`, if at least one of the faces has it.
    """

    path: Path
    faces: int
    labels: frozenset[str]
    pose: str
    attributes: frozenset[str]

    def pixels(self) -> NDArray[np.uint8]:
        """Read it: uint8 (h, w, 3), RGB."""
        return np.asarray(read_image(self.path).convert("RGB"))


def read() -> list[Photo]:
    """Return the photos that the variables name; none if one of them is not set."""
    folder, labels = os.environ.get(VARIABLE), os.environ.get(LABELS)
    if not folder or not labels:
        return []
    attributes = {row["file"]: frozenset(row["attributes"].split("; ")) for row in _rows(ATTRIBUTES)}
    return [
        Photo(
            Path(folder) / row["repository"].replace("/", "+") / row["file"],
            int(row["faces"]),
            frozenset({row["expected"], *row["accepted"].split(" ")} - {""}),
            row["pose"],
            attributes.get(row["file"], frozenset()),
        )
        for row in _rows(Path(labels))
    ]


def groups(photos: Sequence[Photo]) -> dict[str, list[Photo]]:
    """Return all photos, those of each pose, and those that show each attribute, by a description."""
    poses = sorted({photo.pose for photo in photos})
    attributes = sorted({attribute for photo in photos for attribute in photo.attributes})
    return {
        "photos": list(photos),
        **{f"photos: {pose}": [photo for photo in photos if photo.pose == pose] for pose in poses},
        **{f"photos that show: {each}": [photo for photo in photos if each in photo.attributes] for each in attributes},
    }


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))
