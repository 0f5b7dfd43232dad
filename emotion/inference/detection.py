"""Where the faces are in a grey picture, and the crop of each that the network takes.

Haar cascades of OpenCV, which travel in its wheel. Knows nothing of files, colours and expressions.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from math import atan2, degrees
from pathlib import Path
from typing import Final, Literal, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from emotion.errors import EmotionError
from emotion.images import to_face
from emotion.inference.results import Box

Detection = Literal["haar", "none"]

# On 360 scenes of 640x480, each with a face of 52-180 pixels, `alt2` found as many faces as `default` in half the time,
# and 4 false ones where `default` found 86. A step of 1.15 takes a third less time than 1.1 and misses 4 more in 100.
FRONTAL: Final = "haarcascade_frontalface_alt2.xml"
SCALE_STEP: Final = 1.15
NEIGHBOURS: Final = 3

WINDOW: Final = 20
"""Edge of the smallest face that the cascade knows, in pixels; pictures are resized so that `smallest` becomes it."""

LONGER_EDGES: Final = (384, 1024)
SEARCHED_EDGES: Final = (160, 640)
"""Longer edge in pixels at which pictures of these longer edges are searched: time grows with its square."""

EYES: Final = "haarcascade_eye.xml"
EYE_SEARCH: Final = 120
"""Edge in pixels at which eyes are looked for in a face."""

STEEPEST: Final = 35.0
"""Degrees; two "eyes" that are further from level are something else."""

_loaded = threading.local()


class Detector(Protocol):
    """Whatever finds faces; safe to share between threads."""

    def find(self, grey: NDArray[np.uint8]) -> list[Box]:
        """Return the faces of a picture, uint8 (h, w), from the largest to the smallest."""


class HaarDetector:
    """OpenCV's frontal-face cascade on a picture resized to the faces that matter."""

    def __init__(self, smallest: int | None = None) -> None:
        """Choose what to look for.

        Args:
            smallest: edge of the smallest face to find, in pixels; the larger, the faster. None for an eighth of the
                longer edge up to 384 pixels (48), less than that up to 1024 (32), and a thirty-second above.

        Raises:
            EmotionError: `smallest` is below 1.
        """
        if smallest is not None and smallest < 1:
            raise EmotionError(f"expected the smallest face to be at least 1 pixel, received {smallest}")
        self._smallest = smallest

    def find(self, grey: NDArray[np.uint8]) -> list[Box]:
        """Return the faces of a picture, uint8 (h, w), from the largest to the smallest."""
        scale = WINDOW / self._smallest if self._smallest else _usual_scale(max(grey.shape))
        resized = _resize(grey, scale)
        found = _cascade(FRONTAL).detectMultiScale(resized, SCALE_STEP, NEIGHBOURS, minSize=(WINDOW, WINDOW))
        # Its own threads finish in any order, so ties are broken by the place.
        return sorted(_boxes(found, scale), key=lambda box: (-box.width, box.top, box.left))


class NoDetector:
    """Takes every picture as one face."""

    def find(self, grey: NDArray[np.uint8]) -> list[Box]:
        """Return the whole picture."""
        height, width = grey.shape
        return [Box(0, 0, width, height)]


def detector(name: Detection, smallest: int | None = None) -> Detector:
    """Return a detector by its name; `smallest` as for `HaarDetector`.

    Raises:
        EmotionError: the name is unknown.
    """
    if name == "haar":
        return HaarDetector(smallest)
    if name == "none":
        return NoDetector()
    raise EmotionError(f"expected the detection haar or none, received {name!r}")


def crop(grey: NDArray[np.uint8], box: Box, *, align: bool = False) -> NDArray[np.uint8]:
    """Cut one face out as the network takes it.

    The crop is the box itself: on the faces of FER-2013 Haar's box is 47 of 48 pixels wide (median) and centred within
    a quarter of a pixel, as they were cut out by such a cascade.

    Args:
        grey: uint8, shape (h, w), 0-255.
        box: of the face; squared around its centre, and repeated edge pixels where it leaves the picture. A box around
            the whole picture goes to `images.to_face` as it is, as a cropped training example does.
        align: whether to turn the picture first so that the eyes are level, where two are found.

    Returns:
        uint8, shape (48, 48), grey, 0-255.
    """
    height, width = grey.shape
    if box == Box(0, 0, width, height):
        return to_face(grey)
    square = _square(box)
    angle = tilt(grey, square) if align else 0.0
    return to_face(_turn(grey, square, angle) if angle else _cut(grey, square))


