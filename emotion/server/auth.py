"""Who may speak to the server: pages of its own, and people with the password; others get one line.

Knows headers, addresses and passwords; nothing of pictures. It stands in front of every request and WebSocket.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import ipaddress
import logging
import math
import secrets
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from emotion.errors import EmotionError

COOKIE: Final = "emotion"
"""It carries a token of this run: not every browser sends a password with a WebSocket."""

OPEN: Final = "/healthz"
"""The path that needs no password: it says nothing but that the server answers."""

SHORTEST_PASSWORD: Final = 8
"""Characters."""

FIRST_DELAY: Final = 0.5
"""Seconds that a wrong password costs; doubled with each further one of the same client."""

LONGEST_DELAY: Final = 30.0
"""Seconds that the doubling ends at."""

REMEMBERED: Final = 1000
"""Clients whose wrong passwords are remembered, the latest ones; bounds the memory."""

HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; media-src 'self' blob:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""With every answer: the page loads nothing from elsewhere and no other page embeds it."""


class AccessError(EmotionError):
    """The server would be open to more people than it should be."""


def check_exposure(host: str, password: str | None, certificate: Path | None, key: Path | None) -> None:
    """Refuse to be reached from other machines without a password and a certificate.

    Raises:
        AccessError: one of them lacks, the password is shorter than `SHORTEST_PASSWORD`, or one of certificate and key
            came without the other.
    """
    if (certificate is None) != (key is None):
        raise AccessError("expected --ssl-certfile and --ssl-keyfile together, received one of them; give both or none")
    if password is not None and len(password) < SHORTEST_PASSWORD:
        raise AccessError(f"expected a password of {SHORTEST_PASSWORD} characters or more, received {len(password)}")
    if is_local_address(host):
        return
    expected = f"other machines reach {host}: expected"
    if password is None:
        raise AccessError(f"{expected} a password, received none; set EMOTION_PASSWORD or give --password")
    if certificate is None:
        hint = "browsers give a page its camera over https only; give --ssl-certfile and --ssl-keyfile"
        raise AccessError(f"{expected} a certificate, received none; {hint}")


class AccessControl:
    """Middleware that refuses other sites' pages, other names of this machine, and strangers without the password."""

    def __init__(self, app: ASGIApp, password: str | None = None) -> None:
        """Stand in front of an application.

        Args:
            app: what the admitted reach.
            password: None where the server answers this machine only.
        """
        self._app = app
        self._door = PasswordCheck(password) if password else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer or pass on a request or a WebSocket."""
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        connection = HTTPConnection(scope)
        door = None if scope["path"] == OPEN else self._door
        refusal = self._refuse_page(connection) or (door and await door.face_from_probabilities(connection))
        # Only to those whom the door let in: the cookie opens it.
        cookie = door.cookie(secure=scope["scheme"] in {"https", "wss"}) if door and not refusal else None
        await (refusal or self._app)(scope, receive, _with_headers(send, cookie))

    def _refuse_page(self, connection: HTTPConnection) -> Response | None:
        host, origin = connection.headers.get("host", ""), connection.headers.get("origin")
        # A page of another site can give its own name this machine's address; it cannot know a password.
        if self._door is None and not _is_local_name(host):
            return refusal(400, f"expected the host localhost or 127.0.0.1, received {host[:80]!r}; open that address")
        if origin is not None and origin.lower() not in {f"http://{host.lower()}", f"https://{host.lower()}"}:
            return refusal(403, f"expected a request of this server's own page, received one of {origin[:80]!r}")
        return None


class PasswordCheck:
    """One password, and a memory of who gave wrong ones."""

    def __init__(self, password: str) -> None:
        self._password = password.encode()
        self._token = secrets.token_urlsafe()
        self._failures: dict[str, int] = {}
        self._closed_until: dict[str, float] = {}

    def cookie(self, *, secure: bool) -> str:
        """Return the Set-Cookie header for those who are in."""
        return f"{COOKIE}={self._token}; Path=/; HttpOnly; SameSite=Strict" + ("; Secure" if secure else "")

    async def face_from_probabilities(self, connection: HTTPConnection) -> Response | None:
        """Return None to let a client in, otherwise the refusal; after a wrong password that takes a while."""
        if secrets.compare_digest(connection.cookies.get(COOKIE, "").encode(), self._token.encode()):
            return None
        given = _password_of(connection.headers.get("authorization", ""))
        if given is None:
            return _unauthorised("expected the password of this server (any user name), received none")
        client = _network_of(connection)
        # Checked before the password: many connections at once guess no faster than one.
        wait = self._closed_until.get(client, 0.0) - time.monotonic()
        if wait > 0:
            text = f"expected a pause after a wrong password, received another attempt; wait {math.ceil(wait)} s"
            return refusal(429, text, {"Retry-After": str(math.ceil(wait))})
        if secrets.compare_digest(given, self._password):
            self._failures.pop(client, None)
            return None
        await asyncio.sleep(self._close(client))
        return _unauthorised("expected the password of this server, received another; try again")

    def _close(self, client: str) -> float:
        """Note a wrong password and return the seconds for which this client's next attempt is not looked at."""
        count = self._failures.pop(client, 0)
        self._failures[client] = count + 1
        delay = min(FIRST_DELAY * 2.0 ** min(count, 10), LONGEST_DELAY)
        self._closed_until[client] = time.monotonic() + delay
        if len(self._failures) > REMEMBERED:
            oldest = next(iter(self._failures))
            del self._failures[oldest], self._closed_until[oldest]
        return delay


