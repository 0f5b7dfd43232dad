from __future__ import annotations

import io
import socket
import threading
import warnings
import zipfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image
from running_server import alive, encoded, refused, running
from small_models import write_model
from small_photos import astronaut
from starlette.exceptions import HTTPException

from emotion import Predictor
from emotion.inference.network import SHIPPED
from emotion.inference.results import Picture
from emotion.server import app, model_description, schemas, uploads

STATIC = Path(app.__file__).parent / "static"


def test_answer_agrees_with_the_predictor(client: httpx.Client, predictor: Predictor) -> None:
    content = encoded(astronaut())
    answer = client.post("/api/predict", files={"file": ("me.jpg", content)}).json()
    (face,) = predictor.predict([content])[0].faces
    assert answer["source"] == "me.jpg"
    assert (answer["width"], answer["height"]) == (512, 512)
    assert answer["faces"][0]["label"] == face.label
    assert answer["faces"][0]["probabilities"] == pytest.approx(face.probabilities)


@pytest.mark.parametrize("image", [astronaut(), Image.new("RGB", (48, 48)), Image.new("RGB", (64, 64))])
def test_answer_has_exactly_the_keys_that_its_schema_describes(client: httpx.Client, image: Image.Image) -> None:
    answer = client.post("/api/predict", content=encoded(image)).json()
    assert schemas.Picture.model_validate(answer).model_dump(mode="json") == answer


def test_raw_body_and_form_get_the_same_answer(client: httpx.Client) -> None:
    content = encoded(astronaut())
    form = client.post("/api/predict", files={"file": ("picture", content)})
    assert client.post("/api/predict", content=content).json() == form.json()


def test_csv_has_a_header_and_a_row_for_each_face(client: httpx.Client) -> None:
    answer = client.post("/api/predict?format=csv", files={"file": ("me.jpg", encoded(astronaut()))})
    header, row = answer.text.splitlines()
    assert answer.headers["content-type"].startswith("text/csv")
    assert header.startswith("source,")
    assert row.startswith("me.jpg,")


def test_image_without_a_face_is_not_an_error(client: httpx.Client) -> None:
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
        ("drawing.svg", b'<svg xmlns="http://www.w3.org/2000/svg"/>', "not a picture"),
        ("archive.jpg", zipped(), "not a picture"),
        ("cut.jpg", encoded(astronaut())[:3000], "cut off or damaged"),
        ("wide.png", encoded(Image.new("1", (50_000, 100)), "png"), "received 50000x100"),
        ("huge.png", encoded(Image.new("1", (15_000, 4_000)), "png"), "received 15000x4000"),
    ],
)
def test_unusable_image_is_refused_in_one_line(client: httpx.Client, name: str, content: bytes, text: str) -> None:
    refused(client.post("/api/predict", files={"file": (name, content)}), 422, text)
    assert alive(client)


