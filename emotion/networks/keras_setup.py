"""Which backend Keras runs on, with how many threads and from which seed; to be called before Keras is imported."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager


def prepare(backend: str, threads: int, seed: int) -> None:
    """Choose the backend and make its results repeatable: same inputs, same bytes.

    Args:
        backend: `tensorflow` or `jax`.
        threads: threads of the CPU that one operation may use; weights depend on it. JAX takes all that the process
            may use, whatever this says.
        seed: of every random number that the network draws.
    """
    os.environ["KERAS_BACKEND"] = backend
    # TensorFlow's C++ marks notes about graphs as errors; what goes wrong reaches Python as an exception anyway.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if backend == "tensorflow":
        _prepare_tensorflow(threads)
    else:
        os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_gpu_deterministic_ops=true".strip()
    # Keras imports TensorFlow beside JAX too.
    with quiet():
        import keras

    keras.utils.set_random_seed(seed)


def device() -> str:
    """Return the kind of device that the backend computes on: `cpu` or `gpu`."""
    import keras

    # Asked for GPUs alone, JAX raises where there is none.
    return "gpu" if any(name.startswith("gpu") for name in keras.distribution.list_devices()) else "cpu"


def _prepare_tensorflow(threads: int) -> None:
    with quiet():
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
        tf.config.experimental.enable_op_determinism()
        tf.config.list_physical_devices()


@contextmanager
def quiet() -> Iterator[None]:
    """Hold back what C++ prints on standard error, such as notes about CPU features, whatever the log level.

    It comes past `sys.stderr`, hence the descriptor. Python's errors are raised all the same.
    """
    kept = os.dup(2)
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(null)
