"""Set-up of Keras before its first import: backend, threads and seed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager


def prepare(backend: str, threads: int, seed: int) -> None:
    """Choose the backend and make its results deterministic: the same inputs give the same bytes.

    Args:
        backend: `tensorflow` or `jax`.
        threads: CPU threads for one TensorFlow operation, on which the weights depend; 0 for all. JAX ignores it and
            uses all that the process may use.
        seed: of all random numbers in Keras.
    """
    os.environ["KERAS_BACKEND"] = backend
    # TensorFlow logs harmless notes as errors; real errors reach Python as exceptions anyway.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if backend == "tensorflow":
        _prepare_tensorflow(threads)
    else:
        os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_gpu_deterministic_ops=true".strip()
    # Keras imports TensorFlow even if JAX is the backend.
    with quiet():
        import keras

    keras.utils.set_random_seed(seed)


def device() -> str:
    """Return the kind of device on which the backend computes: `cpu` or `gpu`."""
    import keras

    # JAX raises an error if it is asked for GPUs only and there is none.
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
    """Suppress what C++ code prints on standard error at any log level, such as notes about CPU features.

    C++ bypasses `sys.stderr`, so the file descriptor itself is redirected. Exceptions pass as usual.
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
