"""The command `python -m benchmarks.tutorial SECONDS`: times training as in most tutorials, for comparison.

Keras' directory iterator reads pictures one by one and warps each in Python. The network of the settings is trained on
whole faces in float32.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image

from benchmarks.steps import REPORT
from emotion import params
from emotion.files import write_json
from emotion.images import FACE_SIZE
from emotion.labels import NAMES
from emotion.networks.keras_setup import prepare
from emotion.params import Train

FACES: Final = Path("pictures")
"""Folder with one folder of pictures per class."""

PER_CLASS: Final = 200
WARM_UP: Final = 3
MIN_STEPS: Final = 5


def main() -> None:
    """Measure with the settings of the current folder and write the report."""
    settings = params.load().train
    prepare(settings.backend, settings.threads, settings.seed)
    write_pictures()
    write_json(REPORT, {"batch_size": settings.batch_size, "steps": measure(settings, float(sys.argv[1]))})


def write_pictures() -> None:
    """Write JPEG files of noise: the time does not depend on their content."""
    generator = np.random.default_rng(0)
    for name in NAMES:
        (FACES / name).mkdir(parents=True)
        for index in range(PER_CLASS):
            face = generator.integers(0, 256, (FACE_SIZE, FACE_SIZE), np.uint8)
            Image.fromarray(face).save(FACES / name / f"{index}.jpg")


def measure(settings: Train, seconds: float) -> list[float]:
    """Return the seconds of each step, measured for about the given time."""
    import keras

    from emotion.networks import architectures

    transfer = architectures.Transfer("none", settings.transfer.image_size)
    network = architectures.build(settings.architecture, FACE_SIZE, len(NAMES), transfer)
    network.compile("adam", keras.losses.CategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    ends: list[float] = []

    def note(_batch: int, logs: object) -> None:  # noqa: ARG001  # Keras passes it by this name
        ends.append(time.perf_counter())
        counted = len(ends) - WARM_UP
        network.stop_training = counted > MIN_STEPS and ends[-1] - ends[WARM_UP] > seconds

    network.fit(
        _pictures(settings),
        epochs=100,
        verbose=0,
        callbacks=[keras.callbacks.LambdaCallback(on_train_batch_end=note)],
    )
    return np.diff(ends[WARM_UP:]).tolist()


def _pictures(settings: Train) -> Any:
    """Return the iterator of the tutorials, with the ranges of the project's augmentation."""
    import tensorflow as tf

    s = settings.augmentation
    generator = tf.keras.preprocessing.image.ImageDataGenerator(
        rescale=1 / 255,
        rotation_range=s.rotation,
        width_shift_range=s.shift / FACE_SIZE,
        height_shift_range=s.shift / FACE_SIZE,
        zoom_range=s.zoom,
        horizontal_flip=bool(s.flip),
    )
    return generator.flow_from_directory(
        FACES, (FACE_SIZE, FACE_SIZE), "grayscale", batch_size=settings.batch_size, seed=settings.seed
    )


if __name__ == "__main__":
    main()
