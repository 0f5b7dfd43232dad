"""Frames out of video files, cameras and addresses, and pictures back into a video file.

Knows OpenCV's capture and writer; nothing of the faces in between.
"""

from __future__ import annotations

import math
import shutil
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from emotion.errors import VideoError
from emotion.files import is_same_file, partial_of
from emotion.inference.results import Frame

CODECS: Final = {".avi": "MJPG", ".mp4": "mp4v"}
"""What OpenCV's wheels write without further packages, by suffix."""

AHEAD: Final = 8
"""Frames of a file that are decoded while earlier ones are looked at."""

USUAL_RATE: Final = 30.0
"""Frames a second, where a source does not say."""

PATIENCE: Final = 10_000
"""Milliseconds after which an address that sends nothing counts as gone."""

RESERVE: Final = 50_000_000
"""Bytes left free on the disk: more than a second of film and what ends its file."""

TOLERANCE: Final = 0.02
"""Share of its announced frames that a whole file may lack: some containers only estimate their number."""


class Capture(Protocol):
    """What is used of `cv2.VideoCapture`."""

    def read(self) -> tuple[bool, Any]: ...  # noqa: D102
    def get(self, property_id: int, /) -> float: ...  # noqa: D102
    def release(self) -> None: ...  # noqa: D102


class Source:
    """The frames of a capture, read by a thread of its own; to be entered with `with`, which releases it at the end.

    Of a file every frame is given, some decoded ahead; of a camera the newest, so that a slow reader does not lag.

    Attributes:
        name: as it was given.
        live: whether it is a camera or a stream without end.
        rate: frames a second, as announced.
        total: frames, as announced; None for a live source or where it is not known.
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

    def __enter__(self) -> Source:
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
            VideoError: a live source stopped, or a file gave fewer frames than it announced.
        """
        while (frame := self._next()) is not None:
            yield frame
        self._check_end()

    def _next(self) -> Frame | None:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._ended)
            if not self._waiting:
                self._reading.result()  # raises what stopped the thread
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
        """Hand over a frame, of a file when there is room, of a camera in place of the last; False once closed."""
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
        # Some formats carry no times.
        return position if position > self._time else self._time + 1 / self.rate

    def _check_end(self) -> None:
        kept = "what was written is kept"
        if self._read == 0:
            raise VideoError(f"expected a video, received no picture from {self.name}; check that it plays elsewhere")
        if self.live:
            expected = f"expected {self.name} to go on until Ctrl-C"
            raise VideoError(f"{expected}, received nothing after frame {self._read}; check the camera; {kept}")
        if self.total and self._read < self.total - max(2, TOLERANCE * self.total):
            received = f"expected {self.total} frames of {self.name}, received {self._read}"
            raise VideoError(f"{received}: it is cut off or damaged; {kept}")


def _plausible_rate(announced: float, *, live: bool) -> float:
    least, most = (1, 240) if live else (0.01, 999)  # 0, NaN and 1000, a clock of milliseconds, mean unknown
    return announced if least <= announced <= most else USUAL_RATE


def open_source(name: str) -> Source:
    """Open a video file, a camera by its number or device, or an address.

    Raises:
        VideoError: there is no such file, or OpenCV cannot open it.
    """
    is_address, path = "://" in name, Path(name)
    is_camera = name.isdecimal() and len(name) < 10  # on longer numbers OpenCV breaks, for a pipe it waits for ever
    if not is_camera and not is_address and (not path.exists() or path.is_dir() or path.is_fifo()):
        raise VideoError(f"expected a video file, a camera number such as 0 or an address, received {name}")
    capture = _open_capture(name, is_camera=not is_address and not path.is_file())
    if not capture.isOpened():
        raise VideoError(f"expected a video or camera that OpenCV can open, received {name}; {_advice(name)}")
    endless = is_address and capture.get(cv2.CAP_PROP_FRAME_COUNT) < 1
    return Source(capture, name, live=endless or not (is_address or path.is_file()))


def _open_capture(name: str, *, is_camera: bool) -> cv2.VideoCapture:
    if is_camera:
        return cv2.VideoCapture(int(name) if name.isdecimal() else name)
    limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, PATIENCE, cv2.CAP_PROP_READ_TIMEOUT_MSEC, PATIENCE]
    return cv2.VideoCapture(name, cv2.CAP_FFMPEG, limits)


