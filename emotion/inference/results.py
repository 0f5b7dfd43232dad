"""The results: pictures, their faces and the probabilities of each face.

Frozen dataclasses, the same for a photo, a video frame and an answer of the server.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

CROPPED_EDGE: Final = 256
"""Longest edge in pixels of pictures that may be cropped to one face; those of the usual data sets have 48 to 250."""

CROPPED_RATIO: Final = 1.3
"""Largest ratio of the longer to the shorter edge of such a picture."""


@dataclass(frozen=True)
class Box:
    """The position of a face, in whole pixels of the upright picture; it may extend beyond the picture.

    Attributes:
        left: column of its first pixel.
        top: row of its first pixel.
        width: columns, at least 1.
        height: rows, at least 1.
    """

    left: int
    top: int
    width: int
    height: int

    def __str__(self) -> str:
        return f"box {self.left},{self.top} {self.width}x{self.height}"


class DetectedFace(NamedTuple):
    """Where a detector sees a face.

    Attributes:
        box: its position.
        landmarks: x and y in pixels from the upper left corner of the picture, float64 (5, 2): eye, eye, nose, corner
            and corner of the mouth, of each pair first the one on the left of the picture when the head is upright.
            None if the detector gives none.
    """

    box: Box
    landmarks: NDArray[np.float64] | None = None


Landmarks = tuple[tuple[float, float], ...]
"""The five landmarks of a face in the order of `DetectedFace`, as x and y in pixels, with one decimal."""


@dataclass(frozen=True)
class Face:
    """One face and the expression that it appears to show.

    Attributes:
        box: its position; None if the whole picture is the face.
        label: the most probable class. In a video, the previous label is kept for a moment to avoid flicker.
        probabilities: calibrated, 0-1, by class in the order of the network; they sum to 1.
        uncertain: whether the largest probability is below the network's threshold.
        landmarks: eyes, nose and corners of the mouth; None if the detector gives none.
    """

    box: Box | None
    label: str
    probabilities: dict[str, float]
    uncertain: bool
    landmarks: Landmarks | None = None

    @property
    def confidence(self) -> float:
        """The probability of the label, 0-1."""
        return self.probabilities[self.label]

    def top(self, count: int) -> list[tuple[str, float]]:
        """Return the `count` most probable classes with their probabilities, the label first."""
        return sorted(self.probabilities.items(), key=lambda item: (item[0] != self.label, -item[1]))[:count]

    def describe(self, count: int = 1) -> str:
        """Return the `count` most probable classes in percent, as text; an uncertain face is marked as such."""
        shares = ", ".join(f"{name} {share:.0%}" for name, share in self.top(count))
        return f"uncertain: {shares}" if self.uncertain else shares

    def __repr__(self) -> str:
        return f"Face({self.describe(3)}; {self.box or 'whole picture'})"


@dataclass(frozen=True)
class Picture:
    """One picture and the faces found in it.

    Attributes:
        source: the path as given, or a name such as `picture 1` for a picture without a path.
        width: of the upright picture in pixels; 0 if the picture could not be read.
        height: in pixels, likewise.
        faces: from the largest to the smallest; empty if none was found.
        error: one line that says why the picture could not be read; None if it was read.
        detector: name of the detector that searched the picture; None if it was not searched.
    """

    source: str
    width: int = 0
    height: int = 0
    faces: tuple[Face, ...] = ()
    error: str | None = None
    detector: str | None = None

    @property
    def looks_cropped(self) -> bool:
        """Whether the picture is small and nearly square, as pictures are that were cropped to one face."""
        shorter, longer = sorted((self.width, self.height))
        return 0 < longer <= CROPPED_EDGE and longer <= CROPPED_RATIO * shorter

    def __repr__(self) -> str:
        if self.error is not None:
            return f"Picture({self.source!r}, error={self.error!r})"
        faces = "".join(f"\n  {face!r}" for face in self.faces)
        return f"Picture({self.source!r}, {self.width}x{self.height},{faces or ' no face found'})"

    def rows(self, classes: Sequence[str]) -> list[dict[str, object]]:
        """Return one table row for each face, or a single row if there is no face.

        Args:
            classes: the classes of the network; a row without a face has their columns too.

        Returns:
            Dictionaries with the same keys: source, face, status, left, top, width, height, label, confidence,
            uncertain, one probability for each class, error, detector. `status` is `face`, `no face` or `error`. Values
            that do not apply are None.
        """
        if not self.faces:
            return [self._row(classes, None, "error" if self.error else "no face", None)]
        return [self._row(classes, index, "face", face) for index, face in enumerate(self.faces)]

    def _row(self, classes: Sequence[str], index: int | None, status: str, face: Face | None) -> dict[str, object]:
        box = face.box if face else None
        edges = {edge: getattr(box, edge) if box else None for edge in ("left", "top", "width", "height")}
        prediction = {key: getattr(face, key) if face else None for key in ("label", "confidence", "uncertain")}
        shares = {name: face.probabilities[name] if face else None for name in classes}
        start = {"source": self.source, "face": index, "status": status}
        return {**start, **edges, **prediction, **shares, "error": self.error, "detector": self.detector}


@dataclass(frozen=True)
class TrackedFace:
    """A face in one frame and the track that it belongs to.

    Attributes:
        track: number of the track, from 1, in order of appearance; one track is one person.
        face: the box as found in this frame, with smoothed probabilities. The label does not flicker: for up to half a
            second it may differ from the most probable class.
    """

    track: int
    face: Face


@dataclass(frozen=True)
class Frame:
    """One frame of a video file or camera.

    Attributes:
        index: from 0; frames of a camera that were skipped count too.
        time: seconds, since the start of a file or the first frame of a camera.
        pixels: uint8, shape (h, w, 3), RGB.
    """

    index: int
    time: float
    pixels: NDArray[np.uint8]


@dataclass(frozen=True)
class TrackedFrame:
    """One frame and its faces, each with its track."""

    frame: Frame
    faces: tuple[TrackedFace, ...]

    def rows(self, classes: Sequence[str]) -> list[dict[str, object]]:
        """Return one table row for each face, or a single row if there is no face.

        Args:
            classes: the classes of the network; a row without a face has their columns too.

        Returns:
            Dictionaries with the keys frame, time, track and those of `Picture.rows` except source, error and detector.
        """
        height, width = self.frame.pixels.shape[:2]
        picture = Picture("", width, height, tuple(tracked.face for tracked in self.faces))
        start = {"frame": self.frame.index, "time": round(self.frame.time, 3)}
        tracks: list[int | None] = [*(tracked.track for tracked in self.faces)] or [None]
        return [
            {**start, "track": track, **{key: row[key] for key in row if key not in {"source", "error", "detector"}}}
            for track, row in zip(tracks, picture.rows(classes), strict=True)
        ]


def face_from_probabilities(
    found: DetectedFace | None,
    probabilities: NDArray[np.float32] | NDArray[np.float64],
    classes: Sequence[str],
    threshold: float,
) -> Face:
    """Make a face from one row of the network's output.

    Args:
        found: where the face is; None if the whole picture is the face.
        probabilities: shape (classes,), 0-1.
        classes: class names in the order of the probabilities.
        threshold: the face is uncertain if its largest probability is below this, 0-1.
    """
    shares = {name: float(share) for name, share in zip(classes, probabilities, strict=True)}
    best = max(shares, key=lambda name: shares[name])
    box, points = found or (None, None)
    landmarks = None if points is None else tuple((round(float(x), 1), round(float(y), 1)) for x, y in points)
    return Face(box, best, shares, shares[best] < threshold, landmarks)
