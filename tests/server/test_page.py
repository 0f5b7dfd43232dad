"""The page in a real Chromium, with a camera that shows a film made here.

REQUIRE_CHROMIUM=1 turns the skip without a browser into a failure; SCREENSHOTS=docs writes the README's pictures there.
"""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageFilter
from playwright.sync_api import Browser, Page, Route, expect, sync_playwright
from running_server import encoded, running, serving
from small_photos import astronaut, scene

from emotion import Predictor
from emotion.inference.network import SHIPPED
from emotion.labels import NAMES

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
ROOT = Path(__file__).parents[2]
REQUIRED = os.environ.get("REQUIRE_CHROMIUM") == "1"
SCREENSHOTS = os.environ.get("SCREENSHOTS")

pytestmark = pytest.mark.skipif(
    CHROMIUM is None and not REQUIRED, reason="the page is not tested: no Chromium on the PATH (apt install chromium)"
)


def film_frames() -> list[Image.Image]:
    """The astronaut before a grey wall, swaying: 640x480, one second."""
    return [scene((60 + 2 * abs(index - 15), 0, 480), size=(640, 480)) for index in range(30)]


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


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with serving() as (_, address):
        yield address


@contextmanager
def opened(browser: Browser, address: str, **window: Any) -> Iterator[Page]:
    """Open the page with all other addresses blocked; fail if it asks for one, or if a script of it fails."""
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


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    with opened(browser, address) as page:
        yield page


def photograph(page: Page, name: str, height: int) -> None:
    if SCREENSHOTS:
        page.set_viewport_size({"width": 1280, "height": height})
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


def test_photo_gives_a_box_a_label_and_all_probabilities(page: Page) -> None:
    choose(page, "astronaut.jpg", encoded(astronaut()))
    expect(page.locator("#photo-faces .label")).to_have_text(re.compile(r"^happy \d+%$"))
    expect(page.locator("#photo-status")).to_have_text("astronaut.jpg: 1 face")
    expect(page.locator("#photo-boxes .edge")).to_have_count(1)
    assert page.locator("#photo-faces dt").all_inner_texts() == list(NAMES)
    photograph(page, "photo", height=960)


def test_uncertain_face_differs_in_words_and_in_the_line_of_its_box(page: Page) -> None:
    choose(page, "blurred.jpg", encoded(astronaut().filter(ImageFilter.GaussianBlur(6))))
    expect(page.locator("#photo-faces .uncertain")).to_have_text("uncertain")
    expect(page.locator("#photo-boxes .name")).to_contain_text("?")
    expect(page.locator("#photo-boxes .edge")).to_have_attribute("stroke-dasharray", re.compile(r"\d"))


def test_faces_of_a_photo_are_downloaded_as_json_and_csv(page: Page) -> None:
    choose(page, "astronaut.jpg", encoded(astronaut()))
    for kind in ("JSON", "CSV"):
        with page.expect_download() as download:
            page.get_by_role("button", name=f"Download {kind}").click()
        assert download.value.suggested_filename == f"astronaut.{kind.lower()}"
        text = download.value.path().read_text()
        source = json.loads(text)["source"] if kind == "JSON" else next(csv.DictReader(text.splitlines()))["source"]
        assert source == "astronaut.jpg"


def test_photo_without_a_face_and_a_file_that_is_none_are_told_in_words(page: Page) -> None:
    choose(page, "wall.jpg", encoded(Image.new("RGB", (200, 200), "grey")))
    expect(page.locator("#photo-status")).to_have_text("wall.jpg: no face found")
    choose(page, "archive.jpg", b"PK\x03\x04" + bytes(100))
    expect(page.locator("#photo-status")).to_contain_text("expected a picture")
    expect(page.locator("#photo-result")).to_be_hidden()


