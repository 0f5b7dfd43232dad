from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
from csv_files import read_csv
from numpy.typing import NDArray
from skimage.data import astronaut
from small_models import write_model

from emotion.errors import VideoError
from emotion.inference import video
from emotion.inference.detection import detector
from emotion.inference.results import Box, Frame, TrackedFrame
from emotion.inference.tracking import Tracker, track_faces
from emotion.inference.video import Source

CLASSES = ("happy", "sad")
RED = np.full((48, 64, 3), (255, 0, 0), np.uint8)


class Capture:
    """Stands in for OpenCV's: gives `frames` red pictures and then nothing; each only when `permits` allow it."""

    def __init__(self, frames: int, announced: float = 0, rate: float = 30, permits: int = 10_000) -> None:
        self.frames, self.announced, self.rate = frames, announced, rate
        self.permits = threading.Semaphore(permits)
        self.reads, self.released = 0, False
        self.gone = threading.Event()

    def read(self) -> tuple[bool, Any]:
        self.permits.acquire()
        self.reads += 1
        if self.reads > self.frames:
            self.gone.set()
            return False, None
        return True, RED[:, :, ::-1]

    def get(self, property_id: int, /) -> float:
        return {cv2.CAP_PROP_FPS: self.rate, cv2.CAP_PROP_FRAME_COUNT: self.announced}.get(property_id, 0.0)

    def release(self) -> None:
        self.released = True


