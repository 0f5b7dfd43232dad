"""What recognition gives: pictures, the faces in them and the probabilities of each, ready for rows and JSON.

Plain frozen data, the same for a photo, a frame of a video and an answer of the server.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Box:
    """Where a face is, in whole pixels of the upright picture; it may reach over the picture's edge.

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


@dataclass(frozen=True)
class Face:
    """One face and what it appears to show.

    Attributes:
        box: where it is; None when the whole picture was taken as a face.
        label: the most probable class; in a video, an older one that is held for a moment against flicker.
        probabilities: calibrated, 0-1, by class in the order of the network; they sum to 1.
        uncertain: whether the largest probability lies below the threshold that came with the network.
    """

    box: Box | None
    label: str
    probabilities: dict[str, float]
    uncertain: bool

    @property
    def confidence(self) -> float:
        """The probability of the label, 0-1."""
        return self.probabilities[self.label]

    def top(self, count: int) -> list[tuple[str, float]]:
        """Return the `count` most probable classes with their probabilities, the label first."""
        return sorted(self.probabilities.items(), key=lambda item: (item[0] != self.label, -item[1]))[:count]

    def describe(self, count: int = 1) -> str:
        """Return the `count` most probable classes in percent, for people; an uncertain answer says so."""
        shares = ", ".join(f"{name} {share:.0%}" for name, share in self.top(count))
        return f"uncertain: {shares}" if self.uncertain else shares

    def __repr__(self) -> str:
        return f"Face({self.describe(3)}; {self.box or 'whole picture'})"


@dataclass(frozen=True)
class Picture:
    """One picture with the faces found in it.

    Attributes:
        source: the file's path as it was given, or a name for a picture without one.
        width: pixels of the upright picture; 0 where it could not be read.
        height: pixels.
        faces: from the largest to the smallest; empty where none was found.
        error: one line on why the picture could not be read; None where it could.
    """

    source: str
    width: int = 0
    height: int = 0
    faces: tuple[Face, ...] = ()
    error: str | None = None

    def __repr__(self) -> str:
        if self.error is not None:
            return f"Picture({self.source!r}, error={self.error!r})"
        faces = "".join(f"\n  {face!r}" for face in self.faces)
        return f"Picture({self.source!r}, {self.width}x{self.height},{faces or ' no face found'})"

    def rows(self, classes: Sequence[str]) -> list[dict[str, object]]:
        """Return one flat row a face for a table; a picture without faces gives one row that says so.

        Args:
            classes: the network's, for the columns of a row without a face.

        Returns:
            Dictionaries of equal keys (source, face, status, left, top, width, height, label, confidence, uncertain, a
            probability for each class, error); `status` is `face`, `no face` or `error`; what does not apply is None.
        """
        if not self.faces:
            return [self._row(classes, None, "error" if self.error else "no face", None)]
        return [self._row(classes, index, "face", face) for index, face in enumerate(self.faces)]

    def _row(self, classes: Sequence[str], index: int | None, status: str, face: Face | None) -> dict[str, object]:
        box = face.box if face else None
        edges = {edge: getattr(box, edge) if box else None for edge in ("left", "top", "width", "height")}
        judged = {key: getattr(face, key) if face else None for key in ("label", "confidence", "uncertain")}
        shares = {name: face.probabilities[name] if face else None for name in classes}
        start = {"source": self.source, "face": index, "status": status}
        return {**start, **edges, **judged, **shares, "error": self.error}


@dataclass(frozen=True)
class Tracked:
    """A face of one frame with the track it belongs to.

    Attributes:
        track: number of the person, from 1, in order of first appearance.
        face: box as found in this frame, smoothed probabilities, and the label held against flicker: for at most half a
            second it may be another than the most probable.
    """

    track: int
    face: Face


@dataclass(frozen=True)
class Frame:
    """One picture of a source.

    Attributes:
        index: from 0; frames of a camera that came too fast are counted but not seen.
        time: seconds, position in a file, or since the first frame of a camera.
        pixels: uint8, shape (h, w, 3), RGB.
    """

    index: int
    time: float
    pixels: NDArray[np.uint8]


@dataclass(frozen=True)
class TrackedFrame:
    """One frame and the faces in it, each with its track."""

    frame: Frame
    faces: tuple[Tracked, ...]

    def rows(self, classes: Sequence[str]) -> list[dict[str, object]]:
        """Return one flat row a face, or one that says there is none: frame, time, track, then as `Picture.rows`.

        Args:
            classes: the network's, for the columns of a row without a face.
        """
        height, width = self.frame.pixels.shape[:2]
        picture = Picture("", width, height, tuple(tracked.face for tracked in self.faces))
        start = {"frame": self.frame.index, "time": round(self.frame.time, 3)}
        tracks: list[int | None] = [*(tracked.track for tracked in self.faces)] or [None]
        return [
            {**start, "track": track, **{key: row[key] for key in row if key not in {"source", "error"}}}
            for track, row in zip(tracks, picture.rows(classes), strict=True)
        ]


def face_from_probabilities(
    box: Box | None, probabilities: NDArray[np.float32] | NDArray[np.float64], classes: Sequence[str], threshold: float
) -> Face:
    """Turn one row of the network's output into a face.

    Args:
        box: where the face is; None when the whole picture was taken as one.
        probabilities: shape (classes,), 0-1.
        classes: names in the order of the probabilities.
        threshold: a largest probability below it makes the face uncertain, 0-1.
    """
    shares = {name: float(share) for name, share in zip(classes, probabilities, strict=True)}
    best = max(shares, key=lambda name: shares[name])
    return Face(box, best, shares, uncertain=shares[best] < threshold)
