from __future__ import annotations

import hashlib
import multiprocessing
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from emotion.errors import ModelError, one_line
from emotion.inference import detector_weights as weights

CONTENT = np.random.default_rng(0).bytes(200_000)


class Handler(BaseHTTPRequestHandler):
    """Serves the file well or badly, by the first part of the path."""

    requests: list[str]

    def do_GET(self) -> None:
        self.requests.append(self.path)
        if self.path.startswith("/missing"):
            self.send_error(404)
            return
        body = {"/right": CONTENT, "/wrong": b"<html>", "/cut": CONTENT[:1000]}[self.path]
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT) if self.path == "/cut" else len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[tuple[str, list[str]]]:
    """Return the address of a server on this machine, and the paths that were asked for."""
    Handler.requests = []
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield f"http://127.0.0.1:{running.server_address[1]}", Handler.requests
        running.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def known_content(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "SHA256", hashlib.sha256(CONTENT).hexdigest())
    monkeypatch.delenv(weights.VARIABLE, raising=False)
    for name in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.delenv(name, raising=False)


def fault_of(*sources: str, folder: Path) -> str:
    with pytest.raises(ModelError) as caught:
        weights.fetch(sources, folder)
    assert not list(folder.glob("*")), "something was left behind"
    assert "emotion fetch" in str(caught.value)
    return one_line(caught.value)


def test_weights_are_fetched_once(server: tuple[str, list[str]], tmp_path: Path) -> None:
    address, requests = server
    for _ in range(2):
        path = weights.fetch([f"{address}/right"], tmp_path / "cache")
        assert path.read_bytes() == CONTENT
    assert requests == ["/right"]
    assert [file.name for file in path.parent.iterdir()] == [weights.NAME]


@pytest.mark.parametrize("first", ["missing", "wrong", "cut"])
def test_second_source_is_asked_where_the_first_has_no_such_file(
    server: tuple[str, list[str]], tmp_path: Path, first: str
) -> None:
    address, requests = server
    path = weights.fetch([f"{address}/{first}", f"{address}/right"], tmp_path)
    assert path.read_bytes() == CONTENT
    assert requests == [f"/{first}", "/right"]


def test_damaged_file_in_the_cache_is_replaced(server: tuple[str, list[str]], tmp_path: Path) -> None:
    (tmp_path / weights.NAME).write_bytes(b"damaged")
    assert weights.fetch([f"{server[0]}/right"], tmp_path).read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("path", "reason"),
    [("missing", "HTTP 404"), ("wrong", "the file that came is another one"), ("cut", "the connection broke off")],
)
def test_reason_of_a_failed_download_is_told(
    server: tuple[str, list[str]], tmp_path: Path, path: str, reason: str
) -> None:
    assert f"({reason})" in fault_of(f"{server[0]}/{path}", folder=tmp_path)


def test_machine_without_a_network_is_told_so_once(tmp_path: Path) -> None:
    closed = "http://127.0.0.1:9/file"
    assert "(no connection)" in fault_of(closed, closed, folder=tmp_path)


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write everywhere")
def test_cache_that_cannot_be_written_is_named(server: tuple[str, list[str]], tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    assert f"({tmp_path} cannot be written)" in fault_of(f"{server[0]}/right", folder=tmp_path)


def test_cache_in_place_of_a_folder_is_named(server: tuple[str, list[str]], tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(ModelError, match="cannot be written"):
        weights.fetch([f"{server[0]}/right"], tmp_path / "cache")


def _fetch(address: str, folder: Path, digest: str) -> None:
    weights.SHA256 = digest  # type: ignore[misc]
    weights.fetch([f"{address}/right"], folder)


def test_two_processes_may_fetch_at_once(server: tuple[str, list[str]], tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    arguments = (server[0], tmp_path, weights.SHA256)
    processes = [context.Process(target=_fetch, args=arguments) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0]
    assert (tmp_path / weights.NAME).read_bytes() == CONTENT
    assert len(list(tmp_path.iterdir())) == 1


def test_chosen_file_comes_before_the_environment_and_both_before_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = tmp_path / "first.onnx", tmp_path / "second.onnx"
    for path in (first, second):
        path.write_bytes(CONTENT)
    monkeypatch.setenv(weights.VARIABLE, str(second))
    assert weights.find(first) == first
    assert weights.find() == second


def test_file_in_the_package_is_taken_without_a_download(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packaged = tmp_path / weights.NAME
    packaged.write_bytes(CONTENT)
    monkeypatch.setattr(weights, "PACKAGED", packaged)
    monkeypatch.setattr(weights, "fetch", lambda: pytest.fail("it was fetched"))
    assert weights.find() == packaged


def test_chosen_file_that_is_missing_or_another_one_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"there is no face detector or file .*none\.onnx; use yunet, haar or"):
        weights.find(tmp_path / "none.onnx")
    (tmp_path / "other.onnx").write_bytes(b"other")
    with pytest.raises(ModelError, match=r"other\.onnx is not face_detection_yunet_2023mar\.onnx"):
        weights.find(tmp_path / "other.onnx")