def write_clip(path: Path, pictures: Iterable[NDArray[np.uint8]], rate: float = 30) -> Path:
    writer = None
    for picture in pictures:
        size = (picture.shape[1], picture.shape[0])
        writer = writer or cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*video.CODECS[path.suffix]), rate, size)
        writer.write(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    assert writer is not None
    writer.release()
    return path


def noise(frames: int) -> list[NDArray[np.uint8]]:
    """Make pictures that do not compress, so that half of the bytes holds about half of them."""
    return list(np.random.default_rng(0).integers(0, 256, (frames, 48, 64, 3), np.uint8))


def cut(path: Path, share: float) -> Path:
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    return path


def pictures_in(path: Path) -> list[NDArray[Any]]:
    capture = cv2.VideoCapture(str(path))
    return [picture for found, picture in iter(capture.read, (False, None)) if found]


def file_of(frames: int, announced: int | None = None) -> tuple[Capture, Source]:
    capture = Capture(frames, frames if announced is None else announced)
    return capture, Source(capture, "clip.avi", live=False)


def one_line(error: pytest.ExceptionInfo[VideoError]) -> str:
    assert "\n" not in str(error.value)
    return str(error.value)


def test_frames_of_a_file_are_rgb_with_their_number_and_time(tmp_path: Path) -> None:
    with video.open_source(str(write_clip(tmp_path / "clip.avi", [RED] * 20, rate=10))) as source:
        frames = list(source)
    assert (source.live, source.rate, source.total) == (False, 10, 20)
    assert [frame.index for frame in frames] == list(range(20))
    assert [frame.time for frame in frames] == pytest.approx([index / 10 for index in range(20)])
    assert frames[5].pixels.shape == (48, 64, 3)
    assert frames[5].pixels.mean((0, 1)) == pytest.approx([255, 0, 0], abs=5)


def test_frames_without_times_follow_the_rate() -> None:
    _, source = file_of(4)
    with source:
        assert [frame.time for frame in source] == pytest.approx([0, 1 / 30, 2 / 30, 3 / 30])


@pytest.mark.parametrize("announced", [0.0, float("nan"), 1000.0])
def test_implausible_rate_is_replaced(announced: float) -> None:
    assert Source(Capture(1, rate=announced), "0", live=True).rate == 30


@pytest.mark.parametrize(("announced", "taken"), [(0.5, 0.5), (500.0, 500.0), (1000.0, 30.0), (float("nan"), 30.0)])
def test_odd_rate_of_a_file_is_believed(announced: float, taken: float) -> None:
    assert Source(Capture(1, rate=announced), "clip.avi", live=False).rate == taken


@pytest.mark.parametrize("suffix", [".avi", ".mp4"])
@pytest.mark.parametrize("rate", [0.5, 23.976024, 89.917, 119.953, 655.361])
def test_film_of_an_odd_rate_is_written(tmp_path: Path, suffix: str, rate: float) -> None:
    path = tmp_path / f"out{suffix}"
    with video.recording(path, Source(Capture(1, rate=rate), "clip.avi", live=False)) as film:
        for _ in range(3):
            film.add(RED, 0.0)
    assert cv2.VideoCapture(str(path)).get(cv2.CAP_PROP_FPS) == pytest.approx(rate, rel=1e-3)


def test_few_frames_of_a_file_wait_in_memory_and_none_is_lost() -> None:
    capture, source = file_of(500)
    with source:
        waiting = [capture.reads - frame.index for frame in source]
    assert len(waiting) == 500
    assert max(waiting) <= video.AHEAD + 2


def test_slow_reader_of_a_camera_gets_the_newest_frame() -> None:
    camera = Capture(20)
    with Source(camera, "0", live=True) as source:
        camera.gone.wait()
        assert next(iter(source)).index == 19


def test_camera_that_dies_at_frame_50_is_an_error_after_50_frames() -> None:
    camera = Capture(50, permits=1)
    ticks = count(100)
    source = Source(camera, "0", live=True, clock=lambda: float(next(ticks)))
    seen: list[Frame] = []

    def look() -> None:
        for frame in source:
            seen.append(frame)
            camera.permits.release()

    with pytest.raises(VideoError, match="received nothing after frame 50") as error, source:
        look()
    assert "check the camera" in one_line(error)
    assert [(frame.index, frame.time) for frame in seen] == [(index, float(index)) for index in range(50)]
    assert camera.released


def test_file_with_fewer_frames_than_announced_is_an_error_at_its_end() -> None:
    _, source = file_of(50, announced=100)
    seen: list[int] = []
    with pytest.raises(VideoError, match=r"expected 100 frames of clip.avi, received 50") as error, source:
        seen.extend(frame.index for frame in source)
    assert "cut off" in one_line(error)


def test_number_of_frames_that_is_a_little_off_is_no_error() -> None:
    _, source = file_of(99, announced=100)
    with source:
        assert len(list(source)) == 99


def test_file_cut_off_in_the_middle_gives_its_first_half(tmp_path: Path) -> None:
    clip = cut(write_clip(tmp_path / "clip.avi", noise(100)), 0.5)
    seen: list[int] = []
    with pytest.raises(VideoError, match="expected 100 frames"), video.open_source(str(clip)) as source:
        seen.extend(frame.index for frame in source)
    assert 40 <= len(seen) <= 60


def test_source_without_a_picture_is_an_error() -> None:
    _, source = file_of(0, announced=0)
    with pytest.raises(VideoError, match="no picture"), source:
        list(source)


def test_failure_while_reading_reaches_the_caller() -> None:
    capture, source = file_of(10)
    capture.frames = 5
    capture.gone.set = lambda: 1 / 0  # type: ignore[method-assign, assignment]
    with pytest.raises(ZeroDivisionError), source:
        list(source)
    assert capture.released


def test_source_is_released_when_the_caller_stops_early() -> None:
    capture, source = file_of(1000)
    with source:
        next(iter(source))
    assert capture.released
    assert capture.reads < 1000


@pytest.mark.parametrize(
    "name", ["nowhere.mp4", "folder", "words.mp4", "cut.mp4", "987", "/dev/null", "4294967295", "pipe"]
)
def test_source_that_cannot_be_opened_is_one_line_with_its_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    os.mkfifo("pipe")
    Path("words.mp4").write_text("no video\n" * 100)
    cut(write_clip(Path("cut.mp4"), noise(30)), 0.5)
    with pytest.raises(VideoError, match="expected a video") as error:
        video.open_source(name)
    assert name in one_line(error)


@pytest.mark.parametrize("suffix", [".avi", ".mp4"])
def test_film_holds_every_picture_of_a_file_in_its_colours(tmp_path: Path, suffix: str) -> None:
    _, source = file_of(1)
    with video.recording(tmp_path / f"out{suffix}", source) as film:
        for index in range(12):
            film.add(RED, index * 0.5)
    pictures = pictures_in(tmp_path / f"out{suffix}")
    assert len(pictures) == film.pictures == 12
    assert pictures[3].mean((0, 1)) == pytest.approx([0, 0, 255], abs=5)
    assert [path.name for path in tmp_path.iterdir()] == [f"out{suffix}"]


def test_film_of_a_camera_keeps_in_step_with_the_clock(tmp_path: Path) -> None:
    source = Source(Capture(1), "0", live=True)
    held = []
    with video.recording(tmp_path / "out.avi", source) as film:
        for time in (0.0, 0.11, 0.115, 1.01):
            film.add(RED, time)
            held.append(film.pictures)
    assert held == [1, 4, 4, 31]
    assert len(pictures_in(tmp_path / "out.avi")) == 31


def test_picture_of_another_size_is_resized_not_lost(tmp_path: Path) -> None:
    _, source = file_of(1)
    with video.recording(tmp_path / "out.avi", source) as film:
        film.add(RED, 0.0)
        film.add(np.tile(RED, (2, 2, 1)), 0.1)
    assert [picture.shape for picture in pictures_in(tmp_path / "out.avi")] == [RED.shape] * 2


def test_film_that_is_interrupted_keeps_what_it_has(tmp_path: Path) -> None:
    _, source = file_of(1)

    def film_and_stop() -> None:
        with video.recording(tmp_path / "out.mp4", source) as film:
            for _ in range(7):
                film.add(RED, 0.0)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        film_and_stop()
    assert len(pictures_in(tmp_path / "out.mp4")) == 7


def test_film_without_a_picture_leaves_the_old_one(tmp_path: Path) -> None:
    _, source = file_of(1)
    (tmp_path / "out.mp4").write_text("old")
    with pytest.raises(KeyboardInterrupt), video.recording(tmp_path / "out.mp4", source):
        raise KeyboardInterrupt
    assert (tmp_path / "out.mp4").read_text() == "old"


@pytest.mark.parametrize("name", ["out.gif", "out", "out.mkv"])
def test_film_of_another_format_is_refused_with_the_ones_there_are(tmp_path: Path, name: str) -> None:
    _, source = file_of(1)
    with pytest.raises(VideoError, match=r"\.avi or \.mp4") as error, video.recording(tmp_path / name, source):
        pass
    assert name in one_line(error)


def test_film_that_opencv_cannot_write_is_one_line(tmp_path: Path) -> None:
    _, source = file_of(1)
    with pytest.raises(VideoError, match="1x1") as error, video.recording(tmp_path / "out.mp4", source) as film:
        film.add(RED[:1, :1], 0.0)
    assert str(tmp_path) in one_line(error)


FILL_THE_DISK = """
import resource, signal, sys
import numpy as np
from pathlib import Path
from emotion.inference import video
from test_video import file_of

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
with video.recording(Path(sys.argv[1]), file_of(1)[1]) as film:
    for picture in np.random.default_rng(0).integers(0, 256, (100, 96, 128, 3), np.uint8):
        film.add(picture, 0.0)
"""


@pytest.mark.parametrize("suffix", [".avi", ".mp4"])
def test_full_disk_is_an_error_and_not_a_broken_film(tmp_path: Path, suffix: str) -> None:
    command = [sys.executable, "-c", FILL_THE_DISK, str(tmp_path / f"out{suffix}")]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    result = subprocess.run(
        command, cwd=Path(__file__).parent, env=environment, capture_output=True, text=True, check=False
    )
    assert "VideoError: expected 100 frames" in result.stderr
    assert "is the disk full?" in result.stderr
    assert [path.suffix for path in tmp_path.iterdir()] == ([".avi"] if suffix == ".avi" else [])
    if suffix == ".avi":
        assert 0 < len(pictures_in(tmp_path / "out.avi")) < 100


@pytest.mark.parametrize("suffix", [".avi", ".mp4"])
def test_film_stops_whole_before_the_disk_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str) -> None:
    space = iter([10**9, 10**9, 10**6])
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=next(space)))
    source = file_of(1)[1]

    def fill() -> None:
        with video.recording(tmp_path / f"out{suffix}", source) as film:
            for _ in range(100):
                film.add(RED, 0.0)

    with pytest.raises(VideoError, match="expected 50 MB of free space"):
        fill()
    assert len(pictures_in(tmp_path / f"out{suffix}")) == 60


