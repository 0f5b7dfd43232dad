"""The page without a server in a real Chromium: photos, several at once, files to keep, the camera, no network."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
from opened_page import choose, needs_chromium, photograph, start_live
from PIL import Image, ImageFilter
from playwright.sync_api import Browser, Download, FilePayload, Page, expect
from running_node import needs_packages
from running_server import encoded
from running_site import plainly_served, visited
from small_photos import astronaut

from benchmarks.face_scenes import compose, grid
from emotion.data.sample_faces import draw_face
from emotion.inference.formats import csv_text
from emotion.inference.results import Box, Face, Picture
from emotion.labels import NAMES

pytestmark = [needs_chromium, needs_packages]

PHONE = {"width": 390, "height": 844}


def download(page: Page, kind: str) -> Download:
    with page.expect_download() as download:
        page.get_by_role("button", name=f"Download {kind}").click()
    return download.value


def give(page: Page, **files: bytes) -> None:
    """Choose several files, whose names are the keywords."""
    chosen = [FilePayload(name=f"{name}.png", mimeType="image/png", buffer=content) for name, content in files.items()]
    page.locator("#file").set_input_files(chosen)


def test_photo_gives_a_box_a_label_and_all_probabilities(page: Page) -> None:
    choose(page, "astronaut.jpg", encoded(astronaut()))
    expect(page.locator("#photo-faces .label")).to_have_text(re.compile(r"^happy \d+%$"))
    expect(page.locator("#photo-status")).to_have_text("astronaut.jpg: 1 face")
    expect(page.locator("#photo-boxes .edge")).to_have_count(1)
    assert page.locator("#photo-faces dt").all_inner_texts() == list(NAMES)


def test_page_says_that_images_stay_here_and_has_nothing_of_a_server(page: Page) -> None:
    expect(page.get_by_text("Images stay in this browser")).to_be_visible()
    assert "server" not in page.locator("body").inner_text()
    expect(page.get_by_role("button", name="Exit", include_hidden=True)).to_have_count(0)


def test_uncertain_face_is_called_uncertain(page: Page) -> None:
    choose(page, "blurred.jpg", encoded(astronaut().filter(ImageFilter.GaussianBlur(9))))
    expect(page.locator("#photo-faces .uncertain")).to_have_text("uncertain")


def test_turned_photo_of_a_phone_is_upright(page: Page) -> None:
    stream, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = 6  # a quarter turn to the right makes it upright
    astronaut().rotate(90).save(stream, "jpeg", exif=exif)
    choose(page, "phone.jpg", stream.getvalue())
    expect(page.locator("#photo-faces .label")).to_have_text(re.compile(r"^happy \d+%$"))


def test_several_images_are_listed_chosen_and_kept_as_one_file(page: Page) -> None:
    wall = encoded(Image.new("RGB", (90, 90), "grey"), "png")
    give(page, wall=wall, astronaut=encoded(astronaut(), "png"), broken=b"PK")
    expect(page.locator("#photo-status")).to_have_text("3 images: 1 face, 1 cannot be read")
    buttons = page.locator("#photo-list button")
    expect(buttons).to_contain_text(["0 faces", "1 face", "cannot be read"])
    expect(buttons.last).to_be_disabled()
    expect(buttons.last).to_have_attribute("title", re.compile("is not a picture"))
    page.get_by_role("button", name="astronaut.png").click()
    expect(page.locator("#photo-faces .label")).to_have_text(re.compile("^happy"))
    answers = json.loads(download(page, "JSON").path().read_text())
    assert [len(answer["faces"]) for answer in answers] == [0, 1, 0]
    assert "is not a picture" in answers[2]["error"]
    assert download(page, "CSV").suggested_filename == "images.csv"


def picture_of(answer: dict[str, Any]) -> Picture:
    """Make Python's result from an answer of the page."""
    faces = [
        Face(Box(**face["box"]), face["label"], face["probabilities"], face["uncertain"]) for face in answer["faces"]
    ]
    facts = {key: answer[key] for key in ("source", "width", "height", "error", "detector")}
    return Picture(faces=tuple(faces), **facts)


def group() -> Image.Image:
    """Draw twelve people in three rows."""
    generator, size = np.random.default_rng(4), (960, 640)
    drawn = [draw_face(NAMES[index % len(NAMES)], generator) for index in range(12)]
    return Image.fromarray(compose(drawn, grid(size, 4, 3, 150), generator, size).picture)


