"""The web page and the API of `emotion serve`: images and webcam frames in, faces out. Nothing is written to disk.

Knows the predictor, the tracker and the shipped files. `auth` decides who may ask, `uploads` how much.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

import uvicorn
from fastapi import FastAPI, Request, WebSocket
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException

from emotion.errors import EmotionError, ImageError
from emotion.images import read_image, to_grey
from emotion.inference import formats
from emotion.inference.detection import SMALLEST_IN_WEBCAM, VideoDetector
from emotion.inference.pictures import to_rgb
from emotion.inference.predictor import Predictor
from emotion.inference.results import Picture
from emotion.inference.tracking import Tracker
from emotion.server import model_description, schemas, uploads, webcam
from emotion.server.auth import AccessControl, is_this_machine, is_worth_logging, refusal
from emotion.server.proxy import NO_PROXY, Proxy, RootPath

STATIC: Final = Path(__file__).parent / "static"

SHUTDOWN_SECONDS: Final = 3
"""Time for open connections to finish when the server stops."""

THREADS: Final = 4
"""Largest number of images processed in parallel: the largest accepted ones take some hundred MB each."""

T = TypeVar("T")


class ServerError(EmotionError):
    """The server cannot start with the given settings."""


class PredictionService:
    """Finds faces in threads of its own, so that the server can answer other requests in the meantime."""

    def __init__(self, predictor: Predictor) -> None:
        self.predictor = predictor
        self.images = uploads.Slots(uploads.IMAGES_AT_ONCE)
        self.webcams = uploads.Slots(uploads.WEBCAMS_AT_ONCE)
        self._threads = ThreadPoolExecutor(min(os.cpu_count() or 1, THREADS), thread_name_prefix="predictions")

    async def run(self, function: Callable[..., T], *arguments: Any) -> T:
        """Call a function in one of the threads."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, function, *arguments)

    def close(self) -> None:
        """Stop the threads."""
        self._threads.shutdown(cancel_futures=True)

    def predict(self, upload: uploads.Upload) -> Picture:
        """Find the faces in an uploaded image."""
        try:
            uploads.check_size(upload.content, uploads.MAX_PIXELS)
        except ImageError as error:
            return Picture(upload.name, error=str(error))
        return replace(self.predictor.predict([upload.content])[0], source=upload.name)

    def predict_frame(self, frame: bytes, faces: VideoDetector, tracker: Tracker) -> dict[str, Any]:
        """Find and track the faces in a webcam frame; return the answer as what JSON can hold."""
        uploads.check_size(frame, uploads.MAX_FRAME_PIXELS)
        picture = read_image(frame)
        grey, now = to_grey(picture), time.monotonic()
        found = faces.find(to_rgb(picture), tracker.expected(now))
        tracked = tracker.update(found, partial(self.predictor.classify, grey), now)
        answers = [{"track": each.track, **formats.face_as_json(each.face)} for each in tracked]
        return {"width": grey.shape[1], "height": grey.shape[0], "faces": answers}


def create_app(
    predictor: Predictor,
    stop: Callable[[], None],
    *,
    password: str | None = None,
    shipped: Path | None = None,
    site: Path | None = None,
    proxy: Proxy = NO_PROXY,
) -> FastAPI:
    """Build the application.

    Args:
        predictor: finds and classifies the faces.
        stop: called when a person on this machine chooses Exit.
        password: None for a server that answers this machine only.
        shipped: folder with the model card and the metrics of the predictor's network; None if there is none.
        site: folder with the build of the page that needs no server, with the same network (`local_site.find_with`);
            the page then offers to find the faces in the browser. None if there is none.
        proxy: the reverse proxy in front.
    """
    service = PredictionService(predictor)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        service.close()

    # No documentation pages, because they load scripts from other sites.
    app = FastAPI(title="Apparent facial expression", docs_url=None, redoc_url=None, lifespan=lifespan)
    app.add_middleware(AccessControl, password=password)
    app.add_middleware(RootPath, root_path=proxy.root_path)
    _add_page(app)
    if site is not None:
        app.mount("/local", StaticFiles(directory=site), name="local")
    _add_predict(app, service)
    _add_live(app, service)
    _add_model(app, predictor, shipped, local=site is not None)
    _add_exit(app, stop, proxied=bool(proxy))
    return app


