"""Images a second of every architecture, each in a process of its own, whose threads and precision are its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from benchmarks.processes import run, say, workplace
from benchmarks.results import Result, Work
from benchmarks.steps import REPORT, UNFUSED
from emotion.files import read_json

SECONDS: Final = 6
"""Of steps that count, for each line."""

OWN: Final = ("three_block_cnn", "batchnorm_cnn", "gap_cnn", "resnet")
APPLICATIONS: Final = ("mobilenetv2", "efficientnetb0", "resnet50", "vgg16")

_UNCHANGED: Final = {
    f"train.augmentation.{name}": 0
    for name in ("flip", "rotation", "shift", "zoom", "brightness", "contrast", "erasing", "mixup")
}

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
    # What a step would take without one of its parts: where the time goes.
    yield measure_one("resnet", "mixed_bfloat16", SECONDS, _UNCHANGED, note="no augmentation but the crop")
    yield measure_one("resnet", "mixed_bfloat16", SECONDS, {}, UNFUSED, note="Keras' own batch normalisation")
    for name in APPLICATIONS:
        yield measure_one(name, "mixed_bfloat16", SECONDS, _SMALL)


def measure_one(
    architecture: str, precision: str, seconds: float, changes: Mapping[str, object], *options: str, note: str = ""
) -> Result:
    """Measure one network for about `seconds`, with the project's settings except for `changes`.

    Args:
        architecture: as in `train.architecture`.
        precision: as in `train.precision`.
        seconds: of steps that count.
        changes: new values by dotted name.
        options: of `benchmarks.steps`.
        note: what is special, for the table.
    """
    say(f"train {architecture}, {precision}: measuring")
    chosen = {"train.architecture": architecture, "train.precision": precision}
    with workplace({**_ONE_EPOCH, **chosen, **changes}) as folder:
        run(["python", "-m", "benchmarks.steps", str(seconds), *options], folder)
        report = read_json(folder / REPORT)
    what = "train {}, {}, {} px, batch {}, {}".format(
        architecture, precision, report["image_size"], report["batch_size"], report["device"]
    )
    what += f", {note}" if note else ""
    speeds = tuple(report["batch_size"] / step for step in report["steps"])
    return Result(what, "images/s", speeds, Work(report["multiply_adds"], report["product_rate"]))
