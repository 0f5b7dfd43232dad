"""How long a person waits for each command: from a fresh process to its answer."""

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

from benchmarks.processes import environment, run, say
from benchmarks.results import Result
from emotion.errors import EmotionError

RUNS: Final = 5

COMMANDS: Final = {
    "emotion --help (goal: 0.5 s)": ["emotion", "--help"],
    "emotion predict, one photo (goal: 1.5 s)": ["emotion", "predict", "00000.jpg"],
    "emotion video, ten frames": ["emotion", "video", "scene.mp4", "--csv", "out.csv"],
}
"""What is run, by the name in the table."""

PATIENCE: Final = 60
"""Seconds after which a server that does not answer counts as failed."""


def measure(quick: bool) -> Iterator[Result]:
    """Yield seconds of each command, and of the server until it answers."""
    runs = 1 if quick else RUNS + 1
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        drawing = "scenes.write_photos(Path(), 1); scenes.write_video(Path('scene.mp4'), 10, 640, 480)"
        run(["python", "-c", f"from pathlib import Path; from benchmarks import scenes; {drawing}"], folder)
        for what, command in COMMANDS.items():
            say(f"{what}: measuring")
            times = [run(command, folder).seconds for _ in range(runs)]
            # The first one fills the file cache.
            yield Result(what, "s", tuple(times[-RUNS:]))
        say("emotion serve: measuring")
        times = [_serve(folder) for _ in range(runs)]
        yield Result("emotion serve, until it answers", "s", tuple(times[-RUNS:]))


def _serve(folder: Path) -> float:
    """Return the seconds from the start of a server to its first answer, and end it."""
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
        server.wait(PATIENCE)


def _wait_for(address: str, server: subprocess.Popen[bytes]) -> None:
    begun = time.perf_counter()
    while time.perf_counter() - begun < PATIENCE and server.poll() is None:
        try:
            with urllib.request.urlopen(address, timeout=PATIENCE):  # noqa: S310  # written above, not by a stranger
                return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.01)
    raise EmotionError("expected emotion serve to answer, received nothing; run it by hand and read what it says")


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
    return port
