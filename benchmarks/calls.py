"""The command `python -m benchmarks.calls WHAT THREADS SECONDS`: times single calls of the library in turn."""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Final, get_args

import numpy as np

from benchmarks import scenes
from benchmarks.inference import BATCHES, BLOCK, REPORT
from emotion import Predictor
from emotion.files import write_json
from emotion.inference.network import SHIPPED, Network
from emotion.inference.precision import Precision

MIN_BLOCKS: Final = 3
"""Blocks of each call, even if they take more than the given time."""

Calls = dict[str, Callable[[], object]]


def main() -> None:
    """Measure and write the report."""
    what, threads, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    write_json(REPORT, take_turns(KINDS[what](threads), seconds))


def take_turns(calls: Calls, seconds: float) -> dict[str, list[float]]:
    """Time calls in turn, so that other load on the machine affects all of them equally.

    Args:
        calls: by name; the first block of each does not count.
        seconds: for all calls together.

    Returns:
        The median seconds of each block that counts, by name; the same number of blocks for each call.
    """
    _time_blocks(calls)
    times: dict[str, list[float]] = {name: [] for name in calls}
    begun = time.perf_counter()
    rounds = 0
    while rounds < MIN_BLOCKS or time.perf_counter() - begun < seconds:
        for name, block in _time_blocks(calls).items():
            times[name].append(block)
        rounds += 1
    return times


def network_calls(threads: int) -> Calls:
    """Return calls of the shipped network with one batch of faces, in ONNX Runtime and in Keras."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    import tensorflow as tf

    # Not with `keras_setup.prepare`: deterministic results are for training and cost Keras a tenth of its speed.
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    from emotion.networks import keras_file

    network, (model, _) = Network(threads=threads), keras_file.load(SHIPPED.with_suffix(".keras"))
    faces = np.random.default_rng(0).integers(0, 256, (max(BATCHES), 48, 48), np.uint8)
    calls: Calls = {}
    for size in BATCHES:
        calls[f"Network {size}"] = partial(network.probabilities, faces[:size], size)
        calls[f"keras {size}"] = partial(model.predict, faces[:size], batch_size=size, verbose=0)
    return calls


def precision_calls(threads: int) -> Calls:
    """Return calls of the shipped network with the largest batch of faces, in float32 and in int8."""
    faces = np.random.default_rng(0).integers(0, 256, (max(BATCHES), 48, 48), np.uint8)
    networks = {name: Network(threads=threads, precision=name) for name in get_args(Precision)}
    return {name: partial(network.probabilities, faces, len(faces)) for name, network in networks.items()}


def picture_calls(threads: int) -> Calls:
    """Return calls that find faces in pictures, and one that also predicts their labels."""
    predictor = Predictor(threads=threads)
    small, large = (scenes.scene(*size, 0) for size in ((640, 480), (1920, 1080)))
    photo = scenes.photo(384, 381)
    return {
        "detection 640x480": partial(predictor.detector.find, small),
        "detection 1920x1080": partial(predictor.detector.find, large),
        "photo 384x381": partial(predictor.predict, [photo]),
    }


def _time_blocks(calls: Calls) -> dict[str, float]:
    return {name: statistics.median(_time(call) for _ in range(BLOCK)) for name, call in calls.items()}


def _time(call: Callable[[], object]) -> float:
    begun = time.perf_counter()
    call()
    return time.perf_counter() - begun


KINDS: Final = {"network": network_calls, "int8": precision_calls, "pictures": picture_calls}


if __name__ == "__main__":
    main()
