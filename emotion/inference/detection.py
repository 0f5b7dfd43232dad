"""Find faces in a grey picture and crop each of them for the network.

The Haar cascades come with OpenCV's wheel. This module knows nothing about files, colours or expressions.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from math import atan2, degrees
from pathlib import Path
from typing import Final, Literal, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from emotion.errors import EmotionError
from emotion.images import to_face
from emotion.inference.results import Box

Detection = Literal["haar"]
"""The name of a face detector."""

# Measured on 360 scenes of 640x480 pixels, each with one face of 52-180 pixels: `alt2` finds as many faces as `default`
# in half the time, with 4 false detections instead of 86. A step of 1.15 takes a third less time than 1.1 and misses
# 4 more faces in 100.
FRONTAL: Final = "haarcascade_frontalface_alt2.xml"
SCALE_STEP: Final = 1.15
NEIGHBOURS: Final = 3

WINDOW: Final = 20
"""Edge in pixels of the smallest face that the cascade detects; pictures are resized until `smallest` has this size."""

SMALLEST_IN_VIDEO: Final = 48
"""Edge in pixels of the smallest face that is tracked in a video: that of the network's input."""

SMALLEST_IN_WEBCAM: Final = 64
"""Edge in pixels of the smallest face found in a webcam frame: 1.4 m away at 640 pixels. 48 takes twice as long."""

LONGER_EDGES: Final = (384, 1024)
SEARCHED_EDGES: Final = (160, 640)
"""A picture whose longer edge is one of `LONGER_EDGES` is searched at this longer edge, in pixels.

Values in between are interpolated. Search time grows with the square of the edge.
"""

EYES: Final = "haarcascade_eye.xml"
EYE_SEARCH: Final = 120
"""Edge in pixels to which a face is resized before the search for eyes."""

MAX_TILT: Final = 35.0
"""Degrees; a steeper pair is no pair of eyes."""

_thread_cascades = threading.local()


class Detector(Protocol):
    """Finds faces in a picture; safe to share between threads."""

    def find(self, grey: NDArray[np.uint8]) -> list[Box]:
        """Return the faces of a picture, uint8 (h, w), from the largest to the smallest."""


class HaarDetector:
    """OpenCV's Haar cascade for frontal faces."""

    def __init__(self, smallest: int | None = None) -> None:
        """Set the size of the faces to find.

        Args:
            smallest: edge of the smallest face to find, in pixels; a larger value is faster. None derives it from the
                longer edge of the picture: an eighth of it up to 384 pixels, which gives 48; a thirty-second of it
                from 1024 pixels, which gives 32; in between it falls from 48 to 32.

        Raises:
            EmotionError: `smallest` is below 1.
        """
        if smallest is not None and smallest < 1:
            raise EmotionError(f"expected the smallest face to be at least 1 pixel, received {smallest}")
        self._smallest = smallest

    def find(self, grey: NDArray[np.uint8]) -> list[Box]:
        """Return the faces of a picture, uint8 (h, w), from the largest to the smallest."""
        scale = WINDOW / self._smallest if self._smallest else _default_scale(max(grey.shape))
        resized = _resize(grey, scale)
        found = _cascade(FRONTAL).detectMultiScale(resized, SCALE_STEP, NEIGHBOURS, minSize=(WINDOW, WINDOW))
        # OpenCV's threads finish in any order, so faces of equal size are sorted by position.
        return sorted(_boxes(found, scale), key=lambda box: (-box.width, box.top, box.left))


DETECTORS: Final[dict[Detection, Callable[[int | None], Detector]]] = {"haar": HaarDetector}
"""What makes the detector of each name."""


def detector(name: Detection, smallest: int | None = None) -> Detector:
    """Make a face detector.

    Args:
        name: one of `DETECTORS`.
        smallest: as for `HaarDetector`.

    Raises:
        EmotionError: the name is unknown, or `smallest` is below 1.
    """
    if name not in DETECTORS:
        raise EmotionError(f"there is no face detector {name!r}; use {' or '.join(DETECTORS)}")
    return DETECTORS[name](smallest)


def crop(grey: NDArray[np.uint8], box: Box, *, align: bool = False) -> NDArray[np.uint8]:
    """Crop one face for the network.

    The crop has no margin, because the faces of FER-2013 were cropped by such a cascade too: on them, Haar's box is 47
    of 48 pixels wide (median) and centred within a quarter of a pixel.

    Args:
        grey: uint8, shape (h, w), 0-255.
        box: the face's box. It is made square around its centre; outside the picture the edge pixels are repeated. A
            box around the whole picture goes to `images.to_face` unchanged, like a cropped training example.
        align: whether to turn the picture first so that the eyes are level, if two eyes are found.

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
    """Measure how far a head is tilted, from the line through its eyes.

    Args:
        grey: uint8, shape (h, w), 0-255.
        box: the face's box, a square.

    Returns:
        Degrees, positive if the eye on the right side of the picture is lower; 0 if no plausible pair of eyes is found.
    """
    face = _cut(grey, box)
    scale = EYE_SEARCH / box.width
    found = _cascade(EYES).detectMultiScale(_resize(face, scale), 1.1, 3, minSize=(EYE_SEARCH // 6, EYE_SEARCH // 6))
    left, right = _eyes([(x + width / 2, y + height / 2) for x, y, width, height in found])
    angle = degrees(atan2(right[1] - left[1], right[0] - left[0]))
    return angle if abs(angle) <= MAX_TILT else 0.0


def _eyes(centres: list[tuple[float, float]]) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return the centres of two eyes, in pixels of the searched square; a level pair if there are not exactly two."""
    upper = [(x, y) for x, y in centres if y < 0.6 * EYE_SEARCH]
    left = [(x, y) for x, y in upper if x < 0.5 * EYE_SEARCH]
    right = [(x, y) for x, y in upper if x >= 0.5 * EYE_SEARCH]
    # With more than one candidate a side, one of them is a nostril or an eyebrow, and nothing says which.
    if len(left) != 1 or len(right) != 1 or right[0][0] - left[0][0] < 0.25 * EYE_SEARCH:
        return (0.0, 0.0), (1.0, 0.0)
    return left[0], right[0]


def _cascade(name: str) -> cv2.CascadeClassifier:
    """Return this thread's cascade; a cascade shared between threads returns wrong boxes."""
    cascades: dict[str, cv2.CascadeClassifier] = _thread_cascades.__dict__
    if name not in cascades:
        cascades[name] = cv2.CascadeClassifier(str(Path(cv2.__path__[0]) / "data" / name))
    return cascades[name]


def _default_scale(longer: int) -> float:
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
    """Cut a box out; outside the picture the edge pixels are repeated, even if the whole box is outside."""
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
