"""The page in a real Chromium: its tabs and the faces of a photo."""

from __future__ import annotations

import csv
import json
import re
import shutil
from pathlib import Path

from opened_page import choose, drop, needs_chromium, opened, paste, photograph
from PIL import Image, ImageFilter
from playwright.sync_api import Browser, FilePayload, Page, Route, expect
from running_server import encoded, running
from small_photos import astronaut

from emotion import Predictor
from emotion.inference.network import SHIPPED
from emotion.labels import NAMES

ROOT = Path(__file__).parents[2]

pytestmark = needs_chromium


def test_photo_gives_a_box_a_label_and_all_probabilities(page: Page) -> None:
    choose(page, "astronaut.jpg", encoded(astronaut()))
    expect(page.locator("#photo-faces .label")).to_have_text(re.compile(r"^happy \d+%$"))
    expect(page.locator("#photo-status")).to_have_text("astronaut.jpg: 1 face")
    expect(page.locator("#photo-boxes .edge")).to_have_count(1)
    assert page.locator("#photo-faces dt").all_inner_texts() == list(NAMES)
    photograph(page, "photo", height=960)


def test_uncertain_face_differs_in_words_and_in_the_line_of_its_box(page: Page) -> None:
    choose(page, "blurred.jpg", encoded(astronaut().filter(ImageFilter.GaussianBlur(9))))
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


def test_faces_of_several_images_can_be_downloaded_once_all_are_read(page: Page) -> None:
    held: list[Route] = []

    def hold_second(route: Route) -> None:
        if b"second.jpg" in (route.request.post_data_buffer or b""):
            held.append(route)
        else:
            route.continue_()

    page.route("**/api/predict*", hold_second)
    content = encoded(astronaut(256))
    page.locator("#file").set_input_files(
        [FilePayload(name=name, mimeType="image/jpeg", buffer=content) for name in ("first.jpg", "second.jpg")]
    )
    expect(page.locator("#photo-status")).to_contain_text("(2 of 2)")
    expect(page.locator("#photo-result")).to_be_visible()
    kept = page.get_by_role("button", name=re.compile("Download (JSON|CSV)"))
    for button in kept.all():
        expect(button).to_be_disabled()
    held[0].continue_()
    for button in kept.all():
        expect(button).to_be_enabled()


def test_photo_without_a_face_and_a_file_that_is_not_an_image_get_a_message(page: Page) -> None:
    choose(page, "wall.jpg", encoded(Image.new("RGB", (200, 200), "grey")))
    expect(page.locator("#photo-status")).to_have_text("wall.jpg: no face found")
    choose(page, "archive.jpg", b"PK\x03\x04" + bytes(100))
    expect(page.locator("#photo-status")).to_contain_text("not a picture")
    expect(page.locator("#photo-result")).to_be_hidden()


def test_photo_that_the_browser_cannot_show_still_gets_its_faces_and_a_message(page: Page) -> None:
    choose(page, "astronaut.tif", encoded(astronaut(), "tiff"))
    expect(page.locator("#photo-faces .label")).to_be_visible()
    expect(page.get_by_text("This browser cannot show this format")).to_be_visible()
    expect(page.locator("#photo-image")).to_be_hidden()
    choose(page, "astronaut.jpg", encoded(astronaut()))
    expect(page.locator("#photo-image")).to_be_visible()
    expect(page.get_by_text("This browser cannot show this format")).to_be_hidden()


def test_photo_can_be_dropped_and_pasted(page: Page) -> None:
    for give in (drop, paste):
        give(page, f"{give.__name__}.jpg", encoded(astronaut(256)))
        expect(page.locator("#photo-status")).to_have_text(f"{give.__name__}.jpg: 1 face")


def test_model_tab_shows_metrics_confusion_matrix_and_card(browser: Browser, tmp_path: Path) -> None:
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


def test_keyboard_moves_between_the_tabs(page: Page) -> None:
    page.get_by_role("tab", name="Photo").focus()
    for key, name in {"ArrowRight": "Live", "End": "Model", "Home": "Photo", "ArrowLeft": "Model"}.items():
        page.keyboard.press(key)
        expect(page.get_by_role("tab", name=name)).to_be_focused()
        expect(page.get_by_role("tabpanel", name=name)).to_be_visible()
        assert page.get_by_role("tabpanel").count() == 1


def test_page_fits_a_phone_even_with_a_long_file_name(browser: Browser, address: str) -> None:
    with opened(browser, address, viewport={"width": 390, "height": 844}) as page:
        choose(page, f"{'a' * 200}.jpg", encoded(astronaut()))
        expect(page.locator("#photo-faces .label")).to_be_visible()
        for name in ("Photo", "Live", "Model"):
            page.get_by_role("tab", name=name).click()
            assert page.evaluate("() => document.documentElement.scrollWidth") <= 390