def test_film_whose_unfinished_file_is_the_source_is_refused(tmp_path: Path) -> None:
    unfinished = write_clip(tmp_path / ".out.partial.avi", [RED] * 3)
    before = unfinished.read_bytes()
    source = Source(Capture(1), str(unfinished), live=False)
    with pytest.raises(VideoError, match="choose another name"), video.recording(tmp_path / "out.avi", source):
        pass
    assert unfinished.read_bytes() == before


def portrait() -> NDArray[np.uint8]:
    """Cut the astronaut's head out, 195x195."""
    return np.asarray(astronaut()[20:215, 125:320], np.uint8)  # type: ignore[no-untyped-call]


def scene(*heads: tuple[NDArray[np.uint8], int, int, int]) -> NDArray[np.uint8]:
    """Lay heads on a plain wall of 480x240: picture, left, top and edge in pixels."""
    wall = np.full((240, 480, 3), 90, np.uint8)
    for head, left, top, edge in heads:
        wall[top : top + edge, left : left + edge] = cv2.resize(head, (edge, edge))
    return wall


def moving_head(frames: int) -> list[NDArray[np.uint8]]:
    return [scene((portrait(), 30 + 3 * index, 10, 130 + index)) for index in range(frames)]


def watch_clip(path: Path) -> list[TrackedFrame]:
    def classify(_: NDArray[np.uint8], boxes: list[Box]) -> NDArray[np.float32]:
        return np.tile(np.array([[0.8, 0.2]], np.float32), (len(boxes), 1))

    with video.open_source(str(path)) as source:
        return list(track_faces(source, detector("haar").find, classify, Tracker(CLASSES, 0.5)))


