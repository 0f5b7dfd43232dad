"""Steps of the real training loop on random faces, timed one by one."""

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

from emotion.dataset import Dataset
from emotion.learning import batch_norm, training
from emotion.learning.callbacks import Recorder
from emotion.learning.checkpoints import Checkpoint
from emotion.networks import architectures
from emotion.networks.keras_setup import device
from emotion.params import Train

WARM_UP: Final = 3
"""Steps that do not count: the first one traces the graph."""

LEAST, MOST = 5, 100
"""Steps that count, whatever time they take."""

EDGE: Final = 1024
"""Rows and columns of the matrices of the product."""


class EnoughSteps(BaseException):
    """The way out of training once enough is measured; no error, hence no `Exception`.

    Attributes:
        clock: what measured.
    """

    def __init__(self, clock: StepClock) -> None:
        super().__init__()
        self.clock = clock


class StepClock(Recorder):
    """A recorder that times each step, and a matrix product after it; it leaves when there are enough of them.

    Step and product take turns, so that both meet the same machine: others at work, or a hot processor.

    Attributes:
        steps: seconds of each step that counts.
        products: seconds of the product after each.
    """

    def __init__(self, seconds: float, settings: Train, network: keras.Model, checkpoint: Checkpoint) -> None:
        super().__init__(settings, network, checkpoint)
        self._seconds, self._uncounted = seconds, WARM_UP
        self._matrix = keras.ops.convert_to_tensor(np.random.default_rng(0).random((EDGE, EDGE), np.float32))
        self.steps: list[float] = []
        self.products: list[float] = []
        self._step_began = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Note the time once the loss is known, that is when the step is done."""
        super().on_train_batch_end(batch, logs)
        step_ended = time.perf_counter()
        # Reading a number waits for the product where a backend works ahead.
        float(keras.ops.matmul(self._matrix, self._matrix)[0, 0])
        product_ended = time.perf_counter()
        if self._uncounted:
            self._uncounted -= 1
        else:
            self.steps.append(step_ended - self._step_began)
            self.products.append(product_ended - step_ended)
        if len(self.steps) == MOST or (len(self.steps) >= LEAST and sum(self.steps) >= self._seconds):
            raise EnoughSteps(self)
        self._step_began = time.perf_counter()


def measure(settings: Train, seconds: float, *, fused: bool = True) -> dict[str, Any]:
    """Train for about this long.

    Args:
        settings: the section `train`.
        seconds: of steps that count.
        fused: whether batch normalisation is the fused kernel, as in training, or Keras' own.

    Returns:
        `steps` (seconds of each), `batch_size`, `image_size` (pixels that the network works on), `multiply_adds`,
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
        "product_rate": 2 * EDGE**3 / statistics.median(clock.products) / 1e9,
        "device": device(),
    }


def flat(network: keras.Model) -> list[keras.layers.Layer]:
    """Return the layers of a network, those of networks inside it in their place."""
    inner = [flat(layer) if isinstance(layer, keras.Model) else [layer] for layer in network.layers]
    return [layer for layers in inner for layer in layers]


def multiply_adds(network: keras.Model) -> int:
    """Count those of convolutions and dense layers, for one image forward: each weight is used at each output place."""
    layers = [layer for layer in flat(network) if hasattr(layer, "kernel")]
    return sum(math.prod(layer.kernel.shape) * math.prod(layer.output.shape[1:-1]) for layer in layers)


def random_faces(number: int) -> Dataset:
    """Return uint8 noise (number, 48, 48) of seven classes."""
    generator = np.random.default_rng(0)
    return Dataset(
        pixels=generator.integers(0, 256, (number, 48, 48), np.uint8),
        labels=(np.arange(number) % 7).astype(np.int8),
        classes=tuple("abcdefg"),
        names=np.full(number, "noise"),
        twin=np.zeros(number, np.bool_),
    )


def _train(settings: Train, seconds: float) -> StepClock:
    faces = random_faces(settings.batch_size * (WARM_UP + MOST))
    try:
        # The recorder is the one part of training that sees every step.
        with mock.patch.object(training, "Recorder", partial(StepClock, seconds)):
            training.train(settings, faces, faces, Checkpoint("benchmark"))
    except EnoughSteps as enough:
        return enough.clock
    raise RuntimeError("the epoch ended before enough steps were counted")
