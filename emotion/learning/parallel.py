"""Several devices, or processes on several machines, that train one network: Keras' data parallelism on JAX.

Every process runs the same stage on the same inputs and holds all weights; each takes its part of every batch, and the
compiler adds the exchange of gradients and of the statistics of batch normalisation. The first process writes.
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
NUMBER: Final = "KERAS_DISTRIBUTION_NUM_PROCESSES"
PROCESS: Final = "KERAS_DISTRIBUTION_PROCESS_ID"

VARIABLES: Final = {
    ADDRESS: (r"\S+:[0-9]+", "host:port of the first process"),
    NUMBER: (r"[1-9][0-9]*", "how many processes there are"),
    PROCESS: (r"[0-9]+", "the number of this process, from 0"),
}
"""Environment variables that Keras reads: what they look like, as a regular expression and in words."""


def connect(kind: str, batch_size: int) -> None:
    """Meet the other processes, if the environment names any; to be called before anything is computed.

    Args:
        kind: `none`, or `data_parallel` over all devices of all processes.
        batch_size: faces of a step, all devices together.

    Raises:
        ModelError: the environment is incomplete, no other process came, or the batch cannot be shared evenly.
    """
    if kind == "none":
        return
    if any(name in os.environ for name in VARIABLES):
        _join()
    parallel = keras.distribution.DataParallel(auto_shard_dataset=False)
    devices = parallel.num_model_replicas
    if batch_size % devices:
        raise ModelError(
            f"train.batch_size: expected a multiple of {devices}, the number of devices, received {batch_size}"
        )
    keras.distribution.set_distribution(parallel)


def _join() -> None:
    for name, (pattern, meaning) in VARIABLES.items():
        received = os.environ.get(name, "")
        if not re.fullmatch(pattern, received):
            raise ModelError(f"{name}: expected {meaning}, received {received!r}; set {', '.join(VARIABLES)} or none")
    number, last, address = os.environ[PROCESS], int(os.environ[NUMBER]) - 1, os.environ[ADDRESS]
    print(f"process {number} of 0 to {last} waits for the others at {address}", flush=True)
    try:
        keras.distribution.initialize()
    except (RuntimeError, ValueError) as error:
        raise ModelError(f"expected the processes to meet at {address}, received {error}") from error


def is_distributed() -> bool:
    """Return whether several devices train together."""
    return keras.distribution.distribution() is not None


def leave() -> None:
    """Go on alone: what is built from now on belongs to this process."""
    keras.distribution.set_distribution(None)


def process() -> tuple[int, int]:
    """Return the number of this process, from 0, and how many there are."""
    if keras.backend.backend() != "jax":
        return 0, 1
    import jax

    return jax.process_index(), jax.process_count()


def is_main_process() -> bool:
    """Return whether this process is the one that writes files."""
    return process()[0] == 0


def check_same_run(key: str) -> None:
    """Compare what the processes are about to do: the network of the first would be called after its settings alone.

    Args:
        key: stands for settings, data, weights to start from and code.

    Raises:
        ModelError: they differ.
    """
    if len(_gather(np.frombuffer(key.encode(), np.uint8))) > 1:
        raise ModelError(
            "expected the same settings, faces, weights and code in every process, received different ones; "
            "bring all to one commit, one params.yaml and the same data/faces/"
        )


def check_same_epoch(epochs: int) -> None:
    """Compare the epochs after which the processes resume: they would wait for each other forever.

    Raises:
        ModelError: they differ.
    """
    found = _gather(np.array(epochs)).tolist()
    if len(found) > 1:
        raise ModelError(
            f"build/checkpoints/: expected the same checkpoint in every process, received epochs {found}; "
            "copy that folder of the first process to the others"
        )


def _gather(value: NDArray[Any]) -> NDArray[Any]:
    """Return the different values of all processes."""
    if process()[1] == 1:
        return value[None]
    from jax.experimental import multihost_utils

    return np.unique(multihost_utils.process_allgather(value), axis=0)


def device_count() -> int:
    """Return how many devices share a batch."""
    parallel = keras.distribution.distribution()
    return parallel.num_model_replicas if parallel else 1
