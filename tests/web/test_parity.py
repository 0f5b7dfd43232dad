"""The page without a server finds in Chromium what Python finds: the same boxes, labels and probabilities."""

from __future__ import annotations

import numpy as np
import pytest
from opened_page import needs_chromium
from PIL import Image
from playwright.sync_api import Page
from running_node import needs_packages
from running_server import encoded
from site_parity import LEVEL, PHOTOS, PROBABILITY, cropped_faces, differences, in_browser, photos, scenes
from small_photos import astronaut, astronaut_pixels

from emotion import Predictor
from emotion.inference.formats import picture_as_json

pytestmark = [needs_chromium, needs_packages]


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return Predictor(threads=1)


def test_200_drawn_faces_have_the_probabilities_of_python(page: Page, predictor: Predictor) -> None:
    assert len(differences(page, predictor, list(cropped_faces(200)))) == 200


def test_faces_of_photos_are_those_of_python(page: Page, predictor: Predictor) -> None:
    assert len(differences(page, predictor, list(photos(3)))) == 2


def test_faces_found_in_drawn_scenes_are_those_of_python(page: Page, predictor: Predictor) -> None:
    assert len(differences(page, predictor, list(scenes(15)), LEVEL)) >= 12


@pytest.mark.slow
def test_nothing_is_found_where_python_finds_nothing(page: Page, predictor: Predictor) -> None:
    assert len(differences(page, predictor, list(photos(len(PHOTOS))))) == 2


@pytest.mark.slow
def test_200_faces_found_in_drawn_scenes_are_those_of_python(page: Page, predictor: Predictor) -> None:
    found = differences(page, predictor, list(scenes(200)), LEVEL)
    assert len(found) >= 160
    assert sum(each <= PROBABILITY for each in found) >= 0.95 * len(found)


def test_large_photo_is_searched_in_tiles_like_in_python(page: Page, predictor: Predictor) -> None:
    large = Image.new("RGB", (2200, 1500), (180, 180, 180))
    for left, edge in ((100, 1000), (1300, 180), (1700, 110)):
        large.paste(astronaut(edge), (left, 300))
    assert len(differences(page, predictor, [np.asarray(large)], LEVEL)) == 3


@pytest.mark.parametrize("kind", ["jpeg", "webp"])
def test_label_of_a_photo_does_not_depend_on_the_decoder(page: Page, predictor: Predictor, kind: str) -> None:
    pixels = astronaut_pixels()
    here = in_browser(page, [pixels], kind)[0]["faces"][0]
    there = picture_as_json(predictor.predict([encoded(Image.fromarray(pixels), kind)])[0])["faces"][0]
    assert here["label"] == there["label"]
    assert here["probabilities"] == pytest.approx(there["probabilities"], abs=0.02)
