"""Downloads FER+, ten raters' votes for each face of FER-2013, or takes the file that a person put beside the faces."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from emotion.data import retries
from emotion.data.retries import Wait
from emotion.errors import DataError, DownloadError
from emotion.params import WITHOUT_VOTES

NAME: Final = "fer2013new.csv"

URL: Final = f"https://raw.githubusercontent.com/microsoft/FERPlus/ae2128abf776409c93e50cf7c9d87180673314e6/{NAME}"

SHA256: Final = "9206e20d62f56475939f516847d61753e4860caeac9718b560129541b776fc2c"

VARIABLE: Final = "EMOTION_VOTES_URL"
"""Environment variable with another address of the same bytes, for networks that cannot reach GitHub."""

OTHERWISE: Final = (
    f"put {NAME} of github.com/microsoft/FERPlus into data/incoming/, or do without votes: {WITHOUT_VOTES}"
)
"""How to do without the download, for error messages."""

TIMEOUT: Final = (10.0, 60.0)
"""Seconds to connect, and to wait for the next bytes."""


def read(incoming: Path, attempts: int, wait: Wait = time.sleep) -> bytes:
    """Return the csv of votes: the one in `incoming` where there is one, else the downloaded one.

    Args:
        incoming: the folder of files that a person put there.
        attempts: number of tries while the server is busy or unreachable.
        wait: called with the seconds to wait between attempts.

    Raises:
        DataError: the file in `incoming` is not that of FER+.
        DownloadError: the server refused, the last attempt failed, or two downloads in a row had other content.
    """
    path = incoming / NAME
    if not path.is_file():
        return download(os.environ.get(VARIABLE) or URL, attempts, wait)
    content = path.read_bytes()
    if (received := _sha256_of(content)) != SHA256:
        raise DataError(f"{path}: expected the file of FER+ with sha256 {SHA256}, received {received}; replace it")
    return content


def download(url: str, attempts: int, wait: Wait = time.sleep) -> bytes:
    """Download the csv of votes, a second time if its content is wrong.

    Raises:
        DownloadError: as for `read`.
    """
    for _ in range(2):
        content = _download_any(url, attempts, wait)
        received = _sha256_of(content)
        if received == SHA256:
            return content
    raise DownloadError(f"expected {url} with sha256 {SHA256}, received {received} twice; try again later, {OTHERWISE}")


def _download_any(url: str, attempts: int, wait: Wait) -> bytes:
    contents: list[bytes] = []
    retries.repeat(lambda _: _try_once(url, contents), attempts, wait, urlsplit(url).netloc, NAME, OTHERWISE)
    return contents[0]


def _try_once(url: str, contents: list[bytes]) -> str | None:
    import requests

    try:
        answer = requests.get(url, timeout=TIMEOUT)
    except requests.RequestException as error:
        return retries.describe_connection(error)
    if answer.ok:
        contents.append(answer.content)
        return None
    fault = f"HTTP {answer.status_code} ({answer.reason})"
    if retries.is_transient(answer.status_code):
        return fault
    raise DownloadError(f"cannot download {url}: {fault}; {OTHERWISE}")


def _sha256_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
