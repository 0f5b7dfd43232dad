"""The page without a server in Firefox: it finds what Python finds, and needs no network after the first visit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from opened_firefox import FirefoxPage, firefox, needs_firefox
from running_node import needs_packages
from running_server import encoded
from running_site import plainly_served
from site_parity import LEVEL, cropped_faces, differences, photos, scenes
from small_photos import astronaut

from emotion import Predictor

pytestmark = [needs_firefox, needs_packages]

READY = "async () => { while (!navigator.serviceWorker.controller) await new Promise(requestAnimationFrame); }"

LABEL = """async () => {
    while (!document.querySelector("#photo-faces .label")) await new Promise(requestAnimationFrame);
    return document.querySelector("#photo-faces .label").innerText;
}"""


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return Predictor(threads=1)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FirefoxPage]:
    with firefox(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture
def page(browser: FirefoxPage, address: str) -> FirefoxPage:
    visit(browser, address)
    return browser


def visit(browser: FirefoxPage, address: str) -> None:
    """Open the page and wait until it has its networks and would work without a network."""
    browser.open(address)
    browser.evaluate(READY)


def test_photos_and_drawn_faces_have_the_probabilities_of_python(page: FirefoxPage, predictor: Predictor) -> None:
    assert len(differences(page, predictor, [*photos(3), *cropped_faces(200)])) == 202


def test_faces_found_in_drawn_scenes_are_those_of_python(page: FirefoxPage, predictor: Predictor) -> None:
    assert len(differences(page, predictor, list(scenes(15)), LEVEL)) >= 12


def test_chosen_photo_is_labelled_after_the_server_has_gone(browser: FirefoxPage, site: Path, tmp_path: Path) -> None:
    with plainly_served(site) as address:
        visit(browser, address)
    browser.open(address)
    photo = tmp_path / "astronaut.jpg"
    photo.write_bytes(encoded(astronaut()))
    browser.choose("#file", [photo])
    assert browser.evaluate(LABEL).startswith("happy")
