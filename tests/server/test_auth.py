from __future__ import annotations

import asyncio
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from running_server import PASSWORD, alive, refused, running, serving, webcam_of
from starlette.requests import HTTPConnection
from websockets.exceptions import InvalidStatus

from emotion import Predictor
from emotion.server import app, auth


@pytest.fixture
def guarded(predictor: Predictor, monkeypatch: pytest.MonkeyPatch) -> Iterator[httpx.Client]:
    monkeypatch.setattr(auth, "FIRST_DELAY", 0.01)
    with running(predictor, password=PASSWORD) as client:
        yield client


def connection_of(host: str, server_host: str = "192.0.2.1") -> HTTPConnection:
    return HTTPConnection({"type": "http", "client": (host, 50000), "server": (server_host, 8000), "headers": []})


def attempt(password: str, host: str = "192.0.2.7") -> HTTPConnection:
    authorization = httpx.BasicAuth("", password)._auth_header.encode()
    headers = [(b"authorization", authorization)]
    return HTTPConnection({"type": "http", "client": (host, 50000), "headers": headers})


@pytest.mark.parametrize("host", ["evil.example:8000", "127.0.0.1.evil.example", "[", ""])
def test_other_names_of_this_machine_are_refused(client: httpx.Client, host: str) -> None:
    refused(client.get("/api/model", headers={"Host": host}), 400, "is not a name of this machine; open localhost")


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1", "http://["])
def test_pages_of_other_sites_are_refused(client: httpx.Client, origin: str) -> None:
    for path in ("/api/exit", "/api/predict"):
        refused(client.post(path, headers={"Origin": origin}), 403, "open this server's own page")
    with pytest.raises(InvalidStatus) as caught, webcam_of(client, origin=origin):
        pass
    assert caught.value.response.status_code == 403
    assert alive(client)


def test_refused_websocket_leaves_no_error_in_the_log(predictor: Predictor, capfd: pytest.CaptureFixture[str]) -> None:
    with running(predictor) as client, pytest.raises(InvalidStatus), webcam_of(client, origin="https://evil.example"):
        pass
    assert capfd.readouterr().err == ""


def test_this_machine_is_recognised_by_its_addresses() -> None:
    assert auth.is_this_machine(connection_of("127.0.0.1"))
    assert auth.is_this_machine(connection_of("::1"))
    assert auth.is_this_machine(connection_of("192.0.2.1"))
    assert not auth.is_this_machine(connection_of("192.0.2.7"))
    assert not auth.is_this_machine(connection_of("testclient"))


def test_exit_from_another_machine_is_refused(predictor: Predictor) -> None:
    stopped: list[bool] = []
    application = app.create_app(predictor, lambda: stopped.append(True))

    async def exit_from(address: str) -> httpx.Response:
        transport = httpx.ASGITransport(application, client=(address, 50000))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as client:
            return await client.post("/api/exit")

    refused(asyncio.run(exit_from("192.0.2.7")), 403, "Only the machine that runs the server can stop it")
    assert not stopped
    assert asyncio.run(exit_from("127.0.0.1")).status_code == 200
    assert stopped == [True]


def test_password_opens_page_api_and_websocket_and_health_needs_none(guarded: httpx.Client) -> None:
    for path in ("/", "/api/model", "/static/app.js", "/openapi.json"):
        refused(guarded.get(path), 401, "needs a password")
    with pytest.raises(InvalidStatus), webcam_of(guarded):
        pass
    assert alive(guarded)
    page = guarded.get("/", auth=("anyone", PASSWORD))
    assert page.status_code == 200
    # A browser sends this with the WebSocket.
    cookie = page.headers["set-cookie"].partition(";")[0]
    with webcam_of(guarded, additional_headers={"Cookie": cookie}):
        pass


def test_cookie_is_hidden_from_scripts_and_other_sites(guarded: httpx.Client) -> None:
    for path in ("/", "/healthz", "/api/none"):
        assert "set-cookie" not in guarded.get(path).headers
    cookie = guarded.get("/", auth=("", PASSWORD)).headers["set-cookie"]
    assert {"HttpOnly", "SameSite=Strict"} <= set(cookie.split("; "))


