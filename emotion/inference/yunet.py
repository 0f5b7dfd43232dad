"""YuNet, a small face detector with five landmarks, through OpenCV's own `cv2.FaceDetectorYN`.

Wu et al. 2023, "YuNet: A Tiny Millisecond-level Face Detector" (Machine Intelligence Research 20). Knows arrays alone.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from itertools import count
from math import ceil
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from emotion.inference.results import Box, DetectedFace
from emotion.inference.yunet_rows import NOTHING, Rows, box_of, holds, merge, shift, zoom

THRESHOLD: Final = 0.8
"""Least score of a face, 0-1. On 50 real photos 0.9 misses a fifth of the faces, and 0.6 finds one that is none."""

OVERLAP: Final = 0.3
"""Intersection over union above which OpenCV takes two faces of one search for the same."""

WHOLE: Final = 640
"""Longer edge in pixels at which a whole picture is searched."""

RELIABLE: Final = 24
"""Height in pixels of the smallest upright face that YuNet finds reliably. With 20, it finds 52 instead of 54 of 56
faces of 110 pixels in a picture of 3840x2880, and 32 instead of 39 of 60 faces of 40 pixels, in three quarters of the
time."""

SMALLEST: Final = 24
"""Height in pixels of the smallest face that is looked for, unless the caller wants another."""

SHORTEST: Final = 64
"""Shortest edge in pixels that OpenCV is given: where a map of features is one cell wide, its depthwise convolution
reads memory that nobody wrote, so faces come and go. The coarsest map has a cell for each 32 pixels, rounded up."""

ENLARGED: Final = 2.0
"""Times that a picture without a face is enlarged to search it again, up to `TILE`. On 36 real photos reduced to faces
of 24 pixels, YuNet finds 29 at their own size and all 36 enlarged; of 20 pixels, 16 and 36."""

HINT: Final = 0.3
"""Least score, 0-1, of a place that is looked at closer where nothing else was found in a picture."""

MOST_HINTS: Final = 20
"""Number of such places, those of the highest score."""

CLOSER: Final = 128
"""Height in pixels to which what may be a face is enlarged there."""

TURNS: Final = (50.0, -50.0)
"""Degrees by which a picture without a face is turned to search it again."""

UPRIGHT: Final = 0.92
"""Score, 0-1, from which on a face counts as upright; the landmarks of others may follow their tilt only half-way."""

ALL_TURNS: Final = (0.0, -135.0, -90.0, -45.0, 45.0, 90.0, 135.0, 180.0)
"""Degrees by which such a face is turned, to see where it has the highest score."""

BETTER: Final = 0.04
"""Least lead in score with which a turned face is taken for the upright one."""

AROUND: Final = 2.0
"""Edge of the area in which one face is looked for, as a multiple of the longer edge of its box."""

CLOSE: Final = 64
"""Height in pixels of a face in such an area, where it was found before."""

TILE: Final = 1280
"""Edge in pixels of the tiles in which larger versions of a picture are searched: memory stays bounded."""

EVERY: Final = 3
"""Frames of a video from one search of the whole frame to the next."""

MOST_AREAS: Final = 8
"""Number of faces above which to search a whole frame takes less time than the areas around them."""

_loaded = threading.local()


class YuNet:
    """Finds faces of any tilt; safe to share between threads, each of which loads its own network."""

    name: Final = "yunet"

    def __init__(self, weights: bytes, smallest: int | None = None) -> None:
        """Choose what to look for.

        Args:
            weights: content of the ONNX file. A thread may load it long after the file is gone.
            smallest: height of the smallest face to find, in pixels, at least 1; larger is faster in pictures with an
                edge above `WHOLE`. None for `SMALLEST`, and for smaller ones where they are found without effort.
        """
        self._weights, self._smallest, self._least = weights, smallest or SMALLEST, smallest or 1

    def find(self, rgb: NDArray[np.uint8]) -> list[DetectedFace]:
        """Return the faces of a picture, uint8 (h, w, 3), from the largest to the smallest.

        Where nothing is found, the picture is searched again: with other light, turned and enlarged. Faces with a low
        score are searched turned, because the landmarks of a strongly tilted face are wrong.
        """
        rows = self._search(rgb)
        rows = rows if len(rows) else self._search_again(rgb)
        faces = self._merge(rows)
        for row in faces:
            if _score(row) < UPRIGHT:
                row[4:14] = self._upright_landmarks(rgb, row)
        return [_face(row) for row in faces]

    def for_video(self, smallest: int) -> YuNetInVideo:
        """Return what searches the frames of one video for faces of at least so many pixels."""
        return YuNetInVideo(YuNet(self._weights, smallest))

    def find_in_frame(self, rgb: NDArray[np.uint8], expected: Sequence[Box], *, whole: bool) -> list[DetectedFace]:
        """Return the faces of a video frame, from the largest to the smallest.

        Where a face is expected and the search does not find it, a small area is searched, also for a tilted face.

        Args:
            rgb: uint8, shape (h, w, 3).
            expected: where the faces of earlier frames should be now.
            whole: whether to search the whole frame and not only where a face is expected, which is faster.
        """
        found = self._search(rgb) if whole else NOTHING
        missed = [box for box in expected if not holds(found, box)]
        rows = np.concatenate([found, *(self._search_tilted(rgb, box) for box in missed)])
        return [_face(row) for row in self._merge(rows)]

    def _merge(self, rows: Rows) -> list[NDArray[np.float32]]:
        return merge(rows[rows[:, 3] >= self._least])

    def _search_tilted(self, rgb: NDArray[np.uint8], box: Box) -> Rows:
        """Search the area around a box, and turn it if nothing is found there."""
        scale = min(1.0, CLOSE / box.height)
        rows = self._search_around(rgb, box, scale)
        if len(rows):
            return rows
        return np.concatenate([self._search_around(rgb, box, scale, angle) for angle in TURNS])

    def _upright_landmarks(self, rgb: NDArray[np.uint8], row: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the landmarks of a face from the turn in which it has the highest score: there it is upright."""
        box = box_of(row)
        looks = [self._search_around(rgb, box, CLOSE / box.height, angle) for angle in ALL_TURNS]
        seen = [max((face for face in look if holds([face], box)), key=_score, default=None) for look in looks]
        best = max((face for face in seen if face is not None), key=_score, default=row)
        as_it_is = 0.0 if seen[0] is None else _score(seen[0])
        return best[4:14] if _score(best) >= as_it_is + BETTER else row[4:14]

    def _search_around(self, rgb: NDArray[np.uint8], box: Box, scale: float, angle: float = 0.0) -> Rows:
        """Search the area around a box at a scale, turned by some degrees."""
        edge = max(SHORTEST, round(AROUND * max(box.width, box.height)))
        left, top = max(0, box.left + (box.width - edge) // 2), max(0, box.top + (box.height - edge) // 2)
        area = rgb[top : top + edge, left : left + edge]
        if 0 in area.shape:
            return NOTHING
        scale = min(scale, TILE / max(area.shape[:2]))
        return shift(self._detect_turned(area, scale, angle) if angle else self._detect(area, scale), left, top)

    def _search_again(self, rgb: NDArray[np.uint8]) -> Rows:
        """Search for what was too dark, too bright, in fog, tilted too far or too small, until something is found."""
        small = _resize(rgb, _scale(rgb))
        for look in self._looks(small):
            if len(look):
                return zoom(look, rgb.shape[1] / small.shape[1], rgb.shape[0] / small.shape[0])
        larger = min(ENLARGED * SMALLEST / self._smallest, TILE / max(rgb.shape[:2]))
        return self._search_closer(rgb, larger) if larger > self._finest() else NOTHING

    def _search_closer(self, rgb: NDArray[np.uint8], scale: float) -> Rows:
        """Search an enlarged picture, and enlarge further what may be a face."""
        rows = self._detect(rgb, scale, HINT)
        sure, hints = rows[rows[:, 14] >= THRESHOLD], rows[(rows[:, 14] < THRESHOLD) & (rows[:, 3] >= SMALLEST / 2)]
        boxes = [box_of(row) for row in hints[np.argsort(-hints[:, 14], kind="stable")][:MOST_HINTS]]
        return np.concatenate([sure, *(self._search_around(rgb, box, CLOSER / box.height) for box in boxes)])

    def _looks(self, rgb: NDArray[np.uint8]) -> Iterator[Rows]:
        if rgb.min() > 0 or rgb.max() < 255:
            yield self._detect(_stretch_contrast(rgb))
        yield self._detect(_equalize_locally(rgb))
        yield np.concatenate([self._detect_turned(rgb, 1.0, angle) for angle in TURNS])

    def _search(self, rgb: NDArray[np.uint8]) -> Rows:
        """Search the whole picture, then larger versions of it in tiles for the faces that were too small."""
        scale = _scale(rgb)
        found = [self._detect(rgb, scale)]
        finest = self._finest()
        if scale < finest:
            largest = 1.5 * RELIABLE / scale  # faces above this height were found in the whole picture
            for rows, columns in _tiles(rgb.shape[:2], finest, ceil(largest)):
                found.append(shift(self._detect(rgb[rows, columns], finest), columns.start, rows.start))
        return np.concatenate(found)

    def _finest(self) -> float:
        """Return the scale at which every picture is searched for its smallest faces."""
        return min(1.0, RELIABLE / self._smallest)

    def _detect(self, rgb: NDArray[np.uint8], scale: float = 1.0, least: float = THRESHOLD) -> Rows:
        """Return the faces of a picture searched at a scale, of at least a score, in the picture's own pixels."""
        resized = _resize(rgb, scale)
        height, width = resized.shape[:2]
        below, beside = max(0, SHORTEST - height), max(0, SHORTEST - width)
        bgr = cv2.copyMakeBorder(cv2.cvtColor(resized, cv2.COLOR_RGB2BGR), 0, below, 0, beside, cv2.BORDER_CONSTANT)
        network = self._network()
        network.setScoreThreshold(least)
        network.setInputSize((width + beside, height + below))
        _, rows = network.detect(bgr)
        found = NOTHING if rows is None else rows.astype(np.float32)
        return zoom(found, rgb.shape[1] / width, rgb.shape[0] / height)

    def _detect_turned(self, rgb: NDArray[np.uint8], scale: float, angle: float) -> Rows:
        """Return the faces of a picture that is searched after a turn by some degrees."""
        height, width = rgb.shape[:2]
        edge = ceil(np.hypot(height, width) * scale)
        matrix = cv2.getRotationMatrix2D((width / 2, height / 2), angle, scale)
        matrix[:, 2] += edge / 2 - np.array([width, height]) / 2
        turned = cv2.warpAffine(rgb, matrix, (edge, edge), flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE)
        rows = self._detect(turned.astype(np.uint8, copy=False))
        centres = rows[:, :2] + rows[:, 2:4] / 2
        points = np.concatenate([centres[:, None], rows[:, 4:14].reshape(-1, 5, 2)], axis=1)
        points = (points - matrix[:, 2]) @ np.linalg.inv(matrix[:, :2]).T
        rows[:, 2:4] /= scale
        rows[:, :2] = points[:, 0] - rows[:, 2:4] / 2
        rows[:, 4:14] = points[:, 1:].reshape(-1, 10)
        return rows

    def _network(self) -> cv2.FaceDetectorYN:
        """Return this thread's network: one that two threads share crashes."""
        networks: dict[Any, cv2.FaceDetectorYN] = _loaded.__dict__
        if self._weights not in networks:
            model, no_configuration = np.frombuffer(self._weights, np.uint8), np.zeros(0, np.uint8)
            networks[self._weights] = cv2.FaceDetectorYN.create(
                "onnx", model, no_configuration, (WHOLE, WHOLE), THRESHOLD, OVERLAP
            )
        return networks[self._weights]


def _score(row: NDArray[np.float32]) -> float:
    return float(row[14])


def _face(row: NDArray[np.float32]) -> DetectedFace:
    return DetectedFace(box_of(row), row[4:14].reshape(5, 2).astype(np.float64))


class YuNetInVideo:
    """Searches every `EVERY`th frame of a video as a whole, and the others around the known faces."""

    def __init__(self, yunet: YuNet) -> None:
        self._yunet, self._frames = yunet, count()

    def find(self, rgb: NDArray[np.uint8], expected: Sequence[Box]) -> list[DetectedFace]:
        """Return the faces of the next frame, as `YuNet.find_in_frame` does."""
        whole = next(self._frames) % EVERY == 0 or len(expected) > MOST_AREAS
        return self._yunet.find_in_frame(rgb, expected, whole=whole)


def _scale(rgb: NDArray[np.uint8]) -> float:
    """Return the scale at which a whole picture is searched."""
    return min(1.0, WHOLE / int(max(rgb.shape[:2])))


def _resize(rgb: NDArray[np.uint8], scale: float) -> NDArray[np.uint8]:
    if scale == 1:
        return rgb
    height, width = (max(1, round(edge * scale)) for edge in rgb.shape[:2])
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return cv2.resize(rgb, (width, height), interpolation=method).astype(np.uint8, copy=False)


def _tiles(shape: tuple[int, ...], scale: float, largest: int) -> Iterator[tuple[slice, slice]]:
    """Divide a picture into tiles that overlap by the largest face to find in them."""
    edge = max(round(TILE / scale), 2 * largest)
    for top in _starts(shape[0], edge, largest):
        for left in _starts(shape[1], edge, largest):
            yield slice(top, min(top + edge, shape[0])), slice(left, min(left + edge, shape[1]))


def _starts(length: int, edge: int, overlap: int) -> list[int]:
    count = max(1, ceil((length - overlap) / (edge - overlap)))
    return [round(index * max(0, length - edge) / max(1, count - 1)) for index in range(count)]


def _stretch_contrast(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Spread the levels of a dark, bright or foggy picture over the whole range."""
    low, high = int(rgb.min()), int(rgb.max())
    table = np.clip((np.arange(256) - low) * (255 / max(1, high - low)), 0, 255).astype(np.uint8)
    stretched: NDArray[np.uint8] = table[rgb]
    return stretched


def _equalize_locally(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Equalize the light of a picture part by part (CLAHE, Zuiderveld 1994): a lamp may be in it."""
    lab = cv2.cvtColor(rgb, cv2.COLOR_RGB2LAB)
    lab[:, :, 0] = cv2.createCLAHE(4.0, (8, 8)).apply(lab[:, :, 0])
    return cv2.cvtColor(lab, cv2.COLOR_LAB2RGB).astype(np.uint8, copy=False)
