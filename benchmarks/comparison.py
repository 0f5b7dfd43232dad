"""Compares the training speed of the default recipe with that of the usual tutorial recipe, for the same network."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from benchmarks.processes import run, scratch_folder, show_progress
from benchmarks.results import Result
from benchmarks.steps import REPORT
from emotion.files import read_json

SECONDS: Final = 8
"""Total time of the steps that count, per recipe and round."""

ROUNDS: Final = 3

RECIPES: Final = {
    "the default recipe": "benchmarks.steps",
    "the same network fed by Keras' directory iterator": "benchmarks.tutorial",
}


def measure(quick: bool) -> Iterator[Result]:
    """Yield the images per second of both recipes, and their ratio in each round."""
    changes = {"train.architecture": "three_block_cnn", "train.batch_size": 8} if quick else {}
    speeds: dict[str, list[float]] = {name: [] for name in RECIPES}
    for number in range(1 if quick else ROUNDS):
        for name, module in RECIPES.items():
            show_progress(f"train {name}: run {number + 1}")
            speeds[name].append(_images_per_second(module, 0 if quick else SECONDS, changes))
    for name, values in speeds.items():
        yield Result(f"train {name}", "images/s", tuple(values))
    default, tutorial = speeds.values()
    ratios = tuple(a / b for a, b in zip(default, tutorial, strict=True))
    yield Result("the default recipe against the directory iterator (goal: 3)", "times as fast", ratios)


def _images_per_second(module: str, seconds: float, changes: dict[str, object]) -> float:
    with scratch_folder({"train.epochs": 1, "train.warmup_epochs": 0, "train.start_from": "", **changes}) as folder:
        run(["python", "-m", module, str(seconds)], folder)
        report = read_json(folder / REPORT)
    steps: list[float] = report["steps"]
    return float(report["batch_size"]) * len(steps) / sum(steps)
