from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from small_photos import astronaut_pixels

from emotion.errors import ImageError
from emotion.images import align_face, face_landmarks
from emotion.inference.detection import detector
from emotion.inference.results import DetectedFace
from emotion.inference.yunet import THRESHOLD, TILE, YuNet
from emotion.inference.yunet_rows import Rows

Pixels = NDArray[np.uint8]

FACE_CENTRE = (224.0, 114.0)
FACE_HEIGHT = 120.0
"""Of the astronaut, in her photo of 512x512."""


@pytest.fixture(scope="session")
def yunet(detector_weights: Path) -> YuNet:
    return YuNet(detector_weights.read_bytes())


def scene(
    height: float, tilt: float = 0.0, size: tuple[int, int] = (640, 480), at: tuple[int, int] = (320, 240)
) -> Pixels:
    """Return a picture of the astronaut's face, so high in pixels and turned by so many degrees, at a place."""
    scale = height / FACE_HEIGHT
    photo = astronaut_pixels()
    if scale < 1:
        photo = cv2.resize(photo, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA).astype(np.uint8)
    centre = np.array(FACE_CENTRE) * min(1.0, scale)
    matrix = cv2.getRotationMatrix2D((float(centre[0]), float(centre[1])), tilt, max(1.0, scale))
    matrix = matrix + np.array([[0, 0, shift] for shift in np.array(at) - centre])
    turned = cv2.warpAffine(photo, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return turned.astype(np.uint8, copy=False)


@settings(max_examples=15, deadline=None)
@given(height=st.floats(70, 400), tilt=st.floats(-60, 60))
def test_tilted_face_is_found_and_its_landmarks_turn_with_it(yunet: YuNet, height: float, tilt: float) -> None:
    found = yunet.find(scene(height, tilt))
    assert len(found) >= 1
    box, landmarks = found[0].box, landmarks_of(found[0])
    assert box.left <= 320 <= box.left + box.width
    assert box.top <= 240 <= box.top + box.height
    if height > 200 and abs(tilt) > 30:  # landmarks follow the turn of a face, by half of it at least where it is large
        assert np.sign(tilt) * tilt_of(landmarks) > 8


@pytest.mark.parametrize("tilt", [-135.0, -90.0, -60.0, 60.0, 90.0, 180.0])
def test_landmarks_of_a_strongly_tilted_face_have_its_tilt(yunet: YuNet, tilt: float) -> None:
    (face,) = yunet.find(scene(150, tilt))
    assert abs((tilt_of(landmarks_of(face)) - tilt + 180) % 360 - 180) < 25


@settings(max_examples=10, deadline=None)
@given(height=st.floats(24, 400), light=st.floats(0.07, 1))
def test_face_of_any_size_is_found_in_any_light(yunet: YuNet, height: float, light: float) -> None:
    dark = (scene(height) * light).astype(np.uint8)
    assert len(yunet.find(dark)) == 1


def landmarks_of(face: DetectedFace) -> NDArray[np.float64]:
    assert face.landmarks is not None
    return face.landmarks


def tilt_of(landmarks: NDArray[np.float64]) -> float:
    """Return by how many degrees the line through the eyes leans to the left."""
    right, down = landmarks[1] - landmarks[0]
    return float(np.degrees(np.arctan2(-down, right)))


def test_small_faces_are_found_in_a_large_picture_each_once(yunet: YuNet) -> None:
    picture = np.full((2880, 3840, 3), 90, np.uint8)
    face = scene(40, size=(80, 80), at=(40, 40))
    for top in range(50, 2750, 340):
        for left in range(50, 3750, 410):
            picture[top : top + 80, left : left + 80] = face
    found = yunet.find(picture)
    assert len(found) == len(range(50, 2750, 340)) * len(range(50, 3750, 410))


def test_large_face_in_a_large_picture_is_found_once(yunet: YuNet) -> None:
    assert len(yunet.find(scene(1500, size=(2400, 2000), at=(1200, 1000)))) == 1


def test_larger_smallest_face_leaves_small_ones_out(detector_weights: Path) -> None:
    picture = scene(40, size=(2560, 1920), at=(1280, 960))
    assert len(YuNet(detector_weights.read_bytes(), smallest=24).find(picture)) == 1
    assert len(YuNet(detector_weights.read_bytes(), smallest=400).find(picture)) == 0


def test_face_cut_by_the_edge_is_found(yunet: YuNet) -> None:
    assert len(yunet.find(scene(200, at=(40, 240)))) == 1


def test_dark_picture_with_a_lamp_in_it_is_searched_again(yunet: YuNet) -> None:
    dark = (scene(150) * 0.06).astype(np.uint8)
    cv2.circle(dark, (60, 60), 30, (255, 255, 240), -1)
    assert len(yunet.find(dark)) == 1


@pytest.mark.parametrize("size", [(1, 1), (3, 900), (47, 640), (640, 480)])
def test_picture_without_a_face_has_none(yunet: YuNet, size: tuple[int, int]) -> None:
    assert yunet.find(np.full((size[1], size[0], 3), 127, np.uint8)) == []


def test_threads_share_a_detector(yunet: YuNet) -> None:
    pictures = [scene(100 + 10 * number) for number in range(8)]
    alone = [yunet.find(picture)[0].box for picture in pictures]
    with ThreadPoolExecutor(4) as pool:
        together = [found[0].box for found in pool.map(yunet.find, pictures)]
    assert together == alone


@pytest.mark.parametrize("tilt", [-45, 0, 45])
def test_aligned_face_is_nearer_to_upright_and_of_the_size_of_the_training_faces(yunet: YuNet, tilt: float) -> None:
    picture = scene(200, tilt)
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.uint8)
    face = align_face(grey, landmarks_of(yunet.find(picture)[0]))
    assert face.shape == (48, 48)
    large = cv2.resize(np.pad(face, 12, mode="edge"), None, fx=4, fy=4, interpolation=cv2.INTER_CUBIC)
    landmarks = landmarks_of(yunet.find(np.repeat(large[:, :, None], 3, axis=2).astype(np.uint8))[0]) / 4 - 12
    assert abs(tilt_of(landmarks)) < max(8, abs(tilt) / 2)
    np.testing.assert_allclose(landmarks.mean(axis=0), face_landmarks().mean(axis=0), atol=4)


