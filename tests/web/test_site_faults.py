"""The page without a server in a real Chromium: what it says of files that it cannot load or read."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from opened_page import choose, needs_chromium, opened
from playwright.sync_api import Browser, FilePayload, Page, expect
from running_node import needs_packages
from running_server import encoded
from running_site import plainly_served
from small_photos import astronaut

pytestmark = [needs_chromium, needs_packages]


@pytest.mark.parametrize(("name", "what"), [("runtime.js", "networks"), ("facts.json", "description of the network")])
def test_file_that_cannot_be_loaded_is_announced_and_fetched_again_for_the_next_photo(
    name: str, what: str, browser: Browser, site: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(site, tmp_path / "site")
    (folder / "engine" / name).unlink()
    with plainly_served(folder) as address, opened(browser, address) as page:
        choose(page, "astronaut.jpg", encoded(astronaut()))
        expect(page.locator("#photo-status")).to_have_text(
            f"The {what} could not be loaded. Check the connection, then try again or reload this page."
        )
        shutil.copy(site / "engine" / name, folder / "engine")
        choose(page, "astronaut.jpg", encoded(astronaut()))
        expect(page.locator("#photo-status")).to_have_text("astronaut.jpg: 1 face", timeout=60_000)


def test_model_tab_of_a_page_without_its_description_says_nothing_of_a_server(
    browser: Browser, site: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(site, tmp_path / "site")
    (folder / "engine/facts.json").unlink()
    with plainly_served(folder) as address, opened(browser, address) as page:
        page.get_by_role("tab", name="Model").click()
        expect(page.locator("#model-status")).to_contain_text("The description of the network could not be loaded.")


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", "is empty."),
        (encoded(astronaut(), "png")[:200], "is damaged or too large for this browser."),
        (encoded(astronaut())[:200], "is damaged or too large for this browser."),
        (b"<svg/>", "is not a picture that this browser can read; save it as JPEG or PNG."),
    ],
    ids=["empty", "png", "jpeg", "svg"],
)
def test_fault_of_a_file_is_told_from_its_first_bytes(page: Page, content: bytes, fault: str) -> None:
    choose(page, "given", content)
    expect(page.locator("#photo-status")).to_have_text(f"given {fault}")


def test_several_files_that_cannot_be_read_are_counted_and_have_no_image(page: Page) -> None:
    page.locator("#file").set_input_files(
        [FilePayload(name=name, mimeType="image/png", buffer=b"PK") for name in ("first.png", "second.png")]
    )
    expect(page.locator("#photo-status")).to_have_text("2 images: 2 cannot be read")
    expect(page.locator("#photo-list button")).to_have_count(2)
    expect(page.locator("#photo-list img")).to_have_count(0)
