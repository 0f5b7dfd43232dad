"""Whole files and files that are cut off, in the containers that cameras, phones and browsers write."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from small_videos import cut_off, noisy_frames

from emotion.errors import VideoError
from emotion.inference import video

av = pytest.importorskip("av", reason="the extra video is not installed")

TIMES = [*(index / 30 for index in range(60)), *(2 + 0.2 * index for index in range(16))]
"""Of the frames of a recording whose picture rests in the end, in seconds."""

CONTAINERS = {
    "phone.mp4": ("libx264", {"movflags": "faststart"}),
    "fragments.mp4": ("libx264", {"movflags": "frag_keyframe+empty_moov"}),
    "recording.webm": ("libvpx", {}),
    "recording.mkv": ("libx264", {}),
}


def write(path: Path) -> Path:
    """Write frames of noise at the times."""
    codec, options = CONTAINERS[path.name]
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream(codec, rate=30)
        stream.height, stream.width = 48, 64
        stream.pix_fmt, stream.codec_context.time_base = "yuv420p", Fraction(1, 1000)
        for pixels, time in zip(noisy_frames(len(TIMES)), TIMES, strict=True):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = round(time * 1000), Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("name", CONTAINERS)
def test_whole_file_with_an_irregular_rate_is_read_to_its_end(tmp_path: Path, name: str) -> None:
    with video.open_source(str(write(tmp_path / name))) as source:
        times = [frame.time for frame in source]
    assert times == pytest.approx(TIMES, abs=0.02)
    assert source.duration == pytest.approx(TIMES[-1], abs=0.3)


@pytest.mark.parametrize("name", CONTAINERS)
def test_file_that_is_cut_off_is_an_error(tmp_path: Path, name: str) -> None:
    clip = cut_off(write(tmp_path / name), 0.5)
    with pytest.raises(VideoError, match=r"is cut off or damaged after \d\.\d of [45]\.\d s"):
        read_all(clip)


def read_all(path: Path) -> None:
    with video.open_source(str(path)) as source:
        assert all(np.any(frame.pixels) for frame in source)


def test_recording_of_a_browser_without_a_duration_is_read_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(CONTAINERS, "recording.webm", ("libvpx", {"live": "1"}))
    with video.open_source(str(write(tmp_path / "recording.webm"))) as source:
        assert [frame.time for frame in source] == pytest.approx(TIMES, abs=0.02)
    assert source.duration is None
