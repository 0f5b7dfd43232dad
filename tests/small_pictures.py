"""Labelled pictures with results that a test chooses, and a test split to compare them with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emotion.evaluation.drift import Reference
from emotion.evaluation.labelled_pictures import LabelledPicture
from emotion.evaluation.picture_results import PictureResult
from emotion.inference.results import Box, Face, Picture

CLASSES = ("happy", "neutral", "sad")
THRESHOLD = 0.5
BOUNDS = {
    "light": (70, 110, 130, 150, 180),
    "contrast": (30, 45, 55, 65, 80),
    "sharpness": (700, 1400, 2000, 2800, 4500),
    "confidence": (0.35, 0.55, 0.75, 0.9, 0.95),
}


def reference() -> Reference:
    """A test split of 100 faces: recalls of 0.9, 0.6 and 0.5, predictions of 51, 27 and 22 faces."""
    quantiles = {name: dict(zip(("q05", "q25", "q50", "q75", "q95"), row, strict=True)) for name, row in BOUNDS.items()}
    confusion = np.array([[45, 3, 2], [2, 18, 10], [4, 6, 10]])
    return Reference(quantiles, CLASSES, confusion, {"accuracy": 0.73})


def face(label: str, confidence: float = 0.8, edge: int = 60) -> Face:
    rest = (1 - confidence) / (len(CLASSES) - 1)
    shares = {name: confidence if name == label else rest for name in CLASSES}
    return Face(Box(0, 0, edge, edge), label, shares, confidence < THRESHOLD)


def crop(seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (48, 48), np.uint8)


def result(name: str, faces: int, expected: str | None, *found: Face, accepted: tuple[str, ...] = ()) -> PictureResult:
    """One line of a csv with the columns file, faces, expected and pose, and the faces that were found."""
    fields = {"file": name, "faces": str(faces), "expected": expected or "", "pose": "front"}
    accepts = frozenset([*accepted, *([expected] if expected else [])])
    labelled = LabelledPicture(2, Path(name), faces, expected, accepts, fields)
    picture = Picture(name, 640, 480, found, detector="haar")
    return PictureResult(labelled, picture, tuple(crop(number) for number, _ in enumerate(found)))


def several() -> list[PictureResult]:
    """Five people on their own (one missed, three right, one accepted), a group of three, and an empty room."""
    return [
        result("one.jpg", 1, "happy", face("happy", 0.9)),
        result("two.jpg", 1, "happy", face("happy", 0.75), face("sad", edge=20)),
        result("three.jpg", 1, "sad", face("sad", 0.4)),
        result("four.jpg", 1, "sad", face("neutral", 0.65), accepted=("neutral",)),
        result("missed.jpg", 1, "neutral"),
        result("group.jpg", 3, "happy", face("happy"), face("neutral", edge=40)),
        result("room.jpg", 0, None, face("sad")),
    ]
