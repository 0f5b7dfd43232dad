"""The server of `emotion serve`, in a thread of the tests or as a process, and helpers to talk to it."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI
from PIL import Image
from small_models import write_model
from websockets.sync.client import ClientConnection, connect

from emotion import Predictor
from emotion.server import app
from emotion.server.proxy import NO_PROXY

PASSWORD = "correct horse"


def small_predictor(folder: Path) -> Predictor:
    """Make a predictor whose network is fast and untrained."""
    return Predictor(write_model(folder / "emotion.onnx"), threads=1)


@contextmanager
def running(predictor: Predictor, **options: Any) -> Iterator[httpx.Client]:
    """Run a server on a free port, yield a client of it, and stop it through its Exit."""
    with app.listen("127.0.0.1", 0) as listener:
        thread = threading.Thread(target=app.prepare(predictor, **options).run, args=([listener],))
        thread.start()
        with httpx.Client(base_url=app.address_of(listener, "127.0.0.1", secure=False), timeout=60) as client:
            try:
                yield client
            finally:
                client.post("/api/exit", auth=("", options.get("password") or ""))
                thread.join(60)
    assert not thread.is_alive(), "the server did not stop"


@contextmanager
def running_app(application: FastAPI) -> Iterator[httpx.Client]:
    """Run an application without Exit on a free port, and yield a client of it."""
    server = app.prepare_app(application, None, None, NO_PROXY)
    with app.listen("127.0.0.1", 0) as listener:
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        with httpx.Client(base_url=app.address_of(listener, "127.0.0.1", secure=False), timeout=60) as client:
            yield client
        server.should_exit = True
        thread.join(60)


@contextmanager
def serving(*options: str, **environment: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run `emotion serve` on a free port, yield the process and the address it prints, and stop it."""
    command = [sys.executable, "-m", "emotion.cli.main", "serve", "--port", "0", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, **environment}) as process:
        try:
            assert process.stdout
            address = re.search(r"https?://[^ ]+", process.stdout.readline())
            assert address
            yield process, address[0]
        finally:
            process.terminate()


def encoded(image: Image.Image, kind: str = "jpeg") -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind)
    return stream.getvalue()


@contextmanager
def webcam_of(client: httpx.Client, **options: Any) -> Iterator[ClientConnection]:
    with connect(str(client.base_url).replace("http", "ws") + "/api/live", **options) as connection:
        yield connection


def refused(answer: httpx.Response, status: int, text: str) -> None:
    detail = answer.json()["detail"]
    assert answer.status_code == status, detail
    assert text in detail
    assert "\n" not in detail


def alive(client: httpx.Client) -> bool:
    return bool(client.get("/healthz").json() == {"status": "ok"})
