from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack

import httpx
import pytest
from PIL import Image
from running_server import alive, encoded, running, small_predictor, webcam_of
from small_photos import astronaut
from websockets.exceptions import ConnectionClosed

from emotion import Predictor
from emotion.server import app, uploads, webcam


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    return small_predictor(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def client(predictor: Predictor) -> Iterator[httpx.Client]:
    with running(predictor) as client:
        yield client


def test_frames_are_answered_with_tracked_faces(client: httpx.Client) -> None:
    frame = encoded(astronaut())
    with webcam_of(client) as socket:
        socket.send(json.dumps({"smoothing": 0}))
        for number in (1, 2):
            socket.send(frame)
            answer = json.loads(socket.recv())
            assert (answer["frame"], answer["dropped"], answer["width"]) == (number, 0, 512)
            assert [face["track"] for face in answer["faces"]] == [1]


@pytest.mark.parametrize(
    "garbage", [b"\x00" * 100, b"", "hello", "[]", '{"smoothing": "fast"}', '{"smoothing": 1e999}', '{"smoothing": -1}']
)
def test_garbage_on_a_websocket_is_refused_in_one_line(client: httpx.Client, garbage: bytes | str) -> None:
    with webcam_of(client) as socket:
        socket.send(garbage)
        assert "expected" in json.loads(socket.recv())["detail"]
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv()
    assert closed.value.rcvd
    assert closed.value.rcvd.code == webcam.REFUSED
    assert alive(client)


def test_frames_that_are_too_large_end_the_websocket(client: httpx.Client) -> None:
    with webcam_of(client) as socket:
        socket.send(bytes(uploads.MAX_FRAME_BYTES + 1))
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv()
    assert closed.value.rcvd
    assert closed.value.rcvd.code == 1009
    with webcam_of(client) as socket:
        socket.send(encoded(Image.new("1", (2000, 2000)), "png"))
        assert "expected at most" in json.loads(socket.recv())["detail"]


def test_more_webcams_than_places_are_told_to_come_back(client: httpx.Client) -> None:
    with ExitStack() as places:
        for _ in range(uploads.LIVE_AT_ONCE):
            place = places.enter_context(webcam_of(client))
            place.send(encoded(astronaut(64)))
            place.recv()  # so it surely has its place
        with webcam_of(client) as late, pytest.raises(ConnectionClosed) as closed:
            late.recv()
    assert closed.value.rcvd
    assert (closed.value.rcvd.code, "busy" in closed.value.rcvd.reason) == (webcam.TRY_LATER, True)


def test_webcam_that_sends_nothing_loses_its_place(client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webcam, "IDLE_SECONDS", 0.05)
    with webcam_of(client) as socket:
        assert "received none" in json.loads(socket.recv())["detail"]


def test_webcam_outlives_the_time_for_a_request(client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    watched = threading.Event()
    track_faces = uploads.Connection.close_if_idle

    def watch_and_tell(connection: uploads.Connection) -> None:
        track_faces(connection)
        watched.set()

    monkeypatch.setattr(uploads, "REQUEST_SECONDS", 0.2)
    monkeypatch.setattr(uploads.Connection, "close_if_idle", watch_and_tell)
    with webcam_of(client) as socket:
        assert watched.wait(30)
        socket.send(encoded(astronaut(64)))
        assert json.loads(socket.recv())["frame"] == 1


def test_frames_that_come_too_fast_are_dropped_and_counted(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    all_came = threading.Event()

    class Watched(webcam.LatestFrame):
        def put(self, frame: bytes) -> None:
            super().put(frame)
            if self.received == 5:
                all_came.set()

    monkeypatch.setattr(webcam, "LatestFrame", Watched)
    monkeypatch.setattr(app.PredictionService, "follow", lambda *_: {"waited": all_came.wait(30)})
    with webcam_of(client) as socket:
        for _ in range(5):
            socket.send(b"frame")
        predictions = [json.loads(socket.recv())]
        while predictions[-1]["frame"] < 5:
            predictions.append(json.loads(socket.recv()))
    assert len(predictions) + predictions[-1]["dropped"] == 5
    assert len(predictions) <= 3


def test_newest_frame_pushes_out_the_one_that_waits() -> None:
    async def fill() -> tuple[tuple[int, bytes], int]:
        latest = webcam.LatestFrame()
        for frame in (b"1", b"2", b"3"):
            latest.put(frame)
        return await latest.take(), latest.dropped

    assert asyncio.run(fill()) == ((3, b"3"), 2)
