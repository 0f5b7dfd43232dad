"""The page without a server in headless Chromium: bytes of the first visit, time of a photo, rate of the camera.

It measures the build that `make site` left in `build/site`.
"""

from __future__ import annotations

import base64
import io
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import IO, Any, Final

from PIL import Image

from benchmarks.processes import ROOT, show_progress
from benchmarks.results import Result
from emotion.errors import EmotionError

SITE: Final = ROOT / "build" / "site"

RUNS: Final = 9
"""Photos of each kind, and readings of the rate of the camera."""

FILM: Final = (640, 480)
"""Width and height of the film of the camera, in pixels; its rate is Chromium's, 30 frames/s."""

READY: Final = "() => navigator.serviceWorker.controller"
"""True once all files have arrived, for use without a network too."""

PREDICT: Final = """async ([content, runs]) => {
    const { browserEngine } = await import("/engine/engine.js");
    window.engine ??= browserEngine(new URL("/engine/", location.href).href);
    const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
    const times = [];
    for (let run = 0; run <= runs; run++) {
        const begun = performance.now();
        await window.engine.predict(new File([bytes], "photo.jpg"));
        times.push(performance.now() - begun);
    }
    return times.slice(1);
}"""
"""Returns milliseconds from the file to the faces; the first photo does not count."""


class _Counting(SimpleHTTPRequestHandler):
    """Serves files and counts their bytes."""

    sent = 0

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing."""

    def copyfile(self, source: IO[bytes], outputfile: IO[bytes]) -> None:  # type: ignore[override]
        """Send a file."""
        content = source.read()
        _Counting.sent += len(content)
        outputfile.write(content)


def measure(quick: bool) -> Iterator[Result]:
    """Yield the megabytes and seconds of a first visit, the time of a photo, and the rate of the camera."""
    if not (SITE / "index.html").is_file():
        raise EmotionError(f"there is no page in {SITE.relative_to(ROOT)}; run make site")
    runs = 1 if quick else RUNS
    with tempfile.TemporaryDirectory() as name, _served() as address, _chromium(Path(name)) as browser:
        yield from _first_visits(browser, address, runs)
        with _visited(browser, address) as page:
            yield from _photos(page, runs)
        with _visited(browser, address) as page:
            yield _camera(page, runs)


@contextmanager
def _visited(browser: Any, address: str) -> Iterator[Any]:
    with closing(browser.new_context()) as context:
        page = context.new_page()
        page.goto(f"{address}?gpu=never")  # what is measured is WebAssembly, on every machine
        page.wait_for_function(READY)
        yield page


def _first_visits(browser: Any, address: str, runs: int) -> Iterator[Result]:
    megabytes, seconds = [], []
    for _ in range(runs):
        _Counting.sent = 0
        begun = time.perf_counter()
        with _visited(browser, address):
            seconds.append(time.perf_counter() - begun)
        megabytes.append(_Counting.sent / 1e6)
    yield Result("first visit, all files (goal: 15 MB)", "MB", tuple(megabytes))
    yield Result("first visit, until it is ready", "s", tuple(seconds))


def _photos(page: Any, runs: int) -> Iterator[Result]:
    photo = _astronaut()
    for what, picture in {
        "photo of 512x512, one face (goal: 150 ms)": photo,
        "photo of 640x480, one face (goal: 150 ms)": _frame(photo, 80),
        "photo of 3000x3000, searched in tiles": photo.resize((3000, 3000)),
        "picture of 640x480 without a face, all second looks": Image.new("RGB", FILM, (180, 170, 160)),
    }.items():
        show_progress(f"{what}: measuring")
        times = page.evaluate(PREDICT, [base64.b64encode(_jpeg(picture)).decode(), runs])
        yield Result(what, "ms", tuple(times))


def _camera(page: Any, runs: int) -> Result:
    """Read the rate that the page shows, once a second, after it has settled."""
    show_progress("camera: measuring")
    page.get_by_role("tab", name="Live").click()
    page.get_by_role("button", name="Start").click()
    page.wait_for_selector("#live-faces .label")
    page.wait_for_timeout(3000)
    rates = []
    for _ in range(runs):
        page.wait_for_timeout(1000)
        rates.append(float(page.locator("#fps").inner_text()))
    return Result("camera of 640x480, one face that moves (goal: 15 frames/s)", "frames/s", tuple(rates))


def _astronaut() -> Image.Image:
    from skimage import data

    return Image.fromarray(data.astronaut())  # type: ignore[no-untyped-call]


def _frame(photo: Image.Image, left: int) -> Image.Image:
    ground = Image.new("RGB", FILM, (180, 180, 180))
    ground.paste(photo.resize((480, 480)), (left, 0))
    return ground


def _jpeg(picture: Image.Image) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, "jpeg", quality=90)
    return stream.getvalue()


@contextmanager
def _served() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Counting, directory=str(SITE))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def _chromium(folder: Path) -> Iterator[Any]:
    """Start Chromium with a camera that shows a face swaying to and fro."""
    from playwright.sync_api import sync_playwright

    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        raise EmotionError("there is no Chromium on the PATH; install it, for example with apt install chromium")
    film, photo = folder / "film.mjpeg", _astronaut()
    film.write_bytes(b"".join(_jpeg(_frame(photo, 60 + 2 * abs(index - 15))) for index in range(30)))
    options = [
        "--no-sandbox",
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
        f"--use-file-for-fake-video-capture={film}",
    ]
    with sync_playwright() as playwright, closing(playwright.chromium.launch(executable_path=path, args=options)) as it:
        yield it