def test_photo_that_the_browser_cannot_show_is_judged_and_told_in_words(page: Page) -> None:
    choose(page, "astronaut.tif", encoded(astronaut(), "tiff"))
    expect(page.locator("#photo-faces .label")).to_be_visible()
    expect(page.get_by_text("This browser cannot show this format")).to_be_visible()
    expect(page.locator("#photo-image")).to_be_hidden()
    choose(page, "astronaut.jpg", encoded(astronaut()))
    expect(page.locator("#photo-image")).to_be_visible()
    expect(page.get_by_text("This browser cannot show this format")).to_be_hidden()


def test_photo_can_be_dropped_and_pasted(page: Page) -> None:
    script = """([kind, bytes]) => {
        const transfer = new DataTransfer();
        transfer.items.add(new File([new Uint8Array(bytes)], `${kind}.jpg`, { type: "image/jpeg" }));
        const event = kind === "paste"
            ? new ClipboardEvent(kind, { clipboardData: transfer, bubbles: true })
            : new DragEvent(kind, { dataTransfer: transfer, bubbles: true, cancelable: true });
        document.getElementById("drop").dispatchEvent(event);
    }"""
    for kind in ("drop", "paste"):
        page.evaluate(script, [kind, list(encoded(astronaut(256)))])
        expect(page.locator("#photo-status")).to_have_text(f"{kind}.jpg: 1 face")


def test_photo_can_be_taken_with_the_camera_which_is_then_released(page: Page) -> None:
    page.get_by_role("button", name="Use the camera").click()
    tracks = page.wait_for_function("() => document.getElementById('snapshot-video').srcObject?.getTracks()")
    page.get_by_role("button", name="Take the picture").click()
    expect(page.locator("#photo-status")).to_have_text("snapshot.jpg: 1 face")
    assert tracks.evaluate("tracks => tracks.map(track => track.readyState)") == ["ended"]


def test_camera_that_opens_after_cancel_is_released(page: Page) -> None:
    hold_camera(page)
    page.get_by_role("button", name="Use the camera").click()
    page.get_by_role("button", name="Cancel").click()
    page.evaluate("allow()")
    expect_tracks(page, "ended")
    expect(page.locator("#snapshot")).to_be_hidden()


def test_camera_that_opens_after_the_tab_was_left_is_released(page: Page) -> None:
    hold_camera(page)
    page.get_by_role("button", name="Use the camera").click()
    page.get_by_role("tab", name="Model").click()
    page.evaluate("allow()")
    expect_tracks(page, "ended")


def test_camera_asked_for_again_and_again_is_open_once(page: Page) -> None:
    hold_camera(page)
    for _ in range(3):
        page.get_by_role("button", name="Use the camera").click()
    page.get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="Use the camera").click()
    page.evaluate("allow()")
    expect_tracks(page, "ended", "live")
    expect(page.get_by_role("button", name="Take the picture")).to_be_focused()
    expect(page.locator("#photo-status")).to_be_empty()


def test_live_labels_frames_until_stop_releases_the_camera(page: Page) -> None:
    start_live(page)
    page.wait_for_function("() => window.labelled >= 10")
    expect(page.locator("#live-faces .label").first).to_have_text(re.compile(r"^[a-z]+ \d+%$"))
    expect(page.locator("#fps")).to_have_text(re.compile(r"^[1-9]\d*$"))
    photograph(page, "live", height=800)
    tracks = page.evaluate_handle("() => document.getElementById('live-video').srcObject.getTracks()")
    assert tracks.evaluate("tracks => tracks.map(track => track.readyState)") == ["live"]
    page.get_by_role("button", name="Stop").click()
    assert tracks.evaluate("tracks => tracks.map(track => track.readyState)") == ["ended"]


def test_exit_ends_the_server_and_the_camera(browser: Browser) -> None:
    with serving() as (process, address), opened(browser, address) as page:
        start_live(page)
        page.wait_for_function("() => window.labelled >= 1")
        page.get_by_role("button", name="Exit").click()
        expect(page.locator("#live-status")).to_contain_text("The server has ended")
        assert page.evaluate("() => document.getElementById('live-video').srcObject") is None
        assert process.wait(timeout=30) == 0