def test_icon_is_refused_before_its_pixels_are_decoded(client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[Any] = []
    content = encoded(astronaut(128), "ico")
    monkeypatch.setattr("PIL.IcoImagePlugin.IcoFile", opened.append)
    refused(client.post("/api/predict", content=content), 422, "not a picture")
    assert not opened


def test_size_checks_in_parallel_threads_restore_the_warning_filters(monkeypatch: pytest.MonkeyPatch) -> None:
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
def test_file_name_that_is_not_plain_is_refused_in_one_line(client: httpx.Client, name: str) -> None:
    refused(client.post("/api/predict", files={"file": (name, b"x")}), 400, "is not a plain file name")


@pytest.mark.parametrize(
    ("content", "status", "text"),
    [
        ({"content": b""}, 400, "The request holds no data; send an image."),
        ({"files": {"file": ("a", b"")}}, 400, "The request holds no data; send an image."),
        ({"files": {"file": (None, "text")}}, 400, "The form holds no file; send the image as the field 'file'."),
        ({"data": {"a": "b"}}, 422, "not a picture"),
    ],
)
def test_request_without_an_image_is_refused_in_one_line(
    client: httpx.Client, content: dict[str, Any], status: int, text: str
) -> None:
    refused(client.post("/api/predict", **content), status, text)


def test_large_upload_is_refused_in_one_line_with_and_without_a_declared_size(client: httpx.Client) -> None:
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


def test_request_without_a_free_slot_is_told_to_try_again() -> None:
    slots = uploads.Slots(1)
    with slots.take(), pytest.raises(HTTPException) as caught, slots.take():
        pass
    assert caught.value.status_code == 503
    with slots.take():
        pass


def test_server_answers_during_a_prediction_and_says_when_it_is_busy(
    predictor: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    began, go_on = threading.Event(), threading.Event()

    def predict_slowly(_: app.PredictionService, upload: uploads.Upload) -> Picture:
        began.set()
        go_on.wait(30)
        return Picture(upload.name, 1, 1)

    monkeypatch.setattr(uploads, "IMAGES_AT_ONCE", 1)
    monkeypatch.setattr(app.PredictionService, "predict", predict_slowly)
    with running(predictor) as client, ThreadPoolExecutor(1) as another:
        first = another.submit(client.post, "/api/predict", content=b"first")
        assert began.wait(30)
        assert alive(client)
        refused(client.post("/api/predict", content=b"second"), 503, "The server is busy; try again in a second.")
        go_on.set()
        assert first.result().status_code == 200


def test_connections_beyond_the_limit_are_turned_away(predictor: Predictor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "CONNECTIONS", 3)
    with running(predictor) as client:
        assert alive(client)
        with ExitStack() as idle:
            for _ in range(3):
                idle.enter_context(socket.create_connection((client.base_url.host, client.base_url.port or 80)))
            while client.get("/healthz").status_code == 200:
                pass  # until the server has accepted all three
        while client.get("/healthz").status_code == 503:
            pass  # until it has closed them


def test_stalled_upload_is_ended_with_408(client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "BODY_SECONDS", 0.05)
    host, port = client.base_url.host, client.base_url.port
    with socket.create_connection((host, port or 80)) as stalled:
        stalled.sendall(f"POST /api/predict HTTP/1.1\r\nHost: {host}\r\nContent-Length: 100\r\n\r\nabc".encode())
        assert b"408" in stalled.recv(100)


@pytest.mark.parametrize("first", [b"", b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"])
def test_connection_that_never_finishes_its_request_is_closed(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch, first: bytes
) -> None:
    monkeypatch.setattr(uploads, "REQUEST_SECONDS", 0.2)
    with socket.create_connection((client.base_url.host, client.base_url.port or 80), timeout=30) as slow:
        slow.sendall(first)
        assert not first or b"200 OK" in slow.recv(5000)
        slow.sendall(b"GET / HTTP/1.1\r\nHost: 127.")
        while slow.recv(5000):
            pass  # until the server closes it


def test_connection_that_waits_for_a_slow_answer_is_not_closed(
    predictor: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched = threading.Semaphore(0)
    close_if_idle = uploads.Connection.close_if_idle

    def predict_slowly(_: app.PredictionService, upload: uploads.Upload) -> Picture:
        assert all(watched.acquire(timeout=30) for _ in range(3))
        return Picture(upload.name, 1, 1)

    def close_and_count(connection: uploads.Connection) -> None:
        close_if_idle(connection)
        watched.release()

    monkeypatch.setattr(uploads, "REQUEST_SECONDS", 0.2)
    monkeypatch.setattr(uploads.Connection, "close_if_idle", close_and_count)
    monkeypatch.setattr(app.PredictionService, "predict", predict_slowly)
    with running(predictor) as client:
        assert client.post("/api/predict", content=b"picture").status_code == 200


@pytest.mark.parametrize(
    ("charset", "status", "text"), [("undefined", 400, "The form cannot be read"), ("none", 422, "not a picture")]
)
def test_form_in_an_unknown_charset_is_not_a_server_error(
    client: httpx.Client, charset: str, status: int, text: str
) -> None:
    form = b'--X\r\nContent-Disposition: form-data; name="a\xff"; filename="\xff.jpg"\r\n\r\nx\r\n--X--\r\n'
    headers = {"Content-Type": f"multipart/form-data; boundary=X; charset={charset}"}
    refused(client.post("/api/predict", content=form, headers=headers), status, text)


def test_model_description_holds_classes_threshold_metrics_and_card(client: httpx.Client, predictor: Predictor) -> None:
    description = client.get("/api/model").json()
    assert tuple(description["classes"]) == predictor.classes
    assert description["threshold"] == predictor.threshold
    assert description["card"].startswith("# Model card")
    assert {"name", "title", "validation", "test"} == set(description["figures"][0])


def test_model_that_was_not_shipped_has_no_card(predictor: Predictor) -> None:
    with running(predictor) as client:
        assert "card" not in client.get("/api/model").json()


def test_classes_of_another_network_have_a_colour_on_the_page(tmp_path: Path) -> None:
    other = Predictor(write_model(tmp_path / "other.onnx", ("bored", "happy")), threads=1)
    with running(other) as client:
        assert client.get("/api/model").json()["colours"] == {"bored": "#7f7f7f", "happy": "#e69f00"}


def test_figure_that_the_shipped_network_lacks_is_left_out(
    predictor: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_description, "FIGURES", {"accuracy": "accuracy", "newer": "a figure of tomorrow"})
    monkeypatch.setattr(model_description, "VOTE_FIGURES", {})
    with running(predictor, shipped=SHIPPED.parent) as client:
        assert [figure["name"] for figure in client.get("/api/model").json()["figures"]] == ["accuracy"]


def test_page_loads_nothing_from_other_sites(client: httpx.Client) -> None:
    answer = client.get("/")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    for path in STATIC.iterdir():
        assert "http://" not in path.read_text().replace("http://www.w3.org", "")
        assert "https://" not in path.read_text()
    for address in ("/docs", "/redoc"):
        assert client.get(address).status_code == 404


def test_taken_port_is_refused_in_one_line() -> None:
    with (
        app.listen("127.0.0.1", 0) as taken,
        pytest.raises(app.ServerError, match="choose another address or port"),
    ):
        app.listen("127.0.0.1", taken.getsockname()[1])


def test_unusable_certificate_is_refused_in_one_line(predictor: Predictor, tmp_path: Path) -> None:
    path = tmp_path / "certificate.pem"
    path.write_text("none")
    with pytest.raises(app.ServerError, match="cannot read the certificate") as caught:
        app.prepare(predictor, certificate=path, key=path)
    assert "\n" not in str(caught.value)


def test_address_can_be_typed_into_a_browser() -> None:
    with app.listen("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        assert app.address_of(listener, "127.0.0.1", secure=False) == f"http://127.0.0.1:{port}"
        assert app.address_of(listener, "::1", secure=True) == f"https://[::1]:{port}"
