"""Several devices, or processes on several machines, that train one network: Keras' data parallelism on JAX.

Every process runs the same stage on the same inputs and holds all weights; each takes its part of every batch, and the
compiler adds the exchange of gradients and of the statistics of batch normalisation. The first process writes.
"""

from __future__ import annotations

import os
from typing import Final

import keras
import numpy as np

from emotion.errors import ModelError

ADDRESS: Final = "KERAS_DISTRIBUTION_JOB_ADDRESSES"
"""Environment variable with host:port of the first process; Keras reads it, and the two beside it."""

COMPANIONS: Final = ("KERAS_DISTRIBUTION_NUM_PROCESSES", "KERAS_DISTRIBUTION_PROCESS_ID")


def begin(kind: str, batch_size: int) -> None:
    """Meet the other processes, if the environment names any; to be called before anything is computed.

    Args:
        kind: `none`, or `data_parallel` over all devices of all processes.
        batch_size: faces of a step, all devices together.

    Raises:
        ModelError: the environment is incomplete, no other process came, or the batch cannot be shared evenly.
    """
    if kind == "none":
        return
    if ADDRESS in os.environ:
        _meet()
    parallel = keras.distribution.DataParallel(auto_shard_dataset=False)
    devices = parallel.num_model_replicas
    if batch_size % devices:
        raise ModelError(
            f"train.batch_size: expected a multiple of {devices}, the number of devices, received {batch_size}"
        )
    keras.distribution.set_distribution(parallel)


def _meet() -> None:
    missing = [name for name in COMPANIONS if not os.environ.get(name, "").isdigit()]
    if missing:
        raise ModelError(f"{missing[0]}: expected a whole number, since {ADDRESS} is set; set it too")
    number, address = os.environ[COMPANIONS[1]], os.environ[ADDRESS]
    print(
        f"process {number} of 0 to {int(os.environ[COMPANIONS[0]]) - 1} waits for the others at {address}", flush=True
    )
    try:
        keras.distribution.initialize()
    except (RuntimeError, ValueError) as error:
        raise ModelError(f"expected the processes to meet at {address}, received {error}") from error


def shared() -> bool:
    """Return whether several devices train together."""
    return keras.distribution.distribution() is not None


def end() -> None:
    """Go on alone: what is built from now on belongs to this process."""
    keras.distribution.set_distribution(None)


def place() -> tuple[int, int]:
    """Return the number of this process, from 0, and how many there are."""
    if keras.backend.backend() != "jax":
        return 0, 1
    import jax

    return jax.process_index(), jax.process_count()


def leads() -> bool:
    """Return whether this process is the one that writes files."""
    return place()[0] == 0


def check_agreement(epochs: int) -> None:
    """Compare the epochs after which the processes resume: they would wait for each other forever.

    Raises:
        ModelError: they differ.
    """
    if place()[1] == 1:
        return
    from jax.experimental import multihost_utils

    found = np.unique(multihost_utils.process_allgather(np.array(epochs))).tolist()
    if len(found) > 1:
        raise ModelError(
            f"build/checkpoints/: expected the same checkpoint in every process, received epochs {found}; "
            "copy that folder of the first process to the others"
        )


def replicas() -> int:
    """Return how many devices share a batch."""
    parallel = keras.distribution.distribution()
    return parallel.num_model_replicas if parallel else 1
