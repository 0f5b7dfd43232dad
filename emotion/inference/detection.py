"""Find faces in a picture and crop each of them for the network.

YuNet is the default; the Haar cascades come with OpenCV's wheel. This module knows nothing about files of pictures or
expressions.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final, Literal, Protocol, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from emotion.errors import EmotionError, ModelError
from emotion.files import sha256_of
from emotion.images import align_face, resembles_face, to_face, to_grey
from emotion.inference import detector_weights
from emotion.inference.results import Box, DetectedFace
from emotion.inference.yunet import YuNet

Detection = Literal["yunet", "haar"]
"""The name of a face detector."""

DETECTIONS: Final[tuple[Detection, ...]] = get_args(Detection)

# Measured on 360 scenes of 640x480 pixels, each with one face of 52-180 pixels: `alt2` finds as many faces as `default`
# in half the time, with 4 false detections instead of 86. A step of 1.15 takes a third less time than 1.1 and misses
# 4 more faces in 100.
FRONTAL: Final = "haarcascade_frontalface_alt2.xml"
SCALE_STEP: Final = 1.15
NEIGHBOURS: Final = 3

WINDOW: Final = 20
"""Edge in pixels of the smallest face that the cascade detects; pictures are resized until `smallest` has this size."""

MOST_ENLARGED: Final = 10_000_000
"""Pixels to which a picture may be enlarged for tiny faces; the cascade needs 40 bytes and a microsecond for each."""

SMALLEST_IN_VIDEO: Final = 48
"""Edge in pixels of the smallest face that is tracked in a video: that of the network's input."""

SMALLEST_IN_WEBCAM: Final = 64
"""Edge in pixels of the smallest face found in a webcam frame: 1.4 m away at 640 pixels. 48 takes twice as long."""

LONGER_EDGES: Final = (384, 1024)
SEARCHED_EDGES: Final = (160, 640)
"""A picture whose longer edge is one of `LONGER_EDGES` is searched at this longer edge, in pixels.

Values in between are interpolated. Search time grows with the square of the edge.
"""

_thread_cascades = threading.local()


class Detector(Protocol):
    """Finds faces in a picture; safe to share between threads."""

    @property
    def name(self) -> Detection:
        """Which detector this is."""

    def find(self, rgb: NDArray[np.uint8]) -> list[DetectedFace]:
        """Return the faces of a picture, uint8 (h, w, 3), from the largest to the smallest."""

    def for_video(self, smallest: int) -> VideoDetector:
        """Return what searches the frames of one video for faces of at least so many pixels."""


class VideoDetector(Protocol):
    """Finds faces in the frames of one video or camera; not safe to share between threads."""

    def find(self, rgb: NDArray[np.uint8], expected: Sequence[Box]) -> list[DetectedFace]:
        """Return the faces of the next frame, from the largest to the smallest.

        Args:
            rgb: uint8, shape (h, w, 3).
            expected: where the faces of earlier frames should be now.
        """


class HaarDetector:
    """OpenCV's Haar cascade for frontal faces, upright within about 15 degrees."""

    name: Final = "haar"

    def __init__(self, smallest: int | None = None) -> None:
        """Set the size of the faces to find.

        Args:
            smallest: edge of the smallest face to find, in pixels; a larger value is faster. Faces below 20 are found
                as far as `MOST_ENLARGED` allows. None derives it from the longer edge of the picture: an eighth of it
                up to 384 pixels, which gives 48; a thirty-second of it from 1024 pixels, which gives 32; in between it
                falls from 48 to 32.
        """
        self._smallest = smallest

    def find(self, rgb: NDArray[np.uint8], expected: Sequence[Box] = ()) -> list[DetectedFace]:  # noqa: ARG002
        """Return the faces of a picture, uint8 (h, w, 3), from the largest to the smallest; without landmarks.

        It is searched whole, wherever faces are expected.
        """
        grey = to_grey(rgb)
        scale = WINDOW / self._smallest if self._smallest else _default_scale(max(grey.shape))
        scale = min(scale, max(1.0, (MOST_ENLARGED / grey.size) ** 0.5))
        resized = _resize(grey, scale)
        found = _cascade(FRONTAL).detectMultiScale(resized, SCALE_STEP, NEIGHBOURS, minSize=(WINDOW, WINDOW))
        # OpenCV's threads finish in any order, so faces of equal size are sorted by position.
        boxes = sorted(_boxes(found, scale), key=lambda box: (-box.width, box.top, box.left))
        return [DetectedFace(box) for box in boxes]

    def for_video(self, smallest: int) -> HaarDetector:
        """Return a detector of faces of at least so many pixels."""
        return HaarDetector(smallest)