def from_left_to_right(seen: TrackedFrame) -> list[int]:
    places = {tracked.track: tracked.face.box for tracked in seen.faces}
    return sorted(places, key=lambda track: getattr(places[track], "left", 0))


def test_moving_and_growing_face_is_followed(tmp_path: Path) -> None:
    seen = watch_clip(write_clip(tmp_path / "clip.mp4", moving_head(60)))
    found = [from_left_to_right(one) for one in seen]
    assert found.count([1]) > 50
    assert found.count([1]) + found.count([]) == 60
    first, last = (seen[index].faces[0].face.box for index in (0, -1))
    assert first is not None
    assert last is not None
    assert last.left - first.left == pytest.approx(180, abs=40)
    assert last.width > 1.2 * first.width


def test_face_that_passes_behind_another_keeps_its_track(tmp_path: Path) -> None:
    head, other = portrait(), portrait()[:, ::-1]
    pictures = [scene((other, 330 - 4 * index, 20, 130), (head, 4 * index, 40, 150)) for index in range(80)]
    seen = watch_clip(write_clip(tmp_path / "clip.mp4", pictures))
    orders = [from_left_to_right(one) for one in seen]
    assert orders[0] == [1, 2]
    assert [1] in orders
    assert orders[-1] == [2, 1]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("model") / "small.onnx")


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "emotion.cli.main", "video", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_command_writes_a_row_a_face_and_the_annotated_video(tmp_path: Path, model: Path) -> None:
    clip = write_clip(tmp_path / "clip.avi", moving_head(40))
    out, table = tmp_path / "out.mp4", tmp_path / "rows.csv"
    result = run(clip, "--out", out, "--csv", table, "--jsonl", "--model", model)
    assert (result.returncode, result.stderr) == (0, "")
    rows = read_csv(table)
    assert [row["frame"] for row in rows] == [str(index) for index in range(40)]
    assert {(row["status"], row["track"]) for row in rows} <= {("face", "1"), ("no face", "")}
    assert [float(row["time"]) for row in rows] == pytest.approx([i / 30 for i in range(40)], abs=0.001)
    printed = [json.loads(line) for line in result.stdout.splitlines()]
    assert [(str(line["frame"]), [face["label"] for face in line["faces"]]) for line in printed] == [
        (row["frame"], [row["label"]] if row["label"] else []) for row in rows
    ]
    assert {face["track"] for line in printed for face in line["faces"]} == {1}
    drawn, plain = pictures_in(out), pictures_in(clip)
    assert [picture.shape for picture in drawn] == [picture.shape for picture in plain]
    assert np.abs(drawn[20].astype(float) - plain[20]).max() > 100


def test_command_with_files_alone_ends_with_what_it_wrote(tmp_path: Path, model: Path) -> None:
    clip = write_clip(tmp_path / "clip.avi", [RED] * 7)
    result = run(clip, "--out", tmp_path / "out.avi", "--csv", tmp_path / "rows.csv", "--model", model)
    assert (result.returncode, result.stdout) == (0, "")
    assert result.stderr == f"7 frames: {tmp_path}/out.avi, {tmp_path}/rows.csv\n"


@pytest.mark.parametrize("options", [("--out", "new/out.avi"), ("--csv", "new/rows.csv")])
def test_command_makes_no_folders(tmp_path: Path, model: Path, options: tuple[str, str]) -> None:
    clip = write_clip(tmp_path / "clip.avi", [RED])
    result = run(clip, options[0], tmp_path / options[1], "--model", model)
    assert (result.returncode, result.stderr.count("\n")) == (1, 1)
    assert f"expected a folder {tmp_path}/new" in result.stderr


def test_address_that_cannot_be_reached_says_so() -> None:
    with pytest.raises(VideoError, match="check the address and the network"):
        video.open_source("http://127.0.0.1:9/clip.mp4")


