"""Tiny settings, faces and metadata for the tests of learning. On import, sets up the backend of Keras."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from emotion.data.sample_faces import draw_face
from emotion.dataset import Dataset, no_votes
from emotion.labels import NAMES
from emotion.metadata import Metadata
from emotion.networks.keras_setup import prepare
from emotion.params import Train

BACKEND = os.environ.get("LEARNING_TESTS_BACKEND", "tensorflow")
"""The backend of these tests: JAX if a test runs its own file again in another process."""

# TensorFlow cannot change its threads after it has started, so this runs before the first test of any file.
prepare(BACKEND, threads=2, seed=0)
assert sys.modules["keras"].backend.backend() == BACKEND, "Keras was imported before its backend was chosen"

CLASSES = NAMES[:3]
ROOT = Path(__file__).parents[1]

OFF: dict[str, Any] = {
    "flip": 0.0,
    "rotation": 0.0,
    "shift": 0.0,
    "zoom": 0.0,
    "brightness": 0.0,
    "contrast": 0.0,
    "erasing": 0.0,
    "hiding": 0.0,
    "camera": 1.0,
    "darkness": 0.0,
    "gamma": 0.0,
    "blur": 0.0,
    "downscaling": 0.0,
    "noise": 0.0,
    "jpeg": 0.0,
    "mixup": 0.0,
    "crop": 0,
}
"""No augmentation."""

TINY: dict[str, Any] = {
    "backend": BACKEND,
    "distribution": "none",
    "architecture": "three_block_cnn",
    "epochs": 1,
    "batch_size": 12,
    "optimizer": "adam",
    "learning_rate": 0.001,
    "schedule": "constant",
    "warmup_epochs": 0.0,
    "weight_decay": 0.0,
    "votes": 0.0,
    "label_smoothing": 0.0,
    "loss": "categorical_crossentropy",
    "class_weights": "none",
    "augmentation": {**OFF, "crop": 24},
    "ema": 0.0,
    "early_stopping": 0,
    "keep": "last",
    "precision": "float32",
    "seed": 0,
    "threads": 2,
    "start_from": "",
    "transfer": {
        "weights": "none",
        "image_size": 32,
        "freeze_epochs": 1,
        "unfreeze_layers": 0,
        "learning_rate": 0.0001,
        "layer_decay": 0.0,
        "anchor": 0.0,
    },
}
"""Two steps of the smallest network on the 24 faces of `drawn`."""


def section(**changes: Any) -> dict[str, Any]:
    """Return the section `train`: `TINY` with changes, also inside `augmentation` and `transfer`."""
    nested = {name: {**TINY[name], **changes.pop(name, {})} for name in ("augmentation", "transfer")}
    return {**TINY, **changes, **nested}


def settings(**changes: Any) -> Train:
    return Train.model_validate(section(**changes))


def drawn(per_class: int = 8, classes: tuple[str, ...] = CLASSES, seed: int = 1) -> Dataset:
    """Draw faces whose labels alternate."""
    labels = np.tile(np.arange(len(classes), dtype=np.int8), per_class)
    pixels = [draw_face(classes[label], np.random.default_rng([seed, i])) for i, label in enumerate(labels)]
    return Dataset(
        pixels=np.stack(pixels),
        labels=labels,
        classes=classes,
        names=np.array([f"faces/{seed}_{index}.jpg" for index in range(len(labels))]),
        duplicate=np.zeros(len(labels), bool),
        votes=no_votes(len(labels)),
    )


def facts_of(changed: Train, classes: tuple[str, ...] = CLASSES) -> Metadata:
    return Metadata(classes, 48, 1.0, "0" * 64, BACKEND, "cpu", {"train": changed.model_dump()})


def run_python(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python in the folder of a project; warnings are errors, except those that `pyproject.toml` ignores."""
    keras_on_numpy_2 = "ignore:__array__ implementation doesn't accept a copy keyword"
    command = [sys.executable, "-W", "error", "-W", keras_on_numpy_2, *arguments]
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def run_stage(folder: Path, name: str) -> subprocess.CompletedProcess[str]:
    return run_python(folder, "-m", f"stages.{name}")


def one_line(error: BaseException) -> str:
    """Return the text of an error, which must be a single line."""
    text = str(error)
    assert "\n" not in text
    return text


def files_below(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
