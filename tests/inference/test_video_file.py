from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from small_videos import RED, Capture, frames_in, one_line, source_of, timed_source, write_clip

from emotion.errors import VideoError
from emotion.inference.video import VideoSource
from emotion.inference.video_file import recording


@pytest.fixture(autouse=True)
def only_opencv(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide PyAV; `test_h264.py` has the tests of what it writes."""
    monkeypatch.setitem(sys.modules, "emotion.inference.h264", None)


@pytest.mark.parametrize("suffix", [".avi", ".mp4"])
@pytest.mark.parametrize("rate", [0.5, 23.976024, 89.917, 119.953, 655.361])
def test_unusual_frame_rate_is_kept(tmp_path: Path, suffix: str, rate: float) -> None:
    path = tmp_path / f"out{suffix}"
    with recording(path, VideoSource(Capture(1, rate=rate), "clip.avi", live=False)) as video_file:
        for index in range(3):
            video_file.add(RED, index / rate)
    assert cv2.VideoCapture(str(path)).get(cv2.CAP_PROP_FPS) == pytest.approx(rate, rel=1e-3)


@pytest.mark.parametrize("suffix", [".avi", ".mp4"])
def test_file_contains_every_frame_in_its_colours(tmp_path: Path, suffix: str) -> None:
    _, source = source_of(1)
    with recording(tmp_path / f"out{suffix}", source) as video_file:
        for index in range(12):
            video_file.add(RED, index / 30)
    pictures = frames_in(tmp_path / f"out{suffix}")
    assert len(pictures) == video_file.frames == 12
    assert pictures[3].mean((0, 1)) == pytest.approx([0, 0, 255], abs=5)
    assert [path.name for path in tmp_path.iterdir()] == [f"out{suffix}"]


def test_frame_is_repeated_until_the_next_one_or_dropped(tmp_path: Path) -> None:
    numbers = []
    with recording(tmp_path / "out.avi", VideoSource(Capture(1), "0", live=True)) as video_file:
        for time in (7.0, 7.11, 7.115, 8.01):
            video_file.add(RED, time)
            numbers.append(video_file.frames)
    assert numbers == [1, 4, 4, 31]
    assert len(frames_in(tmp_path / "out.avi")) == 31


TIMES = [*(index / 30 for index in range(20)), *(1 + 0.25 * index for index in range(12))]


@pytest.mark.parametrize("name", ["out.avi", "out.mp4"])
@pytest.mark.parametrize("rate", [8.5, 30.0, 90.0])
def test_copy_of_an_irregular_video_lasts_as_long(tmp_path: Path, name: str, rate: float) -> None:
    path = tmp_path / name
    with recording(path, timed_source(TIMES, len(TIMES), rate)) as video_file:
        for time in TIMES:
            video_file.add(RED, time)
    capture = cv2.VideoCapture(str(path))
    lasts = capture.get(cv2.CAP_PROP_FRAME_COUNT) / capture.get(cv2.CAP_PROP_FPS)
    assert lasts == pytest.approx(TIMES[-1], abs=0.3)


def test_frame_of_another_size_is_resized_and_not_lost(tmp_path: Path) -> None:
    _, source = source_of(1)
    with recording(tmp_path / "out.avi", source) as video_file:
        video_file.add(RED, 0.0)
        video_file.add(np.tile(RED, (2, 2, 1)), 1 / 30)
    assert [picture.shape for picture in frames_in(tmp_path / "out.avi")] == [RED.shape] * 2


def test_interrupted_recording_keeps_its_frames(tmp_path: Path) -> None:
    _, source = source_of(1)

    def record_and_stop() -> None:
        with recording(tmp_path / "out.mp4", source) as video_file:
            for index in range(7):
                video_file.add(RED, index / 30)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        record_and_stop()
    assert len(frames_in(tmp_path / "out.mp4")) == 7


def test_recording_without_a_frame_keeps_the_old_file(tmp_path: Path) -> None:
    _, source = source_of(1)
    (tmp_path / "out.mp4").write_text("old")
    with pytest.raises(KeyboardInterrupt), recording(tmp_path / "out.mp4", source):
        raise KeyboardInterrupt
    assert (tmp_path / "out.mp4").read_text() == "old"


@pytest.mark.parametrize("name", ["out.gif", "out", "out.mkv"])
def test_unknown_format_is_refused_and_the_known_ones_are_named(tmp_path: Path, name: str) -> None:
    _, source = source_of(1)
    with pytest.raises(VideoError, match=r"\.avi or \.mp4") as error, recording(tmp_path / name, source):
        pass
    assert name in one_line(error)


def test_size_that_opencv_cannot_write_is_an_error_of_one_line(tmp_path: Path) -> None:
    _, source = source_of(1)
    with (
        pytest.raises(VideoError, match=r"OpenCV cannot write a \.mp4 video of 1x1 pixels to") as error,
        recording(tmp_path / "out.mp4", source) as video_file,
    ):
        video_file.add(RED[:1, :1], 0.0)
    assert str(tmp_path) in one_line(error)


FILL_THE_DISK = """
import resource, signal, sys
sys.modules["av"] = None
import numpy as np
from pathlib import Path
from emotion.inference.video_file import recording
from small_videos import source_of

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
with recording(Path(sys.argv[1]), source_of(1)[1]) as video_file:
    for index, picture in enumerate(np.random.default_rng(0).integers(0, 256, (100, 96, 128, 3), np.uint8)):
        video_file.add(picture, index / 30)
"""


@pytest.mark.parametrize("suffix", [".avi", ".mp4"])
def test_full_disk_is_an_error_and_leaves_no_broken_file(tmp_path: Path, suffix: str) -> None:
    command = [sys.executable, "-c", FILL_THE_DISK, str(tmp_path / f"out{suffix}")]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert re.search(r"VideoError: \S+ has only \d+ of 100 frames; check the free space", result.stderr)
    assert [path.suffix for path in tmp_path.iterdir()] == ([".avi"] if suffix == ".avi" else [])
    if suffix == ".avi":
        assert 0 < len(frames_in(tmp_path / "out.avi")) < 100


@pytest.mark.parametrize("suffix", [".avi", ".mp4"])
def test_recording_stops_with_a_whole_file_before_the_disk_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    space = iter([10**9, 10**9, 10**6])
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=next(space)))
    source = source_of(1)[1]

    def fill() -> None:
        with recording(tmp_path / f"out{suffix}", source) as video_file:
            for index in range(100):
                video_file.add(RED, index / 30)

    with pytest.raises(VideoError, match=r"only 1 of 50 MB needed are free in .*; what was written is kept"):
        fill()
    assert len(frames_in(tmp_path / f"out{suffix}")) == 60


def test_file_whose_temporary_name_is_the_source_is_refused(tmp_path: Path) -> None:
    unfinished = write_clip(tmp_path / ".out.partial.avi", [RED] * 3)
    before = unfinished.read_bytes()
    source = VideoSource(Capture(1), str(unfinished), live=False)
    with (
        pytest.raises(VideoError, match=r"would overwrite the source .*; choose another name"),
        recording(tmp_path / "out.avi", source),
    ):
        pass
    assert unfinished.read_bytes() == before
