"""A Ray cluster of three local nodes in a process of its own, one of which can be killed.

    python -m tests.ray_cluster

prints the address; a line on standard input kills a node with SIGKILL, the end of standard input stops the cluster.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from emotion.scoring.ray_library import ray  # noqa: F401  sets the environment before the cluster is started

NODES = 3


@contextmanager
def running_cluster() -> Iterator[tuple[str, Callable[[], None]]]:
    """Start a cluster; yield its address, and what kills one of its nodes."""
    command = [sys.executable, "-m", "tests.ray_cluster"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin
        assert process.stdout
        stdin = process.stdin
        address = next(line for line in process.stdout if line.startswith("address ")).split()[1]

        def kill_node() -> None:
            stdin.write("kill\n")
            stdin.flush()

        yield address, kill_node
        stdin.close()


def main() -> None:
    """Start the cluster and wait for what to do."""
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    others = [cluster.add_node(num_cpus=1) for _ in range(NODES - 1)]
    print("address", cluster.address, flush=True)
    for _ in sys.stdin:
        cluster.remove_node(others.pop(), allow_graceful=False)
    cluster.shutdown()  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    main()
