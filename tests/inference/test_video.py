from __future__ import annotations

import os
from itertools import count
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from small_archives import noise
from small_videos import (
    RED,
    Capture,
    cut_off,
    moving_head,
    noisy_frames,
    one_line,
    portrait,
    source_of,
    timed_source,
    wall_with,
    write_clip,
)

from emotion.errors import VideoError
from emotion.inference import video
from emotion.inference.detection import SMALLEST_IN_VIDEO, HaarDetector, VideoDetector, detector
from emotion.inference.results import DetectedFace, Frame, TrackedFrame
from emotion.inference.tracking import Tracker, track_faces
from emotion.inference.video import VideoSource

CLASSES = ("happy", "sad")


def test_frames_of_a_file_are_rgb_with_their_number_and_time(tmp_path: Path) -> None:
    with video.open_source(str(write_clip(tmp_path / "clip.avi", [RED] * 20, rate=10))) as source:
        frames = list(source)
    assert (source.live, source.rate, source.total) == (False, 10, 20)
    assert [frame.index for frame in frames] == list(range(20))
    assert [frame.time for frame in frames] == pytest.approx([index / 10 for index in range(20)])
    assert frames[5].pixels.shape == (48, 64, 3)
    assert frames[5].pixels.mean((0, 1)) == pytest.approx([255, 0, 0], abs=5)


def test_frames_without_times_follow_the_rate() -> None:
    _, source = source_of(4)
    with source:
        assert [frame.time for frame in source] == pytest.approx([0, 1 / 30, 2 / 30, 3 / 30])


@pytest.mark.parametrize("announced", [0.0, float("nan"), 1000.0])
def test_implausible_rate_of_a_camera_is_replaced(announced: float) -> None:
    assert VideoSource(Capture(1, rate=announced), "0", live=True).rate == 30


@pytest.mark.parametrize(("announced", "taken"), [(0.5, 0.5), (500.0, 500.0), (1000.0, 30.0), (float("nan"), 30.0)])
def test_unusual_rate_of_a_file_is_kept(announced: float, taken: float) -> None:
    assert VideoSource(Capture(1, rate=announced), "clip.avi", live=False).rate == taken


def test_few_frames_of_a_file_are_decoded_in_advance_and_none_is_lost() -> None:
    capture, source = source_of(500)
    with source:
        waiting = [capture.reads - frame.index for frame in source]
    assert len(waiting) == 500
    assert max(waiting) <= video.AHEAD + 2


def test_slow_reader_of_a_camera_gets_the_newest_frame() -> None:
    camera = Capture(20)
    with VideoSource(camera, "0", live=True) as source:
        camera.ended.wait()
        assert next(iter(source)).index == 19


def test_camera_that_stops_is_an_error_after_its_last_frame() -> None:
    camera = Capture(50, permits=1)
    ticks = count(100)
    source = VideoSource(camera, "0", live=True, clock=lambda: float(next(ticks)))
    frames: list[Frame] = []

    def read() -> None:
        for frame in source:
            frames.append(frame)
            camera.permits.release()

    with pytest.raises(VideoError, match="source 0 stopped after frame 50") as error, source:
        read()
    assert "check the connection" in one_line(error)
    assert [(frame.index, frame.time) for frame in frames] == [(index, float(index)) for index in range(50)]
    assert camera.released


def test_file_with_fewer_frames_than_announced_is_an_error_at_its_end() -> None:
    _, source = source_of(50, announced=100)
    indices: list[int] = []
    with pytest.raises(VideoError, match=r"clip\.avi is cut off or damaged after 1\.7 of 3\.3 s") as error, source:
        indices.extend(frame.index for frame in source)
    assert one_line(error).endswith("what was written is kept")


def test_small_error_in_the_announced_number_of_frames_is_ignored() -> None:
    _, source = source_of(99, announced=100)
    with source:
        assert len(list(source)) == 99


IRREGULAR = [*(index / 30 for index in range(41)), *(1.33 + 0.2 * index for index in range(1, 16))]
"""Times of the frames of a recording whose picture sometimes rests, in seconds: 4.33 in all."""


@pytest.mark.parametrize(
    ("announced", "rate"),
    [(57, 57 / 4.33), (130, 30.0), (4330, 1000.0), (98, 22.6), (-2.7e17, 30.0)],
    ids=["mean rate", "rate of the fast part", "clock of the browser", "hidden frames", "no duration"],
)
def test_whole_file_with_an_irregular_rate_is_not_called_damaged(announced: float, rate: float) -> None:
    with timed_source(IRREGULAR, announced, rate) as source:
        assert [frame.time for frame in source] == pytest.approx(IRREGULAR)


