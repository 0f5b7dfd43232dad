from __future__ import annotations

import asyncio
import json
import threading
from contextlib import ExitStack

import httpx
import pytest
from PIL import Image
from running_server import alive, encoded, webcam_of
from small_photos import astronaut
from websockets.exceptions import ConnectionClosed

from emotion.server import app, uploads, webcam


def test_frames_are_answered_with_tracked_faces(client: httpx.Client) -> None:
    frame = encoded(astronaut())
    with webcam_of(client) as socket:
        socket.send(json.dumps({"smoothing": 0}))
        for number in (1, 2):
            socket.send(frame)
            answer = json.loads(socket.recv())
            assert (answer["frame"], answer["dropped"], answer["width"]) == (number, 0, 512)
            assert [face["track"] for face in answer["faces"]] == [1]


@pytest.mark.usefixtures("detector_weights")
def test_answers_contain_the_landmarks_of_the_faces(client: httpx.Client) -> None:
    with webcam_of(client) as socket:
        socket.send(encoded(astronaut()))
        (face,) = json.loads(socket.recv())["faces"]
    box = face["box"]
    assert len(face["landmarks"]) == 5
    for x, y in face["landmarks"]:
        assert box["left"] < x < box["left"] + box["width"]
        assert box["top"] < y < box["top"] + box["height"]


@pytest.mark.parametrize(
    ("garbage", "fault"),
    [
        (b"\x00" * 100, "not a picture"),
        (b"", "the file is empty"),
        (encoded(Image.new("LAB", (60, 60)), "tiff"), "received the colour mode LAB"),
        *((text, "expected") for text in ("hello", "[]", '{"smoothing": "fast"}')),
        *((text, "expected") for text in ('{"smoothing": 1e999}', '{"smoothing": -1}')),
    ],
)
def test_unknown_data_on_a_websocket_is_refused_in_one_line(
    client: httpx.Client, garbage: bytes | str, fault: str
) -> None:
    with webcam_of(client) as socket:
        socket.send(garbage)
        assert fault in json.loads(socket.recv())["detail"]
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv()
    assert closed.value.rcvd
    assert closed.value.rcvd.code == webcam.REFUSED
    assert alive(client)


def test_frame_that_is_too_large_closes_the_websocket(client: httpx.Client) -> None:
    with webcam_of(client) as socket:
        socket.send(bytes(uploads.MAX_FRAME_BYTES + 1))
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv()
    assert closed.value.rcvd
    assert closed.value.rcvd.code == 1009
    with webcam_of(client) as socket:
        socket.send(encoded(Image.new("1", (2000, 2000)), "png"))
        assert "expected at most" in json.loads(socket.recv())["detail"]


def test_webcam_without_a_free_slot_is_told_to_try_again(client: httpx.Client) -> None:
    with ExitStack() as sockets:
        for _ in range(uploads.WEBCAMS_AT_ONCE):
            socket = sockets.enter_context(webcam_of(client))
            socket.send(encoded(astronaut(64)))
            socket.recv()  # by now it holds a slot
        with webcam_of(client) as late, pytest.raises(ConnectionClosed) as closed:
            late.recv()
    assert closed.value.rcvd
    assert (closed.value.rcvd.code, "busy" in closed.value.rcvd.reason) == (webcam.TRY_LATER, True)


def test_webcam_that_sends_nothing_is_disconnected(client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webcam, "IDLE_SECONDS", 0.05)
    with webcam_of(client) as socket:
        assert "No frame arrived within" in json.loads(socket.recv())["detail"]


def test_webcam_stays_connected_beyond_the_time_for_a_request(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked = threading.Event()
    close_if_idle = uploads.Connection.close_if_idle

    def close_and_tell(connection: uploads.Connection) -> None:
        close_if_idle(connection)
        checked.set()

    monkeypatch.setattr(uploads, "REQUEST_SECONDS", 0.2)
    monkeypatch.setattr(uploads.Connection, "close_if_idle", close_and_tell)
    with webcam_of(client) as socket:
        assert checked.wait(30)
        socket.send(encoded(astronaut(64)))
        assert json.loads(socket.recv())["frame"] == 1


def test_frames_that_arrive_too_fast_are_dropped_and_counted(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    all_arrived = threading.Event()

    class CountedFrames(webcam.LatestFrame):
        def put(self, frame: bytes) -> None:
            super().put(frame)
            if self.received == 5:
                all_arrived.set()

    monkeypatch.setattr(webcam, "LatestFrame", CountedFrames)
    monkeypatch.setattr(app.PredictionService, "predict_frame", lambda *_: {"waited": all_arrived.wait(30)})
    with webcam_of(client) as socket:
        for _ in range(5):
            socket.send(b"frame")
        answers = [json.loads(socket.recv())]
        while answers[-1]["frame"] < 5:
            answers.append(json.loads(socket.recv()))
    assert len(answers) + answers[-1]["dropped"] == 5
    assert len(answers) <= 3


def test_newest_frame_replaces_the_waiting_one() -> None:
    async def fill() -> tuple[tuple[int, bytes], int]:
        latest = webcam.LatestFrame()
        for frame in (b"1", b"2", b"3"):
            latest.put(frame)
        return await latest.take(), latest.dropped

    assert asyncio.run(fill()) == ((3, b"3"), 2)
