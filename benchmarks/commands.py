"""Times whole commands, from the start of the process to its answer."""

from __future__ import annotations

import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from benchmarks.processes import environment, run, show_progress
from benchmarks.results import Result
from emotion.errors import EmotionError

RUNS: Final = 5

COMMANDS: Final = {
    "emotion --help (goal: 0.5 s)": ["emotion", "--help"],
    "emotion predict, one photo (goal: 1.5 s)": ["emotion", "predict", "00000.jpg"],
    "emotion video, ten frames": ["emotion", "video", "scene.mp4", "--csv", "out.csv"],
}
"""Commands by their names in the table."""

TIMEOUT: Final = 60
"""Seconds in which a server must answer."""


def measure(quick: bool) -> Iterator[Result]:
    """Yield the seconds of each command, and of the server until its first answer."""
    runs = 1 if quick else RUNS + 1
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        drawing = "scenes.write_photos(Path(), 1); scenes.write_video(Path('scene.mp4'), 10, 640, 480)"
        run(["python", "-c", f"from pathlib import Path; from benchmarks import scenes; {drawing}"], folder)
        for what, command in COMMANDS.items():
            show_progress(f"{what}: measuring")
            times = [run(command, folder).seconds for _ in range(runs)]
            # The first run fills the file cache and does not count.
            yield Result(what, "s", tuple(times[-RUNS:]))
        show_progress("emotion serve: measuring")
        times = [_serve(folder) for _ in range(runs)]
        yield Result("emotion serve, until it answers", "s", tuple(times[-RUNS:]))


def _serve(folder: Path) -> float:
    """Return the seconds from the start of a server to its first answer, then stop the server."""
    port = _free_port()
    begun = time.perf_counter()
    server = subprocess.Popen(
        ["emotion", "serve", "--port", str(port)], cwd=folder, env=environment(), stdout=subprocess.DEVNULL
    )
    try:
        _wait_for(f"http://127.0.0.1:{port}/healthz", server)
        return time.perf_counter() - begun
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(TIMEOUT)


def _wait_for(address: str, server: subprocess.Popen[bytes]) -> None:
    begun = time.perf_counter()
    while time.perf_counter() - begun < TIMEOUT and server.poll() is None:
        try:
            with urllib.request.urlopen(address, timeout=TIMEOUT):  # noqa: S310  # always a local address
                return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.01)
    raise EmotionError(f"emotion serve does not answer within {TIMEOUT} s; run it by hand to see its messages")


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
    return port
