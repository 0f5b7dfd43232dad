"""The page in a real Chromium, with a camera that shows a film made here.

REQUIRE_CHROMIUM=1 turns the skip without a browser into a failure; SCREENSHOTS=docs writes the README's pictures there.
"""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image, ImageFilter
from playwright.sync_api import Browser, Page, Route, expect, sync_playwright
from running_server import astronaut, encoded, serving

from emotion.labels import NAMES

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
REQUIRED = os.environ.get("REQUIRE_CHROMIUM") == "1"
SCREENSHOTS = os.environ.get("SCREENSHOTS")
PHONE = {"viewport": {"width": 390, "height": 844}}

pytestmark = pytest.mark.skipif(
    CHROMIUM is None and not REQUIRED, reason="the page is not tested: no Chromium on the PATH (apt install chromium)"
)


@dataclass
class Site:
    """A page of a server.

    Attributes:
        process: `emotion serve`.
        page: opened at its address.
        outside: addresses of other hosts that the page asked for.
    """

    process: subprocess.Popen[str]
    page: Page
    outside: list[str]


def film_frames() -> list[Image.Image]:
    """The astronaut before a grey wall, swaying: 640x480, one second."""
    frames = []
    for index in range(30):
        frame = Image.new("RGB", (640, 480), "#8090A0")
        frame.paste(astronaut((480, 480)), (60 + 2 * abs(index - 15), 0))
        frames.append(frame)
    return frames


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    assert CHROMIUM, "REQUIRE_CHROMIUM is set, but no Chromium is on the PATH"
    film = tmp_path_factory.mktemp("camera") / "camera.mjpeg"
    film.write_bytes(b"".join(encoded(frame) for frame in film_frames()))
    arguments = [
        "--no-sandbox",  # root may not run Chromium without, and CI is root
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
        f"--use-file-for-fake-video-capture={film}",
    ]
    with (
        sync_playwright() as playwright,
        closing(playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)) as browser,
    ):
        yield browser


@pytest.fixture
def site(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Site]:
    """Open the page with all other addresses blocked; a parameter sets the browser's window."""
    with serving() as (process, address), closing(browser.new_context(**getattr(request, "param", {}))) as context:
        outside: list[str] = []

        def refuse(route: Route) -> None:
            outside.append(route.request.url)
            route.abort()

        # Before anything is asked for: what the page loads from elsewhere fails here as it does without a network.
        context.route(lambda url: not url.startswith((address, f"blob:{address}")), refuse)
        page = context.new_page()
        page.goto(address)
        yield Site(process, page, outside)
    assert not outside


def photograph(page: Page, name: str) -> None:
    if SCREENSHOTS:
        page.set_viewport_size({"width": 1280, "height": 1000})
        page.screenshot(path=Path(SCREENSHOTS) / f"page_{name}.png", animations="disabled")


def choose(page: Page, name: str, content: bytes) -> None:
    page.locator("#file").set_input_files({"name": name, "mimeType": "image/jpeg", "buffer": content})


def start_live(page: Page) -> None:
    page.get_by_role("tab", name="Live").click()
    page.get_by_role("button", name="Start").click()
    page.evaluate(
        """() => {
            window.labelled = 0;
            const count = () => { window.labelled += document.querySelector("#live-faces .label") ? 1 : 0; };
            new MutationObserver(count).observe(document.getElementById("live-faces"), { childList: true });
        }"""
    )


def test_photo_gives_a_box_a_label_and_all_probabilities(site: Site) -> None:
    choose(site.page, "astronaut.jpg", encoded(astronaut()))
    expect(site.page.locator("#photo-faces .label")).to_have_text(re.compile(r"^happy \d+%$"))
    expect(site.page.locator("#photo-status")).to_have_text("astronaut.jpg: 1 face")
    expect(site.page.locator("#photo-boxes .edge")).to_have_count(1)
    assert site.page.locator("#photo-faces dt").all_inner_texts() == list(NAMES)
    photograph(site.page, "photo")


def test_uncertain_face_differs_in_words_and_in_the_line_of_its_box(site: Site) -> None:
    choose(site.page, "blurred.jpg", encoded(astronaut().filter(ImageFilter.GaussianBlur(6))))
    expect(site.page.locator("#photo-faces .uncertain")).to_have_text("uncertain")
    expect(site.page.locator("#photo-boxes .name")).to_contain_text("?")
    expect(site.page.locator("#photo-boxes .edge")).to_have_attribute("stroke-dasharray", re.compile(r"\d"))


def test_faces_of_a_photo_are_downloaded_as_json_and_csv(site: Site) -> None:
    choose(site.page, "astronaut.jpg", encoded(astronaut()))
    for kind in ("JSON", "CSV"):
        with site.page.expect_download() as download:
            site.page.get_by_role("button", name=f"Download {kind}").click()
        assert download.value.suggested_filename == f"astronaut.{kind.lower()}"
        text = download.value.path().read_text()
        source = json.loads(text)["source"] if kind == "JSON" else next(csv.DictReader(text.splitlines()))["source"]
        assert source == "astronaut.jpg"


