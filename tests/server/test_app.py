from __future__ import annotations

import io
import socket
import threading
import warnings
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image
from running_server import alive, encoded, refused, running, small_predictor
from small_photos import astronaut
from starlette.exceptions import HTTPException

from emotion import Predictor
from emotion.inference import network
from emotion.inference.results import Picture
from emotion.server import app, uploads

STATIC = Path(app.__file__).parent / "static"


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    return small_predictor(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def client(predictor: Predictor) -> Iterator[httpx.Client]:
    with running(predictor, shipped=network.SHIPPED.parent) as client:
        yield client


def test_picture_gives_what_predict_gives(client: httpx.Client, predictor: Predictor) -> None:
    content = encoded(astronaut())
    answer = client.post("/api/predict", files={"file": ("me.jpg", content)}).json()
    (face,) = predictor.predict([content])[0].faces
    assert answer["source"] == "me.jpg"
    assert (answer["width"], answer["height"]) == (512, 512)
    assert answer["faces"][0]["label"] == face.label
    assert answer["faces"][0]["probabilities"] == pytest.approx(face.probabilities)


def test_raw_body_gives_what_a_form_gives(client: httpx.Client) -> None:
    content = encoded(astronaut())
    form = client.post("/api/predict", files={"file": ("picture", content)})
    assert client.post("/api/predict", content=content).json() == form.json()


def test_csv_has_a_header_and_a_row_for_each_face(client: httpx.Client) -> None:
    answer = client.post("/api/predict?format=csv", files={"file": ("me.jpg", encoded(astronaut()))})
    header, row = answer.text.splitlines()
    assert answer.headers["content-type"].startswith("text/csv")
    assert header.startswith("source,")
    assert row.startswith("me.jpg,")


def test_picture_without_a_face_is_no_error(client: httpx.Client) -> None:
    answer = client.post("/api/predict", content=encoded(Image.new("RGB", (64, 64), "grey")))
    assert (answer.status_code, answer.json()["faces"]) == (200, [])


def zipped() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("face.txt", "a face")
    return stream.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("drawing.svg", b'<svg xmlns="http://www.w3.org/2000/svg"/>', "expected a picture"),
        ("archive.jpg", zipped(), "expected a picture"),
        ("cut.jpg", encoded(astronaut())[:3000], "breaks off"),
        ("wide.png", encoded(Image.new("1", (50_000, 100)), "png"), "received 50000x100"),
        ("huge.png", encoded(Image.new("1", (15_000, 4_000)), "png"), "received 15000x4000"),
    ],
)
def test_what_is_no_usable_picture_is_refused_in_one_line(
    client: httpx.Client, name: str, content: bytes, text: str
) -> None:
    refused(client.post("/api/predict", files={"file": (name, content)}), 422, text)
    assert alive(client)


