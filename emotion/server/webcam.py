"""One browser's webcam over a WebSocket: frames come in, faces go out, and nothing is queued.

Only the newest frame waits; older ones are dropped. Knows sockets; the caller finds the faces.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any, Final

from starlette.websockets import WebSocket, WebSocketDisconnect

from emotion.errors import EmotionError, one_line

IDLE_SECONDS: Final = 60.0
"""Time without a message after which the WebSocket is closed, so that another webcam can have the slot."""

LONGEST_SMOOTHING: Final = 5.0
"""Seconds."""

REFUSED: Final = 1003
"""Close code of a WebSocket that sent data of the wrong kind."""

TRY_LATER: Final = 1013
"""Close code of a WebSocket when the server is busy."""

MAX_REASON: Final = 123
"""Bytes of text that fit next to the close code."""

FrameHandler = Callable[[bytes], Awaitable[dict[str, Any]]]
"""Takes an encoded frame and returns the answer to it."""


class LatestFrame:
    """Holds one waiting frame; a newer frame replaces it.

    Attributes:
        received: frames that arrived so far.
        dropped: frames that a newer one replaced.
    """

    def __init__(self) -> None:
        self.received = self.dropped = 0
        self._frame: bytes | None = None
        self._changed = asyncio.Event()

    def put(self, frame: bytes) -> None:
        """Store a frame in place of any that still waits."""
        self.received += 1
        self.dropped += self._frame is not None
        self._frame = frame
        self._changed.set()

    async def take(self) -> tuple[int, bytes]:
        """Wait for a frame; return its number, from 1, and the frame."""
        while self._frame is None:
            self._changed.clear()
            await self._changed.wait()
        frame, self._frame = self._frame, None
        return self.received, frame


async def answer_frames(socket: WebSocket, handle: FrameHandler, set_smoothing: Callable[[float], None]) -> None:
    """Answer the frames of one accepted WebSocket until it closes; refuse anything else in one line.

    Args:
        socket: brings frames as binary messages and settings as text, `{"smoothing": seconds}`. For each frame that
            was handled it gets the result of `handle` with the frame's number and the count of dropped frames so far.
        handle: called for one frame at a time.
        set_smoothing: called with each new smoothing, in seconds.
    """
    latest = LatestFrame()
    tasks = [
        asyncio.create_task(_receive(socket, latest, set_smoothing)),
        asyncio.create_task(_answer(socket, latest, handle)),
    ]
    try:
        # Both run until one of them raises.
        await asyncio.gather(*tasks)
    except WebSocketDisconnect:
        return
    except EmotionError as error:
        await _refuse(socket, one_line(error))
    except TimeoutError:
        await _refuse(socket, f"No frame arrived within {IDLE_SECONDS:.0f} s; start again.")
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _receive(socket: WebSocket, latest: LatestFrame, set_smoothing: Callable[[float], None]) -> None:
    while True:
        async with asyncio.timeout(IDLE_SECONDS):
            message = await socket.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", 1000))
        frame = message.get("bytes")
        if frame is None:
            set_smoothing(_parse_smoothing(message.get("text", "")))
        else:
            latest.put(frame)


async def _answer(socket: WebSocket, latest: LatestFrame, handle: FrameHandler) -> None:
    while True:
        number, frame = await latest.take()
        result = await handle(frame)
        # Blocks while the client does not read; frames that arrive in the meantime replace one another.
        await socket.send_json({"frame": number, "dropped": latest.dropped, **result})


async def _refuse(socket: WebSocket, text: str) -> None:
    try:
        await socket.send_json({"detail": text})
        await socket.close(REFUSED, text.encode()[:MAX_REASON].decode(errors="ignore"))
    except (WebSocketDisconnect, RuntimeError):  # the client has left; RuntimeError: it left during this send
        return


def _parse_smoothing(text: str) -> float:
    try:
        smoothing = float(json.loads(text)["smoothing"])
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
        raise EmotionError(f'expected a frame or {{"smoothing": seconds}}, received {text[:40]!r}') from error
    if not 0 <= smoothing <= LONGEST_SMOOTHING:
        raise EmotionError(f"expected a smoothing of 0 to {LONGEST_SMOOTHING} seconds, received {smoothing}")
    return smoothing
