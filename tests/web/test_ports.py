"""The page's own functions of JavaScript, run by node, against the Python code that they follow."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image
from running_node import needs_node, run_node
from small_photos import astronaut_pixels

from emotion.images import align_face, to_face, to_grey
from emotion.inference import yunet

pytestmark = needs_node

Pixels = NDArray[np.uint8]

SIZES = [(100, 80, 50, 40), (97, 61, 40, 33), (97, 61, 64, 60), (90, 60, 30, 20), (64, 64, 63, 64)]
"""Width and height of a picture before and after it is reduced."""

LARGER = [(20, 30, 40, 60), (33, 21, 64, 40), (50, 2, 77, 3)]


def packed(pixels: Pixels) -> dict[str, Any]:
    height, width = pixels.shape[:2]
    data = base64.b64encode(np.ascontiguousarray(pixels).tobytes()).decode()
    return {"data": data, "width": width, "height": height, "channels": pixels.size // (width * height)}


def case(function: str, before: Pixels, after: Pixels, *arguments: Any, different: float = 0.0) -> dict[str, Any]:
    """Describe a call in JavaScript, and what Python has for it; a share of the values may differ."""
    return {
        "title": f"{function} {before.shape[1]}x{before.shape[0]}",
        "function": function,
        "picture": packed(before),
        "arguments": arguments,
        "expected": packed(after),
        "different": different,
    }


def noise(generator: Generator, width: int, height: int) -> Pixels:
    return generator.integers(0, 256, (height, width, 3), np.uint8)


def resized(generator: Generator) -> Iterator[dict[str, Any]]:
    for width, height, *size in SIZES:
        before = noise(generator, width, height)
        yield case(
            "resize", before, np.asarray(cv2.resize(before, size, interpolation=cv2.INTER_AREA), np.uint8), *size
        )
    for width, height, *size in LARGER:
        before = noise(generator, width, height)
        after = np.asarray(cv2.resize(before, size, interpolation=cv2.INTER_LINEAR), np.uint8)
        yield case("resize", before, after, *size)


def turned(generator: Generator) -> Iterator[dict[str, Any]]:
    for angle, scale in ((50, 1.0), (-135, 0.7), (90, 1.9)):
        before = noise(generator, 60, 44)
        matrix = cv2.getRotationMatrix2D((30, 22), angle, scale)
        after = cv2.warpAffine(before, matrix, (70, 70), flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE)
        yield case("warp", before, np.asarray(after, np.uint8), matrix.ravel().tolist(), 70)


def lit(generator: Generator) -> Iterator[dict[str, Any]]:
    photo = astronaut_pixels(256)
    for before in (photo, photo[:101, :173] // 4, noise(generator, 64, 48) // 3 + 60):
        yield case("stretchContrast", before, yunet._stretch_contrast(before))
        yield case("equalizeLocally", before, yunet._equalize_locally(before), different=1e-4)
        grey = to_grey(before)
        yield case("equalize", grey, np.asarray(cv2.createCLAHE(4.0, (8, 8)).apply(grey), np.uint8))


def cropped(generator: Generator) -> Iterator[dict[str, Any]]:
    photo = astronaut_pixels()
    yield case("toGrey", photo, to_grey(photo))
    for width, height in ((20, 30), (100, 75), (131, 90)):
        before = to_grey(noise(generator, width, height))
        yield case("toFace", before, to_face(before), 48)
        half = np.asarray(Image.fromarray(before).resize((width // 2, height // 3), Image.Resampling.BOX))
        yield case("resizeGrey", before, half, width // 2, height // 3, "box")


def aligned(generator: Generator) -> Iterator[dict[str, Any]]:
    upright = np.array([[200.1, 101.8], [247.1, 102.6], [220.4, 124.5], [198.6, 142.8], [239.7, 143.6]])
    grey = to_grey(astronaut_pixels())
    for scale, shift in ((1.0, 0), (0.3, 100), (1.7, -40), (0.2, -30)):
        places = upright * scale + shift + generator.normal(0, 2 * scale, (5, 2))
        yield case("alignFace", grey, align_face(grey, places), places.tolist())


@pytest.mark.parametrize("make", [resized, turned, lit, cropped, aligned], ids=lambda make: make.__name__)
def test_port_gives_the_pixels_of_python(make: Any, facts: dict[str, Any], tmp_path: Path) -> None:
    cases = list(make(np.random.default_rng(7)))
    (tmp_path / "cases.json").write_text(json.dumps({"facts": facts, "cases": cases}))
    run_node("ports", tmp_path / "cases.json", tests=len(cases))


def test_bytes_are_shuffled_and_unshuffled(facts: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "cases.json").write_text(json.dumps({"facts": facts, "cases": []}))
    run_node("shuffle", tmp_path / "cases.json", tests=2)


def test_task_that_is_given_up_keeps_no_other_waiting(facts: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "cases.json").write_text(json.dumps({"facts": facts, "cases": []}))
    run_node("tasks", tmp_path / "cases.json", tests=4)


def test_graphics_processor_is_used_where_it_agrees_and_is_faster(facts: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "cases.json").write_text(json.dumps({"facts": facts, "cases": []}))
    run_node("trial", tmp_path / "cases.json", tests=16)