def detector(detection: Detection | Path = "yunet", smallest: int | None = None) -> Detector:
    """Make a face detector.

    Args:
        detection: `yunet`, `haar`, or a file with the weights of YuNet. Where the weights of `yunet` can be had in no
            way, Haar takes its place, and the log of `emotion` says so.
        smallest: edge of the smallest face to find, in pixels; a larger value is faster. None leaves it to the
            detector.

    Raises:
        EmotionError: the name is unknown, or `smallest` is below 1.
        ModelError: a weights file that was chosen is missing or another than YuNet's.
    """
    if smallest is not None and smallest < 1:
        raise EmotionError(f"expected the smallest face to be at least 1 pixel, received {smallest}")
    if detection == "haar":
        return HaarDetector(smallest)
    if detection != "yunet" and not isinstance(detection, Path):
        raise EmotionError(f"there is no face detector {detection!r}; use {' or '.join(DETECTIONS)}")
    weights = detector_weights.find(detection) if isinstance(detection, Path) else _find_weights()
    return YuNet(weights.read_bytes(), smallest) if weights else HaarDetector(smallest)


def limit_threads(threads: int) -> None:
    """Let OpenCV use so many threads in this process; by default every call uses all cores."""
    cv2.setNumThreads(threads)


def sha256_of_files(name: Detection) -> str:
    """Return the hex SHA-256 of the file that a detector loads: YuNet's weights or OpenCV's cascade."""
    return detector_weights.SHA256 if name == "yunet" else sha256_of(_cascade_file(FRONTAL))


def largest_only(
    find: Callable[[NDArray[np.uint8], Sequence[Box]], list[DetectedFace]],
) -> Callable[[NDArray[np.uint8], Sequence[Box]], list[DetectedFace]]:
    """Return a search of video frames, as `VideoDetector.find`, that gives only the largest face."""
    return lambda rgb, expected: find(rgb, expected)[:1]


def _find_weights() -> Path | None:
    """Return the weights of YuNet; None, with a line in the log, if they cannot be had."""
    if local := detector_weights.find_local():
        return local
    try:
        return detector_weights.fetch()
    except ModelError as error:
        logging.getLogger("emotion").warning("emotion: %s. Haar is used instead; it misses more faces.", error)
        return None


def crop(grey: NDArray[np.uint8], face: DetectedFace) -> NDArray[np.uint8]:
    """Crop one face for the network.

    With landmarks the crop is level and has the scale of FER-2013's faces (`images.align_face`). Without them it is the
    box, made square around its centre, without a margin, because the faces of FER-2013 were cropped by such a cascade
    too: on them, Haar's box is 47 of 48 pixels wide (median) and centred within a quarter of a pixel.

    Args:
        grey: uint8, shape (h, w), 0-255; outside it the edge pixels are repeated.
        face: where the face is. A box around the whole picture, without landmarks, goes to `images.to_face` unchanged,
            like a cropped training example.

    Returns:
        uint8, shape (48, 48), grey, 0-255.
    """
    if face.landmarks is not None and resembles_face(face.landmarks):
        return align_face(grey, face.landmarks)
    height, width = grey.shape
    return to_face(grey if face.box == Box(0, 0, width, height) else _cut(grey, _square(face.box)))


def _cascade(name: str) -> cv2.CascadeClassifier:
    """Return this thread's cascade; a cascade shared between threads returns wrong boxes."""
    cascades: dict[str, cv2.CascadeClassifier] = _thread_cascades.__dict__
    if name not in cascades:
        cascades[name] = cv2.CascadeClassifier(str(_cascade_file(name)))
    return cascades[name]


def _cascade_file(name: str) -> Path:
    return Path(cv2.__path__[0]) / "data" / name


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
