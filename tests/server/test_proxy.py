"""The server behind a reverse proxy, which the client of these tests plays: it sets the headers that a proxy sets."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from running_server import PASSWORD, encoded, refused, serving
from small_archives import noise
from small_models import write_model
from websockets.sync.client import connect

from emotion.inference.predictor import Predictor
from emotion.server import app, auth
from emotion.server.proxy import Proxy, ProxyError

ROOT = "/emotion"
FORWARDED = {"X-Forwarded-For": "192.0.2.7", "X-Forwarded-Proto": "https", "Host": "faces.example"}


@contextmanager
def behind(predictor: Predictor, proxy: Proxy, **options: str) -> Iterator[httpx.Client]:
    """Run a server behind a proxy, and yield a client on the machine of the proxy."""
    with app.listen("127.0.0.1", 0) as listener:
        server = app.prepare(predictor, proxy=proxy, **options)  # type: ignore[arg-type]
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        address = app.address_of(listener, "127.0.0.1", secure=False)
        try:
            with httpx.Client(base_url=address, timeout=60, auth=("", options.get("password", ""))) as client:
                yield client
        finally:
            server.should_exit = True
            thread.join(60)


@pytest.fixture(scope="module")
def proxied(predictor: Predictor) -> Iterator[httpx.Client]:
    with behind(predictor, Proxy(ROOT, "127.0.0.1, 10.0.0.0/8"), password=PASSWORD) as client:
        yield client


@pytest.mark.parametrize("prefix", ["", ROOT], ids=["path taken off", "path kept"])
def test_page_and_api_are_served_below_the_path(proxied: httpx.Client, prefix: str) -> None:
    assert "<title>" in proxied.get(f"{prefix}/", headers=FORWARDED).text
    for path in ("static/app.js", "api/model", "healthz", "openapi.json"):
        assert proxied.get(f"{prefix}/{path}", headers=FORWARDED).status_code == 200, path
    answer = proxied.post(
        f"{prefix}/api/predict", content=encoded(noise(1)), headers={**FORWARDED, "Origin": "https://faces.example"}
    )
    assert len(answer.json()["faces"]) == 1
    assert proxied.get(f"{prefix}/nothing", headers=FORWARDED).status_code == 404


def test_path_without_its_slash_leads_to_the_page(proxied: httpx.Client) -> None:
    answer = proxied.get(ROOT, headers=FORWARDED)
    assert answer.status_code == 307
    assert answer.headers["location"] == f"https://faces.example{ROOT}/"


def test_webcam_works_below_the_path(proxied: httpx.Client) -> None:
    cookie = proxied.get("/", headers=FORWARDED).headers["set-cookie"].partition(";")[0]
    address = str(proxied.base_url).replace("http", "ws") + f"{ROOT}/api/live"
    with connect(address, additional_headers={"Cookie": cookie}) as socket:
        socket.send(encoded(noise(1, (64, 64))))
        assert json.loads(socket.recv())["width"] == 64


def test_cookie_belongs_to_the_path_and_to_the_scheme_of_the_proxy(proxied: httpx.Client) -> None:
    cookie = proxied.get("/", headers=FORWARDED).headers["set-cookie"]
    assert {f"Path={ROOT}/", "Secure"} <= set(cookie.split("; "))
    assert "Secure" not in proxied.get("/", headers={**FORWARDED, "X-Forwarded-Proto": "http"}).headers["set-cookie"]


def test_health_needs_no_password_and_the_rest_does(proxied: httpx.Client) -> None:
    for path in ("/healthz", f"{ROOT}/healthz"):
        assert httpx.get(proxied.base_url.join(path)).status_code == 200
    assert httpx.get(proxied.base_url.join(f"{ROOT}/api/model")).status_code == 401


def test_wrong_passwords_of_one_client_do_not_block_another(
    proxied: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auth, "FIRST_DELAY", 2.0)
    guess = threading.Thread(target=lambda: httpx.get(proxied.base_url, auth=("", "guess guess"), headers=FORWARDED))
    guess.start()
    while proxied.get("/", headers=FORWARDED).status_code != 429:  # until the guess has arrived
        assert guess.is_alive()
    assert proxied.get("/", headers={**FORWARDED, "X-Forwarded-For": "192.0.2.8"}).status_code == 200
    guess.join()


def test_nobody_can_stop_the_server_through_the_proxy(proxied: httpx.Client) -> None:
    for headers in ({}, FORWARDED, {**FORWARDED, "X-Forwarded-For": "127.0.0.1"}):
        refused(proxied.post("/api/exit", headers=headers), 403, "stopped where it was started")


def test_proxy_that_changes_the_host_is_told_so(proxied: httpx.Client) -> None:
    answer = proxied.post("/api/predict", content=b"x", headers={"Origin": "https://faces.example"})
    refused(answer, 403, "A reverse proxy must pass on the header Host.")


def test_headers_are_believed_only_when_asked_for(predictor: Predictor) -> None:
    for proxy in (Proxy(), Proxy(trusted="192.0.2.1")):
        with behind(predictor, proxy, password=PASSWORD) as client:
            assert "Secure" not in client.get("/", headers=FORWARDED).headers["set-cookie"]


@pytest.mark.parametrize("root_path", ["emotion", "/emotion/", "/a//b", "/a; Secure", "/ü", "/a\n"])
def test_path_that_is_not_plain_is_refused(root_path: str) -> None:
    with pytest.raises(ProxyError, match="is not a root path; write one such as /emotion"):
        Proxy(root_path)


@pytest.mark.parametrize("trusted", ["*", "proxy.example", "10.0.0.1/8", "127.0.0.1,all"])
def test_trusted_proxy_that_is_no_address_is_refused(trusted: str) -> None:
    with pytest.raises(ProxyError, match="is no address or network of a proxy"):
        Proxy(trusted=trusted)


def test_command_behind_a_proxy_serves_without_a_certificate(tmp_path: Path) -> None:
    model = str(write_model(tmp_path / "emotion.onnx"))
    options = ("--host", "0.0.0.0", "--trust-proxy", "127.0.0.0/8", "--root-path", ROOT, "--model", model)  # noqa: S104
    with serving(*options, EMOTION_PASSWORD=PASSWORD) as (_, address):
        assert address.endswith(ROOT)
        port = address.removesuffix(ROOT).rpartition(":")[2]
        assert httpx.get(f"http://127.0.0.1:{port}{ROOT}/healthz").json() == {"status": "ok"}
