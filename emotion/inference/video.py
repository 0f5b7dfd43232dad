"""Read frames from video files, cameras and network addresses.

This module uses OpenCV's capture. It knows nothing about the faces in the frames.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Protocol

import cv2

from emotion.errors import VideoError
from emotion.inference.pictures import is_still
from emotion.inference.results import Frame

AHEAD: Final = 8
"""Largest number of frames of a file that are decoded in advance."""

DEFAULT_RATE: Final = 30.0
"""Frames a second of a source that announces no plausible rate."""

TIMEOUT: Final = 10_000
"""Milliseconds to wait for an address that sends nothing."""

MAX_MISSING: Final = 0.02
"""Share of the announced time, and of the frames, that may be missing at the end of a file."""

MAX_STILL_END: Final = 2.0
"""Seconds that may be missing at the end of a file: its sound may be longer, or its last frame may stay."""


class Capture(Protocol):
    """The methods of `cv2.VideoCapture` that are used here."""

    def grab(self) -> bool: ...  # noqa: D102
    def retrieve(self) -> tuple[bool, Any]: ...  # noqa: D102
    def get(self, property_id: int, /) -> float: ...  # noqa: D102
    def release(self) -> None: ...  # noqa: D102


@dataclass(frozen=True)
class Selection:
    """The frames of a video that are wanted.

    Attributes:
        every: 1 for every frame, 2 for every other one, and so on.
        start: seconds before which frames are left out.
        end: seconds from which on frames are left out; None for all to the end.
    """

    every: int = 1
    start: float = 0.0
    end: float | None = None

    def has(self, index: int, time: float) -> bool:
        """Tell whether a frame is wanted, by its number from 0 and its time in seconds."""
        return index % self.every == 0 and round(time, 3) >= self.start and not self.is_over(time)

    def is_over(self, time: float) -> bool:
        """Tell whether no later frame is wanted."""
        return self.end is not None and round(time, 3) >= self.end

    def count(self, duration: float, rate: float) -> int:
        """Return about how many frames are wanted of a video of so many seconds, at least 1."""
        end = duration if self.end is None else min(self.end, duration)
        return max(1, math.ceil(round((end - self.start) * rate) / self.every))


class VideoSource:
    """The frames of a video file or camera, read in a thread of their own. Use it in a `with` statement.

    A file yields every frame that is wanted, and some are decoded in advance. A camera yields the newest frame, so that
    a slow reader does not fall behind.

    Attributes:
        name: as given to `open_source`.
        live: whether the source is a camera or an endless stream.
        rate: frames a second that are yielded, as announced, or by `DEFAULT_RATE` if that is implausible.
        duration: announced seconds; None for a live source or if unknown.
        total: about how many frames are yielded; None for a live source or if unknown.
    """

    def __init__(
        self,
        capture: Capture,
        name: str,
        *,
        live: bool,
        selection: Selection | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name, self.live = name, live
        self._selection = selection or Selection()
        rate = capture.get(cv2.CAP_PROP_FPS)
        self._interval = 1 / _plausible_rate(rate, live=live)
        self.rate = 1 / self._interval / self._selection.every
        self._announced = capture.get(cv2.CAP_PROP_FRAME_COUNT)
        self.duration = None if live else _duration(self._announced, rate)
        self.total = self._selection.count(self.duration, 1 / self._interval) if self.duration else None
        self._capture, self._clock = capture, clock
        self._changed = threading.Condition()
        self._waiting: deque[Frame] = deque(maxlen=1 if live else AHEAD)
        self._read, self._chosen, self._time, self._started = 0, 0, 0.0, 0.0
        self._closed = self._ended = False

    def __enter__(self) -> VideoSource:
        self._executor = ThreadPoolExecutor(1, "video")
        self._reading = self._executor.submit(self._read_all)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._executor.shutdown()
        self._capture.release()

    def __iter__(self) -> Iterator[Frame]:
        """Yield frames until the source ends.

        Raises:
            VideoError: a live source stopped, or a file has no frame or ends well before the announced time.
        """
        while (frame := self._next()) is not None:
            yield frame
        self._check_end()

    def _next(self) -> Frame | None:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._ended)
            if not self._waiting:
                self._reading.result()  # raises the error that stopped the thread, if any
                return None
            self._changed.notify_all()
            return self._waiting.popleft()

    def _read_all(self) -> None:
        try:
            while (frame := self._grab()) is not None and self._offer(frame):
                pass
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify_all()

    def _offer(self, frame: Frame) -> bool:
        """Queue a frame, after waiting for space if it is from a file; return whether to go on reading."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self.live or len(self._waiting) < AHEAD)
            self._waiting.append(frame)
            self._changed.notify_all()
            return not self._closed

    def _grab(self) -> Frame | None:
        """Return the next frame that is wanted; the others are decoded, but not converted."""
        while not self._closed and self._capture.grab():
            self._time = self._time_of_frame()
            self._read += 1
            if self._selection.is_over(self._time):
                return None
            if self._selection.has(self._read - 1, self._time):
                return self._retrieve()
        return None

    def _retrieve(self) -> Frame | None:
        found, pixels = self._capture.retrieve()
        if not found:
            return None
        self._chosen += 1
        return Frame(self._read - 1, self._time, cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB))

    def _time_of_frame(self) -> float:
        if self._read == 0:
            self._started = self._clock()
            return 0.0
        if self.live:
            return self._clock() - self._started
        position = self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
        # Some formats store no times.
        return position if position > self._time else self._time + self._interval

    def _check_end(self) -> None:
        kept = "what was written is kept"
        if self._read == 0:
            raise VideoError(f"no frame of {self.name} can be read; check that it works in another program")
        if self._selection.is_over(self._time):
            return
        if self.live:
            raise VideoError(f"source {self.name} stopped after frame {self._read}; check the connection; {kept}")
        reached = self._time + self._interval
        if self.duration and _is_cut_off(self.duration, reached) and _lacks_frames(self._announced, self._read):
            raise VideoError(f"{self.name} is cut off or damaged after {reached:.1f} of {self.duration:.1f} s; {kept}")
        if self._chosen == 0:
            raise VideoError(f"{self.name} has no frame from second {self._selection.start:g} on; choose another start")