def is_this_machine(connection: HTTPConnection) -> bool:
    """Tell whether a request comes from the machine that runs the server, by its sockets' addresses."""
    if connection.client is None:
        return False
    server = connection.scope.get("server") or ("", None)
    return connection.client.host == server[0] or _is_loopback(connection.client.host)


def is_local_address(host: str) -> bool:
    """Tell whether a server that listens on `host` is reached from this machine only."""
    return host == "localhost" or _is_loopback(host)


def refusal(status: int, text: str, headers: dict[str, str] | None = None) -> Response:
    """Return an answer of one line, in the form that the API's other errors have."""
    return JSONResponse({"detail": text}, status, headers)


def is_no_refusal(record: logging.LogRecord) -> bool:
    """Tell whether a line belongs in the log: uvicorn takes each refused WebSocket for a fault of the application."""
    return "returned without completing handshake" not in record.getMessage()


def _unauthorised(text: str) -> Response:
    return refusal(401, text, {"WWW-Authenticate": 'Basic realm="emotion", charset="UTF-8"'})


def _is_local_name(host: str) -> bool:
    try:
        return is_local_address(urlsplit(f"//{host}").hostname or "")
    except ValueError:  # brackets without an address between them
        return False


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:  # a name
        return False


def _network_of(connection: HTTPConnection) -> str:
    """Return whom wrong passwords are counted for: an address, of IPv6 the network, which one person has whole."""
    host = connection.client.host if connection.client else ""
    return str(ipaddress.ip_network((host.partition("%")[0], 64), strict=False)) if ":" in host else host


def _password_of(authorization: str) -> bytes | None:
    kind, _, encoded = authorization.partition(" ")
    if kind.lower() != "basic":
        return None
    try:
        return base64.b64decode(encoded, validate=True).partition(b":")[2]
    except binascii.Error:
        return b""


def _with_headers(send: Send, cookie: str | None) -> Callable[[Message], Awaitable[None]]:
    async def send_with_headers(message: Message) -> None:
        if message["type"] in {"http.response.start", "websocket.accept", "websocket.http.response.start"}:
            headers = MutableHeaders(scope=message)
            headers.update(HEADERS)
            if cookie:
                headers.append("Set-Cookie", cookie)
        await send(message)

    return send_with_headers
