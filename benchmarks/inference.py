"""Milliseconds of the network, of the same in Keras, of detection, and of a photo from array to labels."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from benchmarks.processes import run, say
from benchmarks.results import Result
from emotion.files import read_json

SECONDS: Final = 20
"""For each process of timed calls."""

BATCHES: Final = {1: " (goal: 30)", 8: "", 64: " (goal: 2.5)"}
"""Faces in one call, and how many times faster than Keras it should be."""

BLOCK: Final = 5
"""Calls of one kind in a row: the first finds the processor's caches full of another's data."""

REPORT: Final = Path("calls.json")
"""What `benchmarks.calls` writes, in its current folder: the seconds of each run by name."""


def measure_network(quick: bool) -> Iterator[Result]:
    """Yield lines for each number of threads and faces: time, speed, Keras' time, and how many times faster."""
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


def measure_pictures(quick: bool) -> Iterator[Result]:
    """Yield lines for detection alone, and for a small photo as a whole."""
    times = _time_calls("pictures", 0, quick)
    for edges in ("640x480", "1920x1080"):
        yield Result(f"detection alone, {edges}, two faces", "ms", _milliseconds(times[f"detection {edges}"]))
    what = "photo of 384x381 with one face, from array to labels (goal: 12 ms)"
    yield Result(what, "ms", _milliseconds(times["photo 384x381"]))


def _time_calls(what: str, threads: int, quick: bool) -> dict[str, list[float]]:
    say(f"{what}, threads {threads or 'all'}: measuring")
    with tempfile.TemporaryDirectory() as folder:
        seconds = 0 if quick else SECONDS
        run(["python", "-m", "benchmarks.calls", what, str(threads), str(seconds)], Path(folder))
        times: dict[str, list[float]] = read_json(Path(folder) / REPORT)
    return times


def _milliseconds(times: list[float]) -> tuple[float, ...]:
    return tuple(1000 * seconds for seconds in times)
