"""Write H.264, which browsers play, with PyAV: frames keep their times, at any rate.

Import this module only where the extra `video` is installed.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Final

import av
import numpy as np
from numpy.typing import NDArray

from emotion.errors import VideoError

CLOCK: Final = 90_000
"""Ticks a second in which the times of frames are stored, as in most videos."""

OPTIONS: Final = {"crf": "20", "preset": "veryfast"}
"""Constant quality, nearly that of the source; a slower preset makes smaller files."""


class H264Writer:
    """Writes the frames of a `.mp4`; an odd last row or column is cut off, because H.264 has none."""

    def __init__(self, path: Path, rate: float, size: tuple[int, int]) -> None:
        """Open the file.

        Args:
            path: the file to write.
            rate: announced frames a second; the times of the frames decide.
            size: width and height of the frames in pixels.

        Raises:
            VideoError: the file cannot be written.
        """
        self._path, self._frames, self._last = path, 0, -1
        self._width, self._height = size[0] // 2 * 2, size[1] // 2 * 2
        try:
            self._container = av.open(str(path), "w")
            self._stream = self._container.add_stream("libx264", Fraction(rate).limit_denominator(1001), OPTIONS)
            self._stream.width, self._stream.height = self._width, self._height
            self._stream.pix_fmt = "yuv420p"
            self._stream.codec_context.time_base = Fraction(1, CLOCK)
            self._container.start_encoding()
        except (av.FFmpegError, ValueError) as error:  # ValueError: PyAV refuses the size itself
            raise self._refuse(error) from error

    def write(self, pixels: NDArray[np.uint8], time: float) -> int:
        """Append a frame that is shown from a time on, in seconds; return how many frames the file has now.

        Raises:
            VideoError: the file cannot be written.
        """
        frame = av.VideoFrame.from_ndarray(pixels[: self._height, : self._width], format="rgb24")
        # The encoder refuses two frames at one time.
        self._last = max(round(time * CLOCK), self._last + 1)
        frame.pts, frame.time_base = self._last, Fraction(1, CLOCK)
        self._encode(frame)
        self._frames += 1
        return self._frames

    def close(self) -> None:
        """Write the last frames and the end of the file.

        Raises:
            VideoError: the file cannot be written.
        """
        try:
            self._encode(None)
        finally:
            self._container.close()

    def _encode(self, frame: av.VideoFrame | None) -> None:
        try:
            self._container.mux(self._stream.encode(frame))
        except av.FFmpegError as error:
            raise self._refuse(error) from error

    def _refuse(self, error: Exception) -> VideoError:
        video, reason = f"a video of {self._width}x{self._height} pixels", getattr(error, "strerror", error)
        place = f"{self._path.parent}; check its permissions and free space"
        return VideoError(f"{video} cannot be written to {place} ({reason})")
