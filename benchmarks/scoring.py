"""Measures `emotion score`: its speed with one and two workers beside `emotion predict`, and its memory."""

from __future__ import annotations

import statistics
import subprocess
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import psutil

from benchmarks.processes import environment, run, show_progress
from benchmarks.results import Result
from emotion.errors import EmotionError

RUNS: Final = 3

PICTURES: Final = (64, 1_000)
"""Few and many pictures. The speed is that of those in between, so that the start of Ray and of the workers, which
takes as long for both, is left out."""

PICTURES_OF_MEMORY: Final = (1_000, 20_000)

MILLIONS: Final = 10_000_000

EVERY: Final = 0.2
"""Seconds from one look at the memory to the next."""

SCORE: Final = ["emotion", "score", "{folder}", "--out", "out-{folder}"]

COMMANDS: Final = {
    "emotion predict --csv": ["emotion", "predict", "{folder}", "--csv", "faces.csv"],
    "emotion score, 1 worker": [*SCORE, "--workers", "1"],
    "emotion score, 2 workers": [*SCORE, "--workers", "2"],
    "emotion score, 1 worker on one core": ["taskset", "--cpu-list", "0", *SCORE, "--workers", "1"],
    "a plain Ray Data pipeline, 2 workers": ["python", "-m", "benchmarks.plain_ray", "{folder}", "out-{folder}"],
}
"""What is measured, in turn; {folder} stands for the folder of the pictures."""


def measure_speed(quick: bool) -> Iterator[Result]:
    """Yield the pictures per second of each command, how they compare, and what that makes for ten million pictures."""
    few, many = (2, 40) if quick else PICTURES
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number in (few, many):
            _draw(folder, number)
        rates: dict[str, list[float]] = defaultdict(list)
        for turn in range(1 if quick else RUNS):
            for what, command in COMMANDS.items():
                show_progress(f"{what}: run {turn + 1}")
                seconds = [_seconds(command, str(number), folder) for number in (few, many)]
                rates[what].append((many - few) / max(seconds[1] - seconds[0], 1e-9))
    yield from (Result(f"{what}, 640x480, two faces", "pictures/s", tuple(each)) for what, each in rates.items())
    yield from compare(*(rates[what] for what in list(COMMANDS)[:4]))


def measure_memory(quick: bool) -> Iterator[Result]:
    """Yield the peak memory of the driver and of its largest worker, for few and for many pictures."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number in (2, 20) if quick else PICTURES_OF_MEMORY:
            _draw(folder, number)
            show_progress(f"memory, {number:,} pictures: measuring")
            driver, worker = peaks(_filled(COMMANDS["emotion score, 2 workers"], str(number)), folder)
            yield Result(f"memory of emotion score, {number:,} pictures", "MB", (driver / 1e6,))
            yield Result(f"memory of its largest worker, {number:,} pictures", "MB", (worker / 1e6,))


def compare(
    predict: Sequence[float], one: Sequence[float], two: Sequence[float], core: Sequence[float]
) -> Iterator[Result]:
    """Yield how the speeds in pictures a second compare, and what the median of one core makes for ten million.

    Args:
        predict: speeds of `emotion predict`.
        one: of `emotion score` with one worker, from the same turns.
        two: with two.
        core: with one that has a single core for itself, Ray and the reading of pictures.
    """
    ratios = tuple(b / a for a, b in zip(one, two, strict=True))
    yield Result("emotion score, 2 workers against 1 (goal: 1.7)", "times as fast", ratios)
    by_cores = tuple(b / a for a, b in zip(core, two, strict=True))
    yield Result("emotion score, 2 workers on two cores against 1 on one core", "times as fast", by_cores)
    costs = tuple(100 * (a / b - 1) for a, b in zip(predict, two, strict=True))
    yield Result("time of emotion score, 2 workers, beyond emotion predict (goal: at most 25)", "%", costs)
    hours = MILLIONS / statistics.median(core) / 3600
    yield Result(f"arithmetic: {MILLIONS:,} pictures at the speed of one core", "core-hours", (hours,))
    yield Result(f"arithmetic: {MILLIONS:,} pictures on 64 such cores", "hours", (hours / 64,))


def _draw(folder: Path, number: int) -> None:
    (folder / str(number)).mkdir(exist_ok=True)
    drawing = f"scenes.write_photos(Path('{number}'), {number})"
    run(["python", "-c", f"from pathlib import Path; from benchmarks import scenes; {drawing}"], folder)


def _filled(command: Sequence[str], name: str) -> list[str]:
    return [word.format(folder=name) for word in command]


def _seconds(command: Sequence[str], name: str, folder: Path) -> float:
    seconds = run(_filled(command, name), folder).seconds
    run(["rm", "-rf", f"out-{name}"], folder)
    return seconds


def peaks(command: Sequence[str], folder: Path) -> tuple[int, int]:
    """Run a command; return the peak memory in bytes of its process, and of the largest of Ray's actors below it.

    Raises:
        EmotionError: the command failed, or no actor was seen.
    """
    driver = worker = 0
    with subprocess.Popen(command, cwd=folder, env=environment(), stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            driver = max(driver, *_memory_of(process.pid, ""), 0)
            worker = max([worker, *_memory_of(process.pid, "ray::MapWorker")])
            time.sleep(EVERY)
    if process.returncode or not worker:
        raise EmotionError(f"{' '.join(command)} ended with exit code {process.returncode}, or without a worker")
    return driver, worker


def _memory_of(pid: int, title: str) -> list[int]:
    """Return the memory in bytes of a process, or of those below it whose title begins so."""
    try:
        start = psutil.Process(pid)
        below = start.children(recursive=True) if title else [start]
        chosen = [each for each in below if not title or " ".join(each.cmdline()).startswith(title)]
        return [each.memory_info().rss for each in chosen]
    except psutil.Error:  # a process ended meanwhile
        return []
