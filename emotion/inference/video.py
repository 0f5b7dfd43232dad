"""Read frames from video files, cameras and network addresses.

This module uses OpenCV's capture. It knows nothing about the faces in the frames.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
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
"""Share of the announced frames that may be missing at the end of a file; some containers only estimate the number."""


class Capture(Protocol):
    """The methods of `cv2.VideoCapture` that are used here."""

    def read(self) -> tuple[bool, Any]: ...  # noqa: D102
    def get(self, property_id: int, /) -> float: ...  # noqa: D102
    def release(self) -> None: ...  # noqa: D102


class VideoSource:
    """The frames of a video file or camera, read in a thread of their own. Use it in a `with` statement.

    A file yields every frame, and some are decoded in advance. A camera yields the newest frame, so that a slow reader
    does not fall behind.

    Attributes:
        name: as given to `open_source`.
        live: whether the source is a camera or an endless stream.
        rate: announced frames a second, or `DEFAULT_RATE` if that is implausible.
        total: announced number of frames; None for a live source or if unknown.
    """

    def __init__(self, capture: Capture, name: str, *, live: bool, clock: Callable[[], float] = time.monotonic) -> None:
        self.name, self.live = name, live
        self.rate = _plausible_rate(capture.get(cv2.CAP_PROP_FPS), live=live)
        count = capture.get(cv2.CAP_PROP_FRAME_COUNT)
        self.total = round(count) if count >= 1 and not live else None
        self._capture, self._clock = capture, clock
        self._changed = threading.Condition()
        self._waiting: deque[Frame] = deque(maxlen=1 if live else AHEAD)
        self._read, self._time, self._started = 0, 0.0, 0.0
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
            VideoError: a live source stopped, or a file has no frame or fewer frames than announced.
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
        found, pixels = self._capture.read()
        if not found:
            return None
        self._time = self._time_of_frame()
        self._read += 1
        return Frame(self._read - 1, self._time, cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB))

    def _time_of_frame(self) -> float:
        if self._read == 0:
            self._started = self._clock()
            return 0.0
        if self.live:
            return self._clock() - self._started
        position = self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
        # Some formats store no times.
        return position if position > self._time else self._time + 1 / self.rate

    def _check_end(self) -> None:
        kept = "what was written is kept"
        if self._read == 0:
            raise VideoError(f"no frame of {self.name} can be read; check that it works in another program")
        if self.live:
            raise VideoError(f"source {self.name} stopped after frame {self._read}; check the connection; {kept}")
        if self.total and self._read < self.total - max(2, MAX_MISSING * self.total):
            frames = f"frame {self._read} of {self.total}"
            raise VideoError(f"{self.name} is cut off or damaged after {frames}; {kept}")


def _plausible_rate(announced: float, *, live: bool) -> float:
    # An unknown rate is announced as 0, NaN or 1000, the latter for a clock in milliseconds.
    least, most = (1, 240) if live else (0.01, 999)
    return announced if least <= announced <= most else DEFAULT_RATE


def open_source(name: str) -> VideoSource:
    """Open a video file, a camera or a network address.

    Args:
        name: path of a file, number or device of a camera, or an address.

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
    return VideoSource(capture, name, live=endless or not (is_address or path.is_file()))


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
