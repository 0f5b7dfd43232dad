"""The pipeline in Ray Data: a listing is read, partition by partition, and scored by a pool of actors.

Ray schedules, streams, retries and makes up for workers and nodes that die.
"""

from __future__ import annotations

import logging
import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Final

from emotion.errors import EmotionError, one_line
from emotion.inference.devices import Device
from emotion.scoring import listing, statistics
from emotion.scoring.places import Place
from emotion.scoring.ray_library import keeping_sigterm, ray, silence, without_messages
from emotion.scoring.statistics import Statistics
from emotion.scoring.worker import Job, Scorer

STORE: Final = 256 * 2**20
"""Bytes of shared memory for Ray on one machine. Only names and counts travel through it."""

READERS: Final = 2
"""Tasks that read the listing at once: each takes milliseconds, and its pictures take an actor seconds."""

ANSWER: Final = 10.0
"""Seconds in which a cluster must answer."""

LOGS: Final = "/tmp/ray/session_latest/logs"  # noqa: S108  Ray's own place


class Partitions(ray.data.Datasource):
    """Ray Data's source of the partitions of a listing; each is a block of its own."""

    def __init__(self, out: Place, count: int) -> None:
        """Set the output that holds the listing, and the number of its partitions."""
        super().__init__()  # type: ignore[no-untyped-call]
        self._out, self._count = out, count

    def get_read_tasks(self, parallelism: int, *_: Any, **__: Any) -> list[ray.data.ReadTask]:  # noqa: ARG002  always one each
        """Return a task for each partition."""
        facts = ray.data.block.BlockMetadata(num_rows=1, size_bytes=None, input_files=None, exec_stats=None)
        return [ray.data.ReadTask(partial(_read_block, self._out, number), facts) for number in range(self._count)]

    def estimate_inmemory_data_size(self) -> int | None:
        """Return nothing: the blocks are small."""
        return None


def _read_block(out: Place, number: int) -> list[Any]:
    return [listing.read(out, number)]


def check_address(address: str) -> None:
    """Refuse a cluster that does not answer: Ray would try for minutes.

    Raises:
        EmotionError: nothing listens at host and port.
    """
    host, separator, port = address.removeprefix("ray://").rpartition(":")
    if not separator or not port.isdecimal():
        return  # `auto` and the like, which Ray looks up at once
    try:
        socket.create_connection((host.strip("[]"), int(port)), ANSWER).close()
    except OSError as error:
        reason = error.strerror or one_line(error)
        raise EmotionError(f"Ray cannot be reached at {address}: {reason}; is the cluster up?") from error


@contextmanager
def running(address: str | None, workers: int | None) -> Iterator[None]:
    """Start Ray on this machine, or join a cluster, and leave it at the end.

    Args:
        address: of the cluster; None starts Ray here.
        workers: actors that will compute here; None for one a core.

    Raises:
        EmotionError: there is no cluster at the address, or Ray does not start.
    """
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.CRITICAL}
    if address is None:
        own = {"num_cpus": workers or cores(), "include_dashboard": False, "object_store_memory": STORE}
        quiet |= own
    try:
        with keeping_sigterm(), without_messages():
            ray.init(address=address or "local", **quiet)
    except Exception as error:  # Ray raises bare ones too, such as on a machine too busy to start it
        fact = f"Ray cannot be reached at {address}" if address else "Ray cannot be started"
        raise EmotionError(f"{fact}: {one_line(error)}") from error
    silence()
    try:
        yield
    finally:
        with keeping_sigterm():
            ray.shutdown()


def cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def workers_for(device: Device, wanted: int | None) -> int:
    """Return the number of actors: as many as wanted, else one a core of the cluster or one a GPU.

    Raises:
        EmotionError: the cluster has fewer.
    """
    kind = "GPU" if device == "gpu" else "CPU"
    there = int(ray.cluster_resources().get(kind, 0))  # type: ignore[no-untyped-call]
    if not there or (wanted or 0) > there:
        raise EmotionError(f"expected at least {wanted or 1} {kind}s for as many workers, received {there}")
    return wanted or there


def score(job: Job, partitions: int, workers: int) -> Iterator[tuple[int, Statistics]]:
    """Score the partitions of a listing whose files are missing.

    Args:
        job: what the workers need.
        partitions: number of partitions in the listing.
        workers: number of actors.

    Yields:
        The number and the statistics of each partition, in the order in which they end.

    Raises:
        EmotionError: a worker refuses to start, or Ray gives up.
    """
    try:
        # No core is reserved for reading the listing, so that it goes on while all actors compute.
        readers = min(READERS, partitions)
        parts = ray.data.read_datasource(
            Partitions(job.out, partitions), num_cpus=0, concurrency=readers, override_num_blocks=partitions
        )
        scored = parts.map_batches(
            Scorer,
            fn_constructor_args=(job,),
            batch_size=None,
            batch_format="pyarrow",
            compute=ray.data.ActorPoolStrategy(size=workers),
            num_cpus=1,
            num_gpus=1 if job.device == "gpu" else None,
        )
        for row in scored.iter_rows():
            yield row["partition"], statistics.parse(row["statistics"])
    except ray.exceptions.RayError as error:
        raise EmotionError(explain(str(error))) from error


def explain(text: str) -> str:
    r"""Find the message of this project in what Ray says of an error; else point to Ray's logs.

    Examples:
        >>> explain("The actor died: ray::MapWorker.__init__()\nemotion.errors.ModelError: there is no model file")
        'there is no model file'
    """
    if own := re.findall(r"^\s*emotion\.errors\.\w+: (.+)$", text, re.MULTILINE):
        return str(own[-1])
    return f"Ray gave up ({text.strip().splitlines()[-1].strip()}); its logs are in {LOGS}"
