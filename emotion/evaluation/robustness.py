"""How much accuracy is left on corrupted faces: five kinds of corruption at three strengths.

Takes the network as a function from faces to probabilities. Kinds and strengths are fixed and not settings, so that the
figures of any two networks compare (as in ImageNet-C: Hendrycks and Dietterich 2019, arXiv:1903.12261). Equal faces
give equal bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter

from emotion.evaluation.intervals import bootstrap
from emotion.files import rounded, write_csv, write_json
from emotion.images import FACE_SIZE, to_face

CLEAN: Final = "clean"

Network = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
"""From faces, uint8 (n, 48, 48), to probabilities, float32 (n, classes)."""

Faces = NDArray[np.uint8]

SEED: Final = 0
"""One draw for all strengths of a kind: what grows from one to the next is the strength alone."""

# Read off the mean of FER-2013's validation faces: eyes lie in rows 15-20 with the brows above, the mouth in 36-41.
EYES_ROW: Final = 17
MOUTH_ROW: Final = 38
BAR_COLUMNS: Final = slice(6, 42)


@dataclass(frozen=True)
class Corruption:
    """One thing that goes wrong.

    Attributes:
        apply: from faces, uint8 (n, 48, 48), and a strength to the corrupted faces, of the same form.
        strengths: from weak to strong.
        meaning: what a strength is, for people, with a place for its number.
    """

    apply: Callable[[Faces, float], Faces]
    strengths: tuple[float, float, float]
    meaning: str


def add_noise(faces: Faces, deviation: float) -> Faces:
    """Add Gaussian noise, as a camera does in poor light.

    Args:
        faces: uint8, shape (n, 48, 48), grey, 0-255.
        deviation: standard deviation in grey levels.

    Returns:
        uint8, shape (n, 48, 48).
    """
    noise = np.random.default_rng(SEED).standard_normal(faces.shape, np.float32)
    return _to_bytes(faces + np.float32(deviation) * noise)


def blur(faces: Faces, deviation: float) -> Faces:
    """Blur by a Gaussian, as a lens out of focus does.

    Args:
        faces: uint8, shape (n, 48, 48), grey, 0-255.
        deviation: standard deviation in pixels.

    Returns:
        uint8, shape (n, 48, 48).
    """
    return _to_bytes(gaussian_filter(faces.astype(np.float32), (0, deviation, deviation), mode="nearest"))


def darken(faces: Faces, light: float) -> Faces:
    """Leave a share of the light, and with it of the contrast and of the grey levels.

    Args:
        faces: uint8, shape (n, 48, 48), grey, 0-255.
        light: the share that is left, 0-1.

    Returns:
        uint8, shape (n, 48, 48).
    """
    return _to_bytes(faces * np.float32(light))


def shrink(faces: Faces, edge: float) -> Faces:
    """Take faces that are small in their picture, enlarged as the network's users enlarge them.

    Args:
        faces: uint8, shape (n, 48, 48), grey, 0-255.
        edge: of the small face, whole pixels.

    Returns:
        uint8, shape (n, 48, 48).
    """
    size = (int(edge), int(edge))
    small = (Image.fromarray(face).resize(size, Image.Resampling.BOX) for face in faces)
    return np.array([to_face(face) for face in small], np.uint8).reshape(faces.shape)


def cover(faces: Faces, height: float) -> Faces:
    """Cover the eyes or the mouth, chosen at random for each face, with a black bar as wide as the face.

    Args:
        faces: uint8, shape (n, 48, 48), grey, 0-255, of about the places that FER-2013 gives eyes and mouth.
        height: of the bar, whole pixels.

    Returns:
        uint8, shape (n, 48, 48).
    """
    centres = np.random.default_rng(SEED).choice([EYES_ROW, MOUTH_ROW], len(faces))
    tops = centres - int(height) // 2
    rows = np.arange(FACE_SIZE)
    barred = (rows >= tops[:, None]) & (rows < tops[:, None] + int(height))
    covered = faces.copy()
    covered[:, :, BAR_COLUMNS][barred] = 0
    return covered


CORRUPTIONS: Final = {
    "noise": Corruption(add_noise, (5, 10, 20), "noise of {:g} grey levels"),
    "blur": Corruption(blur, (0.75, 1.25, 2), "blur of {:g} pixels"),
    "darkness": Corruption(darken, (0.5, 0.25, 0.1), "{:.0%} of the light"),
    "resolution": Corruption(shrink, (24, 16, 12), "faces of {0:g}x{0:g} pixels"),
    "occlusion": Corruption(cover, (4, 8, 12), "bar of {:g} rows over eyes or mouth"),
}


class Score(NamedTuple):
    """Accuracy under one kind of corruption at one strength.

    Attributes:
        corruption: its kind; `clean` for none.
        strength: 1 weak, 2 medium, 3 strong; 0 for none.
        accuracy: 0-1.
        low: lower end of its 95% interval over the faces.
        high: upper end.
        faces: how many were judged.
        meaning: what was done to the faces, for people.
    """

    corruption: str
    strength: int
    accuracy: float
    low: float
    high: float
    faces: int
    meaning: str


def measure(network: Network, faces: NDArray[np.uint8], labels: NDArray[np.integer]) -> list[Score]:
    """Score a network on faces as they are, and under every corruption at every strength.

    Args:
        network: what is measured.
        faces: uint8, shape (n, 48, 48), grey, 0-255; n at least 1.
        labels: integer, shape (n,), index into the columns of the probabilities.

    Returns:
        The clean score, then three of each kind from weak to strong; numbers rounded to 6 decimals.
    """
    scores = [_score(CLEAN, 0, network(faces), labels, "as they are")]
    for kind, corruption in CORRUPTIONS.items():
        for strength, value in enumerate(corruption.strengths, start=1):
            probabilities = network(corruption.apply(faces, value))
            scores.append(_score(kind, strength, probabilities, labels, corruption.meaning.format(value)))
    return scores


def _score(
    kind: str, strength: int, probabilities: NDArray[np.float32], labels: NDArray[np.integer], meaning: str
) -> Score:
    right = int(np.count_nonzero(np.argmax(probabilities, axis=1) == labels))
    interval = bootstrap(np.array([len(labels) - right, right]), lambda counts: counts[:, 1] / counts.sum(axis=1))
    accuracy, low, high = (rounded(figure) for figure in (right / len(labels), *interval))
    return Score(kind, strength, accuracy, low, high, len(labels), meaning)


def headline(scores: list[Score]) -> dict[str, float]:
    """Return the clean accuracy, the mean accuracy under all corruptions, and the mean under each kind; 0-1."""
    figures = {CLEAN: _mean(scores, {CLEAN}), "mean": _mean(scores, set(CORRUPTIONS))}
    return figures | {kind: _mean(scores, {kind}) for kind in CORRUPTIONS}


def _mean(scores: list[Score], kinds: set[str]) -> float:
    return rounded(np.mean([score.accuracy for score in scores if score.corruption in kinds]))


def write(scores: list[Score], root: Path) -> None:
    """Write the table and the headline below `root`, in the pipeline's places."""
    write_csv(root / "metrics/robustness.csv", Score._fields, scores)
    write_json(root / "metrics/robustness.json", headline(scores))


def _to_bytes(values: NDArray[np.float32]) -> Faces:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)
