"""The command `python -m benchmarks.landmarks`: where the landmarks of YuNet lie in the faces of FER-2013.

It writes `emotion/landmarks.csv`, the table by which faces are levelled and scaled before the network sees them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.processes import ROOT, show_progress
from emotion import dataset
from emotion.files import write_csv
from emotion.images import FACE_SIZE
from emotion.inference import detector_weights
from emotion.inference.yunet import YuNet

TABLE: Final = ROOT / "emotion/landmarks.csv"

NAMES: Final = ("eye on the left", "eye on the right", "nose", "mouth corner on the left", "mouth corner on the right")

ENLARGED: Final = 4
"""Times that a face is enlarged before it is searched."""

BORDER: Final = 12
"""Pixels of repeated edge around a face: YuNet expects some surroundings."""


def main() -> None:
    """Measure the training faces and write the table."""
    faces = dataset.load(Path("data/faces/train.npz")).pixels
    found = find_landmarks(faces, YuNet(detector_weights.find().read_bytes()))
    show_progress(f"{len(found):,} of {len(faces):,} faces found ({len(found) / len(faces):.1%})")
    rows = [(name, *(f"{value:.2f}" for value in point)) for name, point in zip(NAMES, typical(found), strict=True)]
    write_csv(TABLE, ("landmark", "x", "y"), rows)


def find_landmarks(faces: NDArray[np.uint8], detector: YuNet) -> NDArray[np.float64]:
    """Return the landmarks of the faces in which exactly one is found, shape (found, 5, 2), pixels of the face."""
    found = []
    for face in faces:
        detected = detector.find(_enlarge(face))
        if len(detected) == 1 and detected[0].landmarks is not None:
            found.append(detected[0].landmarks / ENLARGED - BORDER)
    return np.array(found)


def typical(landmarks: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the median of each landmark over the faces and their mirror images, shape (5, 2)."""
    mirrored = landmarks[:, [1, 0, 2, 4, 3]] * [-1, 1] + [FACE_SIZE, 0]
    medians: NDArray[np.float64] = np.median(np.concatenate([landmarks, mirrored]), axis=0)
    return medians


def _enlarge(face: NDArray[np.uint8]) -> NDArray[np.uint8]:
    bordered = np.pad(face, BORDER, mode="edge")
    large = cv2.resize(bordered, None, fx=ENLARGED, fy=ENLARGED, interpolation=cv2.INTER_CUBIC)
    return np.repeat(large[:, :, None], 3, axis=2).astype(np.uint8, copy=False)


if __name__ == "__main__":
    main()