def test_exit_while_the_camera_opens_is_the_last_word(browser: Browser) -> None:
    with serving() as (process, address), opened(browser, address) as page:
        hold_camera(page)
        page.get_by_role("tab", name="Live").click()
        page.get_by_role("button", name="Start").click()
        page.get_by_role("button", name="Exit").click()
        expect(page.locator("#live-status")).to_contain_text("The server has ended")
        assert process.wait(timeout=30) == 0
        page.evaluate("allow()")
        expect_tracks(page, "ended")
        expect(page.locator("#live-status")).to_contain_text("The server has ended")
        expect(page.get_by_role("button", name="Start")).to_be_disabled()


def test_keyboard_keeps_its_place_through_start_and_stop(page: Page) -> None:
    page.get_by_role("tab", name="Live").click()
    page.get_by_role("button", name="Start").press("Enter")
    expect(page.get_by_role("button", name="Stop")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Start")).to_be_focused()


def test_live_ends_when_a_person_leaves_the_tab(page: Page) -> None:
    start_live(page)
    page.wait_for_function("() => window.labelled >= 1")
    page.get_by_role("tab", name="Photo").click()
    assert page.evaluate("() => document.getElementById('live-video').srcObject") is None


def test_smoothing_is_sent_while_live(page: Page) -> None:
    sent: list[str | bytes] = []
    page.on("websocket", lambda socket: socket.on("framesent", lambda content: sent.append(content)))
    start_live(page)
    page.wait_for_function("() => window.labelled >= 1")
    page.get_by_label("Smoothing").fill("1.5")
    expect(page.locator("#smoothing-value")).to_have_text("1.5 s")
    page.wait_for_function("() => window.labelled >= 3")
    assert '{"smoothing":0.5}' in sent
    assert '{"smoothing":1.5}' in sent


def test_model_shows_figures_confusion_and_card(browser: Browser, tmp_path: Path) -> None:
    folder = shutil.copytree(SHIPPED.parent, tmp_path / "shipped", ignore=shutil.ignore_patterns("emotion.*"))
    shutil.copy(ROOT / "metrics/details/test_confusion.csv", folder)
    with running(Predictor(), shipped=folder) as client, opened(browser, str(client.base_url)) as page:
        page.get_by_role("link", name="What the network can and cannot do").click()
        expect(page.get_by_role("tab", name="Model")).to_have_attribute("aria-selected", "true")
        expect(page.locator("#model-figures dd").first).to_contain_text("% validation")
        expect(page.locator("#model-confusion tbody td")).to_have_count(49)
        expect(page.get_by_role("heading", name="Model card: apparent facial expression")).to_be_visible()
        assert "|" not in page.locator("#model-card").inner_text()
        photograph(page, "model", height=1000)


def test_tabs_are_walked_with_the_keyboard(page: Page) -> None:
    page.get_by_role("tab", name="Photo").focus()
    for key, name in {"ArrowRight": "Live", "End": "Model", "Home": "Photo", "ArrowLeft": "Model"}.items():
        page.keyboard.press(key)
        expect(page.get_by_role("tab", name=name)).to_be_focused()
        expect(page.get_by_role("tabpanel", name=name)).to_be_visible()
        assert page.get_by_role("tabpanel").count() == 1


def test_page_fits_a_phone_whatever_a_picture_is_called(browser: Browser, address: str) -> None:
    with opened(browser, address, viewport={"width": 390, "height": 844}) as page:
        choose(page, f"{'a' * 200}.jpg", encoded(astronaut()))
        expect(page.locator("#photo-faces .label")).to_be_visible()
        for name in ("Photo", "Live", "Model"):
            page.get_by_role("tab", name=name).click()
            assert page.evaluate("() => document.documentElement.scrollWidth") <= 390