def test_photo_without_a_face_and_a_file_that_is_none_are_told_in_words(site: Site) -> None:
    choose(site.page, "wall.jpg", encoded(Image.new("RGB", (200, 200), "grey")))
    expect(site.page.locator("#photo-status")).to_have_text("wall.jpg: no face found")
    choose(site.page, "archive.jpg", b"PK\x03\x04" + bytes(100))
    expect(site.page.locator("#photo-status")).to_contain_text("expected a picture")
    expect(site.page.locator("#photo-result")).to_be_hidden()


def test_photo_can_be_dropped_and_pasted(site: Site) -> None:
    script = """([kind, bytes]) => {
        const transfer = new DataTransfer();
        transfer.items.add(new File([new Uint8Array(bytes)], `${kind}.jpg`, { type: "image/jpeg" }));
        const event = kind === "paste"
            ? new ClipboardEvent(kind, { clipboardData: transfer, bubbles: true })
            : new DragEvent(kind, { dataTransfer: transfer, bubbles: true, cancelable: true });
        document.getElementById("drop").dispatchEvent(event);
    }"""
    for kind in ("drop", "paste"):
        site.page.evaluate(script, [kind, list(encoded(astronaut((256, 256))))])
        expect(site.page.locator("#photo-status")).to_have_text(f"{kind}.jpg: 1 face")


def test_photo_can_be_taken_with_the_camera_which_is_then_released(site: Site) -> None:
    site.page.get_by_role("button", name="Use the camera").click()
    tracks = site.page.wait_for_function("() => document.getElementById('snapshot-video').srcObject?.getTracks()")
    site.page.get_by_role("button", name="Take the picture").click()
    expect(site.page.locator("#photo-status")).to_have_text("snapshot.jpg: 1 face")
    assert tracks.evaluate("tracks => tracks.map(track => track.readyState)") == ["ended"]


def test_live_labels_frames_until_stop_releases_the_camera_and_exit_ends_the_server(site: Site) -> None:
    start_live(site.page)
    site.page.wait_for_function("() => window.labelled >= 10")
    expect(site.page.locator("#live-faces .label").first).to_have_text(re.compile(r"^[a-z]+ \d+%$"))
    expect(site.page.locator("#fps")).to_have_text(re.compile(r"^[1-9]\d*$"))
    photograph(site.page, "live")
    tracks = site.page.evaluate_handle("() => document.getElementById('live-video').srcObject.getTracks()")
    assert tracks.evaluate("tracks => tracks.map(track => track.readyState)") == ["live"]
    site.page.get_by_role("button", name="Stop").click()
    assert tracks.evaluate("tracks => tracks.map(track => track.readyState)") == ["ended"]
    site.page.get_by_role("button", name="Exit").click()
    expect(site.page.locator("#live-status")).to_contain_text("The server has ended")
    assert site.process.wait(timeout=30) == 0


def test_live_ends_when_a_person_leaves_the_tab(site: Site) -> None:
    start_live(site.page)
    site.page.wait_for_function("() => window.labelled >= 1")
    site.page.get_by_role("tab", name="Photo").click()
    assert site.page.evaluate("() => document.getElementById('live-video').srcObject") is None


def test_smoothing_is_sent_while_live(site: Site) -> None:
    sent: list[str | bytes] = []
    site.page.on("websocket", lambda socket: socket.on("framesent", lambda content: sent.append(content)))
    start_live(site.page)
    site.page.wait_for_function("() => window.labelled >= 1")
    site.page.get_by_label("Smoothing").fill("1.5")
    expect(site.page.locator("#smoothing-value")).to_have_text("1.5 s")
    site.page.wait_for_function("() => window.labelled >= 3")
    assert '{"smoothing":0.5}' in sent
    assert '{"smoothing":1.5}' in sent


def test_model_shows_figures_confusion_and_card_of_the_shipped_network(site: Site) -> None:
    site.page.get_by_role("link", name="What the network can and cannot do").click()
    expect(site.page.get_by_role("tab", name="Model")).to_have_attribute("aria-selected", "true")
    expect(site.page.locator("#model-figures dd").first).to_contain_text("% validation")
    expect(site.page.locator("#model-confusion tbody td")).to_have_count(49)
    expect(site.page.get_by_role("heading", name="Model card: apparent facial expression")).to_be_visible()
    assert "<" not in site.page.locator("#model-card").inner_text()
    photograph(site.page, "model")


def test_tabs_are_walked_with_the_keyboard(site: Site) -> None:
    site.page.get_by_role("tab", name="Photo").focus()
    for key, name in {"ArrowRight": "Live", "End": "Model", "Home": "Photo", "ArrowLeft": "Model"}.items():
        site.page.keyboard.press(key)
        expect(site.page.get_by_role("tab", name=name)).to_be_focused()
        expect(site.page.get_by_role("tabpanel", name=name)).to_be_visible()
        assert site.page.get_by_role("tabpanel").count() == 1


@pytest.mark.parametrize("site", [PHONE], indirect=True)
def test_page_fits_a_phone(site: Site) -> None:
    choose(site.page, "astronaut.jpg", encoded(astronaut()))
    expect(site.page.locator("#photo-faces .label")).to_be_visible()
    for name in ("Photo", "Live", "Model"):
        site.page.get_by_role("tab", name=name).click()
        assert site.page.evaluate("() => document.documentElement.scrollWidth") <= 390
