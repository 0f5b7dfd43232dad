"""The page without a server finds in Chromium what Python finds: the same boxes, labels and probabilities."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from opened_page import needs_chromium
from PIL import Image
from playwright.sync_api import Page
from running_node import needs_packages
from running_server import encoded
from skimage import data
from small_photos import astronaut, astronaut_pixels

from benchmarks.face_scenes import Place, compose
from emotion import Predictor
from emotion.data.sample_faces import draw_face
from emotion.inference.formats import picture_as_json
from emotion.labels import NAMES

pytestmark = [needs_chromium, needs_packages]

PROBABILITY = 1e-3

LEVEL = 5e-3
"""Largest difference of a probability where one pixel of a crop differs by one grey level: OpenCV and ONNX Runtime find
landmarks that differ by less than 0.0001 pixels, and Pillow cuts decimals off."""

PIXELS = 2

PHOTOS = ("astronaut", "camera", "coins", "cat", "clock", "coffee", "colorwheel", "moon", "page", "retina", "rocket")
"""Photos of scikit-image's wheel. The first two show a face; the others are searched by all second looks."""

PREDICT = """async (pictures) => {
    const { browserEngine } = await import("/engine/engine.js");
    window.engine ??= browserEngine(new URL("/engine/", location.href).href);
    const answers = [];
    for (const content of pictures) {
        const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
        answers.push(await window.engine.predict(new File([bytes], "picture")));
    }
    return answers;
}"""

Pixels = NDArray[np.uint8]


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return Predictor(threads=1)


def cropped_faces(count: int) -> Iterator[Pixels]:
    for index in range(count):
        yield draw_face(NAMES[index % len(NAMES)], np.random.default_rng([11, index]))


def scenes(count: int) -> Iterator[Pixels]:
    """Draw pictures with one face each, of any size and tilt; some are dark, so that a second look finds them."""
    for index in range(count):
        generator = np.random.default_rng([12, index])
        x, y, height, tilt = (generator.uniform(*limits) for limits in ((150, 490), (130, 350), (30, 220), (-60, 60)))
        drawn = draw_face(NAMES[index % len(NAMES)], generator)
        picture = compose([drawn], [Place(x, y, height, tilt)], generator).picture
        yield picture // 5 if index % 5 == 4 else picture


def photos(count: int) -> Iterator[Pixels]:
    for name in PHOTOS[:count]:
        yield np.asarray(Image.fromarray(getattr(data, name)()).convert("RGB"))


def in_browser(page: Page, pictures: list[Pixels], kind: str = "png") -> list[dict[str, Any]]:
    files = [base64.b64encode(encoded(Image.fromarray(pixels), kind)).decode() for pixels in pictures]
    answers: list[dict[str, Any]] = page.evaluate(PREDICT, files)
    return answers


def in_python(predictor: Predictor, pictures: list[Pixels]) -> list[dict[str, Any]]:
    return [picture_as_json(picture) for picture in predictor.predict(pictures)]


def compare(here: dict[str, Any], there: dict[str, Any], tolerance: float) -> None:
    assert (here["width"], here["height"]) == (there["width"], there["height"])
    assert here["detector"] == there["detector"]
    assert [face["label"] for face in here["faces"]] == [face["label"] for face in there["faces"]]
    for face, other in zip(here["faces"], there["faces"], strict=True):
        assert face["uncertain"] == other["uncertain"]
        assert face["probabilities"] == pytest.approx(other["probabilities"], abs=tolerance)
        assert (face["box"] or {}) == pytest.approx(other["box"] or {}, abs=PIXELS)
        assert np.asarray(face["landmarks"] or []) == pytest.approx(np.asarray(other["landmarks"] or []), abs=PIXELS)


def expect_parity(
    page: Page, predictor: Predictor, pictures: list[Pixels], tolerance: float = PROBABILITY
) -> list[float]:
    """Compare all answers; return the largest difference of a probability of each face."""
    pairs = list(zip(in_browser(page, pictures), in_python(predictor, pictures), strict=True))
    for here, there in pairs:
        compare(here, there, tolerance)
    faces = [pair for here, there in pairs for pair in zip(here["faces"], there["faces"], strict=True)]
    shares = [(one["probabilities"], other["probabilities"]) for one, other in faces]
    return [max(abs(one[name] - other[name]) for name in NAMES) for one, other in shares]


def test_200_drawn_faces_have_the_probabilities_of_python(page: Page, predictor: Predictor) -> None:
    assert len(expect_parity(page, predictor, list(cropped_faces(200)))) == 200


def test_faces_of_photos_are_those_of_python(page: Page, predictor: Predictor) -> None:
    assert len(expect_parity(page, predictor, list(photos(3)))) == 2


def test_faces_found_in_drawn_scenes_are_those_of_python(page: Page, predictor: Predictor) -> None:
    assert len(expect_parity(page, predictor, list(scenes(15)), LEVEL)) >= 12


@pytest.mark.slow
def test_nothing_is_found_where_python_finds_nothing(page: Page, predictor: Predictor) -> None:
    assert len(expect_parity(page, predictor, list(photos(len(PHOTOS))))) == 2


@pytest.mark.slow
def test_200_faces_found_in_drawn_scenes_are_those_of_python(page: Page, predictor: Predictor) -> None:
    differences = expect_parity(page, predictor, list(scenes(200)), LEVEL)
    assert len(differences) >= 160
    assert sum(each <= PROBABILITY for each in differences) >= 0.95 * len(differences)


def test_large_photo_is_searched_in_tiles_like_in_python(page: Page, predictor: Predictor) -> None:
    large = Image.new("RGB", (2200, 1500), (180, 180, 180))
    for left, edge in ((100, 1000), (1300, 180), (1700, 110)):
        large.paste(astronaut(edge), (left, 300))
    assert len(expect_parity(page, predictor, [np.asarray(large)], LEVEL)) == 3


@pytest.mark.parametrize("kind", ["jpeg", "webp"])
def test_label_of_a_photo_does_not_depend_on_the_decoder(page: Page, predictor: Predictor, kind: str) -> None:
    pixels = astronaut_pixels()
    here = in_browser(page, [pixels], kind)[0]["faces"][0]
    there = picture_as_json(predictor.predict([encoded(Image.fromarray(pixels), kind)])[0])["faces"][0]
    assert here["label"] == there["label"]
    assert here["probabilities"] == pytest.approx(there["probabilities"], abs=0.02)