def _advice(name: str) -> str:
    if "://" in name:
        return "check the address and the network"
    if Path(name).is_file():
        return "it may be cut off, damaged or no video; check that it plays elsewhere"
    return "check that it is connected and that no other program uses it"


class VideoFile:
    """A video file being written; `recording` makes one.

    Attributes:
        pictures: how many it holds so far.
    """

    def __init__(self, path: Path, rate: float, *, live: bool) -> None:
        self.pictures = 0
        self._path, self._rate, self._live = path, rate, live
        self._writer: cv2.VideoWriter | None = None
        self._size = (0, 0)
        self._checked = 0

    def add(self, pixels: NDArray[np.uint8], time: float) -> None:
        """Append a picture; of a live source as often as keeps the film in step with the clock, or not at all.

        Args:
            pixels: uint8, shape (h, w, 3), RGB; resized where it differs from the first.
            time: of the picture in seconds.

        Raises:
            VideoError: the file cannot be written, or the disk is nearly full.
        """
        if self._writer is None:
            self._size = (pixels.shape[1], pixels.shape[0])
            self._writer = _open_writer(self._path, self._rate, self._size)
        if (pixels.shape[1], pixels.shape[0]) != self._size:
            # The writer would drop it without a word.
            pixels = np.asarray(cv2.resize(pixels, self._size), np.uint8)
        picture = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
        self._check_space()
        due = math.floor(time * self._rate) + 1 - self.pictures if self._live else 1
        for _ in range(due):
            self._writer.write(picture)
            self.pictures += 1

    def _check_space(self) -> None:
        """Stop about once a second of film while there is room for its end: OpenCV reports no failure to write."""
        if self.pictures < self._checked:
            return
        free = shutil.disk_usage(self._path.parent).free
        if free < RESERVE:
            expected = f"expected {RESERVE // 10**6} MB of free space in {self._path.parent.resolve()}"
            raise VideoError(f"{expected}, received {free // 10**6}; make room; what was written is kept")
        self._checked = self.pictures + round(self._rate)

    def close(self) -> None:
        """Write the end of the file, without which players refuse it."""
        if self._writer is not None:
            self._writer.release()


def _writable_rate(rate: float) -> float:
    """Round to what .mp4 can hold: a fraction whose numerator, which OpenCV makes a decimal number, fits in 16 bits."""
    return round(rate, 3 if rate < 65 else 2 if rate < 655 else 1)


def _open_writer(path: Path, rate: float, size: tuple[int, int]) -> cv2.VideoWriter:
    codec = cv2.VideoWriter.fourcc(*CODECS[path.suffix.lower()])
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, codec, rate, size)
    if not writer.isOpened():
        raise VideoError(
            f"expected a place to write {path.suffix} of {size[0]}x{size[1]}, received {path.parent}; "
            "check its permissions and free space"
        )
    return writer


@contextmanager
def recording(path: Path, source: Source) -> Iterator[VideoFile]:
    """Yield a film of a source; at the end, also after an error or Ctrl-C, what it holds takes its place at `path`.

    Raises:
        VideoError: the suffix is none of `CODECS`, the source would be lost, or not all pictures could be written.
    """
    if path.suffix.lower() not in CODECS:
        raise VideoError(f"expected a name that ends with {' or '.join(CODECS)}, received {path}")
    partial = partial_of(path)
    if is_same_file(partial, source.name):
        raise VideoError(f"expected a name other than {path}, whose unfinished film the source is; choose another name")
    film = VideoFile(partial, _writable_rate(source.rate), live=source.live)
    try:
        yield film
    finally:
        film.close()
        _put_in_place(partial, path, film.pictures)


def _look_at(path: Path) -> tuple[float, bool]:
    """Return how many frames a film says it holds, and whether its first can be read."""
    film = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    return film.get(cv2.CAP_PROP_FRAME_COUNT), film.read()[0]


def _put_in_place(partial: Path, path: Path, pictures: int) -> None:
    """Move a finished film to its name; OpenCV reports no failure to write, so count what arrived."""
    arrived, playable = _look_at(partial) if pictures else (0, False)
    # An .avi without its end does not know how many it holds and can be played all the same.
    if playable:
        partial.replace(path)
    else:
        partial.unlink(missing_ok=True)
    if arrived < pictures:
        raise VideoError(f"expected {pictures} frames in {path}, received {max(0, round(arrived))}; is the disk full?")