def tilt(grey: NDArray[np.uint8], box: Box) -> float:
    """Measure how far a head leans, by the line through its eyes.

    Args:
        grey: uint8, shape (h, w), 0-255.
        box: of the face, a square.

    Returns:
        Degrees, positive where the eye on the right of the picture is the lower; 0 where no two plausible eyes are
        found.
    """
    face = _cut(grey, box)
    scale = EYE_SEARCH / box.width
    found = _cascade(EYES).detectMultiScale(_resize(face, scale), 1.1, 3, minSize=(EYE_SEARCH // 6, EYE_SEARCH // 6))
    left, right = _eyes([(x + width / 2, y + height / 2) for x, y, width, height in found])
    angle = degrees(atan2(right[1] - left[1], right[0] - left[0]))
    return angle if abs(angle) <= STEEPEST else 0.0


def _eyes(centres: list[tuple[float, float]]) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return a pair of eye centres, in pixels of the searched square; a level pair where there are not two."""
    upper = [(x, y) for x, y in centres if y < 0.6 * EYE_SEARCH]
    left = [(x, y) for x, y in upper if x < 0.5 * EYE_SEARCH]
    right = [(x, y) for x, y in upper if x >= 0.5 * EYE_SEARCH]
    # One each: with three, nobody knows which is a nostril or an eyebrow.
    if len(left) != 1 or len(right) != 1 or right[0][0] - left[0][0] < 0.25 * EYE_SEARCH:
        return (0.0, 0.0), (1.0, 0.0)
    return left[0], right[0]


def _cascade(name: str) -> cv2.CascadeClassifier:
    """Return this thread's cascade: one that two threads share gives wrong boxes."""
    cascades: dict[str, cv2.CascadeClassifier] = _loaded.__dict__
    if name not in cascades:
        cascades[name] = cv2.CascadeClassifier(str(Path(cv2.__path__[0]) / "data" / name))
    return cascades[name]


def _usual_scale(longer: int) -> float:
    return float(np.interp(longer, LONGER_EDGES, SEARCHED_EDGES)) / longer


def _resize(grey: NDArray[np.uint8], scale: float) -> NDArray[np.uint8]:
    height, width = (max(1, round(edge * scale)) for edge in grey.shape)
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return cv2.resize(grey, (width, height), interpolation=method).astype(np.uint8, copy=False)


def _boxes(found: Iterable[Iterable[int]], scale: float) -> list[Box]:
    return [Box(*(round(float(number) / scale) for number in numbers)) for numbers in found]


def _square(box: Box) -> Box:
    edge = max(box.width, box.height)
    return Box(box.left - (edge - box.width) // 2, box.top - (edge - box.height) // 2, edge, edge)


def _cut(grey: NDArray[np.uint8], box: Box) -> NDArray[np.uint8]:
    """Cut a box out, with repeated edge pixels where it leaves the picture, even if it lies outside altogether."""
    height, width = grey.shape
    rows = np.clip(np.arange(box.top, box.top + box.height), 0, height - 1)
    columns = np.clip(np.arange(box.left, box.left + box.width), 0, width - 1)
    return grey[rows][:, columns]


def _turn(grey: NDArray[np.uint8], square: Box, angle: float) -> NDArray[np.uint8]:
    """Cut a square out of the picture turned by an angle in degrees around the square's centre."""
    centre = (square.left + (square.width - 1) / 2, square.top + (square.height - 1) / 2)
    matrix = cv2.getRotationMatrix2D(centre, angle, 1.0)
    matrix[:, 2] -= square.left, square.top
    size = (square.width, square.height)
    turned = cv2.warpAffine(grey, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return turned.astype(np.uint8, copy=False)
