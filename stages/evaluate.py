"""Judge the exported graph on validation and test, through the network that users call."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from emotion import params
from emotion.errors import run_as_command
from emotion.evaluation import label_issues, sampling, tables
from emotion.evaluation.metrics import Predictions
from emotion.inference.network import Network
from emotion.labels import REPORTED_SPLITS, SPLITS


def evaluate() -> None:
    """Write headline figures, details, doubtful labels and one row per face."""
    settings = params.load().evaluate
    network = Network(Path("models/emotion.onnx"))
    faces = {split: sampling.load(Path(f"data/faces/{split}.npz"), network.classes) for split in SPLITS}
    splits: dict[str, Predictions] = {}
    flipped: dict[str, Predictions] = {}
    for split in REPORTED_SPLITS:
        some = faces[split]
        plain = network.probabilities(some.pixels, settings.batch_size)
        mirrored = network.probabilities(some.pixels[:, :, ::-1].copy(), settings.batch_size)
        splits[split] = Predictions(some.classes, some.labels, plain, some.twin, some.names)
        flipped[split] = replace(splits[split], probabilities=np.mean([plain, mirrored], axis=0))
    tables.write(Path(), splits, flipped, network.metadata, settings.calibration_bins)
    label_issues.write(Path(), splits, label_issues.find_contradictory(faces))


if __name__ == "__main__":
    run_as_command(evaluate)
