"""The files that a run leaves for `plot`, made up, for the tests of what reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray
from small_models import metadata_of

from emotion import dataset
from emotion.dataset import Dataset, no_votes
from emotion.evaluation import label_issues, robustness, saliency, tables
from emotion.evaluation.metrics import Predictions
from emotion.files import write_csv, write_json
from emotion.labels import NAMES, SPLITS

PARAMS = Path(__file__).parents[1] / "params.yaml"


def write_settings(root: Path, section: str, key: str, value: object) -> None:
    """Write the project's settings below `root` with one value changed."""
    write_section(root, section, {key: value})


def write_section(root: Path, section: str, values: dict[str, Any]) -> None:
    """Change values of one section of the settings below `root`, which are the project's where there are none yet."""
    path = root / "params.yaml"
    content = yaml.safe_load((path if path.exists() else PARAMS).read_text())
    content[section] |= values
    path.write_text(yaml.safe_dump(content))


def faces_of(classes: tuple[str, ...], number: int, seed: int, *, voted: bool = False) -> Dataset:
    """Draw noise with labels that take turns, and with random votes for four expressions if somebody voted."""
    generator = np.random.default_rng(seed)
    return Dataset(
        pixels=generator.integers(0, 256, (number, 48, 48), np.uint8),
        labels=(np.arange(number) % len(classes)).astype(np.int8),
        classes=classes,
        names=np.array([f"test/face{seed}_{index}.jpg" for index in range(number)]),
        duplicate=generator.random(number) < 0.1,
        votes=_random_votes(number, generator) if voted else no_votes(number),
    )


def _random_votes(number: int, generator: np.random.Generator) -> NDArray[np.uint8]:
    votes = no_votes(number)
    votes[:, :4] = generator.multinomial(10, [0.6, 0.2, 0.1, 0.1], number)
    return votes


def predictions_for(faces: Dataset, seed: int, *, perfect: bool = False) -> Predictions:
    """Answer mostly right, or always."""
    truth = np.eye(len(faces.classes))[faces.labels]
    noise = np.random.default_rng(seed).dirichlet(np.ones(len(faces.classes)), len(faces))
    probabilities = (truth if perfect else 0.4 * truth + 0.6 * noise).astype(np.float32)
    return Predictions(faces.classes, faces.labels, probabilities, faces.duplicate, faces.names)


def write_run(
    root: Path,
    classes: tuple[str, ...] = NAMES,
    *,
    number: int = 60,
    perfect: bool = False,
    epochs: int = 4,
    voted: bool = False,
) -> Path:
    """Write what download, preprocess, train, export and evaluate would leave below `root`."""
    splits = {split: faces_of(classes, number, seed, voted=voted) for seed, split in enumerate(SPLITS)}
    for split, faces in splits.items():
        dataset.save(faces, root / f"data/faces/{split}.npz")
    _write_judgement(root, splits, perfect=perfect)
    _write_trials(root, splits["validation"])
    _write_facts(root, number, voted=voted)
    rows = [(split, name, count) for split, faces in splits.items() for name, count in faces.counts().items()]
    write_csv(root / "plots/data/classes.csv", ("split", "class", "faces"), rows)
    header = ("epoch", "accuracy", "loss", "val_accuracy", "val_loss", "learning_rate")
    history = [
        (epoch, 0.1 * epoch, 2 / epoch, 0.5 - 0.1 * abs(epoch - 3), 1.5 / epoch, 0.002)
        for epoch in range(1, epochs + 1)
    ]
    write_csv(root / "plots/training/history.csv", header, history)
    return root


def _write_judgement(root: Path, splits: dict[str, Dataset], *, perfect: bool) -> None:
    judged = {split: predictions_for(splits[split], 5, perfect=perfect) for split in ("validation", "test")}
    flipped = {split: predictions_for(splits[split], 6, perfect=perfect) for split in judged}
    votes = {split: splits[split].votes for split in judged}
    tables.write(root, judged, flipped, votes, metadata_of(splits["train"].classes), bins=10)
    label_issues.write(root, judged, label_issues.find_contradictory(splits))


def _write_trials(root: Path, faces: Dataset) -> None:
    def network(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        columns = pixels[:, :, : len(faces.classes)].sum(axis=1, dtype=np.float32)
        shares: NDArray[np.float32] = columns / columns.sum(axis=1, keepdims=True)
        return shares

    robustness.write(robustness.measure(network, faces.pixels, faces.labels), root)
    saliency.write(saliency.measure(network, faces.pixels, faces.labels, faces.classes, limit=5), root)


def _write_facts(root: Path, number: int, *, voted: bool) -> None:
    title = "FER-2013 (msambare/fer2013, version 1)"
    write_json(root / "data/raw/source.json", {"source": "kaggle", "dataset": title, "sha256": "f" * 64, "members": 9})
    counts = dict.fromkeys(SPLITS, number)
    data = {"faces": counts, "duplicates": counts, "dropped": {"blank": 14}, "converted": 2, "label_conflicts": 57}
    votes = {"votes": {"with": 170, "without": 10, "no_face": 3}} if voted else {}
    write_json(root / "metrics/data.json", data | votes)
    exported = {
        f"{suffix}_{what}": value
        for suffix in ("onnx", "h5", "tflite")
        for what, value in {"difference": 6e-8, "agreement": 1.0, "bytes": 2_790_123}.items()
    }
    int8 = {"accuracy": 0.697, "int8_accuracy": 0.6957, "int8_agreement": 0.9866, "int8_bytes": 712_345}
    write_json(root / "metrics/export.json", {"parameters": 1234567, "temperature": 1.25, **exported, **int8})
