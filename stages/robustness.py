"""Score the exported network on corrupted faces of the validation split."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from emotion import params
from emotion.evaluation import sampling
from emotion.evaluation.robustness import measure, write
from emotion.inference.network import Network
from emotion.stage_run import run_as_command


def robustness() -> None:
    """Write the accuracy under each corruption at each strength."""
    settings = params.load().robustness
    network = Network(Path("models/emotion.onnx"))
    faces = sampling.load(Path("data/faces/validation.npz"), network.classes)
    chosen = sampling.stratify(faces.labels, settings.faces)
    predict = partial(network.probabilities, batch_size=settings.batch_size)
    write(measure(predict, faces.pixels[chosen], faces.labels[chosen]), Path())


if __name__ == "__main__":
    run_as_command(robustness)