def marked(tilt: float, scale: float, shift: tuple[float, float]) -> tuple[Pixels, NDArray[np.float64]]:
    """Return a picture with a light spot on each landmark, and where they are."""
    angle = np.deg2rad(tilt)
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    points = (face_landmarks() - 24) @ turn.T + shift
    rows, columns = np.mgrid[0:400, 0:400] + 0.5
    spots = [np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * (1.2 * scale) ** 2)) for x, y in points]
    return np.rint(255 * np.max(spots, axis=0)).astype(np.uint8), points


@pytest.mark.parametrize("tilt", [-170.0, -30.0, 0.0, 45.0])
@pytest.mark.parametrize("scale", [0.6, 1.0, 4.0])
def test_landmarks_come_to_lie_where_the_training_faces_have_them(tilt: float, scale: float) -> None:
    picture, points = marked(tilt, scale, (200.3, 190.8))
    face = align_face(picture, points).astype(float)
    for x, y in face_landmarks():
        rows, columns = (slice(max(0, int(value) - 3), int(value) + 4) for value in (y, x))
        spot = face[rows, columns]
        centre = [
            float((spot.sum(axis=axis) * (np.arange(spot.shape[1 - axis]) + 0.5)).sum() / spot.sum()) for axis in (0, 1)
        ]
        assert np.array(centre) + [columns.start, rows.start] == pytest.approx([x, y], abs=0.35)


def test_face_outside_the_picture_is_made_of_its_edge() -> None:
    picture = np.tile(np.array([[0, 255]], np.uint8).repeat(50, axis=1), (100, 1))
    face = align_face(picture, face_landmarks() + [500, 0])
    assert face.min() == 255


def test_landmarks_that_fall_together_are_refused() -> None:
    with pytest.raises(ImageError, match="landmarks"):
        align_face(np.zeros((50, 50), np.uint8), np.full((5, 2), 25.0))


@pytest.mark.fer2013
def test_table_of_landmarks_is_that_of_the_training_faces(yunet: YuNet, real_faces: Callable[[int], Pixels]) -> None:
    from benchmarks.landmarks import find_landmarks, typical

    found = find_landmarks(real_faces(600), yunet)
    assert len(found) > 520
    np.testing.assert_allclose(typical(found), face_landmarks(), atol=0.5)


def test_weights_may_be_removed_while_they_are_in_use(detector_weights: Path, tmp_path: Path) -> None:
    copy = tmp_path / "weights.onnx"
    copy.write_bytes(detector_weights.read_bytes())
    shared = detector(copy)
    copy.unlink()
    with ThreadPoolExecutor(1) as pool:
        assert len(pool.submit(shared.find, astronaut_pixels()).result()) == 1
        assert len(pool.submit(shared.for_video(48).find, astronaut_pixels(), []).result()) == 1


def test_area_around_what_may_be_a_face_is_enlarged_to_a_tile_at_most(
    detector_weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    yunet = YuNet(detector_weights.read_bytes())
    edges, detect = [], yunet._detect

    def record(rgb: Pixels, scale: float = 1.0, least: float = THRESHOLD) -> Rows:
        edges.append(scale * max(rgb.shape[:2]))
        return detect(rgb, scale, least)

    monkeypatch.setattr(yunet, "_detect", record)
    yunet.find(
        np.tile(cv2.resize(astronaut_pixels()[40:200, 150:300], (9, 9), interpolation=cv2.INTER_AREA), (29, 29, 1))
    )
    assert max(edges) <= TILE
