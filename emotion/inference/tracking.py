"""Following faces from frame to frame: who is who, probabilities smoothed over time, labels that do not flicker.

Knows boxes, probabilities and seconds; nothing of cameras, files and frame rates. How faces are found and judged is
handed in.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emotion.errors import EmotionError
from emotion.images import to_grey
from emotion.inference.results import Box, Face, Frame, Tracked, TrackedFrame, face_from_probabilities

STEADY: Final = 3
"""Consecutive frames in which a track must have its face once to be shown: a wall looks like a face for a moment."""

MIN_OVERLAP: Final = 0.2
"""Least intersection over union of a face with where its track was expected, 0-1."""

PATIENCE: Final = 1.0
"""Seconds for which a track outlives its face: missed detections and a face that passes in front start no new track."""

MOTION: Final = 0.2
"""Time constant of a track's speed in seconds: shorter follows the detector's jitter, longer overshoots at turns."""

MARGIN: Final = 0.1
"""Probability by which another label must lead to replace the one shown at once."""

HOLD: Final = 0.5
"""Seconds after which another label replaces the one shown however small its lead."""

LINGERING: Final = 0.2
"""Seconds for which a face that was not found again is still drawn."""


class Tracker:
    """The faces of one stream of frames; one tracker a stream, used by one thread at a time.

    Attributes:
        smoothing: exponential time constant in seconds; 0 shows every frame as it is. May be set while running.
    """

    def __init__(self, classes: Sequence[str], threshold: float, smoothing: float = 0.5) -> None:
        """Start without faces.

        Args:
            classes: names in the order of the probabilities.
            threshold: a largest smoothed probability below it makes a face uncertain, 0-1.
            smoothing: seconds, 0 or more.
        """
        self.smoothing = smoothing
        self._classes, self._threshold = tuple(classes), threshold
        self._tracks: list[_Track] = []
        self._count = 0

    def update(
        self, boxes: Sequence[Box], probabilities: NDArray[np.float32] | NDArray[np.float64], time: float
    ) -> list[Tracked]:
        """Take the faces of the next frame, to be called for frames without faces too.

        Args:
            boxes: where the faces are.
            probabilities: shape (boxes, classes), 0-1, rows in the order of the boxes.
            time: of the frame in seconds, on any clock that does not run backwards.

        Returns:
            One entry a box, in the order of the boxes.
        """
        matches = _match([track.expect(time) for track in self._tracks], boxes)
        rows = np.asarray(probabilities, np.float64)
        for index, (box, row) in enumerate(zip(boxes, rows, strict=True)):
            if index not in matches:
                matches[index] = self._begin(box, row, time)
            self._follow(self._tracks[matches[index]], box, row, time)
        answer = [self._judge(self._tracks[matches[index]]) for index in range(len(boxes))]
        self._tracks = [track for track in self._tracks if abs(time - track.seen) <= PATIENCE]
        return answer

    def _begin(self, box: Box, row: NDArray[np.float64], time: float) -> int:
        self._count += 1
        self._tracks.append(_Track(self._count, box, row, int(row.argmax()), seen=time, confirmed=time))
        return len(self._tracks) - 1

    def _follow(self, track: _Track, box: Box, row: NDArray[np.float64], time: float) -> None:
        track.move(box, time)
        track.blend(row, 1.0 - _remainder(time - track.seen, self.smoothing))
        track.update_label(time, MARGIN if self.smoothing > 0 else 0.0)
        track.seen = time

    def _judge(self, track: _Track) -> Tracked:
        face = face_from_probabilities(track.box, track.probabilities, self._classes, self._threshold)
        return Tracked(track.number, replace(face, label=self._classes[track.label]))


def track_faces(
    frames: Iterable[Frame],
    find: Callable[[NDArray[np.uint8]], list[Box]],
    classify: Callable[[NDArray[np.uint8], list[Box]], NDArray[np.float32]],
    tracker: Tracker,
) -> Iterator[TrackedFrame]:
    """Find, judge and follow the faces of each frame, few frames in memory at a time.

    Faces that never last for `STEADY` frames are left out, the others are shown from their first frame on.

    Args:
        frames: in the order of time.
        find: where the faces are in grey uint8 (h, w).
        classify: of such a picture and its boxes, the probabilities (boxes, classes).
        tracker: joins the faces over time.

    Yields:
        Each frame, `STEADY` - 1 frames late; tracks are numbered anew, from 1, in the order in which they lasted.
    """
    waiting: deque[TrackedFrame] = deque()
    numbers: dict[int, int] = {}
    try:
        for frame in frames:
            grey = to_grey(frame.pixels)
            boxes = find(grey)
            waiting.append(TrackedFrame(frame, tuple(tracker.update(boxes, classify(grey, boxes), frame.time))))
            if len(waiting) == STEADY:
                _number_steady_tracks(waiting, numbers)
                yield _keep_steady_tracks(waiting.popleft(), numbers)
    except EmotionError:  # the source broke off: what it gave is still shown
        yield from (_keep_steady_tracks(seen, numbers) for seen in waiting)
        raise
    yield from (_keep_steady_tracks(seen, numbers) for seen in waiting)


def _number_steady_tracks(window: Iterable[TrackedFrame], numbers: dict[int, int]) -> None:
    """Give a number to each track that has a face in all frames of a window."""
    for track in sorted(set.intersection(*({tracked.track for tracked in seen.faces} for seen in window))):
        numbers.setdefault(track, len(numbers) + 1)


def _keep_steady_tracks(seen: TrackedFrame, numbers: Mapping[int, int]) -> TrackedFrame:
    kept = [tracked for tracked in seen.faces if tracked.track in numbers]
    return replace(seen, faces=tuple(replace(tracked, track=numbers[tracked.track]) for tracked in kept))


class HeldFaces:
    """The faces to draw: those of the frame, and those missed for a moment, whose boxes would blink otherwise."""

    def __init__(self) -> None:
        self._last: dict[int, tuple[float, Face]] = {}

    def faces(self, seen: TrackedFrame) -> list[Face]:
        """Return the faces to draw into the next frame; rows and counts go by `TrackedFrame.faces` alone."""
        now = seen.frame.time
        last = {number: kept for number, kept in self._last.items() if now - kept[0] <= LINGERING}
        self._last = last | {tracked.track: (now, tracked.face) for tracked in seen.faces}
        return [face for _, face in self._last.values()]


@dataclass
class _Track:
    """What is remembered of one face: where it was, how fast it goes in pixels a second, and what it showed."""

    number: int
    box: Box
    probabilities: NDArray[np.float64]
    label: int
    seen: float
    confirmed: float
    """Time at which the label was last the most probable."""
    speed: tuple[float, float] = (0.0, 0.0)

    def expect(self, time: float) -> Box:
        """Return where the face should be by now: two faces that pass each other keep their direction."""
        elapsed = max(0.0, time - self.seen)
        right, down = (round(speed * elapsed) for speed in self.speed)
        return replace(self.box, left=self.box.left + right, top=self.box.top + down)

    def move(self, box: Box, time: float) -> None:
        elapsed = time - self.seen
        if elapsed > 0:
            kept = _remainder(elapsed, MOTION)
            steps = (np.array(_centre(box)) - _centre(self.box)) / elapsed
            self.speed = tuple(kept * old + (1 - kept) * new for old, new in zip(self.speed, steps, strict=True))
        self.box = box

    def blend(self, row: NDArray[np.float64], share: float) -> None:
        self.probabilities = (1 - share) * self.probabilities + share * row

    def update_label(self, time: float, margin: float) -> None:
        """Change the label when another leads clearly, or has led for long."""
        best = int(self.probabilities.argmax())
        lead = self.probabilities[best] - self.probabilities[self.label]
        if best == self.label or lead >= margin or time - self.confirmed >= HOLD:
            self.label, self.confirmed = best, time


def _remainder(elapsed: float, constant: float) -> float:
    """Return the weight, 0-1, that a value keeps after so many seconds: the same in one step or in thirty."""
    return math.exp(-max(0.0, elapsed) / constant) if constant > 0 else 0.0


def _centre(box: Box) -> tuple[float, float]:
    return box.left + box.width / 2, box.top + box.height / 2


def _match(expected: Sequence[Box], found: Sequence[Box]) -> dict[int, int]:
    """Pair found boxes with expected ones, the best overlap first; return index of expected by index of found."""
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
