"""What holds for every picture: the same faces each time, boxes near the picture, and faces that move with it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from small_photos import astronaut_pixels

from emotion.inference.results import DetectedFace
from emotion.inference.yunet import YuNet

Pixels = NDArray[np.uint8]

EDGES = st.integers(1, 200)


@pytest.fixture(scope="session")
def yunet(detector_weights: Path) -> YuNet:
    return YuNet(detector_weights)


def blurred_noise(width: int, height: int, seed: int) -> Pixels:
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    return cv2.GaussianBlur(noise, (0, 0), 2).astype(np.uint8, copy=False)


def content(found: list[DetectedFace]) -> list[tuple[object, bytes]]:
    return [(face.box, b"" if face.landmarks is None else face.landmarks.tobytes()) for face in found]


@pytest.mark.parametrize("size", [(16, 16), (32, 32), (640, 17), (17, 640), (1, 900), (160, 32)])
def test_narrow_picture_has_the_same_faces_after_any_other_picture(yunet: YuNet, size: tuple[int, int]) -> None:
    picture = blurred_noise(*size, seed=0)
    found = []
    for edge in range(20, 400, 20):
        yunet.find(blurred_noise(edge, edge, seed=edge))
        found.append(content(yunet.find(picture)))
    assert found == [[]] * len(found)


@settings(max_examples=30, deadline=None)
@given(width=EDGES, height=EDGES, other=st.tuples(EDGES, EDGES), seed=st.integers(0, 1000))
def test_picture_has_the_same_faces_each_time_and_in_any_thread(
    yunet: YuNet, width: int, height: int, other: tuple[int, int], seed: int
) -> None:
    resized = cv2.resize(astronaut_pixels()[40:220, 140:320], (width, height), interpolation=cv2.INTER_AREA)
    picture = resized.astype(np.uint8, copy=False)
    first = content(yunet.find(picture))
    yunet.find(blurred_noise(*other, seed))
    assert content(yunet.find(picture)) == first
    with ThreadPoolExecutor(1) as pool:
        assert content(pool.submit(yunet.find, picture).result()) == first


@pytest.mark.parametrize("width", [30, 32, 33, 47])
def test_face_in_a_narrow_picture_is_found(yunet: YuNet, width: int) -> None:
    photo = cv2.resize(astronaut_pixels()[:340], None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
    narrow = photo.astype(np.uint8, copy=False)[:, 56 - width // 2 : 56 + width - width // 2]
    assert len(yunet.find(narrow)) == 1
