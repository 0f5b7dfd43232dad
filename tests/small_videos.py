"""Short videos, and a capture that stands in for OpenCV's, for the tests of videos."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from skimage.data import astronaut

from emotion.errors import VideoError
from emotion.inference.video import Selection, VideoSource
from emotion.inference.video_file import CODECS

RED = np.full((48, 64, 3), (255, 0, 0), np.uint8)


class Capture:
    """Replaces OpenCV's capture: yields `frames` red frames, each one as soon as there is a permit, and then ends.

    A frame has the time that stands in `times`, in seconds; without them the capture knows no times.
    """

    def __init__(
        self, frames: int, announced: float = 0, rate: float = 30, permits: int = 10_000, times: Sequence[float] = ()
    ) -> None:
        self.frames, self.announced, self.rate, self.times = frames, announced, rate, times
        self.permits = threading.Semaphore(permits)
        self.reads, self.released = 0, False
        self.ended = threading.Event()

    def grab(self) -> bool:
        self.permits.acquire()
        self.reads += 1
        if self.reads > self.frames:
            self.ended.set()
        return self.reads <= self.frames

    def retrieve(self) -> tuple[bool, Any]:
        return True, RED[:, :, ::-1]

    def get(self, property_id: int, /) -> float:
        if property_id == cv2.CAP_PROP_POS_MSEC and self.times:
            return self.times[self.reads - 1] * 1000
        return {cv2.CAP_PROP_FPS: self.rate, cv2.CAP_PROP_FRAME_COUNT: self.announced}.get(property_id, 0.0)

    def release(self) -> None:
        self.released = True


def write_clip(path: Path, pictures: Iterable[NDArray[np.uint8]], rate: float = 30) -> Path:
    writer = None
    for picture in pictures:
        size = (picture.shape[1], picture.shape[0])
        writer = writer or cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*CODECS[path.suffix]), rate, size)
        writer.write(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    assert writer is not None
    writer.release()
    return path


def noisy_frames(frames: int) -> list[NDArray[np.uint8]]:
    """Make frames that do not compress, so that half of the bytes contain about half of the frames."""
    return list(np.random.default_rng(0).integers(0, 256, (frames, 48, 64, 3), np.uint8))


def cut_off(path: Path, share: float) -> Path:
    """Keep the first part of a file."""
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    return path


def frames_in(path: Path) -> list[NDArray[Any]]:
    capture = cv2.VideoCapture(str(path))
    return [picture for found, picture in iter(capture.read, (False, None)) if found]


def source_of(
    frames: int, announced: int | None = None, selection: Selection | None = None
) -> tuple[Capture, VideoSource]:
    capture = Capture(frames, frames if announced is None else announced)
    return capture, VideoSource(capture, "clip.avi", live=False, selection=selection)


def timed_source(times: Sequence[float], announced: float, rate: float) -> VideoSource:
    """Make the source of a file whose frames have these times, and which announces so many frames at this rate."""
    return VideoSource(Capture(len(times), announced, rate, times=times), "clip.webm", live=False)


def portrait() -> NDArray[np.uint8]:
    """Crop the astronaut's head, 195x195 pixels."""
    return np.asarray(astronaut()[20:215, 125:320], np.uint8)  # type: ignore[no-untyped-call]


def wall_with(*heads: tuple[NDArray[np.uint8], int, int, int]) -> NDArray[np.uint8]:
    """Paste heads onto a plain wall of 480x240 pixels; each is a picture, and left, top and edge in pixels."""
    wall = np.full((240, 480, 3), 90, np.uint8)
    for head, left, top, edge in heads:
        wall[top : top + edge, left : left + edge] = cv2.resize(head, (edge, edge))
    return wall


def moving_head(frames: int) -> list[NDArray[np.uint8]]:
    return [wall_with((portrait(), 30 + 3 * index, 10, 130 + index)) for index in range(frames)]


def one_line(error: pytest.ExceptionInfo[VideoError]) -> str:
    """Return the text of an error, which is a single line."""
    assert "\n" not in str(error.value)
    return str(error.value)
