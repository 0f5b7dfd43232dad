"""Trying a download again while its server is busy or unreachable."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from typing import Final

from emotion.errors import DownloadError, one_line

_TRANSIENT: Final = {408, 429}

_CONNECTION: Final = re.compile(r"^HTTPS?Connection\(.*?\): ")
"""The beginning of urllib3's error messages."""

_log = logging.getLogger(__name__)

Wait = Callable[[float], None]
"""Called with the seconds to wait between attempts."""


def repeat(try_once: Callable[[int], str | None], attempts: int, wait: Wait, server: str, thing: str, way: str) -> None:
    """Try until an attempt has no fault, with pauses of 1, 2, 4, ... seconds.

    Args:
        try_once: called with the number of the attempt, from 1; returns its fault, or None.
        attempts: total number of tries.
        wait: called with the seconds to wait between attempts.
        server: who is asked, for messages.
        thing: what is downloaded, for messages.
        way: how to do without the server, for the error.

    Raises:
        DownloadError: the last attempt failed.
    """
    for attempt in range(1, attempts + 1):
        fault = try_once(attempt)
        if fault is None:
            return
        if attempt == attempts:
            raise DownloadError(
                f"cannot download {thing} from {server}: {fault} (attempt {attempt}, the last); "
                f"run it again later to continue, or {way}"
            )
        seconds = 2 ** (attempt - 1)
        _log.warning("%s: %s (attempt %d of %d); trying again in %d s", server, fault, attempt, attempts, seconds)
        wait(seconds)


def is_transient(status: int) -> bool:
    """Return whether a later attempt may succeed after this HTTP status."""
    return status in _TRANSIENT or status >= 500


def describe_connection(error: BaseException) -> str:
    """Say why a connection failed, from an error of requests."""
    return f"no connection ({_innermost(error)})"


def _innermost(error: BaseException) -> str:
    # requests wraps errors of urllib3, which wrap others; only the innermost one helps the user.
    wrapped = [cause for cause in (getattr(error, "reason", None), *error.args) if isinstance(cause, Exception)]
    return _innermost(wrapped[0]) if wrapped else _CONNECTION.sub("", one_line(error))
