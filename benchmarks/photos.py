"""Labelled photos that somebody has, for the benchmarks: the project itself has none.

EMOTION_PHOTO_LABELS names a csv as `emotion evaluate` reads it, with a column `pose`, and EMOTION_PHOTOS the folder of
the photos.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.processes import ROOT
from emotion.evaluation import labelled_pictures
from emotion.evaluation.labelled_pictures import LabelledPicture
from emotion.images import read_image
from emotion.labels import NAMES

VARIABLE: Final = "EMOTION_PHOTOS"
LABELS: Final = "EMOTION_PHOTO_LABELS"

ATTRIBUTES: Final = ROOT / "benchmarks/wild_attributes.csv"
"""What each photo shows, as seen by eye: at least one of its faces has the attribute."""


def read() -> list[LabelledPicture]:
    """Return the photos that the variables name; none if one of them is not set."""
    folder, labels = os.environ.get(VARIABLE), os.environ.get(LABELS)
    return labelled_pictures.read(Path(labels), Path(folder), NAMES) if folder and labels else []


def pixels_of(photo: LabelledPicture) -> NDArray[np.uint8]:
    """Read a photo: uint8 (h, w, 3), RGB."""
    return np.asarray(read_image(photo.path).convert("RGB"))


def groups(photos: Sequence[LabelledPicture]) -> dict[str, list[LabelledPicture]]:
    """Return all photos, those of each pose, and those that show each attribute, by a description."""
    shown = _read_attributes()
    poses = sorted({photo.fields["pose"] for photo in photos})
    attributes = sorted({each for photo in photos for each in shown.get(photo.fields["file"], [])})
    return {
        "photos": list(photos),
        **{f"photos: {pose}": [photo for photo in photos if photo.fields["pose"] == pose] for pose in poses},
        **{
            f"photos that show: {each}": [photo for photo in photos if each in shown.get(photo.fields["file"], [])]
            for each in attributes
        },
    }


def _read_attributes() -> dict[str, list[str]]:
    with ATTRIBUTES.open(encoding="utf-8", newline="") as stream:
        return {row["file"]: row["attributes"].split("; ") for row in csv.DictReader(stream)}
