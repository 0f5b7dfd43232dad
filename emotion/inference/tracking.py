"""Track faces from frame to frame, smooth their probabilities over time and keep their labels from flickering.

This module works on boxes, landmarks, probabilities and seconds. It knows nothing about cameras, files or frame rates.
Callers pass the functions that find and classify faces.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emotion.errors import EmotionError
from emotion.images import to_grey
from emotion.inference.results import Box, DetectedFace, Face, Frame, TrackedFace, TrackedFrame, face_from_probabilities

Classifier = Callable[[list[DetectedFace]], NDArray[np.float32]]
"""Returns the probabilities, shape (faces, classes), 0-1, of faces in the frame at hand."""

MIN_FRAMES: Final = 3
"""A track is shown once its face was found in this many frames in a row; false detections rarely last that long."""

MIN_OVERLAP: Final = 0.2
"""Smallest intersection over union, 0-1, of a face and the expected box of its track."""

MAX_GAP: Final = 1.0
"""Seconds after which a track without a face ends; shorter gaps come from missed detections and hidden faces."""

SPEED_SMOOTHING: Final = 0.2
"""Time constant of a track's speed in seconds; a shorter one follows the detector's jitter, a longer one overshoots."""

LANDMARK_SMOOTHING: Final = 0.1
"""Time constant in seconds of a track's landmarks relative to its box: steadier crops, which still follow a nod."""

CLEAR_LEAD: Final = 0.1
"""A new label replaces the current one at once if its probability is higher by at least this."""

MAX_LABEL_DELAY: Final = 0.5
"""Seconds after which a new label replaces the current one, however small its lead."""

HOLD_MISSING: Final = 0.2
"""Seconds for which a face that is no longer found is still drawn."""


class Tracker:
    """Tracks the faces of one stream of frames; each stream needs its own tracker. Not safe to share between threads.

    Attributes:
        smoothing: exponential time constant in seconds; 0 turns smoothing off. It may change between two frames.
    """

    def __init__(self, classes: Sequence[str], threshold: float, smoothing: float = 0.5) -> None:
        """Start without tracks.

        Args:
            classes: class names in the order of the probabilities.
            threshold: a face is uncertain if its largest smoothed probability is below this, 0-1.
            smoothing: time constant in seconds, at least 0.
        """
        self.smoothing = smoothing
        self._classes, self._threshold = tuple(classes), threshold
        self._tracks: list[_Track] = []
        self._count = 0

    def expected(self, time: float) -> list[Box]:
        """Return where the tracked faces should be at a time, in seconds; faces that were lost recently too."""
        return [track.expect(time) for track in self._tracks]

    def update(self, found: Sequence[DetectedFace], classify: Classifier, time: float) -> list[TrackedFace]:
        """Assign the faces of the next frame to tracks; call this for frames without faces too.

        Args:
            found: where the faces are.
            classify: called once, with the faces as their tracks have them; the landmarks are smoothed.
            time: of the frame in seconds, on any clock that does not run backwards.

        Returns:
            One tracked face for each face found, in the same order.
        """
        matches = _match(self.expected(time), [face.box for face in found])
        tracks = [self._tracks[matches[index]] if index in matches else None for index in range(len(found))]
        updated = [self._follow(track, face, time) for track, face in zip(tracks, found, strict=True)]
        rows = np.asarray(classify([track.face for track in updated]), np.float64)
        for track, row in zip(updated, rows, strict=True):
            self._blend(track, row, time)
        self._tracks = [track for track in self._tracks if abs(time - track.last_time) <= MAX_GAP]
        return [self._tracked_face(track) for track in updated]

    def _follow(self, track: _Track | None, face: DetectedFace, time: float) -> _Track:
        """Move a track to a face, or start one there."""
        if track:
            track.move(face, time, min(LANDMARK_SMOOTHING, self.smoothing))
            return track
        self._count += 1
        self._tracks.append(_Track(self._count, face, np.zeros(len(self._classes))))
        return self._tracks[-1]

    def _blend(self, track: _Track, row: NDArray[np.float64], time: float) -> None:
        track.blend(row, 1.0 - _weight_after(time - track.last_time, self.smoothing))
        track.update_label(time, CLEAR_LEAD if self.smoothing > 0 else 0.0)
        track.last_time = time

    def _tracked_face(self, track: _Track) -> TrackedFace:
        face = face_from_probabilities(track.face, track.probabilities, self._classes, self._threshold)
        return TrackedFace(track.number, replace(face, label=self._classes[track.label]))


def track_faces(
    frames: Iterable[Frame],
    find: Callable[[NDArray[np.uint8], Sequence[Box]], list[DetectedFace]],
    classify: Callable[[NDArray[np.uint8], list[DetectedFace]], NDArray[np.float32]],
    tracker: Tracker,
) -> Iterator[TrackedFrame]:
    """Find, classify and track the faces of each frame, with only a few frames in memory.

    A track is shown from the first of `MIN_FRAMES` consecutive frames in which its face is found. A track without such
    frames is left out.

    Args:
        frames: in order of time.
        find: returns where the faces are in an RGB frame, uint8 (h, w, 3); it is told where they are expected.
        classify: returns the probabilities, shape (faces, classes), for a grey frame, uint8 (h, w), and its faces.
        tracker: assigns the faces to tracks.

    Yields:
        Each frame, delayed by `MIN_FRAMES` - 1 frames. Tracks are numbered from 1, in the order in which they reached
        `MIN_FRAMES` frames.
    """
    waiting: deque[TrackedFrame] = deque()
    numbers: dict[int, int] = {}
    try:
        for frame in frames:
            found = find(frame.pixels, tracker.expected(frame.time))
            classify_here = partial(classify, to_grey(frame.pixels))
            waiting.append(TrackedFrame(frame, tuple(tracker.update(found, classify_here, frame.time))))
            if len(waiting) == MIN_FRAMES:
                _number_tracks(waiting, numbers)
                yield _keep_numbered_tracks(waiting.popleft(), numbers)
    except EmotionError:  # the source failed; the frames read so far are still shown
        yield from (_keep_numbered_tracks(tracked_frame, numbers) for tracked_frame in waiting)
        raise
    yield from (_keep_numbered_tracks(tracked_frame, numbers) for tracked_frame in waiting)


