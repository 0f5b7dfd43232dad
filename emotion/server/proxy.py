"""A reverse proxy in front of the server: the path below which it serves, and whose word about clients counts."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from emotion.errors import EmotionError


class ProxyError(EmotionError):
    """The proxy is described wrongly."""


@dataclass(frozen=True)
class Proxy:
    """What the server knows about a reverse proxy; without arguments there is none.

    Attributes:
        root_path: the path below which the proxy serves the page, such as `/emotion`; empty for the whole host.
        trusted: addresses and networks of the proxy, separated by commas. Only from these are the headers
            `X-Forwarded-For` and `X-Forwarded-Proto` believed. Empty to believe nobody.
    """

    root_path: str = ""
    trusted: str = ""

    def __post_init__(self) -> None:
        """Check both.

        Raises:
            ProxyError: the path is not made of plain names, or a trusted address is none.
        """
        if not re.fullmatch(r"(/[\w.~-]+)*", self.root_path, re.ASCII):
            raise ProxyError(f"{self.root_path!r} is not a root path; write one such as /emotion")
        for address in filter(None, self.trusted.split(",")):
            _check_network(address)

    def __bool__(self) -> bool:
        return bool(self.root_path or self.trusted)


NO_PROXY: Final = Proxy()


class RootPath:
    """Middleware that serves an application below a path, whether or not the proxy takes the path off requests."""

    def __init__(self, app: ASGIApp, root_path: str) -> None:
        """Wrap an application.

        Args:
            app: answers the requests.
            root_path: as in `Proxy`.
        """
        self._app, self._root_path = app, root_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on a request or a WebSocket with the whole path, as ASGI wants it."""
        if scope["type"] in {"http", "websocket"}:
            path = scope["path"]
            whole = f"{path}/".startswith(f"{self._root_path}/")
            scope = {**scope, "root_path": self._root_path, "path": path if whole else self._root_path + path}
        await self._app(scope, receive, send)


def _check_network(text: str) -> None:
    try:
        ipaddress.ip_network(text.strip())
    except ValueError as error:
        raise ProxyError(f"{text!r} is no address or network of a proxy; write one such as 172.16.0.0/12") from error
