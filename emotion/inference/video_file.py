"""Write frames into a video file.

This module uses OpenCV's writer. It knows nothing about the faces in the frames.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from emotion.errors import VideoError
from emotion.files import is_same_file, partial_of
from emotion.inference.video import VideoSource

CODECS: Final = {".avi": "MJPG", ".mp4": "mp4v"}
"""The codec for each suffix; OpenCV's wheels can write these two without further packages."""

MIN_FREE_BYTES: Final = 50_000_000
"""Free disk space that is left over, in bytes: more than one second of video and the end of its file need."""


class VideoFile:
    """A video file that is being written; use `recording` to make one.

    Attributes:
        frames: number of frames written so far.
    """

    def __init__(self, path: Path, rate: float, *, live: bool) -> None:
        self.frames = 0
        self._path, self._rate, self._live = path, rate, live
        self._writer: cv2.VideoWriter | None = None
        self._size = (0, 0)
        self._checked = 0

    def add(self, pixels: NDArray[np.uint8], time: float) -> None:
        """Append a frame.

        A frame of a live source is repeated or dropped, so that the video keeps pace with the clock.

        Args:
            pixels: uint8, shape (h, w, 3), RGB; resized to the size of the first frame.
            time: of the frame in seconds.

        Raises:
            VideoError: the file cannot be written, or the disk is nearly full.
        """
        if self._writer is None:
            self._size = (pixels.shape[1], pixels.shape[0])
            self._writer = _open_writer(self._path, self._rate, self._size)
        if (pixels.shape[1], pixels.shape[0]) != self._size:
            # The writer silently drops frames of another size.
            pixels = np.asarray(cv2.resize(pixels, self._size), np.uint8)
        frame = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
        self._check_space()
        copies = math.floor(time * self._rate) + 1 - self.frames if self._live else 1
        for _ in range(copies):
            self._writer.write(frame)
            self.frames += 1

    def _check_space(self) -> None:
        """Check the free space once per second of video, because OpenCV does not report that writing failed."""
        if self.frames < self._checked:
            return
        free = shutil.disk_usage(self._path.parent).free
        if free < MIN_FREE_BYTES:
            free_space = f"only {free // 10**6} of {MIN_FREE_BYTES // 10**6} MB needed are free"
            folder = self._path.parent.resolve()
            raise VideoError(f"{free_space} in {folder}; delete some files; what was written is kept")
        self._checked = self.frames + round(self._rate)

    def close(self) -> None:
        """Write the end of the file; players refuse a file without it."""
        if self._writer is not None:
            self._writer.release()


def _writable_rate(rate: float) -> float:
    """Round a rate so that an .mp4 can store it: OpenCV writes a decimal fraction whose numerator has 16 bits."""
    return round(rate, 3 if rate < 65 else 2 if rate < 655 else 1)


def _open_writer(path: Path, rate: float, size: tuple[int, int]) -> cv2.VideoWriter:
    codec = cv2.VideoWriter.fourcc(*CODECS[path.suffix.lower()])
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, codec, rate, size)
    if not writer.isOpened():
        video = f"a {path.suffix} video of {size[0]}x{size[1]} pixels"
        raise VideoError(f"OpenCV cannot write {video} to {path.parent}; check its permissions and free space")
    return writer


@contextmanager
def recording(path: Path, source: VideoSource) -> Iterator[VideoFile]:
    """Open a video file for writing, at the rate of a source.

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
    video = VideoFile(partial, _writable_rate(source.rate), live=source.live)
    try:
        yield video
    finally:
        video.close()
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
