"""Measures whole commands on many files and frames: the speed of `emotion video`, and peak memory."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from benchmarks.processes import run, show_progress
from benchmarks.results import Result

RUNS: Final = 3

FRAMES: Final = 300
"""Frames of the timed video; enough that the start of the command takes a small part of the time."""

PICTURES_OF_MEMORY: Final = (100, 1_000)
FRAMES_OF_MEMORY: Final = (1_000, 10_000)
"""Two amounts of work, a tenth and the whole; the peak memory of both should be the same."""


def measure_video(quick: bool) -> Iterator[Result]:
    """Yield the frames per second of the command and of a plain loop, measured in turn, and their ratio."""
    frames = 30 if quick else FRAMES
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _draw(folder, f"write_video(Path('scene.mp4'), {frames}, 640, 480)")
        ours, theirs = [], []
        for number in range(1 if quick else RUNS):
            show_progress(f"video: run {number + 1}")
            ours.append(run(["emotion", "video", "scene.mp4", "--out", "out.mp4", "--csv", "out.csv"], folder).seconds)
            theirs.append(run(["python", "-m", "benchmarks.plain", "scene.mp4", "plain.mp4"], folder).seconds)
    what = "640x480, two faces, start included"
    yield Result(f"emotion video, {what} (goal: 40)", "frames/s", tuple(frames / seconds for seconds in ours))
    yield Result(f"a plain loop, {what}", "frames/s", tuple(frames / seconds for seconds in theirs))
    ratios = tuple(their / our for their, our in zip(theirs, ours, strict=True))
    yield Result("emotion video against the plain loop (goal: 2)", "times as fast", ratios)


def measure_memory(quick: bool) -> Iterator[Result]:
    """Yield the peak memory of both amounts of work."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number in (2, 20) if quick else PICTURES_OF_MEMORY:
            pictures = folder / f"pictures_{number}"
            pictures.mkdir()
            _draw(pictures, f"write_photos(Path(), {number})")
            arguments = ["predict", pictures.name, "--csv", "out.csv"]
            yield _peak(folder, f"predict, {number:,} pictures of 640x480", arguments)
        for number in (3, 30) if quick else FRAMES_OF_MEMORY:
            _draw(folder, f"write_video(Path('scene.mp4'), {number}, 320, 240)")
            arguments = ["video", "scene.mp4", "--out", "out.mp4", "--csv", "out.csv"]
            yield _peak(folder, f"video, {number:,} frames of 320x240", arguments)


def _peak(folder: Path, what: str, arguments: list[str]) -> Result:
    show_progress(f"memory of emotion {what}: measuring")
    done = run(["emotion", *arguments], folder)
    return Result(f"emotion {what}, peak memory", "MB", (done.peak_bytes / 1e6,))


def _draw(folder: Path, call: str) -> None:
    run(["python", "-c", f"from pathlib import Path; from benchmarks import scenes; scenes.{call}"], folder)
