"""Measures whether the inner features of a network tell people apart, on photos that somebody has sorted by person.

EMOTION_PEOPLE names a folder with one folder of photos for each person.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.processes import ROOT
from benchmarks.results import Result
from emotion.errors import DataError, ImageError
from emotion.images import FACE_SIZE, to_grey

if TYPE_CHECKING:
    import keras

VARIABLE: Final = "EMOTION_PEOPLE"

DLIB_EDGE: Final = 150
"""Edge in pixels of the faces that dlib's network was trained on."""

Features = Callable[[NDArray[np.uint8]], NDArray[np.float64]]
"""From faces, uint8 (n, 48, 48), to one row of features for each."""


def measure(quick: bool) -> Iterator[Result]:
    """Yield how often two photos of one person are more alike than photos of two people, by features.

    Raises:
        DataError: the variable names no folder, the folder has no two people or no two faces of one person, a photo
            cannot be read, or the photos do not differ.
        ModelError: the weights of YuNet are missing.
    """
    folder = os.environ.get(VARIABLE, "")
    if not folder or not Path(folder).is_dir():
        expected = "expected a folder with one folder of photos for each person"
        raise DataError(f"{VARIABLE}: {expected}, received {folder or 'nothing'}")
    faces, people = _read(Path(folder), photos=2 if quick else None)
    for name, compute in _features().items():
        what = f"one person or two, {len(faces)} photos of {len(set(people))} people: {name}"
        yield Result(what, "% of pairs in the right order", (100 * rank_pairs(compute(faces), people),))


def rank_pairs(features: NDArray[np.float64], people: list[str]) -> float:
    """Return the probability that two faces of one person are more alike than two of different people.

    This is the area under the ROC curve of the cosine similarity: 0.5 is chance.

    Args:
        features: float64, shape (n, features).
        people: the person on each photo.

    Raises:
        DataError: all features of a photo equal their mean, so that it is like no other.
    """
    from sklearn.metrics import roc_auc_score

    centred = features - features.mean(axis=0)
    lengths = np.linalg.norm(centred, axis=1, keepdims=True)
    if not lengths.all():
        raise DataError(f"expected photos that differ, received one like the mean of all; choose others for {VARIABLE}")
    unit = centred / lengths
    first, second = np.triu_indices(len(people), 1)
    same = [people[one] == people[other] for one, other in zip(first, second, strict=True)]
    return float(roc_auc_score(same, np.sum(unit[first] * unit[second], axis=1)))


def _read(folder: Path, photos: int | None) -> tuple[NDArray[np.uint8], list[str]]:
    """Return the largest face of each photo in which one is found, as the network sees it, and the person on it."""
    from emotion.inference import detection, detector_weights
    from emotion.inference.yunet import YuNet

    detector = YuNet(detector_weights.find().read_bytes())
    faces, people = [], []
    for person in sorted(path for path in folder.iterdir() if path.is_dir()):
        for path in sorted(person.iterdir())[:photos]:
            picture = _read_photo(path)
            if found := detector.find(picture):
                largest = max(found, key=lambda face: face.box.width * face.box.height)
                faces.append(detection.crop(to_grey(picture), largest))
                people.append(person.name)
    if len(set(people)) < 2 or len(people) <= len(set(people)):
        raise DataError(f"{folder}: expected a folder of photos for each person, two people and more")
    return np.array(faces), people


def _read_photo(path: Path) -> NDArray[np.uint8]:
    from emotion.inference.pictures import read_picture, to_rgb

    try:
        return to_rgb(read_picture(path))
    except ImageError as error:
        raise DataError(f"{path}: {error}") from error


def _features() -> dict[str, Features]:
    from emotion.networks.keras_setup import prepare

    # Before Keras is imported: it chooses its backend then.
    prepare("tensorflow", threads=0, seed=0)
    from emotion.networks import architectures, face_resnet, keras_file

    served, facts = keras_file.load(ROOT / "models/emotion.keras")
    trained = served.get_layer(facts.parameters["train"]["architecture"])
    # Other networks do not use this setting, or use it at sizes that are too small for dlib's network.
    is_dlib = trained.name in face_resnet.STAGES
    edge = facts.parameters["train"]["transfer"]["image_size"] if is_dlib else DLIB_EDGE
    start = architectures.Transfer("faces", edge)
    untrained = architectures.build("face_resnet", trained.input_shape[1], len(facts.classes), start)
    return {
        "grey levels": lambda faces: faces.reshape(len(faces), -1).astype(np.float64),
        "face_resnet before training": _compute_inner(untrained),
        f"{trained.name} of models/emotion.keras": _compute_inner(trained),
        "probabilities of models/emotion.keras": lambda faces: np.asarray(served(faces), np.float64),
    }


def _compute_inner(network: keras.Model) -> Features:
    """Return what computes the input of the last layer, on the centre of the faces."""
    import keras

    inner = keras.Model(network.input, network.layers[-1].input)
    margin = (FACE_SIZE - network.input_shape[1]) // 2
    centre = slice(margin, FACE_SIZE - margin)
    return lambda faces: np.asarray(inner(faces[:, centre, centre, None] / np.float32(255)), np.float64)
