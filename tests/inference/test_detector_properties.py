"""What holds for every picture: the same faces each time, boxes near the picture, and faces that move with it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from small_photos import astronaut_pixels

from benchmarks.face_cases import matched
from benchmarks.face_scenes import Change, Place, compose, dim, fog, grid, lamp
from emotion.data.sample_faces import draw_face
from emotion.images import to_grey
from emotion.inference.results import DetectedFace
from emotion.inference.yunet import YuNet
from emotion.labels import NAMES

Pixels = NDArray[np.uint8]

EDGES = st.integers(1, 200)


@pytest.fixture(scope="session")
def yunet(detector_weights: Path) -> YuNet:
    return YuNet(detector_weights.read_bytes())


def blurred_noise(width: int, height: int, seed: int) -> Pixels:
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    return cv2.GaussianBlur(noise, (0, 0), 2).astype(np.uint8, copy=False)


def content(found: list[DetectedFace]) -> list[tuple[object, bytes]]:
    return [(face.box, b"" if face.landmarks is None else face.landmarks.tobytes()) for face in found]


@pytest.mark.parametrize("size", [(16, 16), (32, 32), (640, 17), (17, 640), (1, 900), (160, 32)])
def test_narrow_picture_has_the_same_faces_after_any_other_picture(yunet: YuNet, size: tuple[int, int]) -> None:
    picture = blurred_noise(*size, seed=0)
    found = []
    for edge in range(20, 400, 80):
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


@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (5000, 1), (3000, 20), (1281, 1279)])
def test_picture_of_any_shape_is_searched(yunet: YuNet, size: tuple[int, int]) -> None:
    assert yunet.find(blurred_noise(*size, seed=1)) == []


ASTRONAUT = np.s_[57:165, 170:278]
"""The face in her photo."""


def scene_of(*places: Place, seed: int = 0) -> Pixels:
    """Return a picture of 640x480 with the astronaut's face at places."""
    face = to_grey(astronaut_pixels())[ASTRONAUT]
    return compose([face] * len(places), places, np.random.default_rng(seed)).picture


def middle(face: DetectedFace) -> tuple[float, float]:
    return face.box.left + face.box.width / 2, face.box.top + face.box.height / 2


def is_near(face: DetectedFace, x: float, y: float, height: float, share: float = 0.2) -> bool:
    """Return whether a box is at a centre and of a height, up to a share of the height."""
    across, down = middle(face)
    return max(abs(across - x), abs(down - y), abs(face.box.height - height)) <= share * height


SEEDS = st.integers(0, 1000)
HEIGHTS = st.floats(80, 300)


@settings(max_examples=10, deadline=None)
@given(seed=SEEDS, height=HEIGHTS, x=st.floats(-50, 690), y=st.floats(-50, 530))
def test_boxes_lie_about_the_picture_and_none_in_another(
    yunet: YuNet, seed: int, height: float, x: float, y: float
) -> None:
    found = yunet.find(scene_of(Place(x, y, height), Place(640 - x, 480 - y, height / 2), seed=seed))
    for face in found:
        across, down = middle(face)
        assert -0.5 * face.box.width < across < 640 + 0.5 * face.box.width
        assert -0.5 * face.box.height < down < 480 + 0.5 * face.box.height
    for first, second in combinations(found, 2):
        assert not is_near(first, *middle(second), second.box.height, share=0.3)


@settings(max_examples=10, deadline=None)
@given(seed=SEEDS, height=HEIGHTS, tilt=st.floats(-25, 25))
def test_mirrored_picture_has_mirrored_faces(yunet: YuNet, seed: int, height: float, tilt: float) -> None:
    picture = scene_of(Place(280, 250, height, tilt), seed=seed)
    (face,), (mirrored,) = yunet.find(picture), yunet.find(np.ascontiguousarray(picture[:, ::-1]))
    across, down = middle(face)
    assert is_near(mirrored, 640 - across, down, face.box.height)


@settings(max_examples=10, deadline=None)
@given(seed=SEEDS, height=HEIGHTS, right=st.integers(-100, 100), down=st.integers(-80, 80))
def test_face_that_moves_takes_its_box_along(yunet: YuNet, seed: int, height: float, right: int, down: int) -> None:
    (face,) = yunet.find(scene_of(Place(320, 240, height), seed=seed))
    (moved,) = yunet.find(scene_of(Place(320 + right, 240 + down, height), seed=seed))
    x, y = middle(face)
    assert is_near(moved, x + right, y + down, face.box.height)