def _number_tracks(window: Iterable[TrackedFrame], numbers: dict[int, int]) -> None:
    """Give a number to each track that has a face in all frames of a window."""
    for track in sorted(set.intersection(*({face.track for face in tracked_frame.faces} for tracked_frame in window))):
        numbers.setdefault(track, len(numbers) + 1)


def _keep_numbered_tracks(tracked_frame: TrackedFrame, numbers: Mapping[int, int]) -> TrackedFrame:
    kept = [face for face in tracked_frame.faces if face.track in numbers]
    return replace(tracked_frame, faces=tuple(replace(face, track=numbers[face.track]) for face in kept))


class HeldFaces:
    """Keeps faces that are missed for a moment, so that their boxes do not blink in the drawn video."""

    def __init__(self) -> None:
        self._last: dict[int, tuple[float, Face]] = {}

    def faces(self, tracked_frame: TrackedFrame) -> list[Face]:
        """Return the faces to draw into the next frame; for rows and counts use `TrackedFrame.faces`."""
        now = tracked_frame.frame.time
        last = {track: held for track, held in self._last.items() if now - held[0] <= HOLD_MISSING}
        self._last = last | {tracked.track: (now, tracked.face) for tracked in tracked_frame.faces}
        return [face for _, face in self._last.values()]


@dataclass
class _Track:
    """The state of one track."""

    number: int
    face: DetectedFace
    """The box as found last, with smoothed landmarks."""
    probabilities: NDArray[np.float64]
    """Smoothed; of a new track, still zeros."""
    label: int = 0
    last_time: float = -math.inf
    """Time of the last frame with this face, in seconds."""
    label_time: float = -math.inf
    """Last time at which the label was the most probable, in seconds."""
    speed: tuple[float, float] = (0.0, 0.0)
    """To the right and down, in pixels a second."""

    def expect(self, time: float) -> Box:
        """Extrapolate the box from the speed, so that two faces that pass each other keep their tracks."""
        elapsed, box = max(0.0, time - self.last_time), self.face.box
        right, down = (round(speed * elapsed) for speed in self.speed)
        return replace(box, left=box.left + right, top=box.top + down)

    def move(self, found: DetectedFace, time: float, smoothing: float) -> None:
        """Move to where the face was found; landmarks are smoothed relative to the box with a time constant."""
        elapsed = time - self.last_time
        step = np.array(_centre(found.box)) - _centre(self.face.box)
        if elapsed > 0:
            kept = _weight_after(elapsed, SPEED_SMOOTHING)
            self.speed = tuple(
                kept * old + (1 - kept) * new for old, new in zip(self.speed, step / elapsed, strict=True)
            )
        landmarks = found.landmarks
        if landmarks is not None and self.face.landmarks is not None:
            kept = _weight_after(elapsed, smoothing)
            landmarks = kept * (self.face.landmarks + step) + (1 - kept) * landmarks
        self.face = DetectedFace(found.box, landmarks)

    def blend(self, row: NDArray[np.float64], share: float) -> None:
        self.probabilities = (1 - share) * self.probabilities + share * row

    def update_label(self, time: float, margin: float) -> None:
        """Change the label if another one leads clearly, or has led for a while."""
        best = int(self.probabilities.argmax())
        lead = self.probabilities[best] - self.probabilities[self.label]
        if best == self.label or lead >= margin or time - self.label_time >= MAX_LABEL_DELAY:
            self.label, self.label_time = best, time


def _weight_after(elapsed: float, constant: float) -> float:
    """Return the weight, 0-1, of an old value after some seconds; it does not depend on the number of frames."""
    return math.exp(-max(0.0, elapsed) / constant) if constant > 0 else 0.0


def _centre(box: Box) -> tuple[float, float]:
    return box.left + box.width / 2, box.top + box.height / 2


def _match(expected: Sequence[Box], found: Sequence[Box]) -> dict[int, int]:
    """Pair found boxes with expected boxes, best overlap first; return the expected index of each found index."""
    pairs = [(_overlap(old, new), i, j) for i, old in enumerate(expected) for j, new in enumerate(found)]
    matches: dict[int, int] = {}
    for overlap, i, j in sorted(pairs, reverse=True):
        if overlap >= MIN_OVERLAP and j not in matches and i not in matches.values():
            matches[j] = i
    return matches


def _overlap(first: Box, second: Box) -> float:
    """Return intersection over union, 0-1."""
    width = min(first.left + first.width, second.left + second.width) - max(first.left, second.left)
    height = min(first.top + first.height, second.top + second.height) - max(first.top, second.top)
    shared = max(0, width) * max(0, height)
    return shared / (first.width * first.height + second.width * second.height - shared)
