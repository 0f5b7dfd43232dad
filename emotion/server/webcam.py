"""One browser's webcam over a WebSocket: frames come in, faces go out, and nobody queues.

The newest frame waits for the one before it; older ones are dropped. Knows sockets; what a frame shows it is told.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any, Final

from starlette.websockets import WebSocket, WebSocketDisconnect

from emotion.errors import EmotionError, one_line

IDLE_SECONDS: Final = 60.0
"""Time without a message after which a webcam's place is given to another."""

LONGEST_SMOOTHING: Final = 5.0
"""Seconds."""

REFUSED: Final = 1003
"""The code with which a WebSocket closes after data that it does not take."""

TRY_LATER: Final = 1013
"""The code with which a WebSocket closes when the server is busy."""

MAX_REASON: Final = 123
"""Bytes of text that fit beside the code."""

Look = Callable[[bytes], Awaitable[dict[str, Any]]]
"""Takes an encoded frame and returns what is sent back for it."""


class LatestFrame:
    """A place for one waiting frame; a newer one takes it.

    Attributes:
        received: frames that were put in.
        dropped: frames that a newer one pushed out.
    """

    def __init__(self) -> None:
        self.received = self.dropped = 0
        self._frame: bytes | None = None
        self._changed = asyncio.Event()

    def put(self, frame: bytes) -> None:
        """Put in a frame, in place of one that nobody took."""
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


async def follow(socket: WebSocket, look: Look, smooth: Callable[[float], None]) -> None:
    """Answer the frames of one accepted WebSocket until it closes; on what is no frame, say so in one line and close.

    Args:
        socket: sends frames as binary messages and settings as text, `{"smoothing": seconds}`; receives for each frame
            that was looked at what `look` returned, with its number and the count of dropped frames so far.
        look: called for one frame at a time.
        smooth: called with each new smoothing.
    """
    latest = LatestFrame()
    tasks = [asyncio.create_task(_receive(socket, latest, smooth)), asyncio.create_task(_answer(socket, latest, look))]
    try:
        # Both go on until one of them raises.
        await asyncio.gather(*tasks)
    except WebSocketDisconnect:
        return
    except EmotionError as error:
        await _refuse(socket, one_line(error))
    except TimeoutError:
        await _refuse(socket, f"expected a frame within {IDLE_SECONDS:.0f} s, received none; start again")
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _receive(socket: WebSocket, latest: LatestFrame, smooth: Callable[[float], None]) -> None:
    while True:
        async with asyncio.timeout(IDLE_SECONDS):
            message = await socket.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", 1000))
        frame = message.get("bytes")
        if frame is None:
            smooth(_smoothing_of(message.get("text", "")))
        else:
            latest.put(frame)


async def _answer(socket: WebSocket, latest: LatestFrame, look: Look) -> None:
    while True:
        number, frame = await latest.take()
        result = await look(frame)
        # Waits while the client does not read; frames that come meanwhile push one another out.
        await socket.send_json({"frame": number, "dropped": latest.dropped, **result})


async def _refuse(socket: WebSocket, text: str) -> None:
    try:
        await socket.send_json({"detail": text})
        await socket.close(REFUSED, text.encode()[:MAX_REASON].decode(errors="ignore"))
    except (WebSocketDisconnect, RuntimeError):  # gone meanwhile; the second where it closed while this sent
        return


def _smoothing_of(text: str) -> float:
    try:
        smoothing = float(json.loads(text)["smoothing"])
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
        raise EmotionError(f'expected a frame or {{"smoothing": seconds}}, received {text[:40]!r}') from error
    if not 0 <= smoothing <= LONGEST_SMOOTHING:
        raise EmotionError(f"expected a smoothing of 0 to {LONGEST_SMOOTHING} seconds, received {smoothing}")
    return smoothing