@settings(max_examples=10, deadline=None)
@given(seed=SEEDS, height=st.floats(160, 300), scale=st.floats(0.5, 2.5))
def test_face_in_an_enlarged_picture_has_an_enlarged_box(yunet: YuNet, seed: int, height: float, scale: float) -> None:
    picture = scene_of(Place(320, 240, height), seed=seed)
    resized = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    (face,), (scaled,) = yunet.find(picture), yunet.find(resized)
    x, y = middle(face)
    assert is_near(scaled, scale * x, scale * y, scale * face.box.height)


@settings(max_examples=5, deadline=None)
@given(seed=SEEDS, columns=st.integers(3, 9), rows=st.integers(3, 6))
def test_a_crowd_of_drawn_faces_has_no_face_twice_and_none_elsewhere(
    yunet: YuNet, seed: int, columns: int, rows: int
) -> None:
    generator, size = np.random.default_rng(seed), (140 * columns, 140 * rows)
    places = grid(size, columns, rows, 90)
    faces = [draw_face(NAMES[index % len(NAMES)], generator) for index in range(len(places))]
    scene = compose(faces, places, generator, size)
    boxes = [face.box for face in yunet.find(scene.picture)]
    assert 0 < len(boxes) == matched(scene, boxes)


@pytest.mark.parametrize(("columns", "rows", "height"), [(25, 18, 60), (15, 11, 100)])
def test_each_face_is_found_once_where_tiles_meet(yunet: YuNet, columns: int, rows: int, height: float) -> None:
    size = (3000, 2200)
    places = grid(size, columns, rows, height)
    face = to_grey(astronaut_pixels())[ASTRONAUT]
    scene = compose([face] * len(places), places, np.random.default_rng(0), size)
    boxes = [face.box for face in yunet.find(scene.picture)]
    assert len(boxes) == matched(scene, boxes) == len(places)


UNCHANGED = dim(1)

ALONE = 10
"""Number of real faces that are alone in a picture."""


@pytest.mark.fer2013
@pytest.mark.parametrize(
    ("heights", "tilt", "change", "share"),
    [
        ((24, 32), 0, UNCHANGED, 0.5),
        ((32, 64), 0, UNCHANGED, 0.7),
        ((64, 400), 30, UNCHANGED, 0.9),
        ((100, 400), 60, UNCHANGED, 0.9),
        ((100, 400), 20, dim(1 / 5), 0.9),
        ((100, 400), 0, dim(1 / 15), 0.9),
        ((100, 400), 0, fog, 0.9),
        ((100, 200), 0, lamp, 0.75),
    ],
)
def test_real_faces_are_found_and_nothing_else(
    yunet: YuNet,
    real_faces: Callable[[int], Pixels],
    heights: tuple[int, int],
    tilt: int,
    change: Change,
    share: float,
) -> None:
    generator = np.random.default_rng(0)
    found = 0
    for face in real_faces(ALONE):
        place = Place(320, 240, generator.uniform(*heights), generator.uniform(-tilt, tilt))
        scene = compose([face], [place], generator)
        boxes = [each.box for each in yunet.find(change(scene.picture))]
        assert len(boxes) == matched(scene, boxes)
        found += len(boxes)
    assert found >= share * ALONE


@pytest.mark.fer2013
@pytest.mark.parametrize("place", [Place(40, 240), Place(610, 240), Place(320, 440), Place(320, 40)])
def test_real_face_cut_by_the_border_is_found(yunet: YuNet, real_faces: Callable[[int], Pixels], place: Place) -> None:
    scenes = [compose([face], [place], np.random.default_rng(0)) for face in real_faces(ALONE)]
    found = [matched(scene, [face.box for face in yunet.find(scene.picture)]) for scene in scenes]
    assert sum(found) >= 0.8 * ALONE


@pytest.mark.fer2013
@pytest.mark.parametrize(("columns", "rows", "height"), [(5, 4, 160), (8, 5, 110), (10, 6, 90)])
def test_real_faces_of_a_crowd_are_found_once_each(
    yunet: YuNet, real_faces: Callable[[int], Pixels], columns: int, rows: int, height: float
) -> None:
    size = (round(1.6 * height * columns), round(1.6 * height * rows))
    places = grid(size, columns, rows, height)
    scene = compose(real_faces(len(places)), places, np.random.default_rng(0), size)
    boxes = [face.box for face in yunet.find(scene.picture)]
    assert len(boxes) == matched(scene, boxes)
    assert len(boxes) >= 0.85 * len(places)
