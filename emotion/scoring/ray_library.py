"""Ray, loaded so that it reports nothing and prints nothing: import `ray` from here.

Ray reads these variables when it is loaded. Its logs stay in files, below /tmp/ray/session_latest/logs.
"""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")

import ray
import ray.data

__all__ = ["keeping_sigterm", "ray", "silence", "without_messages"]


def silence() -> None:
    """Keep Ray's messages out of the terminal; they stay in its files."""
    # Ray prints the death of each worker to standard output, and has no setting for it.
    ray._private.worker.print_to_stdstream = lambda *_, **__: None
    ray.data.DataContext.get_current().enable_progress_bars = False
    for handler in (*logging.getLogger("ray").handlers, *logging.getLogger("ray.data").handlers):
        if isinstance(handler, logging.StreamHandler):
            handler.setLevel(logging.CRITICAL)


@contextmanager
def keeping_sigterm() -> Iterator[None]:
    """Put the handler of SIGTERM back: Ray sets one that prints a stack, and the system's when it is shut down."""
    handler = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, handler)


@contextmanager
def without_messages() -> Iterator[None]:
    """Drop what native code writes to standard error meanwhile: Ray announces its log level there, at any level."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
