"""What the server accepts: bytes, pixels, images at once. Everything stays in memory.

Knows requests and image headers; knows nothing of faces.
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
from emotion.picture_formats import PILLOW_WARNINGS_OFF, open_picture

MAX_BYTES: Final = 20_000_000
"""Largest request body."""

REQUEST_SECONDS: Final = 10.0
"""Time for the head of a request to arrive. A connection that sends none is closed after at most twice this time."""

BODY_SECONDS: Final = 30.0
"""Time for a request body to arrive: a stalled client does not keep its slot."""

MAX_PIXELS: Final = 50_000_000
"""Largest image; decoded it takes 200 MB."""

MAX_EDGE: Final = 20_000
"""Longest edge of an image, in pixels."""

MAX_FRAME_BYTES: Final = 1_000_000
"""Largest encoded webcam frame."""

MAX_FRAME_PIXELS: Final = 1920 * 1080
"""Largest decoded webcam frame."""

IMAGES_AT_ONCE: Final = 8
"""Images that are received or processed at once; further clients are told that the server is busy."""

WEBCAMS_AT_ONCE: Final = 4
"""Webcams at once."""

CONNECTIONS: Final = 64
"""Connections at once."""


@dataclass(frozen=True)
class Upload:
    """One image as it arrived.

    Attributes:
        name: the file's name without folders; `picture` if the client gave none.
        content: the file.
    """

    name: str
    content: bytes


class Slots:
    """A limit on how many things run at once."""

    def __init__(self, count: int) -> None:
        self._free = count

    @contextmanager
    def take(self) -> Iterator[None]:
        """Hold a slot while the block runs.

        Raises:
            HTTPException: 503, no slot is free; requests are not queued.
        """
        if self._free == 0:
            raise HTTPException(503, "The server is busy; try again in a second.", {"Retry-After": "1"})
        self._free -= 1
        try:
            yield
        finally:
            self._free += 1


class Connection(H11Protocol):
    """A connection that is closed if no whole request arrives in time, even while bytes of one trickle in."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start to watch the connection."""
        super().connection_made(transport)
        self._last_cycle: object = None
        self.loop.call_later(REQUEST_SECONDS, self.close_if_idle)

    def close_if_idle(self) -> None:
        """Close the connection if no request arrived since the last check and none is being answered."""
        if self not in self.connections:
            return  # closed, or a WebSocket by now
        if self.cycle is None or (self.cycle is self._last_cycle and self.cycle.response_complete):
            self.transport.close()
            return
        self._last_cycle = self.cycle
        self.loop.call_later(REQUEST_SECONDS, self.close_if_idle)


async def read_upload(request: Request) -> Upload:
    """Read the image of a request: the file of a form, or the whole body.

    Raises:
        HTTPException: 400, the form has no file, the file name is a path, or the body is empty; 408, the body takes
            too long; 413, it is larger than `MAX_BYTES`.
    """
    try:
        async with asyncio.timeout(BODY_SECONDS):
            upload = await _read(request)
    except TimeoutError as error:
        raise HTTPException(408, f"The image did not arrive within {BODY_SECONDS:.0f} s; send it again.") from error
    except ClientDisconnect as error:
        raise HTTPException(400, "The connection closed before the image arrived.") from error
    if not upload.content:
        raise HTTPException(400, "The request holds no data; send an image.")
    return upload


def check_size(content: bytes, pixels: int) -> None:
    """Refuse an image with too many pixels by its header, before it is decoded.

    Raises:
        ImageError: it has more than `pixels` pixels or an edge longer than `MAX_EDGE` (`too_large`).
    """
    try:
        with PILLOW_WARNINGS_OFF, open_picture(io.BytesIO(content)) as image:
            width, height = image.size
    except Image.DecompressionBombError as error:
        raise ImageError("too_large", f"expected at most {pixels} pixels, received many times more") from error
    except Exception:  # not an image: decoding it reports that
        return
    if width * height > pixels or max(width, height) > MAX_EDGE:
        expected = f"expected at most {pixels} pixels and edges of at most {MAX_EDGE}"
        raise ImageError("too_large", f"{expected}, received {width}x{height}; send a smaller image")


class _MemoryParser(MultiPartParser):
    """Reads a form without a temporary file, even for large uploads."""

    spool_max_size = MAX_BYTES + 1


async def _read(request: Request) -> Upload:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "multipart/form-data":
        return Upload("picture", b"".join([chunk async for chunk in _limited(request)]))
    try:
        form = await _MemoryParser(request.headers, _limited(request), max_files=1, max_fields=8).parse()
    except (MultiPartException, UnicodeError) as error:  # UnicodeError: the form names a codec that cannot decode it
        reason = str(getattr(error, "message", error)).rstrip(".")
        raise HTTPException(400, f"The form cannot be read ({reason}); send one file.") from error
    try:
        return await _file_of(form)
    finally:
        await form.close()


async def _file_of(form: FormData) -> Upload:
    file = next((value for value in form.values() if isinstance(value, UploadFile)), None)
    if file is None:
        raise HTTPException(400, "The form holds no file; send the image as the field 'file'.")
    return Upload(_check_name(file.filename or "picture"), await file.read())


async def _limited(request: Request) -> AsyncGenerator[bytes, None]:
    refusal = HTTPException(413, f"The server accepts at most {MAX_BYTES} bytes; send a smaller image.")
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > MAX_BYTES:
        raise refusal
    received = 0
    async for chunk in request.stream():
        received += len(chunk)
        if received > MAX_BYTES:
            raise refusal
        yield chunk


def _check_name(name: str) -> str:
    if "/" in name or "\\" in name or not name.isprintable() or len(name) > 255:
        raise HTTPException(400, f"{name[:80]!r} is not a plain file name; send a short name without folders.")
    return name
