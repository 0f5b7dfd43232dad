from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from small_archives import noise
from small_photos import astronaut, holds_face, scene

from emotion.errors import EmotionError
from emotion.images import to_face, to_grey
from emotion.inference.detection import HaarDetector, crop, detector, tilt
from emotion.inference.results import Box

GREY = to_grey(astronaut())
GREY.flags.writeable = False
FACE = Box(174, 64, 100, 100)


def rotated(degrees: float) -> NDArray[np.uint8]:
    """Turn the photo counterclockwise around its face."""
    centre = (FACE.left + FACE.width / 2, FACE.top + FACE.height / 2)
    return np.asarray(Image.fromarray(GREY).rotate(degrees, Image.Resampling.BILINEAR, center=centre))


@pytest.mark.parametrize("edge", [100, 200, 384, 512, 1024, 3000])
def test_one_face_is_found_at_every_size(edge: int) -> None:
    boxes = detector("haar").find(to_grey(astronaut(edge)))
    assert [holds_face(box, edge=edge) for box in boxes] == [True]


@pytest.mark.parametrize(
    "picture",
    [np.zeros((300, 400), np.uint8), np.asarray(noise(1, (400, 300))), GREY[230:], np.zeros((1, 1), np.uint8)],
    ids=["black", "noise", "below the face", "one pixel"],
)
def test_no_face_is_found_where_there_is_none(picture: NDArray[np.uint8]) -> None:
    assert detector("haar").find(picture) == []


@pytest.mark.parametrize("shape", [(1, 3000), (3000, 1), (5, 5)])
def test_picture_of_any_shape_can_be_searched(shape: tuple[int, int]) -> None:
    assert detector("haar").find(np.zeros(shape, np.uint8)) == []


def test_larger_faces_come_first() -> None:
    placed = [(0, 0, 200), (220, 0, 500), (0, 320, 280)]
    boxes = detector("haar").find(to_grey(scene(*placed)))
    expected = sorted(placed, key=lambda place: -place[2])
    assert [holds_face(box, *place) for box, place in zip(boxes, expected, strict=True)] == [True] * 3


def test_faces_smaller_than_the_smallest_are_not_found() -> None:
    assert len(HaarDetector(smallest=60).find(GREY)) == 1
    assert HaarDetector(smallest=150).find(GREY) == []


def test_unknown_detector_and_size_are_refused() -> None:
    with pytest.raises(EmotionError, match="there is no face detector 'hog'; use haar"):
        detector("hog")  # type: ignore[arg-type]
    with pytest.raises(EmotionError, match="at least 1 pixel, received 0"):
        detector("haar", 0)


def test_several_threads_find_the_same_as_one() -> None:
    shared = detector("haar")
    pictures = [to_grey(astronaut(edge)) for edge in (300, 400, 512, 600)] * 4
    expected = [shared.find(picture) for picture in pictures]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(shared.find, pictures)) == expected


def test_crop_of_48_pixels_is_cut_out_unchanged() -> None:
    np.testing.assert_array_equal(crop(GREY, Box(30, 200, 48, 48)), GREY[200:248, 30:78])


def test_crop_is_the_box_resized_like_any_face() -> None:
    np.testing.assert_array_equal(crop(GREY, FACE), to_face(GREY[64:164, 174:274]))


def test_box_that_is_not_square_is_widened_around_its_centre() -> None:
    np.testing.assert_array_equal(crop(GREY, Box(100, 100, 30, 60)), crop(GREY, Box(85, 100, 60, 60)))
    np.testing.assert_array_equal(crop(GREY, Box(100, 100, 60, 30)), crop(GREY, Box(100, 85, 60, 60)))


def test_crop_beyond_the_picture_repeats_its_edge() -> None:
    face = crop(GREY, Box(-10, 470, 48, 48))
    np.testing.assert_array_equal(face[:42, 10:], GREY[470:, :38])
    np.testing.assert_array_equal(face[:42, :10], np.repeat(GREY[470:, :1], 10, axis=1))
    np.testing.assert_array_equal(face[42:], np.repeat(face[41:42], 6, axis=0))


def test_crop_outside_the_picture_repeats_the_nearest_edge() -> None:
    face = crop(GREY, Box(600, 0, 48, 48))
    np.testing.assert_array_equal(face, np.repeat(GREY[:48, -1:], 48, axis=1))


def test_whole_picture_becomes_a_face_like_a_training_example() -> None:
    wide = GREY[:100]
    np.testing.assert_array_equal(crop(wide, Box(0, 0, 512, 100)), to_face(wide))


@pytest.mark.parametrize("degrees", [-15, -8, 8])
def test_tilt_follows_the_head(degrees: float) -> None:
    # Turning counterclockwise raises the eye on the right.
    assert tilt(rotated(degrees), FACE) == pytest.approx(tilt(GREY, FACE) - degrees, abs=3)


@pytest.mark.parametrize("box", [Box(0, 300, 100, 100), Box(-400, -400, 60, 60), Box(0, 0, 1, 1)])
def test_face_without_two_eyes_is_not_turned(box: Box) -> None:
    assert tilt(GREY, box) == 0
    np.testing.assert_array_equal(crop(GREY, box, align=True), crop(GREY, box))


def test_aligned_crop_undoes_the_tilt() -> None:
    upright = crop(GREY, FACE, align=True).astype(int)
    for degrees in (-12, 8):
        leaning = rotated(degrees)
        plain, levelled = crop(leaning, FACE).astype(int), crop(leaning, FACE, align=True).astype(int)
        assert np.abs(levelled - upright).mean() < 0.5 * np.abs(plain - upright).mean()
