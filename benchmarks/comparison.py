"""Images a second of the default recipe beside the plain one of this field: the same network, both in turn."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from benchmarks.processes import run, say, workplace
from benchmarks.results import Result
from benchmarks.steps import REPORT
from emotion.files import read_json

SECONDS: Final = 8
"""Of steps that count, for each of both in each round."""

ROUNDS: Final = 3

RECIPES: Final = {
    "the default recipe": "benchmarks.steps",
    "the same network fed by Keras' directory iterator": "benchmarks.tutorial",
}


def measure(quick: bool) -> Iterator[Result]:
    """Yield images a second of both, and their ratio in each round."""
    changes = {"train.architecture": "three_block_cnn", "train.batch_size": 8} if quick else {}
    speeds: dict[str, list[float]] = {name: [] for name in RECIPES}
    for number in range(1 if quick else ROUNDS):
        for name, module in RECIPES.items():
            say(f"train {name}: run {number + 1}")
            speeds[name].append(_images_a_second(module, 0 if quick else SECONDS, changes))
    for name, values in speeds.items():
        yield Result(f"train {name}", "images/s", tuple(values))
    ours, plain = speeds.values()
    ratios = tuple(a / b for a, b in zip(ours, plain, strict=True))
    yield Result("the default recipe against the directory iterator (goal: 3)", "times as fast", ratios)


def _images_a_second(module: str, seconds: float, changes: dict[str, object]) -> float:
    with workplace({"train.epochs": 1, "train.warmup_epochs": 0, "train.start_from": "", **changes}) as folder:
        run(["python", "-m", module, str(seconds)], folder)
        report = read_json(folder / REPORT)
    steps: list[float] = report["steps"]
    return float(report["batch_size"]) * len(steps) / sum(steps)