def test_group_of_drawn_faces_has_marks_and_lines(page: Page) -> None:
    give(page, astronaut=encoded(astronaut(), "png"), group=encoded(group(), "png"))
    expect(page.locator("#photo-status")).to_have_text("2 images: 13 faces", timeout=60_000)
    page.get_by_role("button", name="group.png").click()
    expect(page.locator("#photo .mark")).to_have_count(12)
    expect(page.locator("#photo-faces > li")).to_have_count(12)
    photograph(page, "local", height=960)


def test_csv_has_the_layout_of_python(page: Page) -> None:
    wall = encoded(Image.new("RGB", (90, 90), "grey"), "png")
    give(page, **{"a, b": encoded(astronaut(), "png"), "wall": wall, "broken": b"PK"})
    expect(page.locator("#photo-status")).to_have_text("3 images: 1 face, 1 cannot be read")
    answers = json.loads(download(page, "JSON").path().read_text())
    assert download(page, "CSV").path().read_text() == csv_text(map(picture_of, answers), NAMES)


def test_annotated_picture_has_the_size_of_the_image_and_its_box(page: Page) -> None:
    choose(page, "astronaut.png", encoded(astronaut(), "png"))
    expect(page.locator("#photo-faces .label")).to_be_visible()
    kept = download(page, "picture")
    assert kept.suggested_filename == "astronaut_faces.png"
    picture = Image.open(kept.path()).convert("RGB")
    assert picture.size == (512, 512)
    assert picture.getpixel((178, 120)) != astronaut().getpixel((178, 120))
    assert picture.getpixel((500, 500)) == astronaut().getpixel((500, 500))


def test_photo_that_replaces_a_large_one_does_not_wait_for_it(page: Page) -> None:
    before = page.workers
    choose(page, "large.png", encoded(Image.new("L", (7000, 6000)), "png"))
    expect(page.locator("#photo-status")).to_contain_text("Looking for faces in large.png")
    choose(page, "astronaut.jpg", encoded(astronaut()))
    expect(page.locator("#photo-status")).to_have_text("astronaut.jpg: 1 face", timeout=60_000)
    assert len(page.workers) == len(before)
    assert page.workers != before


def test_live_labels_frames_until_stop_releases_the_camera(page: Page) -> None:
    start_live(page)
    page.wait_for_function("() => window.labelled >= 10")
    expect(page.locator("#live-faces .label").first).to_have_text(re.compile(r"^[a-z]+ \d+%$"))
    expect(page.locator("#fps")).to_have_text(re.compile(r"^[1-9]\d*$"))
    page.get_by_label("Smoothing").fill("1.5")
    tracks = page.evaluate_handle("() => document.getElementById('live-video').srcObject.getTracks()")
    page.get_by_role("button", name="Stop").click()
    assert tracks.evaluate("tracks => tracks.map(track => track.readyState)") == ["ended"]
    page.get_by_role("button", name="Start").click()
    page.wait_for_function("() => window.labelled >= 12")


def test_page_works_without_a_network_after_the_first_visit(browser: Browser, site: Path) -> None:
    with plainly_served(site) as address, visited(browser, address) as page:
        page.context.set_offline(True)
        page.reload()
        choose(page, "astronaut.jpg", encoded(astronaut()))
        expect(page.locator("#photo-faces .label")).to_have_text(re.compile("^happy"), timeout=60_000)
        page.get_by_role("tab", name="Model").click()
        expect(page.get_by_role("heading", name="Model card: apparent facial expression")).to_be_visible()


def test_page_fits_a_phone(browser: Browser, address: str) -> None:
    with visited(browser, address, viewport=PHONE, has_touch=True) as page:
        give(page, **{name * 60: encoded(astronaut(), "png") for name in "abc"})
        expect(page.locator("#photo-status")).to_have_text("3 images: 3 faces")
        for name in ("Photo", "Live", "Model"):
            page.get_by_role("tab", name=name).tap()
            assert page.evaluate("() => document.documentElement.scrollWidth") <= PHONE["width"]


def test_picture_is_announced_in_one_line_where_it_cannot_be_read(page: Page) -> None:
    choose(page, "archive.jpg", b"PK\x03\x04" + bytes(100))
    expect(page.locator("#photo-status")).to_have_text(
        "archive.jpg is not a picture that this browser can read; save it as JPEG or PNG."
    )
