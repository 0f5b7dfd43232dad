"""The page in a real Chromium, whose camera shows a video made here, and what the tests do with it.

REQUIRE_CHROMIUM=1 turns the skip without a browser into a failure. SCREENSHOTS=docs writes the README's images there.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, Route, sync_playwright
from running_server import encoded
from small_photos import scene

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
REQUIRED = os.environ.get("REQUIRE_CHROMIUM") == "1"
SCREENSHOTS = os.environ.get("SCREENSHOTS")

needs_chromium = pytest.mark.skipif(
    CHROMIUM is None and not REQUIRED, reason="the page is not tested: no Chromium on the PATH (apt install chromium)"
)


def camera_frames() -> list[Image.Image]:
    """Make one second of the astronaut swaying in front of a grey wall, 640x480."""
    return [scene((60 + 2 * abs(index - 15), 0, 480), size=(640, 480)) for index in range(30)]


@contextmanager
def chromium(folder: Path, *options: str) -> Iterator[Browser]:
    """Start Chromium with options and a made-up camera, whose video is written to the folder."""
    assert CHROMIUM, "REQUIRE_CHROMIUM is set, but no Chromium is on the PATH"
    video = folder / "camera.mjpeg"
    video.write_bytes(b"".join(encoded(frame) for frame in camera_frames()))
    arguments = [
        "--no-sandbox",  # otherwise Chromium refuses to run as root, as CI does
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
        f"--use-file-for-fake-video-capture={video}",
        *options,
    ]
    with (
        sync_playwright() as playwright,
        closing(playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)) as browser,
    ):
        yield browser


@contextmanager
def opened(browser: Browser, address: str, **window: Any) -> Iterator[Page]:
    """Open the page with all other addresses blocked; fail if it requests one or if a script fails."""
    outside: list[str] = []
    faults: list[str] = []

    def refuse(route: Route) -> None:
        outside.append(route.request.url)
        route.abort()

    with closing(browser.new_context(**window)) as context:
        context.route(lambda url: not url.startswith((address, f"blob:{address}")), refuse)
        page = context.new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.goto(address)
        yield page
    assert not outside
    assert not faults


def photograph(page: Page, name: str, height: int) -> None:
    if SCREENSHOTS:
        page.set_viewport_size({"width": 1280, "height": height})
        page.screenshot(path=Path(SCREENSHOTS) / f"page_{name}.png", animations="disabled")


def choose(page: Page, name: str, content: bytes) -> None:
    page.locator("#file").set_input_files({"name": name, "mimeType": "image/jpeg", "buffer": content})


def drop(page: Page, name: str, content: bytes) -> None:
    _hand_over(page, "drop", name, content)


def paste(page: Page, name: str, content: bytes) -> None:
    _hand_over(page, "paste", name, content)


def _hand_over(page: Page, kind: str, name: str, content: bytes) -> None:
    page.evaluate(
        """([kind, name, bytes]) => {
            const transfer = new DataTransfer();
            transfer.items.add(new File([new Uint8Array(bytes)], name, { type: "image/jpeg" }));
            const event = kind === "paste"
                ? new ClipboardEvent(kind, { clipboardData: transfer, bubbles: true })
                : new DragEvent(kind, { dataTransfer: transfer, bubbles: true, cancelable: true });
            document.getElementById("drop").dispatchEvent(event);
        }""",
        [kind, name, list(content)],
    )


def start_live(page: Page) -> None:
    """Press Start, and count the labelled frames in `labelled`."""
    page.get_by_role("tab", name="Live").click()
    page.get_by_role("button", name="Start").click()
    page.evaluate(
        """() => {
            window.labelled = 0;
            const count = () => { window.labelled += document.querySelector("#live-faces .label") ? 1 : 0; };
            new MutationObserver(count).observe(document.getElementById("live-faces"), { childList: true });
        }"""
    )


def hold_camera(page: Page) -> None:
    """Let the browser open its camera only after `allow()`; collect the tracks in `tracks`."""
    page.evaluate(
        """() => {
            const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
            const allowed = new Promise((resolve) => { window.allow = resolve; });
            window.tracks = [];
            navigator.mediaDevices.getUserMedia = async (wanted) => {
                await allowed;
                const stream = await open(wanted);
                window.tracks.push(...stream.getTracks());
                return stream;
            };
        }"""
    )


def expect_tracks(page: Page, *states: str) -> None:
    page.wait_for_function("states => tracks.map(track => track.readyState).join() === states", arg=",".join(states))
