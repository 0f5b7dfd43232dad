"""Images a second of every architecture, each in a process of its own, whose threads and precision are its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from benchmarks.processes import run, say, workplace
from benchmarks.results import Result, Work
from benchmarks.steps import REPORT
from emotion.files import read_json

SECONDS: Final = 6
"""Of steps that count, for each line."""

OWN: Final = ("three_block_cnn", "batchnorm_cnn", "gap_cnn", "resnet")
APPLICATIONS: Final = ("mobilenetv2", "efficientnetb0", "resnet50", "vgg16")

_ONE_EPOCH: Final = {"train.epochs": 1, "train.warmup_epochs": 0, "train.start_from": ""}

# From made-up weights all layers learn at once. The small batch keeps a step of vgg16 to seconds.
_SMALL: Final = {"train.transfer.weights": "none", "train.transfer.image_size": 96, "train.batch_size": 16}


def measure(quick: bool) -> Iterator[Result]:
    """Yield images a second: the project's networks in both precisions, those of keras.applications in bfloat16."""
    if quick:
        yield measure_one("three_block_cnn", "float32", 0, {"train.batch_size": 8})
        return
    for name in OWN:
        for precision in ("float32", "mixed_bfloat16"):
            yield measure_one(name, precision, SECONDS, {})
    for name in APPLICATIONS:
        yield measure_one(name, "mixed_bfloat16", SECONDS, _SMALL)


def measure_one(architecture: str, precision: str, seconds: float, changes: dict[str, object]) -> Result:
    """Measure one network for about `seconds`, with the project's settings except for `changes`."""
    say(f"train {architecture}, {precision}: measuring")
    chosen = {"train.architecture": architecture, "train.precision": precision}
    with workplace({**_ONE_EPOCH, **chosen, **changes}) as folder:
        run(["python", "-m", "benchmarks.steps", str(seconds)], folder)
        report = read_json(folder / REPORT)
    what = "train {}, {}, {} px, batch {}, {}".format(
        architecture, precision, report["image_size"], report["batch_size"], report["device"]
    )
    speeds = tuple(report["batch_size"] / step for step in report["steps"])
    return Result(what, "images/s", speeds, Work(report["multiply_adds"], report["product_rate"]))
