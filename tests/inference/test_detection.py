from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from small_archives import noise
from small_photos import astronaut_pixels, holds_face, scene

from emotion.errors import EmotionError, ModelError
from emotion.images import to_face, to_grey
from emotion.inference import detector_weights as weights
from emotion.inference.detection import Detection, HaarDetector, crop, detector, sha256_of_files
from emotion.inference.results import Box, DetectedFace

PHOTO = astronaut_pixels()
GREY = to_grey(PHOTO)
GREY.flags.writeable = False
FACE = Box(174, 64, 100, 100)


def crop_at(box: Box) -> NDArray[np.uint8]:
    return crop(GREY, DetectedFace(box))


@pytest.mark.parametrize("edge", [100, 200, 384, 512, 1024, 3000])
def test_one_face_is_found_at_every_size(edge: int) -> None:
    found = detector("haar").find(astronaut_pixels(edge))
    assert [holds_face(face.box, edge=edge) for face in found] == [True]


@pytest.mark.parametrize(
    "picture",
    [np.zeros((300, 400, 3), np.uint8), np.asarray(noise(1, (400, 300), "RGB")), PHOTO[230:], PHOTO[:1, :1]],
    ids=["black", "noise", "below the face", "one pixel"],
)
def test_no_face_is_found_where_there_is_none(picture: NDArray[np.uint8]) -> None:
    assert detector("haar").find(picture) == []


@pytest.mark.parametrize("shape", [(1, 3000), (3000, 1), (5, 5)])
def test_picture_of_any_shape_can_be_searched(shape: tuple[int, int]) -> None:
    assert detector("haar").find(np.zeros((*shape, 3), np.uint8)) == []


def test_larger_faces_come_first() -> None:
    placed = [(0, 0, 200), (220, 0, 500), (0, 320, 280)]
    found = detector("haar").find(np.asarray(scene(*placed)))
    expected = sorted(placed, key=lambda place: -place[2])
    assert [holds_face(face.box, *place) for face, place in zip(found, expected, strict=True)] == [True] * 3


def test_faces_smaller_than_the_smallest_are_not_found() -> None:
    assert len(HaarDetector(smallest=60).find(PHOTO)) == 1
    assert HaarDetector(smallest=150).find(PHOTO) == []


def test_search_for_tiny_faces_in_a_large_picture_fits_into_memory() -> None:
    picture = np.zeros((2000, 4000, 3), np.uint8)
    picture[:512, :512] = PHOTO
    assert HaarDetector(smallest=1).find(picture)


def test_unknown_detector_and_size_are_refused() -> None:
    with pytest.raises(EmotionError, match="there is no face detector 'hog'; use yunet or haar"):
        detector("hog")  # type: ignore[arg-type]
    with pytest.raises(EmotionError, match="at least 1 pixel, received 0"):
        detector("haar", 0)


def test_several_threads_find_the_same_as_one() -> None:
    shared = detector("haar")
    pictures = [astronaut_pixels(edge) for edge in (300, 400, 512, 600)] * 4
    expected = [shared.find(picture) for picture in pictures]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(shared.find, pictures)) == expected


def test_crop_of_48_pixels_is_cut_out_unchanged() -> None:
    np.testing.assert_array_equal(crop_at(Box(30, 200, 48, 48)), GREY[200:248, 30:78])


def test_crop_is_the_box_resized_like_any_face() -> None:
    np.testing.assert_array_equal(crop_at(FACE), to_face(GREY[64:164, 174:274]))


def test_box_that_is_not_square_is_widened_around_its_centre() -> None:
    np.testing.assert_array_equal(crop_at(Box(100, 100, 30, 60)), crop_at(Box(85, 100, 60, 60)))
    np.testing.assert_array_equal(crop_at(Box(100, 100, 60, 30)), crop_at(Box(100, 85, 60, 60)))


def test_crop_beyond_the_picture_repeats_its_edge() -> None:
    face = crop_at(Box(-10, 470, 48, 48))
    np.testing.assert_array_equal(face[:42, 10:], GREY[470:, :38])
    np.testing.assert_array_equal(face[:42, :10], np.repeat(GREY[470:, :1], 10, axis=1))
    np.testing.assert_array_equal(face[42:], np.repeat(face[41:42], 6, axis=0))


def test_crop_outside_the_picture_repeats_the_nearest_edge() -> None:
    face = crop_at(Box(600, 0, 48, 48))
    np.testing.assert_array_equal(face, np.repeat(GREY[:48, -1:], 48, axis=1))


def test_whole_picture_becomes_a_face_like_a_training_example() -> None:
    wide = GREY[:100]
    np.testing.assert_array_equal(crop(wide, DetectedFace(Box(0, 0, 512, 100))), to_face(wide))


@pytest.fixture
def without_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the weights of YuNet nowhere: not chosen, not packaged, not in the cache, and no source answers."""
    monkeypatch.delenv(weights.VARIABLE, raising=False)
    monkeypatch.setattr(weights, "PACKAGED", tmp_path / "absent.onnx")
    monkeypatch.setattr(weights, "cache_folder", lambda: tmp_path)
    monkeypatch.setattr(weights, "fetch", partial(weights.fetch, ("http://127.0.0.1:9/yunet.onnx",)))


@pytest.mark.usefixtures("without_weights")
def test_haar_takes_the_place_of_yunet_and_one_line_says_so(caplog: pytest.LogCaptureFixture) -> None:
    found = detector("yunet").find(PHOTO)
    assert detector("yunet").name == "haar"
    assert holds_face(found[0].box)
    assert "\n" not in caplog.messages[0]
    assert "could not be fetched (no connection); run emotion fetch where there is a network" in caplog.messages[0]
    assert caplog.messages[0].endswith("Haar is used instead; it misses more faces.")


@pytest.mark.usefixtures("without_weights")
def test_chosen_weights_that_are_missing_or_wrong_are_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ModelError, match="there is no face detector or file"):
        detector(tmp_path / "absent.onnx")
    wrong = tmp_path / "wrong.onnx"
    wrong.write_bytes(b"other")
    monkeypatch.setenv(weights.VARIABLE, str(wrong))
    with pytest.raises(ModelError, match="another SHA-256"):
        detector("yunet")


def test_detector_for_video_finds_faces_from_its_size_on(detector_weights: Path) -> None:
    detections: list[Detection | Path] = [detector_weights, "haar"]
    for detection in detections:
        quick = detector(detection).for_video(60)
        assert [holds_face(face.box) for face in quick.find(PHOTO, [])] == [True]
        assert detector(detection).for_video(200).find(PHOTO, []) == []


def test_file_of_each_detector_is_known_by_its_hash() -> None:
    assert sha256_of_files("yunet") == weights.SHA256
    assert len({sha256_of_files("yunet"), sha256_of_files("haar")}) == 2