@pytest.mark.parametrize("given", ["Basic !", "Basic OndyYg==", "Basic " + "Og=="])
def test_wrong_password_is_refused_in_one_line(guarded: httpx.Client, given: str) -> None:
    refused(guarded.get("/", headers={"Authorization": given}), 401, "The password is wrong; try again.")


def test_each_wrong_password_doubles_the_delay_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    delays: list[float] = []

    async def sleep(seconds: float) -> None:
        delays.append(seconds)
        now[0] += seconds

    now = [100.0]
    monkeypatch.setattr("emotion.server.auth.asyncio.sleep", sleep)
    monkeypatch.setattr("emotion.server.auth.time.monotonic", lambda: now[0])
    check = auth.PasswordCheck(PASSWORD)
    for _ in range(9):
        answer = asyncio.run(check.refuse(attempt("wrong")))
        assert answer
        assert answer.status_code == 401
    assert delays == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]
    assert asyncio.run(check.refuse(attempt(PASSWORD))) is None


def test_parallel_guesses_are_told_when_to_try_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auth, "FIRST_DELAY", 0.2)

    async def guess() -> list[int | None]:
        check = auth.PasswordCheck(PASSWORD)
        answers = await asyncio.gather(*(check.refuse(attempt(word)) for word in ("wrong", PASSWORD)))
        other_client = await check.refuse(attempt(PASSWORD, host="192.0.2.9"))
        return [answer.status_code if answer else None for answer in (*answers, other_client)]

    assert asyncio.run(guess()) == [401, 429, None]


def test_only_the_latest_clients_with_wrong_passwords_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auth, "MAX_CLIENTS", 2)
    monkeypatch.setattr(auth, "FIRST_DELAY", 0.0)
    check = auth.PasswordCheck(PASSWORD)
    for host in ("192.0.2.1", "192.0.2.2", "192.0.2.3"):
        asyncio.run(check.refuse(attempt("wrong", host)))
    assert len(check._failures) == len(check._blocked_until) == 2


def test_clients_of_one_ipv6_network_count_as_one() -> None:
    first, second, other = (
        auth._network_of(connection_of(host)) for host in ("2001:db8::1", "2001:db8::2", "2001:db9::1")
    )
    assert first == second != other


@pytest.mark.parametrize(
    ("host", "password", "files", "text"),
    [
        ("0.0.0.0", None, ("c", "k"), "so the server needs a password"),  # noqa: S104
        ("192.168.1.5", "correct horse", (None, None), "so the server needs a certificate"),
        ("", "correct horse", (None, None), "so the server needs a certificate"),
        ("127.0.0.1", "short", (None, None), "8 characters"),
        ("127.0.0.1", None, ("c", None), "together"),
    ],
)
def test_a_server_for_other_machines_needs_password_and_certificate(
    host: str, password: str | None, files: tuple[str | None, str | None], text: str
) -> None:
    with pytest.raises(auth.AccessError, match=text):
        auth.check_exposure(host, password, *(Path(name) if name else None for name in files))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "localhost", "::1"])
def test_a_server_for_this_machine_needs_neither(host: str) -> None:
    auth.check_exposure(host, None, None, None)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl on the PATH to make a certificate with")
def test_page_over_https_asks_for_the_password_of_the_environment(tmp_path: Path) -> None:
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    request = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    subprocess.run([*request, *names, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    trust = ssl.create_default_context(cafile=certificate)
    options = ("--ssl-certfile", str(certificate), "--ssl-keyfile", str(key))
    with serving(*options, EMOTION_PASSWORD=PASSWORD) as (process, address), httpx.Client(verify=trust) as client:
        assert address.startswith("https://127.0.0.1:")
        assert client.get(address).status_code == 401
        page = client.get(address, auth=("", PASSWORD))
        assert (page.status_code, "Secure" in page.headers["set-cookie"]) == (200, True)
        # From here on the cookie is enough. The server waits seconds for connections that stay open.
        ending = client.post(f"{address}/api/exit", headers={"Connection": "close"})
        assert ending.json() == {"status": "ending"}
        assert process.wait(timeout=30) == 0
