"""What the page without a server must find to agree with Python: the pictures and the comparison, for every browser."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any, Final, Protocol

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from running_server import encoded
from skimage import data

from benchmarks.face_scenes import Place, compose
from emotion import Predictor
from emotion.data.sample_faces import draw_face
from emotion.inference.formats import picture_as_json
from emotion.labels import NAMES

PROBABILITY: Final = 1e-3

LEVEL: Final = 5e-3
"""Largest difference of a probability where one pixel of a crop differs by one grey level: OpenCV and ONNX Runtime find
landmarks that differ by less than 0.0001 pixels, and Pillow cuts decimals off."""

PIXELS: Final = 2

PHOTOS = ("astronaut", "camera", "coins", "cat", "clock", "coffee", "colorwheel", "moon", "page", "retina", "rocket")
"""Photos of scikit-image's wheel. The first two show a face; the others are searched by all second looks."""

PREDICT: Final = """async (pictures) => {
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
Answer = dict[str, Any]


class Evaluates(Protocol):
    """A page of Chromium or Firefox."""

    def evaluate(self, function: str, argument: Any, /) -> Any: ...


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


def in_browser(page: Evaluates, pictures: list[Pixels], kind: str = "png") -> list[Answer]:
    files = [base64.b64encode(encoded(Image.fromarray(pixels), kind)).decode() for pixels in pictures]
    answers: list[Answer] = page.evaluate(PREDICT, files)
    return answers


def differences(
    page: Evaluates, predictor: Predictor, pictures: list[Pixels], tolerance: float = PROBABILITY
) -> list[float]:
    """Compare all answers; return the largest difference of a probability of each face."""
    in_python = [picture_as_json(picture) for picture in predictor.predict(pictures)]
    pairs = list(zip(in_browser(page, pictures), in_python, strict=True))
    for here, there in pairs:
        _compare(here, there, tolerance)
    faces = [pair for here, there in pairs for pair in zip(here["faces"], there["faces"], strict=True)]
    shares = [(one["probabilities"], other["probabilities"]) for one, other in faces]
    return [max(abs(one[name] - other[name]) for name in NAMES) for one, other in shares]


def _compare(here: Answer, there: Answer, tolerance: float) -> None:
    assert (here["width"], here["height"]) == (there["width"], there["height"])
    assert here["detector"] == there["detector"]
    assert [face["label"] for face in here["faces"]] == [face["label"] for face in there["faces"]]
    for face, other in zip(here["faces"], there["faces"], strict=True):
        assert face["uncertain"] == other["uncertain"]
        assert face["probabilities"] == pytest.approx(other["probabilities"], abs=tolerance)
        assert (face["box"] or {}) == pytest.approx(other["box"] or {}, abs=PIXELS)
        assert np.asarray(face["landmarks"] or []) == pytest.approx(np.asarray(other["landmarks"] or []), abs=PIXELS)
