"""Short training runs on drawn faces, and a small stand-in for a pretrained network, for the tests of learning."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray
from small_networks import drawn, settings

from emotion.dataset import Dataset
from emotion.learning import training
from emotion.learning.checkpoints import Checkpoint, State

FACES, OTHERS = drawn(seed=1), drawn(seed=2)

Weights = list[NDArray[Any]]

TRANSFER: dict[str, Any] = {
    "architecture": "mobilenetv2",
    "epochs": 3,
    "batch_size": 1,
    "ema": 0.5,
    "transfer": {"weights": "small.weights.h5", "freeze_epochs": 2, "unfreeze_layers": 1, "learning_rate": 0.0002},
}
"""Two epochs with a frozen base and one with its last layer, on the weights of the fixture `pretrained`."""


def learn(
    validation: Dataset = OTHERS, checkpoint: Checkpoint | None = None, **changes: Any
) -> tuple[keras.Model, list[dict[str, float]]]:
    """Train on the drawn faces from one seed, as a process of its own would."""
    keras.utils.set_random_seed(0)
    return training.train(settings(**changes), FACES, validation, checkpoint or Checkpoint("run"))


def equal(first: Weights, second: Weights) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


class Compiled(Exception):  # noqa: N818
    """Carries a compiled model, and the options of `fit`, out of a run that ends before its first step."""

    def __init__(self, model: keras.Model, options: dict[str, Any]) -> None:
        super().__init__("fit")
        self.model, self.options = model, options


class Killed(Exception):  # noqa: N818
    """Stands for the end of the process."""


class KillingCheckpoint(Checkpoint):
    """A checkpoint whose process is killed once it has stored this many epochs."""

    def __init__(self, epochs: int) -> None:
        super().__init__(f"killed after {epochs}")
        self.epochs = epochs

    def save(self, state: State) -> None:
        super().save(state)
        if len(state.history) == self.epochs:
            raise Killed


def small_cnn(x: Any) -> Any:
    """Stand in for `three_block_cnn`, which takes Keras twice as long to trace: one convolution and a dropout."""
    x = layers.Conv2D(4, 3, strides=4, activation="relu")(x)
    return layers.Dropout(0.25)(layers.Flatten()(x))


def small_base(include_top: bool, weights: str | None, input_shape: tuple[int, ...], name: str) -> keras.Model:
    """Stand in for MobileNetV2, which takes half a minute: five layers, with the weights of a file if one is named."""
    assert not include_top
    inputs = keras.Input(input_shape)
    x = layers.Conv2D(4, 3, strides=2, name="first")(inputs)
    x = layers.BatchNormalization(name="normalisation")(x)
    x = layers.Conv2D(4, 3, strides=2, name="middle")(x)
    model = keras.Model(inputs, layers.Conv2D(4, 3, strides=2, name="last")(x), name=name)
    if weights:
        model.load_weights(weights)
    return model
