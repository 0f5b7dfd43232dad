"""What the server takes in, and no more: bytes, pixels, pictures at once. Everything stays in memory.

Knows requests and headers of pictures; nothing of faces.
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from PIL import Image
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request
from uvicorn.protocols.http.h11_impl import H11Protocol

from emotion.errors import ImageError
from emotion.images import FORMATS, PILLOW_WARNINGS_OFF

MAX_BYTES: Final = 20_000_000
"""Largest request body."""

REQUEST_SECONDS: Final = 10.0
"""Time for the head of a request to arrive; a connection that sends none is ended after at most twice that."""

BODY_SECONDS: Final = 30.0
"""Time for a request body to arrive: a client that stalls holds no place."""

MAX_PIXELS: Final = 50_000_000
"""Largest picture; decoded it takes 200 MB."""

MAX_EDGE: Final = 20_000
"""Longest edge of a picture, in pixels."""

MAX_FRAME_BYTES: Final = 1_000_000
"""Largest frame of a webcam, as a file."""

MAX_FRAME_PIXELS: Final = 1920 * 1080
"""Largest frame of a webcam, decoded."""

PICTURES_AT_ONCE: Final = 8
"""Pictures being received or worked on; the next client is told that the server is busy."""

LIVE_AT_ONCE: Final = 4
"""Webcams at once."""

CONNECTIONS: Final = 64
"""Connections at once."""


@dataclass(frozen=True)
class Upload:
    """One picture as it arrived.

    Attributes:
        name: the file's plain name, or `picture` where none came along.
        content: the file.
    """

    name: str
    content: bytes


class Slots:
    """A number of things that may go on at once."""

    def __init__(self, count: int) -> None:
        self._free = count

    @contextmanager
    def take(self) -> Iterator[None]:
        """Hold a place for the block.

        Raises:
            HTTPException: 503, none is free; nobody waits in a queue.
        """
        if self._free == 0:
            raise HTTPException(503, "the server is busy; try again in a second", {"Retry-After": "1"})
        self._free -= 1
        try:
            yield
        finally:
            self._free += 1


class Connection(H11Protocol):
    """A connection that is ended when no request comes over it, though some bytes of one may: it holds a place."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to watch the connection."""
        super().connection_made(transport)
        self._answered: object = None
        self.loop.call_later(REQUEST_SECONDS, self.close_if_idle)

    def close_if_idle(self) -> None:
        """End the connection if no request came since the last time and none is being answered."""
        if self not in self.connections:
            return  # closed, or a WebSocket by now
        if self.cycle is None or (self.cycle is self._answered and self.cycle.response_complete):
            self.transport.close()
            return
        self._answered = self.cycle
        self.loop.call_later(REQUEST_SECONDS, self.close_if_idle)


async def read_upload(request: Request) -> Upload:
    """Read the picture of a request: the file of a form, or the whole body.

    Raises:
        HTTPException: 400, it is no form with one file, has a path for a name, or is empty; 408, it takes too long;
            413, it is larger than `MAX_BYTES`.
    """
    try:
        async with asyncio.timeout(BODY_SECONDS):
            upload = await _read(request)
    except TimeoutError as error:
        raise HTTPException(408, f"expected the picture within {BODY_SECONDS:.0f} s, received a part of it") from error
    except ClientDisconnect as error:
        raise HTTPException(400, "expected a picture, received an end of the connection") from error
    if not upload.content:
        raise HTTPException(400, "expected a picture, received an empty body")
    return upload


def check_size(content: bytes, pixels: int) -> None:
    """Refuse a picture with too many pixels, by its header, before anything is decoded.

    Raises:
        ImageError: it has more than `pixels` pixels or an edge longer than `MAX_EDGE` (`too_large`).
    """
    try:
        with PILLOW_WARNINGS_OFF, Image.open(io.BytesIO(content), formats=FORMATS) as image:
            width, height = image.size
    except Image.DecompressionBombError as error:
        raise ImageError("too_large", f"expected at most {pixels} pixels, received many times more") from error
    except Exception:  # no picture: whoever decodes it says so
        return
    if width * height > pixels or max(width, height) > MAX_EDGE:
        expected = f"expected at most {pixels} pixels and edges of {MAX_EDGE}"
        raise ImageError("too_large", f"{expected}, received {width}x{height}; send a smaller picture")


class _MemoryParser(MultiPartParser):
    """Reads a form without the temporary file that larger uploads otherwise go to."""

    spool_max_size = MAX_BYTES + 1


async def _read(request: Request) -> Upload:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "multipart/form-data":
        return Upload("picture", b"".join([chunk async for chunk in _bounded(request)]))
    try:
        form = await _MemoryParser(request.headers, _bounded(request), max_files=1, max_fields=8).parse()
    except (MultiPartException, UnicodeError) as error:  # the second where the form names a codec that decodes nothing
        reason = getattr(error, "message", error)
        raise HTTPException(400, f"expected a form with one file, received another: {reason}") from error
    try:
        return await _file_of(form)
    finally:
        await form.close()


async def _file_of(form: FormData) -> Upload:
    file = next((value for value in form.values() if isinstance(value, UploadFile)), None)
    if file is None:
        raise HTTPException(400, "expected a form with one file, received none; send the picture as the field 'file'")
    return Upload(_plain_name(file.filename or "picture"), await file.read())


async def _bounded(request: Request) -> AsyncGenerator[bytes, None]:
    refusal = HTTPException(413, f"expected at most {MAX_BYTES} bytes, received more; send a smaller picture")
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > MAX_BYTES:
        raise refusal
    received = 0
    async for chunk in request.stream():
        received += len(chunk)
        if received > MAX_BYTES:
            raise refusal
        yield chunk


def _plain_name(name: str) -> str:
    if "/" in name or "\\" in name or not name.isprintable() or len(name) > 255:
        raise HTTPException(400, f"expected the plain name of a file, received {name[:80]!r}; send it without folders")
    return name
