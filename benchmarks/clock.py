"""Times single steps of the real training loop on random faces."""

from __future__ import annotations

import math
import statistics
import time
from contextlib import nullcontext
from functools import partial
from typing import Any, Final
from unittest import mock

import keras
import numpy as np

from emotion.dataset import Dataset, no_votes
from emotion.labels import NAMES
from emotion.learning import batch_norm, training
from emotion.learning.callbacks import Recorder
from emotion.learning.checkpoints import Checkpoint
from emotion.networks import architectures
from emotion.networks.keras_setup import device
from emotion.params import Train

WARM_UP: Final = 3
"""First steps, which do not count: TensorFlow or JAX compiles in them."""

MIN_STEPS, MAX_STEPS = 5, 100
"""Limits of the number of steps that count, whatever the given time."""

MATRIX_SIZE: Final = 1024
"""Rows and columns of the matrices that are multiplied."""


class EnoughSteps(BaseException):
    """Ends training when enough steps are measured; not an error, so not an `Exception`.

    Attributes:
        clock: the recorder with the measured times.
    """

    def __init__(self, clock: StepClock) -> None:
        super().__init__()
        self.clock = clock


class StepClock(Recorder):
    """A recorder that times each step and a matrix product after it, and ends training when there are enough.

    Steps and products alternate, so that other load on the machine and a hot processor affect both equally.

    Attributes:
        steps: seconds of each step that counts.
        products: seconds of the matrix product after each of these steps.
    """

    def __init__(self, seconds: float, settings: Train, network: keras.Model, checkpoint: Checkpoint) -> None:
        super().__init__(settings, network, checkpoint)
        self._seconds, self._uncounted = seconds, WARM_UP
        self._matrix = keras.ops.convert_to_tensor(
            np.random.default_rng(0).random((MATRIX_SIZE, MATRIX_SIZE), np.float32)
        )
        self.steps: list[float] = []
        self.products: list[float] = []
        self._step_began = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Note the time when the loss is known, so the step is finished."""
        super().on_train_batch_end(batch, logs)
        step_ended = time.perf_counter()
        # A backend may compute asynchronously; reading a value waits for the product.
        float(keras.ops.matmul(self._matrix, self._matrix)[0, 0])
        product_ended = time.perf_counter()
        if self._uncounted:
            self._uncounted -= 1
        else:
            self.steps.append(step_ended - self._step_began)
            self.products.append(product_ended - step_ended)
        if len(self.steps) == MAX_STEPS or (len(self.steps) >= MIN_STEPS and sum(self.steps) >= self._seconds):
            raise EnoughSteps(self)
        self._step_began = time.perf_counter()


def measure(settings: Train, seconds: float, *, fused: bool = True) -> dict[str, Any]:
    """Train for about the given time and measure the steps.

    Args:
        settings: the section `train`.
        seconds: total time of the steps that count.
        fused: whether batch normalisation uses the fused kernel, as in training, or Keras' own code.

    Returns:
        `steps` (seconds of each), `batch_size`, `image_size` (edge in pixels of the network's input), `multiply_adds`,
        `product_rate` (GFLOP/s) and `device`.
    """
    with nullcontext() if fused else mock.patch.object(batch_norm, "fuse", lambda network: network):
        clock = _train(settings, seconds)
    enlarged = settings.architecture in architectures.APPLICATIONS
    return {
        "steps": clock.steps,
        "batch_size": settings.batch_size,
        "image_size": settings.transfer.image_size if enlarged else clock.network.input_shape[1],
        "multiply_adds": multiply_adds(clock.network),
        "product_rate": 2 * MATRIX_SIZE**3 / statistics.median(clock.products) / 1e9,
        "device": device(),
    }


def flatten(network: keras.Model) -> list[keras.layers.Layer]:
    """Return the layers of a network in order, including those of nested networks."""
    inner = [flatten(layer) if isinstance(layer, keras.Model) else [layer] for layer in network.layers]
    return [layer for layers in inner for layer in layers]


def multiply_adds(network: keras.Model) -> int:
    """Count the multiply-adds of one forward pass of one image, in convolutions and dense layers.

    Each weight of a kernel is used once at each output position.
    """
    layers = [layer for layer in flatten(network) if hasattr(layer, "kernel")]
    return sum(math.prod(layer.kernel.shape) * math.prod(layer.output.shape[1:-1]) for layer in layers)


def random_faces(number: int) -> Dataset:
    """Return uint8 noise (number, 48, 48) of seven classes."""
    generator = np.random.default_rng(0)
    return Dataset(
        pixels=generator.integers(0, 256, (number, 48, 48), np.uint8),
        labels=(np.arange(number) % 7).astype(np.int8),
        classes=NAMES,
        names=np.full(number, "noise"),
        duplicate=np.zeros(number, np.bool_),
        votes=no_votes(number),
    )


def _train(settings: Train, seconds: float) -> StepClock:
    faces = random_faces(settings.batch_size * (WARM_UP + MAX_STEPS))
    try:
        # Only the recorder is called after every step.
        with mock.patch.object(training, "Recorder", partial(StepClock, seconds)):
            training.train(settings, faces, faces, Checkpoint("benchmark"))
    except EnoughSteps as enough:
        return enough.clock
    raise RuntimeError("the epoch ended before enough steps were counted")
