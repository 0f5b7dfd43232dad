from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from small_videos import RED, frames_in, one_line, timed_source

from emotion.errors import VideoError
from emotion.inference.video_file import recording

av = pytest.importorskip("av", reason="the extra video is not installed")

TIMES = [*(index / 30 for index in range(20)), *(1 + 0.25 * index for index in range(12))]


def record(path: Path, times: list[float] = TIMES, shape: tuple[int, int] = (48, 64)) -> Path:
    picture = np.tile(RED[:1, :1], (*shape, 1))
    with recording(path, timed_source(times, len(times), 8.5)) as video_file:
        for time in times:
            video_file.add(picture, time)
    return path


def test_frames_are_h264_at_their_times(tmp_path: Path) -> None:
    with av.open(str(record(tmp_path / "out.mp4"))) as container:
        stream = container.streams.video[0]
        assert (stream.codec.name, stream.pix_fmt) == ("h264", "yuv420p")
        assert [frame.time for frame in container.decode(stream)] == pytest.approx(TIMES, abs=1e-4)
    assert [path.name for path in tmp_path.iterdir()] == ["out.mp4"]


def test_colours_are_kept(tmp_path: Path) -> None:
    pictures = frames_in(record(tmp_path / "out.mp4"))
    assert len(pictures) == len(TIMES)
    assert pictures[3].mean((0, 1)) == pytest.approx([0, 0, 255], abs=5)


def test_odd_row_and_column_are_cut_off(tmp_path: Path) -> None:
    assert frames_in(record(tmp_path / "out.mp4", shape=(49, 65)))[0].shape == (48, 64, 3)


def test_two_frames_at_one_time_are_both_written(tmp_path: Path) -> None:
    assert len(frames_in(record(tmp_path / "out.mp4", times=[0.0, 0.0, 0.1]))) == 3


def test_size_that_h264_does_not_have_is_an_error_of_one_line(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match=r"a video of 0x0 pixels .* free space \(Invalid argument\)$") as error:
        record(tmp_path / "out.mp4", shape=(1, 1))
    assert one_line(error)
    assert list(tmp_path.iterdir()) == []


FILL_THE_DISK = """
import resource, signal, sys
from pathlib import Path
import numpy as np
from emotion.inference.video_file import recording
from small_videos import source_of

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
with recording(Path(sys.argv[1]), source_of(1)[1]) as video_file:
    for index, picture in enumerate(np.random.default_rng(0).integers(0, 256, (100, 96, 128, 3), np.uint8)):
        video_file.add(picture, index / 30)
"""


def test_full_disk_is_an_error_and_leaves_no_broken_file(tmp_path: Path) -> None:
    command = [sys.executable, "-c", FILL_THE_DISK, str(tmp_path / "out.mp4")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([*sys.path, str(Path(__file__).parents[1])])}
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert "VideoError: " in result.stderr.splitlines()[-1]
    assert "check the free space" in result.stderr.splitlines()[-1]
    assert list(tmp_path.iterdir()) == []