def test_command_without_files_prints_a_line_a_second(tmp_path: Path, model: Path) -> None:
    clip = write_clip(tmp_path / "clip.avi", moving_head(25) + [scene()] * 25, rate=10)
    result = run(clip, "--model", model)
    assert (result.returncode, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert [line[:5] for line in lines] == ["00:00", "00:01", "00:02", "00:03", "00:04"]
    assert re.fullmatch(r"00:01  face 1 (uncertain: )?\w+ \d+%", lines[1])
    assert lines[4] == "00:04  no face"


def test_command_on_a_file_cut_off_keeps_what_it_saw_and_ends_with_1(tmp_path: Path, model: Path) -> None:
    clip = cut(write_clip(tmp_path / "clip.avi", moving_head(40)), 0.5)
    out, table = tmp_path / "out.mp4", tmp_path / "rows.csv"
    result = run(clip, "--out", out, "--csv", table, "--model", model)
    assert (result.returncode, result.stdout) == (1, "")
    assert re.fullmatch(r"emotion: expected 40 frames of \S+, received \d+: it is cut off.*\n", result.stderr)
    assert len(pictures_in(out)) == len(read_csv(table)) > 10


@pytest.mark.parametrize("name", ["nowhere.mp4", "words.mp4", "987", "rtsp://127.0.0.1:9/none"])
def test_command_says_in_one_line_that_a_source_cannot_be_opened(tmp_path: Path, name: str, model: Path) -> None:
    (tmp_path / "words.mp4").write_text("no video\n" * 100)
    source = str(tmp_path / name) if name.endswith("mp4") else name
    result = run(source, "--out", tmp_path / "out.mp4", "--model", model)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.count("\n") == 1
    assert name in result.stderr
    assert not (tmp_path / "out.mp4").exists()


def test_command_refuses_to_overwrite_its_source(tmp_path: Path, model: Path) -> None:
    clip = write_clip(tmp_path / "clip.avi", [RED] * 3)
    before = clip.read_bytes()
    for option in ("--out", "--csv"):
        assert run(clip, option, clip, "--model", model).returncode == 1
    assert clip.read_bytes() == before


def test_command_refuses_a_folder_for_its_film(tmp_path: Path, model: Path) -> None:
    assert run(write_clip(tmp_path / "clip.avi", [RED]), "--out", tmp_path, "--model", model).returncode == 2


def test_command_refuses_one_file_for_both_results(tmp_path: Path, model: Path) -> None:
    clip = write_clip(tmp_path / "clip.avi", [RED] * 3)
    result = run(clip, "--out", tmp_path / "out.avi", "--csv", tmp_path / "out.avi", "--model", model)
    assert (result.returncode, result.stderr.count("\n")) == (1, 1)
    assert "expected another file to write" in result.stderr
    assert not (tmp_path / "out.avi").exists()


@contextmanager
def running(tmp_path: Path, model: Path) -> Iterator[subprocess.Popen[str]]:
    """Run the command until it has printed 20 rows; the pipe, of which nobody reads on, keeps it from its end."""
    clip = write_clip(tmp_path / "clip.avi", [RED] * 2000)
    files = ["--out", str(tmp_path / "out.mp4"), "--csv", str(tmp_path / "rows.csv")]
    command = [sys.executable, "-m", "emotion.cli.main", "video", str(clip), "--jsonl", "--model", str(model), *files]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    # Tests that run under nohup would hand its ignored signal down.
    with subprocess.Popen(command, **pipes, preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL)) as process:
        assert process.stdout is not None
        for _ in range(20):
            process.stdout.readline()
        yield process


@pytest.mark.parametrize("told", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_interrupted_command_finishes_its_files_and_ends_with_130(
    tmp_path: Path, model: Path, told: signal.Signals
) -> None:
    with running(tmp_path, model) as process:
        process.send_signal(told)
        _, said = process.communicate()
    assert process.returncode == 130
    assert said == "emotion: interrupted; what was written is kept\n"
    rows = read_csv(tmp_path / "rows.csv")
    assert 20 <= len(rows) < 2000
    assert len(pictures_in(tmp_path / "out.mp4")) - len(rows) in {0, 1}
    assert {path.name for path in tmp_path.iterdir()} == {"clip.avi", "out.mp4", "rows.csv"}


def test_killed_command_leaves_whole_rows(tmp_path: Path, model: Path) -> None:
    with running(tmp_path, model) as process:
        process.kill()
    assert len(read_csv(tmp_path / "rows.csv")) >= 20
