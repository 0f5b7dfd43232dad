"""Data parallelism: several devices, or processes on several machines, train one network with Keras on JAX.

Every process runs the same stage on the same inputs, holds all weights and takes its part of every batch. The compiler
adds the exchange of gradients and of the statistics of batch normalisation. Only the first process writes files.
"""

from __future__ import annotations

import os
import re
from typing import Any, Final

import keras
import numpy as np
from numpy.typing import NDArray

from emotion.errors import ModelError

ADDRESS: Final = "KERAS_DISTRIBUTION_JOB_ADDRESSES"
COUNT: Final = "KERAS_DISTRIBUTION_NUM_PROCESSES"
INDEX: Final = "KERAS_DISTRIBUTION_PROCESS_ID"

VARIABLES: Final = {
    ADDRESS: (r"\S+:[0-9]+", "host:port of the first process"),
    COUNT: (r"[1-9][0-9]*", "the number of processes"),
    INDEX: (r"[0-9]+", "the index of this process, from 0"),
}
"""Environment variables that Keras reads, each with its form as a regular expression and in words."""


def connect(kind: str, batch_size: int) -> None:
    """Connect to the other processes if the environment names any; call this before any computation.

    Args:
        kind: `none`, or `data_parallel` for all devices of all processes.
        batch_size: faces per step, over all devices.

    Raises:
        ModelError: the environment is incomplete, the processes cannot connect, or the batch cannot be shared evenly.
    """
    if kind == "none":
        return
    if any(name in os.environ for name in VARIABLES):
        _join()
    distribution = keras.distribution.DataParallel(auto_shard_dataset=False)
    devices = distribution.num_model_replicas
    if batch_size % devices:
        raise ModelError(
            f"train.batch_size: expected a multiple of {devices}, the number of devices, received {batch_size}"
        )
    keras.distribution.set_distribution(distribution)


def _join() -> None:
    for name, (pattern, meaning) in VARIABLES.items():
        received = os.environ.get(name, "")
        if not re.fullmatch(pattern, received):
            raise ModelError(
                f"{name}: expected {meaning}, received {received!r}; set all or none of {', '.join(VARIABLES)}"
            )
    address = os.environ[ADDRESS]
    print(f"Process {os.environ[INDEX]}: waiting for all {os.environ[COUNT]} processes at {address}", flush=True)
    try:
        keras.distribution.initialize()
    except (RuntimeError, ValueError) as error:
        raise ModelError(
            f"the processes cannot connect at {address} ({error}); check that the first one can be reached there"
        ) from error


def is_distributed() -> bool:
    """Return whether this run trains by data parallelism."""
    return keras.distribution.distribution() is not None


def leave() -> None:
    """End data parallelism: networks built from now on belong to this process alone."""
    keras.distribution.set_distribution(None)


def process_index_and_count() -> tuple[int, int]:
    """Return the index of this process, from 0, and the number of processes."""
    if keras.backend.backend() != "jax":
        return 0, 1
    import jax

    return jax.process_index(), jax.process_count()


def is_main_process() -> bool:
    """Return whether this process is the one that writes files."""
    return process_index_and_count()[0] == 0


def check_same_run(key: str) -> None:
    """Check that all processes train the same thing; the model file names the settings of the first one only.

    Args:
        key: hash of settings, faces, weights to start from and code.

    Raises:
        ModelError: the processes have different keys.
    """
    if len(_gather(np.frombuffer(key.encode(), np.uint8))) > 1:
        raise ModelError(
            "the processes differ in settings, faces, weights to start from or code; "
            "give each the same commit, params.yaml, data/faces/ and data/weights/"
        )


def check_same_epoch(epochs: int) -> None:
    """Check that all processes resume after the same epoch; otherwise they would wait for each other forever.

    Raises:
        ModelError: the processes resume after different epochs.
    """
    found = _gather(np.array(epochs)).tolist()
    if len(found) > 1:
        raise ModelError(
            f"the processes have checkpoints of different epochs ({', '.join(map(str, found))}); "
            "copy build/checkpoints/ of the first process to the others"
        )


def _gather(value: NDArray[Any]) -> NDArray[Any]:
    """Collect the value of every process and return the distinct ones."""
    if process_index_and_count()[1] == 1:
        return value[None]
    from jax.experimental import multihost_utils

    return np.unique(multihost_utils.process_allgather(value), axis=0)


def device_count() -> int:
    """Return the number of devices that share a batch."""
    distribution = keras.distribution.distribution()
    return distribution.num_model_replicas if distribution else 1
