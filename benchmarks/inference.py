"""Times the network in ONNX Runtime and in Keras, face detection, and the prediction of a whole photo."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from benchmarks.processes import run, show_progress
from benchmarks.results import Result
from emotion.files import read_json

SECONDS: Final = 20
"""Seconds for each process that times calls."""

BATCHES: Final = {1: " (goal: 30)", 8: "", 64: " (goal: 2.5)"}
"""Faces per call, each with its goal: how many times as fast as Keras the network should be."""

BLOCK: Final = 5
"""Number of equal calls in a row, since the first one finds other data in the caches of the processor."""

REPORT: Final = Path("calls.json")
"""File that `benchmarks.calls` writes into its current folder: the seconds of each run, by name."""


def measure_network(quick: bool) -> Iterator[Result]:
    """Yield the time, the speed, the time of Keras and the ratio, for each number of threads and faces."""
    for threads in (2,) if quick else (1, 2):
        times = _time_calls("network", threads, quick)
        for size, goal in BATCHES.items():
            ours, theirs = times[f"Network {size}"], times[f"keras {size}"]
            what = f"{size} face{'s' if size > 1 else ''}, {threads} thread{'s' if threads > 1 else ''}"
            yield Result(f"Network, {what}", "ms", _milliseconds(ours))
            yield Result(f"Network, {what}", "faces/s", tuple(size / seconds for seconds in ours))
            yield Result(f"keras.Model.predict, {what}", "ms", _milliseconds(theirs))
            ratios = tuple(their / our for their, our in zip(theirs, ours, strict=True))
            yield Result(f"Network, {what}, against Keras{goal}", "times as fast", ratios)


def measure_int8(quick: bool) -> Iterator[Result]:
    """Yield time and speed of the largest batch in float32 and int8, and their ratio, for each number of threads."""
    for threads in (2,) if quick else (1, 2):
        times = _time_calls("int8", threads, quick)
        size = max(BATCHES)
        what = f"{size} faces, {threads} thread{'s' if threads > 1 else ''}"
        for precision, seconds in times.items():
            yield Result(f"Network in {precision}, {what}", "ms", _milliseconds(seconds))
            yield Result(f"Network in {precision}, {what}", "faces/s", tuple(size / each for each in seconds))
        ratios = tuple(slow / fast for slow, fast in zip(times["float32"], times["int8"], strict=True))
        yield Result(f"Network in int8, {what}, against float32 (goal with VNNI: 2)", "times as fast", ratios)


def measure_pictures(quick: bool) -> Iterator[Result]:
    """Yield the times of face detection alone and of the prediction of a small photo."""
    times = _time_calls("pictures", 0, quick)
    for edges in ("640x480", "1920x1080"):
        yield Result(f"detection alone, {edges}, two faces", "ms", _milliseconds(times[f"detection {edges}"]))
    what = "photo of 384x381 with one face, from array to labels (goal: 12 ms)"
    yield Result(what, "ms", _milliseconds(times["photo 384x381"]))


def _time_calls(what: str, threads: int, quick: bool) -> dict[str, list[float]]:
    show_progress(f"{what}, threads {threads or 'all'}: measuring")
    with tempfile.TemporaryDirectory() as folder:
        seconds = 0 if quick else SECONDS
        run(["python", "-m", "benchmarks.calls", what, str(threads), str(seconds)], Path(folder))
        times: dict[str, list[float]] = read_json(Path(folder) / REPORT)
    return times


def _milliseconds(times: list[float]) -> tuple[float, ...]:
    return tuple(1000 * seconds for seconds in times)