def test_sound_may_be_longer_than_the_picture() -> None:
    with timed_source(IRREGULAR, 5.2 * 30, 30.0) as source:
        assert len(list(source)) == len(IRREGULAR)


def test_last_frame_may_stay_for_long_where_all_frames_are_there() -> None:
    with timed_source(IRREGULAR, len(IRREGULAR), len(IRREGULAR) / 20) as source:
        assert source.duration == pytest.approx(20)
        assert len(list(source)) == len(IRREGULAR)


def test_file_with_an_irregular_rate_that_is_cut_off_is_an_error() -> None:
    source = timed_source(IRREGULAR[:45], 130, 30.0)
    with pytest.raises(VideoError, match=r"cut off or damaged after 2\.2 of 4\.3 s"), source:
        list(source)


def test_file_that_is_cut_off_yields_the_frames_that_are_left(tmp_path: Path) -> None:
    clip = cut_off(write_clip(tmp_path / "clip.avi", noisy_frames(100)), 0.5)
    indices: list[int] = []
    with (
        pytest.raises(VideoError, match=r"cut off or damaged after 1\.\d of 3\.3 s"),
        video.open_source(str(clip)) as source,
    ):
        indices.extend(frame.index for frame in source)
    assert 40 <= len(indices) <= 60


def test_source_without_a_frame_is_an_error() -> None:
    _, source = source_of(0, announced=0)
    with pytest.raises(VideoError, match=r"no frame of clip\.avi can be read"), source:
        list(source)


def test_error_while_reading_reaches_the_caller() -> None:
    capture, source = source_of(10)
    capture.frames = 5
    capture.ended.set = lambda: 1 / 0  # type: ignore[method-assign, assignment]
    with pytest.raises(ZeroDivisionError), source:
        list(source)
    assert capture.released


def test_source_is_released_when_the_caller_stops_early() -> None:
    capture, source = source_of(1000)
    with source:
        next(iter(source))
    assert capture.released
    assert capture.reads < 1000


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("nowhere.mp4", "nowhere.mp4 is not a file"),
        ("folder", "folder is not a file"),
        ("pipe", "pipe is not a file"),
        ("4294967295", "4294967295 is not a file"),
        ("words.mp4", "OpenCV cannot open words.mp4; check that it is a whole video"),
        ("cut.mp4", "OpenCV cannot open cut.mp4; check that it is a whole video"),
        ("987", "OpenCV cannot open 987; check that the camera is connected"),
        ("/dev/null", "OpenCV cannot open /dev/null; check that the camera is connected"),
    ],
)
def test_source_that_cannot_be_opened_is_an_error_of_one_line_with_its_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, problem: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    os.mkfifo("pipe")
    Path("words.mp4").write_text("no video\n" * 100)
    cut_off(write_clip(Path("cut.mp4"), noisy_frames(30)), 0.5)
    with pytest.raises(VideoError, match=problem) as error:
        video.open_source(name)
    assert one_line(error).startswith(problem)


@pytest.mark.parametrize("name", ["photo.jpg", "photo.png", "still.gif"])
def test_picture_is_no_video_and_the_other_command_is_named(tmp_path: Path, name: str) -> None:
    noise(1, (60, 50), "RGB").save(tmp_path / name)
    with pytest.raises(VideoError, match=rf"{name} is a picture; use emotion predict$") as error:
        video.open_source(str(tmp_path / name))
    assert one_line(error)


def test_picture_with_the_name_of_a_video_is_no_video(tmp_path: Path) -> None:
    noise(1, (60, 50), "RGB").save(tmp_path / "photo.mp4", "JPEG")
    with pytest.raises(VideoError, match=r"photo.mp4 is a picture; use emotion predict$"):
        video.open_source(str(tmp_path / "photo.mp4"))


def test_picture_that_cannot_be_opened_here_is_no_video_either(tmp_path: Path) -> None:
    (tmp_path / "photo.heic").write_bytes(b"\0\0\0\x1cftypheic" + bytes(100))
    with pytest.raises(VideoError, match=r"photo.heic is a picture; use emotion predict$"):
        video.open_source(str(tmp_path / "photo.heic"))


