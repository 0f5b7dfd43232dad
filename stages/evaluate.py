"""Judge the exported graph on validation and test, through the network that users call."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from emotion import dataset, metrics, params
from emotion.errors import DataError, run_as_command
from emotion.files import write_json
from emotion.network import Network


def evaluate() -> None:
    """Write headline figures, details and one row per face."""
    settings = params.load().evaluate
    network = Network(Path("models/emotion.onnx"))
    splits: dict[str, metrics.Answers] = {}
    for split in ("validation", "test"):
        faces = dataset.load(Path(f"data/faces/{split}.npz"))
        if faces.classes != network.classes:
            expected, received = ", ".join(network.classes), ", ".join(faces.classes)
            raise DataError(f"{split}.npz: expected the classes {expected}, received {received}; run: dvc repro train")
        probabilities = network.probabilities(faces.pixels, settings.batch_size)
        splits[split] = metrics.Answers(faces.classes, faces.labels, probabilities, faces.twin, faces.names)
    metrics.write(splits, settings.calibration_bins, Path())
    write_json(Path("metrics/details/model.json"), asdict(network.metadata))


if __name__ == "__main__":
    run_as_command(evaluate)
