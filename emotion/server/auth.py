"""Who may use the server: its own page and clients with the password; all others are refused in one line.

Knows headers, addresses and passwords; knows nothing of images. Every request and WebSocket passes through it.
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
"""Carries a token of this run, because not every browser sends a password with a WebSocket."""

PUBLIC_PATH: Final = "/healthz"
"""Needs no password: it only tells that the server answers."""

SHORTEST_PASSWORD: Final = 8
"""Characters."""

FIRST_DELAY: Final = 0.5
"""Seconds of delay after a wrong password; each further one of the same client doubles it."""

LONGEST_DELAY: Final = 30.0
"""Seconds; the delay does not grow beyond it."""

MAX_CLIENTS: Final = 1000
"""Clients whose wrong passwords are remembered, the latest ones; this limits the memory."""

HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self' blob:; style-src 'self'; "
        "img-src 'self' blob:; media-src 'self' blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""Sent with every answer: the page loads nothing from other sites, and no other page can embed it. WebAssembly and the
worker are those of the engine in the browser (`web/`), whose page without a server has the same policy."""


class AccessError(EmotionError):
    """The server would be open to more people than intended."""


def check_exposure(
    host: str, password: str | None, certificate: Path | None, key: Path | None, *, proxied: bool = False
) -> None:
    """Refuse to listen to other machines without a password and a certificate.

    Args:
        host: address to listen on.
        password: of the page; None for none.
        certificate: PEM file; None for plain HTTP.
        key: PEM file of its private key.
        proxied: whether a trusted reverse proxy is in front, which brings other machines and has the certificate.

    Raises:
        AccessError: either is missing, the password is shorter than `SHORTEST_PASSWORD`, or only one of certificate and
            key is given.
    """
    if (certificate is None) != (key is None):
        raise AccessError("--ssl-certfile and --ssl-keyfile belong together; give both or neither")
    if password is not None and len(password) < SHORTEST_PASSWORD:
        raise AccessError(f"expected a password of at least {SHORTEST_PASSWORD} characters, received {len(password)}")
    if is_local_address(host) and not proxied:
        return
    if password is None:
        hint = "set EMOTION_PASSWORD or give --password"
        reached = "the reverse proxy brings other machines" if proxied else f"other machines can reach {host!r}"
        raise AccessError(f"{reached}, so the server needs a password; {hint}")
    if certificate is None and not proxied:
        hint = (
            "browsers allow the camera over https only; give --ssl-certfile and --ssl-keyfile, or name a --trust-proxy"
        )
        raise AccessError(f"other machines can reach {host!r}, so the server needs a certificate: {hint}")


class AccessControl:
    """Middleware that refuses pages of other sites, other names of this machine and clients without the password."""

    def __init__(self, app: ASGIApp, password: str | None = None) -> None:
        """Protect an application.

        Args:
            app: answers the requests that are let through.
            password: None if the server answers this machine only.
        """
        self._app = app
        self._password_check = PasswordCheck(password) if password else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer or pass on a request or a WebSocket."""
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        connection = HTTPConnection(scope)
        root = scope.get("root_path", "")
        check = None if scope["path"].removeprefix(root) == PUBLIC_PATH else self._password_check
        refusal = self._refuse_page(connection) or (check and await check.refuse(connection))
        # Only for clients with the password, because the cookie replaces it.
        secure = scope["scheme"] in {"https", "wss"}
        cookie = check.cookie(f"{root}/", secure=secure) if check and not refusal else None
        await (refusal or self._app)(scope, receive, _with_headers(send, cookie))

    def _refuse_page(self, connection: HTTPConnection) -> Response | None:
        host, origin = connection.headers.get("host", ""), connection.headers.get("origin")
        # Another site can point its own name at this machine's address (DNS rebinding), but cannot know a password.
        if self._password_check is None and not _is_local_name(host):
            return refusal(400, f"{host[:80]!r} is not a name of this machine; open localhost or 127.0.0.1.")
        if origin is not None and origin.lower() not in {f"http://{host.lower()}", f"https://{host.lower()}"}:
            return refusal(
                403,
                f"Requests from pages of {origin[:80]!r} are refused; open this server's own page. "
                "A reverse proxy must pass on the header Host.",
            )
        return None


class PasswordCheck:
    """Checks a password and slows down clients that guess."""

    def __init__(self, password: str) -> None:
        self._password = password.encode()
        self._token = secrets.token_urlsafe()
        self._failures: dict[str, int] = {}
        self._blocked_until: dict[str, float] = {}

    def cookie(self, path: str, *, secure: bool) -> str:
        """Return the Set-Cookie header for clients with the password; browsers send the cookie below the path."""
        return f"{COOKIE}={self._token}; Path={path}; HttpOnly; SameSite=Strict" + ("; Secure" if secure else "")

    async def refuse(self, connection: HTTPConnection) -> Response | None:
        """Return None for a client with the password, otherwise the refusal, after a delay if the password is wrong."""
        if secrets.compare_digest(connection.cookies.get(COOKIE, "").encode(), self._token.encode()):
            return None
        given = _password_of(connection.headers.get("authorization", ""))
        if given is None:
            return _unauthorised("This server needs a password; any user name will do.")
        client = _network_of(connection)
        # Checked before the password, so that many connections at once guess no faster than one.
        wait = self._blocked_until.get(client, 0.0) - time.monotonic()
        if wait > 0:
            seconds = math.ceil(wait)
            return refusal(429, f"Too many wrong passwords; try again in {seconds} s.", {"Retry-After": str(seconds)})
        if secrets.compare_digest(given, self._password):
            self._failures.pop(client, None)
            return None
        await asyncio.sleep(self._block(client))
        return _unauthorised("The password is wrong; try again.")

    def _block(self, client: str) -> float:
        """Note a wrong password and return the seconds during which this client's attempts are ignored."""
        count = self._failures.pop(client, 0)
        self._failures[client] = count + 1
        delay = min(FIRST_DELAY * 2.0 ** min(count, 10), LONGEST_DELAY)
        self._blocked_until[client] = time.monotonic() + delay
        if len(self._failures) > MAX_CLIENTS:
            oldest = next(iter(self._failures))
            del self._failures[oldest], self._blocked_until[oldest]
        return delay


def is_this_machine(connection: HTTPConnection) -> bool:
    """Tell from the socket addresses whether a request comes from the machine that runs the server."""
    if connection.client is None:
        return False
    server = connection.scope.get("server") or ("", None)
    return connection.client.host == server[0] or _is_loopback(connection.client.host)


def is_local_address(host: str) -> bool:
    """Tell whether only this machine can reach a server that listens on `host`."""
    return host == "localhost" or _is_loopback(host)


def refusal(status: int, text: str, headers: dict[str, str] | None = None) -> Response:
    """Return an error answer of one line, in the form of the API's other errors."""
    return JSONResponse({"detail": text}, status, headers)


def is_worth_logging(record: logging.LogRecord) -> bool:
    """Tell whether a record belongs in the log: uvicorn reports each refused WebSocket as an application error."""
    return "returned without completing handshake" not in record.getMessage()


def _unauthorised(text: str) -> Response:
    return refusal(401, text, {"WWW-Authenticate": 'Basic realm="emotion", charset="UTF-8"'})


def _is_local_name(host: str) -> bool:
    try:
        return is_local_address(urlsplit(f"//{host}").hostname or "")
    except ValueError:  # brackets without an address
        return False


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:  # a host name
        return False


def _network_of(connection: HTTPConnection) -> str:
    """Return the address for which wrong passwords are counted; for IPv6 the /64 network, which one client owns."""
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