def _duration(count: float, rate: float) -> float | None:
    """Return the announced seconds; OpenCV derives the number of frames from them where a file does not store it."""
    return count / (rate if rate > 0 else DEFAULT_RATE) if count >= 1 else None


def _is_cut_off(duration: float, reached: float) -> bool:
    """Tell whether a file ends well before the announced time; of a short one, a quarter may be missing."""
    return duration - reached > max(MAX_MISSING * duration, min(MAX_STILL_END, duration / 4))


def _lacks_frames(announced: float, read: int) -> bool:
    """Tell whether frames are missing; where the file stores no number, OpenCV computes it from time and rate."""
    return read < announced - max(2, MAX_MISSING * announced)


def _plausible_rate(announced: float, *, live: bool) -> float:
    # An unknown rate is announced as 0, NaN or 1000, the latter for a clock in milliseconds.
    least, most = (1, 240) if live else (0.01, 999)
    return announced if least <= announced <= most else DEFAULT_RATE


def open_source(name: str, selection: Selection | None = None) -> VideoSource:
    """Open a video file, a camera or a network address.

    Args:
        name: path of a file, number or device of a camera, or an address.
        selection: the frames that are wanted; None for all.

    Raises:
        VideoError: there is no such file, it is a picture, or OpenCV cannot open the source.
    """
    is_address, path = "://" in name, Path(name)
    is_camera = name.isdecimal() and len(name) < 10  # OpenCV fails on longer numbers and waits forever for a pipe
    if not is_camera and not is_address and (not path.exists() or path.is_dir() or path.is_fifo()):
        raise VideoError(f"{name} is not a file; give a video file, a camera number such as 0, or an address")
    if path.is_file() and is_still(path):
        raise VideoError(f"{name} is a picture; use emotion predict")
    capture = _open_capture(name, is_camera=not is_address and not path.is_file())
    if not capture.isOpened():
        raise VideoError(f"OpenCV cannot open {name}; {_advice(name)}")
    endless = is_address and capture.get(cv2.CAP_PROP_FRAME_COUNT) < 1
    live = endless or not (is_address or path.is_file())
    return VideoSource(capture, name, live=live, selection=selection)


def _open_capture(name: str, *, is_camera: bool) -> cv2.VideoCapture:
    if is_camera:
        return cv2.VideoCapture(int(name) if name.isdecimal() else name)
    limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, TIMEOUT, cv2.CAP_PROP_READ_TIMEOUT_MSEC, TIMEOUT]
    return cv2.VideoCapture(name, cv2.CAP_FFMPEG, limits)


def _advice(name: str) -> str:
    if "://" in name:
        return "check the address and the network"
    if Path(name).is_file():
        return "check that it is a whole video and plays in another program"
    return "check that the camera is connected and that no other program uses it"
