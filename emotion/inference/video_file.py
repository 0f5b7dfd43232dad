"""Write frames into a video file, each at its time.

This module uses OpenCV's writer, or PyAV's where it is installed. It knows nothing about the faces in the frames.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from emotion.errors import VideoError
from emotion.files import is_same_file, partial_of
from emotion.inference.video import VideoSource

CODECS: Final = {".avi": "MJPG", ".mp4": "mp4v"}
"""The codec for each suffix that OpenCV's wheels can write without further packages; none of them is H.264."""

MIN_FREE_BYTES: Final = 50_000_000
"""Free disk space that is left over, in bytes: more than one second of video and the end of its file need."""


class Writer(Protocol):
    """Writes frames of one size, uint8 (h, w, 3), RGB, to a file."""

    def write(self, pixels: NDArray[np.uint8], time: float) -> int:
        """Append a frame that is shown from a time on, in seconds; return how many frames the file has now."""

    def close(self) -> None:
        """Write the end of the file; players refuse a file without it."""


class VideoFile:
    """A video file that is being written; use `recording` to make one.

    Attributes:
        frames: number of frames written so far.
    """

    def __init__(self, path: Path, rate: float) -> None:
        self.frames = 0
        self._path, self._rate = path, rate
        self._writer: Writer | None = None
        self._size = (0, 0)
        self._started = self._checked = 0.0

    def add(self, pixels: NDArray[np.uint8], time: float) -> None:
        """Append a frame. It is shown for as long as in its source.

        Args:
            pixels: uint8, shape (h, w, 3), RGB; resized to the size of the first frame.
            time: of the frame in seconds; the first frame is shown at the start, whatever its time.

        Raises:
            VideoError: the file cannot be written, or the disk is nearly full.
        """
        if self._writer is None:
            self._size, self._started = (pixels.shape[1], pixels.shape[0]), time
            self._writer = _open_writer(self._path, self._rate, self._size)
        if (pixels.shape[1], pixels.shape[0]) != self._size:
            # The writer silently drops frames of another size.
            pixels = np.asarray(cv2.resize(pixels, self._size), np.uint8)
        self._check_space(time - self._started)
        self.frames = self._writer.write(pixels, time - self._started)

    def _check_space(self, time: float) -> None:
        """Check the free space once per second of video, because OpenCV does not report that writing failed."""
        if time < self._checked:
            return
        free = shutil.disk_usage(self._path.parent).free
        if free < MIN_FREE_BYTES:
            free_space = f"only {free // 10**6} of {MIN_FREE_BYTES // 10**6} MB needed are free"
            folder = self._path.parent.resolve()
            raise VideoError(f"{free_space} in {folder}; delete some files; what was written is kept")
        self._checked = time + 1

    def close(self) -> None:
        """Write the end of the file."""
        if self._writer is not None:
            self._writer.close()


class _OpenCvWriter:
    """Writes at a constant rate: a frame is repeated until the next one, or dropped if there is no place for it."""

    def __init__(self, path: Path, rate: float, size: tuple[int, int]) -> None:
        self._rate, self._frames = _writable_rate(rate), 0
        codec = cv2.VideoWriter.fourcc(*CODECS[path.suffix.lower()])
        self._writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, codec, self._rate, size)
        if not self._writer.isOpened():
            video = f"a {path.suffix} video of {size[0]}x{size[1]} pixels"
            raise VideoError(f"OpenCV cannot write {video} to {path.parent}; check its permissions and free space")

    def write(self, pixels: NDArray[np.uint8], time: float) -> int:
        frame = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
        while self._frames <= round(time * self._rate):
            self._writer.write(frame)
            self._frames += 1
        return self._frames

    def close(self) -> None:
        self._writer.release()


def _writable_rate(rate: float) -> float:
    """Round a rate so that an .mp4 can store it: OpenCV writes a decimal fraction whose numerator has 16 bits."""
    return round(rate, 3 if rate < 65 else 2 if rate < 655 else 1)


def _open_writer(path: Path, rate: float, size: tuple[int, int]) -> Writer:
    """Open the writer that suits the suffix: PyAV, where it is installed, for the `.mp4` that browsers play."""
    if path.suffix.lower() == ".mp4":
        with suppress(ModuleNotFoundError):
            from emotion.inference.h264 import H264Writer

            return H264Writer(path, rate, size)
    return _OpenCvWriter(path, rate, size)


@contextmanager
def recording(path: Path, source: VideoSource) -> Iterator[VideoFile]:
    """Open a video file for writing, at the pace of a source.

    The file has a temporary name until the end, also after an error or Ctrl-C; then it is moved to `path`.

    Args:
        path: the file to write; its suffix is one of `CODECS`.
        source: where the frames come from.

    Yields:
        The file, for `VideoFile.add`.

    Raises:
        VideoError: the suffix is not in `CODECS`, the source would be overwritten, or frames are missing in the file.
    """
    if path.suffix.lower() not in CODECS:
        raise VideoError(f"{path} has no known video format; use a name that ends in {' or '.join(CODECS)}")
    partial = partial_of(path)
    if is_same_file(partial, source.name):
        raise VideoError(f"writing {path} would overwrite the source {partial}; choose another name")
    video = VideoFile(partial, source.rate)
    try:
        yield video
    finally:
        try:
            video.close()
        finally:
            _move_into_place(partial, path, video.frames)


def _inspect(path: Path) -> tuple[float, bool]:
    """Return the number of frames that a video announces, and whether its first frame can be read."""
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    return capture.get(cv2.CAP_PROP_FRAME_COUNT), capture.read()[0]


def _move_into_place(partial: Path, path: Path, frames: int) -> None:
    """Move a finished file to its name, and check its frames, because OpenCV does not report that writing failed."""
    announced, playable = _inspect(partial) if frames else (0, False)
    # An .avi without its end does not announce its frames, but still plays.
    if playable:
        partial.replace(path)
    else:
        partial.unlink(missing_ok=True)
    if announced < frames:
        written = max(0, round(announced))
        raise VideoError(f"{path} has only {written} of {frames} frames; check the free space on the disk")