def _add_page(app: FastAPI) -> None:
    app.mount("/static", StaticFiles(directory=STATIC), name="static")

    @app.get("/", include_in_schema=False)
    def page() -> FileResponse:
        return FileResponse(STATIC / "index.html")

    @app.get("/service_worker.js", include_in_schema=False)
    def service_worker() -> FileResponse:
        return FileResponse(STATIC / "retire.js")

    @app.get("/healthz", summary="Tell whether the server answers")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.exception_handler(RequestValidationError)
    async def explain(_: Request, error: RequestValidationError) -> Response:
        return refusal(422, "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()))


def _add_predict(app: FastAPI, service: PredictionService) -> None:
    @app.post(
        "/api/predict",
        summary="Find the faces in an image and classify their expressions",
        response_model=schemas.Picture,
        responses=schemas.ANSWERS,
        openapi_extra={"requestBody": schemas.BODY},
    )
    async def predict(request: Request, format: Literal["json", "csv"] = "json") -> Response:
        with service.images.take():
            picture = await service.run(service.predict, await uploads.read_upload(request))
        if picture.error is not None:
            raise HTTPException(422, picture.error)
        if format == "csv":
            return Response(formats.csv_text([picture], service.predictor.classes), media_type="text/csv")
        return JSONResponse(formats.picture_as_json(picture))


def _add_live(app: FastAPI, service: PredictionService) -> None:
    @app.websocket("/api/live")
    async def live(connection: WebSocket) -> None:
        await connection.accept()
        tracker = Tracker(service.predictor.classes, service.predictor.threshold)
        faces = service.predictor.detector.for_video(SMALLEST_IN_WEBCAM)

        async def handle(frame: bytes) -> dict[str, Any]:
            return await service.run(service.predict_frame, frame, faces, tracker)

        try:
            with service.webcams.take():
                await webcam.answer_frames(connection, handle, partial(setattr, tracker, "smoothing"))
        except HTTPException as error:
            await connection.close(webcam.TRY_LATER, error.detail)


def _add_model(app: FastAPI, predictor: Predictor, shipped: Path | None, *, local: bool) -> None:
    description = {**model_description.describe(predictor, shipped), "local": local}

    @app.get("/api/model", summary="Describe the network: classes, metrics, confusion matrix and model card")
    async def model() -> dict[str, Any]:
        return description


def _add_exit(app: FastAPI, stop: Callable[[], None], *, proxied: bool) -> None:
    @app.post(
        "/api/exit",
        summary="Stop the server; accepted from its own machine only",
        responses={status: schemas.ANSWERS[status] for status in (400, 401, 403, 429)},
    )
    async def exit_server(request: Request) -> dict[str, str]:
        if proxied:  # all requests may come from the machine of the proxy
            raise HTTPException(403, "A server behind a reverse proxy is stopped where it was started, with Ctrl-C.")
        if not is_this_machine(request):
            raise HTTPException(403, "Only the machine that runs the server can stop it; choose Exit there.")
        stop()
        return {"status": "ending"}


def listen(host: str, port: int) -> socket.socket:
    """Open the socket on which the server listens; port 0 takes any free port.

    Raises:
        ServerError: the address does not belong to this machine, or the port is taken or reserved.
    """
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        reason = str(error.strerror).partition(" (while")[0]  # the rest repeats the address
        raise ServerError(
            f"cannot listen on {host} port {port} ({reason}); choose another address or port with --host or --port"
        ) from error


def address_of(listener: socket.socket, host: str, *, secure: bool) -> str:
    """Return the address to type into a browser."""
    name = socket.gethostname() if host in {"", "0.0.0.0", "::"} else f"[{host}]" if ":" in host else host  # noqa: S104
    return f"{'https' if secure else 'http'}://{name}:{listener.getsockname()[1]}"


def prepare(
    predictor: Predictor,
    *,
    password: str | None = None,
    certificate: Path | None = None,
    key: Path | None = None,
    shipped: Path | None = None,
    site: Path | None = None,
    proxy: Proxy = NO_PROXY,
) -> uvicorn.Server:
    """Make the server; its `run([listener])` answers until a person on this machine chooses Exit or a signal arrives.

    Args:
        predictor: finds and classifies the faces.
        password: None for a server that answers this machine only.
        certificate: PEM file of the certificate chain; None for plain HTTP.
        key: PEM file of the certificate's private key.
        shipped: as for `create_app`.
        site: as for `create_app`.
        proxy: as for `create_app`.

    Raises:
        ServerError: the certificate or its key cannot be used.
    """

    def stop() -> None:
        server.should_exit = True

    app = create_app(predictor, stop, password=password, shipped=shipped, site=site, proxy=proxy)
    server = prepare_app(app, certificate, key, proxy)
    return server


def prepare_app(app: FastAPI, certificate: Path | None, key: Path | None, proxy: Proxy) -> uvicorn.Server:
    """Make the server of an application; arguments and errors are those of `prepare`."""
    return uvicorn.Server(_configure(app, certificate, key, proxy.trusted))


def _configure(app: FastAPI, certificate: Path | None, key: Path | None, trusted: str) -> uvicorn.Config:
    config = uvicorn.Config(
        app,
        http=uploads.Connection,
        log_level="warning",
        access_log=False,  # it would record file names and addresses
        proxy_headers=bool(trusted),  # from elsewhere, another machine could pretend to be this one
        forwarded_allow_ips=trusted,
        server_header=False,
        limit_concurrency=uploads.CONNECTIONS,
        ws_max_size=uploads.MAX_FRAME_BYTES,
        ws_per_message_deflate=False,  # frames are already compressed
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
        ssl_certfile=certificate,
        ssl_keyfile=key,
    )
    logging.getLogger("uvicorn.error").addFilter(is_worth_logging)
    try:
        config.load()
    except OSError as error:
        raise ServerError(
            f"cannot read the certificate {certificate} with the key {key} ({error}); give PEM files with "
            "--ssl-certfile and --ssl-keyfile"
        ) from error
    return config
