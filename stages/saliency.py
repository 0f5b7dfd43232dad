"""Map where the exported network looks on faces of the validation split, class by class."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from emotion import params
from emotion.evaluation import sampling
from emotion.evaluation.saliency import measure, write
from emotion.inference.network import Network
from emotion.stage_run import run_as_command


def saliency() -> None:
    """Write how far covering each patch of the face lowers the probability of the label."""
    settings = params.load().saliency
    network = Network(Path("models/emotion.onnx"))
    faces = sampling.load(Path("data/faces/validation.npz"), network.classes)
    predict = partial(network.probabilities, batch_size=settings.batch_size)
    write(measure(predict, faces.pixels, faces.labels, faces.classes, settings.faces_per_class), Path())


if __name__ == "__main__":
    run_as_command(saliency)