def test_icon_whose_pixels_would_come_before_its_size_is_not_opened(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[Any] = []
    content = encoded(astronaut(128), "ico")
    monkeypatch.setattr("PIL.IcoImagePlugin.IcoFile", opened.append)
    refused(client.post("/api/predict", content=content), 422, "expected a picture")
    assert not opened


def test_warnings_are_as_before_once_threads_that_check_sizes_cross(monkeypatch: pytest.MonkeyPatch) -> None:
    inside = {b"first": threading.Event(), b"second": threading.Event()}
    go_on = {b"first": threading.Event(), b"second": threading.Event()}

    def open_slowly(stream: io.BytesIO, **_: Any) -> None:
        inside[stream.getvalue()].set()
        go_on[stream.getvalue()].wait(30)
        raise OSError

    monkeypatch.setattr(Image, "open", open_slowly)
    before = list(warnings.filters)
    with ThreadPoolExecutor(2) as pool:
        checks = []
        for content in inside:
            checks.append(pool.submit(uploads.check_size, content, 1))
            assert inside[content].wait(30)
        for content, check in zip(inside, checks, strict=True):
            go_on[content].set()
            check.result()
    assert list(warnings.filters) == before


@pytest.mark.parametrize("name", ["../../etc/passwd", "folder/me.jpg", "m" * 300])
def test_path_for_a_file_name_is_refused_in_one_line(client: httpx.Client, name: str) -> None:
    refused(client.post("/api/predict", files={"file": (name, b"x")}), 400, "expected the plain name of a file")


@pytest.mark.parametrize(
    "content", [{"content": b""}, {"data": {"a": "b"}, "files": {}}, {"files": {"file": ("a", b"")}}]
)
def test_request_without_a_picture_is_refused_in_one_line(client: httpx.Client, content: dict[str, Any]) -> None:
    assert client.post("/api/predict", **content).status_code in {400, 422}


def test_large_upload_is_refused_in_one_line_wherever_its_size_is_said(client: httpx.Client) -> None:
    chunk = bytes(1_000_000)
    for headers in ({"Content-Length": "200000000"}, {}):
        answer = client.post("/api/predict", content=(chunk for _ in range(200)), headers=headers)
        refused(answer, 413, f"at most {uploads.MAX_BYTES} bytes")
    assert alive(client)


def test_upload_below_the_limit_touches_no_disk(client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("the server opened a temporary file")

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    monkeypatch.setattr("tempfile.NamedTemporaryFile", refuse)
    picture = np.random.default_rng(0).integers(0, 256, (2400, 2400, 3), np.uint8)
    content = encoded(Image.fromarray(picture), "bmp")
    assert len(content) > 15_000_000
    assert client.post("/api/predict", files={"file": ("noise.bmp", content)}).status_code == 200


def test_wrong_format_is_refused_in_one_line(client: httpx.Client) -> None:
    refused(client.post("/api/predict?format=xml", content=b"x"), 422, "query.format")


def test_more_pictures_than_places_are_told_to_come_back() -> None:
    places = uploads.Slots(1)
    with places.take(), pytest.raises(HTTPException) as caught, places.take():
        pass
    assert caught.value.status_code == 503
    with places.take():
        pass


def test_server_answers_while_it_looks_and_says_when_it_is_busy(
    predictor: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    began, go_on = threading.Event(), threading.Event()

    def look(_: app.PredictionService, upload: uploads.Upload) -> Picture:
        began.set()
        go_on.wait(30)
        return Picture(upload.name, 1, 1)

    monkeypatch.setattr(uploads, "PICTURES_AT_ONCE", 1)
    monkeypatch.setattr(app.PredictionService, "predict", look)
    with running(predictor) as client, ThreadPoolExecutor(1) as another:
        first = another.submit(client.post, "/api/predict", content=b"first")
        assert began.wait(30)
        assert alive(client)
        refused(client.post("/api/predict", content=b"second"), 503, "the server is busy")
        go_on.set()
        assert first.result().status_code == 200


def test_more_connections_than_places_are_turned_away(predictor: Predictor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "CONNECTIONS", 3)
    with running(predictor) as client:
        assert alive(client)
        with ExitStack() as idle:
            for _ in range(3):
                idle.enter_context(socket.create_connection((client.base_url.host, client.base_url.port or 80)))
            while client.get("/healthz").status_code == 200:
                pass  # until the server has taken them all
        while client.get("/healthz").status_code == 503:
            pass  # until it has let them go


def test_stalled_upload_loses_its_place(client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "BODY_SECONDS", 0.05)
    host, port = client.base_url.host, client.base_url.port
    with socket.create_connection((host, port or 80)) as stalled:
        stalled.sendall(f"POST /api/predict HTTP/1.1\r\nHost: {host}\r\nContent-Length: 100\r\n\r\nabc".encode())
        assert b"408" in stalled.recv(100)


@pytest.mark.parametrize("first", [b"", b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"])
def test_connection_that_never_ends_its_request_loses_its_place(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch, first: bytes
) -> None:
    monkeypatch.setattr(uploads, "REQUEST_SECONDS", 0.2)
    with socket.create_connection((client.base_url.host, client.base_url.port or 80), timeout=30) as slow:
        slow.sendall(first)
        assert not first or b"200 OK" in slow.recv(5000)
        slow.sendall(b"GET / HTTP/1.1\r\nHost: 127.")
        while slow.recv(5000):
            pass  # until the server ends it


def test_connection_whose_answer_takes_long_keeps_its_place(
    predictor: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched = threading.Semaphore(0)
    track_faces = uploads.Connection.close_if_idle

    def look(_: app.PredictionService, upload: uploads.Upload) -> Picture:
        assert all(watched.acquire(timeout=30) for _ in range(3))
        return Picture(upload.name, 1, 1)

    def watch_and_tell(connection: uploads.Connection) -> None:
        track_faces(connection)
        watched.release()

    monkeypatch.setattr(uploads, "REQUEST_SECONDS", 0.2)
    monkeypatch.setattr(uploads.Connection, "close_if_idle", watch_and_tell)
    monkeypatch.setattr(app.PredictionService, "predict", look)
    with running(predictor) as client:
        assert client.post("/api/predict", content=b"picture").status_code == 200


@pytest.mark.parametrize(
    ("charset", "status", "text"), [("undefined", 400, "expected a form"), ("none", 422, "expected a picture")]
)
def test_form_in_a_strange_charset_is_no_fault_of_the_server(
    client: httpx.Client, charset: str, status: int, text: str
) -> None:
    form = b'--X\r\nContent-Disposition: form-data; name="a\xff"; filename="\xff.jpg"\r\n\r\nx\r\n--X--\r\n'
    headers = {"Content-Type": f"multipart/form-data; boundary=X; charset={charset}"}
    refused(client.post("/api/predict", content=form, headers=headers), status, text)


def test_model_is_described(client: httpx.Client, predictor: Predictor) -> None:
    facts = client.get("/api/model").json()
    assert tuple(facts["classes"]) == predictor.classes
    assert facts["threshold"] == predictor.threshold
    assert facts["card"].startswith("# Model card")
    assert {"name", "title", "validation", "test"} == set(facts["figures"][0])


def test_model_of_ones_own_has_no_card(predictor: Predictor) -> None:
    with running(predictor) as client:
        assert "card" not in client.get("/api/model").json()


def test_page_loads_nothing_from_elsewhere(client: httpx.Client) -> None:
    answer = client.get("/")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    for path in STATIC.iterdir():
        assert "http://" not in path.read_text().replace("http://www.w3.org", "")
        assert "https://" not in path.read_text()
    for address in ("/docs", "/redoc"):
        assert client.get(address).status_code == 404


def test_taken_port_is_told_in_one_line() -> None:
    with app.listen("127.0.0.1", 0) as taken, pytest.raises(app.ServerError, match="choose another"):
        app.listen("127.0.0.1", taken.getsockname()[1])


def test_unusable_certificate_is_told_in_one_line(predictor: Predictor, tmp_path: Path) -> None:
    path = tmp_path / "certificate.pem"
    path.write_text("none")
    with pytest.raises(app.ServerError, match="expected a certificate") as caught:
        app.prepare(predictor, certificate=path, key=path)
    assert "\n" not in str(caught.value)


def test_address_can_be_typed_into_a_browser() -> None:
    with app.listen("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        assert app.address_of(listener, "127.0.0.1", secure=False) == f"http://127.0.0.1:{port}"
        assert app.address_of(listener, "::1", secure=True) == f"https://[::1]:{port}"
