from __future__ import annotations

import io
import signal
import sys
from pathlib import Path

import pytest
from running_command import answer
from running_server import PASSWORD, serving
from small_models import write_model

from emotion.server import app


def refused(monkeypatch: pytest.MonkeyPatch, *options: str) -> str:
    """Run `emotion serve` with options that it refuses; return its one line of error."""
    line = answer(monkeypatch, "serve", *options)
    assert isinstance(line, str)
    assert "\n" not in line
    return line


@pytest.fixture(autouse=True)
def no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO())


@pytest.fixture
def model(tmp_path: Path) -> str:
    return str(write_model(tmp_path / "emotion.onnx"))


def test_other_machines_need_password_and_certificate(monkeypatch: pytest.MonkeyPatch) -> None:
    everywhere = ("--host", "0.0.0.0")  # noqa: S104
    assert "needs a password" in refused(monkeypatch, *everywhere)
    assert "needs a certificate" in refused(monkeypatch, *everywhere, "--password", PASSWORD)
    monkeypatch.setenv("EMOTION_PASSWORD", PASSWORD)
    assert "needs a certificate" in refused(monkeypatch, *everywhere)


def test_proxy_brings_other_machines_and_needs_a_password(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "the reverse proxy brings other machines" in refused(monkeypatch, "--trust-proxy", "127.0.0.1")
    assert "is no address or network" in refused(monkeypatch, "--trust-proxy", "*", "--password", PASSWORD)


def test_certificate_is_read_before_an_address_is_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], model: str
) -> None:
    line = refused(monkeypatch, "--model", model, "--ssl-certfile", model, "--ssl-keyfile", model)
    assert "cannot read the certificate" in line
    assert capsys.readouterr().out == ""


def test_taken_port_is_one_line(monkeypatch: pytest.MonkeyPatch, model: str) -> None:
    with app.listen("127.0.0.1", 0) as taken:
        line = refused(monkeypatch, "--model", model, "--port", str(taken.getsockname()[1]))
    assert "(Address already in use); choose another address or port" in line


def test_missing_packages_are_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delitem(sys.modules, "emotion.server.app")
    monkeypatch.delattr("emotion.server.app")
    monkeypatch.setitem(sys.modules, "fastapi", None)
    assert answer(monkeypatch, "serve") == 1
    assert "run in the project's clone: pip install '.[app]'" in capsys.readouterr().err


def test_interrupted_server_exits_with_130(model: str) -> None:
    with serving("--model", model) as (process, _):
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
