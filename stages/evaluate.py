"""Evaluate the exported network on validation and test, through the same code that users call."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from emotion import params
from emotion.evaluation import drift, label_issues, sampling, tables
from emotion.evaluation.metrics import Predictions
from emotion.inference.network import Network
from emotion.labels import REPORTED_SPLITS, SPLITS
from emotion.stage_run import run_as_command


def evaluate() -> None:
    """Write headline figures, detailed tables, doubtful labels and one row per face."""
    settings = params.load().evaluate
    network = Network(Path("models/emotion.onnx"))
    faces = {split: sampling.load(Path(f"data/faces/{split}.npz"), network.classes) for split in SPLITS}
    splits: dict[str, Predictions] = {}
    flipped: dict[str, Predictions] = {}
    for split in REPORTED_SPLITS:
        dataset = faces[split]
        plain = network.probabilities(dataset.pixels, settings.batch_size)
        mirrored = network.probabilities(dataset.pixels[:, :, ::-1].copy(), settings.batch_size)
        splits[split] = Predictions(dataset.classes, dataset.labels, plain, dataset.duplicate, dataset.names)
        flipped[split] = replace(splits[split], probabilities=np.mean([plain, mirrored], axis=0))
    votes = {split: faces[split].votes for split in REPORTED_SPLITS}
    tables.write(Path(), splits, flipped, votes, network.metadata, settings.calibration_bins)
    drift.write_reference(Path("metrics/details/test_faces.csv"), faces["test"].pixels, splits["test"].confidence)
    label_issues.write(Path(), splits, label_issues.find_contradictory(faces))


if __name__ == "__main__":
    run_as_command(evaluate)