def test_photo_that_carries_a_second_picture_does_not_move(tmp_path: Path) -> None:
    photo, depth = noise(1, (60, 50), "RGB"), noise(2, (60, 50), "RGB")
    photo.save(tmp_path / "photo.jpg", "MPO", save_all=True, append_images=[depth])
    with pytest.raises(VideoError, match=r"photo.jpg is a picture; use emotion predict$"):
        video.open_source(str(tmp_path / "photo.jpg"))


def test_stream_of_jpeg_pictures_is_read_as_a_video(tmp_path: Path) -> None:
    noise(1, (64, 48), "RGB").save(tmp_path / "clip.mjpeg", "JPEG")
    content = (tmp_path / "clip.mjpeg").read_bytes()
    (tmp_path / "clip.mjpeg").write_bytes(content * 3)
    with video.open_source(str(tmp_path / "clip.mjpeg")) as source:
        assert len(list(source)) == 3


def test_animation_is_read_as_a_video(tmp_path: Path) -> None:
    first, *others = [noise(seed, (60, 50), "RGB") for seed in range(4)]
    first.save(tmp_path / "moving.gif", save_all=True, append_images=others, duration=100)
    with video.open_source(str(tmp_path / "moving.gif")) as source:
        assert len(list(source)) == 4


def test_video_with_the_name_of_a_picture_is_read(tmp_path: Path) -> None:
    write_clip(tmp_path / "clip.mp4", [RED] * 3).rename(tmp_path / "clip.jpg")
    with video.open_source(str(tmp_path / "clip.jpg")) as source:
        assert len(list(source)) == 3


def track_clip(path: Path, faces: VideoDetector | None = None) -> list[TrackedFrame]:
    def classify(_: NDArray[np.uint8], found: list[DetectedFace]) -> NDArray[np.float32]:
        return np.tile(np.array([[0.8, 0.2]], np.float32), (len(found), 1))

    with video.open_source(str(path)) as source:
        return list(track_faces(source, (faces or HaarDetector()).find, classify, Tracker(CLASSES, 0.5)))


def from_left_to_right(tracked_frame: TrackedFrame) -> list[int]:
    boxes = {tracked.track: tracked.face.box for tracked in tracked_frame.faces}
    return sorted(boxes, key=lambda track: getattr(boxes[track], "left", 0))


def test_moving_and_growing_face_is_tracked(tmp_path: Path) -> None:
    frames = track_clip(write_clip(tmp_path / "clip.mp4", moving_head(60)))
    found = [from_left_to_right(one) for one in frames]
    assert found.count([1]) > 50
    assert found.count([1]) + found.count([]) == 60
    first, last = (frames[index].faces[0].face.box for index in (0, -1))
    assert first is not None
    assert last is not None
    assert last.left - first.left == pytest.approx(180, abs=40)
    assert last.width > 1.2 * first.width


def test_face_that_passes_behind_another_keeps_its_track(tmp_path: Path) -> None:
    head, other = portrait(), portrait()[:, ::-1]
    pictures = [wall_with((other, 330 - 4 * index, 20, 130), (head, 4 * index, 40, 150)) for index in range(80)]
    frames = track_clip(write_clip(tmp_path / "clip.mp4", pictures))
    orders = [from_left_to_right(one) for one in frames]
    assert orders[0] == [1, 2]
    assert [1] in orders
    assert orders[-1] == [2, 1]


def test_address_that_cannot_be_reached_says_so() -> None:
    with pytest.raises(VideoError, match="check the address and the network"):
        video.open_source("http://127.0.0.1:9/clip.mp4")


def nodding_head(frames: int, most: float) -> list[NDArray[np.uint8]]:
    """Turn a head to the left and back, by so many degrees at most."""
    turned = []
    for angle in most * np.sin(np.linspace(0, np.pi, frames)):
        matrix = cv2.getRotationMatrix2D((160, 120), float(angle), 1)
        head = cv2.warpAffine(wall_with((portrait(), 95, 55, 130)), matrix, (320, 240), borderMode=cv2.BORDER_REPLICATE)
        turned.append(head.astype(np.uint8, copy=False))
    return turned


def test_face_that_tilts_is_not_lost(tmp_path: Path, detector_weights: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", nodding_head(60, 50))
    frames = track_clip(clip, detector(detector_weights).for_video(SMALLEST_IN_VIDEO))
    assert [from_left_to_right(one) for one in frames] == [[1]] * 60
