"""Measures the training speed of every architecture, each in its own process with its own threads and precision."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from benchmarks.processes import run, scratch_folder, show_progress
from benchmarks.results import Result, Work
from benchmarks.steps import REPORT, UNFUSED
from emotion.files import read_json
from emotion.params import Augmentation

SECONDS: Final = 6
"""Total time of the steps that count, for each line."""

OWN: Final = ("three_block_cnn", "batchnorm_cnn", "gap_cnn", "resnet")
APPLICATIONS: Final = ("mobilenetv2", "efficientnetb0", "resnet50", "vgg16")

_UNCHANGED: Final = {f"train.augmentation.{name}": 0 for name in Augmentation.model_fields if name != "crop"}

_ONE_EPOCH: Final = {"train.epochs": 1, "train.warmup_epochs": 0, "train.start_from": ""}

# With random weights, all layers are trained at once. The small batch keeps a step of vgg16 within seconds.
_SMALL: Final = {"train.transfer.weights": "none", "train.transfer.image_size": 96, "train.batch_size": 16}


def measure(quick: bool) -> Iterator[Result]:
    """Yield images per second: of the project's networks in both precisions, of keras.applications in bfloat16."""
    if quick:
        yield measure_one("three_block_cnn", "float32", 0, {"train.batch_size": 8})
        return
    for name in OWN:
        for precision in ("float32", "mixed_bfloat16"):
            yield measure_one(name, precision, SECONDS, {})
    # A step without one of its parts shows how much time that part takes.
    yield measure_one("resnet", "mixed_bfloat16", SECONDS, _UNCHANGED, note="no augmentation but the crop")
    yield measure_one("resnet", "mixed_bfloat16", SECONDS, {}, UNFUSED, note="Keras' own batch normalisation")
    for name in APPLICATIONS:
        yield measure_one(name, "mixed_bfloat16", SECONDS, _SMALL)


def measure_one(
    architecture: str, precision: str, seconds: float, changes: Mapping[str, object], *options: str, note: str = ""
) -> Result:
    """Measure one network for about `seconds`, with the settings of the project except for `changes`.

    Args:
        architecture: as in `train.architecture`.
        precision: as in `train.precision`.
        seconds: total time of the steps that count.
        changes: new values by dotted name.
        options: of the command `benchmarks.steps`.
        note: what differs from the default, for the table.
    """
    show_progress(f"train {architecture}, {precision}: measuring")
    chosen = {"train.architecture": architecture, "train.precision": precision}
    with scratch_folder({**_ONE_EPOCH, **chosen, **changes}) as folder:
        run(["python", "-m", "benchmarks.steps", str(seconds), *options], folder)
        report = read_json(folder / REPORT)
    what = "train {}, {}, {} px, batch {}, {}".format(
        architecture, precision, report["image_size"], report["batch_size"], report["device"]
    )
    what += f", {note}" if note else ""
    speeds = tuple(report["batch_size"] / step for step in report["steps"])
    return Result(what, "images/s", speeds, Work(report["multiply_adds"], report["product_rate"]))
