from __future__ import annotations

import multiprocessing
import os
import pickle
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from small_archives import encode, noise
from small_models import write_model
from small_photos import astronaut, astronaut_pixels, box_of_only_face, holds_face, scene

from emotion import Predictor, params, predict_emotion
from emotion.data.archives import members
from emotion.data.cleaning import clean
from emotion.data.layouts import read_records
from emotion.errors import EmotionError, ModelError
from emotion.images import to_face, to_grey
from emotion.inference import network, predictor
from emotion.inference.detection import Detection, crop
from emotion.inference.pictures import PictureSource
from emotion.inference.predictor import AHEAD
from emotion.inference.results import Box, DetectedFace, Picture
from emotion.labels import NAMES

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("model") / "emotion.onnx")


@pytest.fixture(scope="module")
def small(model: Path) -> Predictor:
    """A predictor with an untrained network."""
    return Predictor(model, threads=2)


@pytest.fixture
def batches(small: Predictor, monkeypatch: pytest.MonkeyPatch) -> list[NDArray[np.uint8]]:
    """The batches that the network of `small` receives."""
    received: list[NDArray[np.uint8]] = []
    compute = small.network.probabilities

    def record(faces: NDArray[np.uint8], batch_size: int) -> NDArray[np.float32]:
        received.append(faces)
        return compute(faces, batch_size)

    monkeypatch.setattr(small.network, "probabilities", record)
    return received


def test_shipped_network_classifies_the_astronaut_as_happy() -> None:
    picture = Predictor().predict([astronaut_pixels()])[0]
    assert (picture.width, picture.height) == (512, 512)
    assert holds_face(box_of_only_face(picture))
    assert (picture.faces[0].label, picture.faces[0].uncertain) == ("happy", False)
    assert list(picture.faces[0].probabilities) == list(NAMES)
    assert sum(picture.faces[0].probabilities.values()) == pytest.approx(1, abs=1e-5)


def test_faces_of_one_picture_are_classified_separately(small: Predictor) -> None:
    placed = [(0, 0, 500), (500, 300, 300)]
    picture = small.predict([scene(*placed)])[0]
    assert [holds_face(face.box, *place) for face, place in zip(picture.faces, placed, strict=True)] == [True, True]
    assert picture.faces[0].probabilities != picture.faces[1].probabilities


def test_training_examples_reach_the_network_unchanged(
    small: Predictor, batches: list[NDArray[np.uint8]], sample_archive: Path
) -> None:
    archived = dict(members(sample_archive))
    trained = clean(read_records(archived.items()), params.load(ROOT / "params.yaml").preprocess).datasets["train"]
    small.predict([archived[name] for name in trained.names])
    np.testing.assert_array_equal(np.concatenate(batches), trained.pixels)


@pytest.mark.parametrize("form", ["PNG", "JPEG"])
def test_every_form_of_a_picture_reaches_the_network_alike(
    small: Predictor, batches: list[NDArray[np.uint8]], tmp_path: Path, form: str
) -> None:
    path = tmp_path / "photo"
    path.write_bytes(encode(astronaut(), form))
    image = Image.open(path)
    pixels = np.asarray(image)
    sources: list[PictureSource] = [path, str(path), path.read_bytes(), pixels, image]
    (found,) = small.detector.find(pixels)
    assert {box_of_only_face(small.predict([source])[0]) for source in sources} == {found.box}
    face = crop(to_grey(pixels), found)
    for batch in batches:
        np.testing.assert_array_equal(batch, face[np.newaxis])
    small.classify(to_grey(pixels), [found])
    np.testing.assert_array_equal(batches[-1], face[np.newaxis])


def test_grey_picture_is_searched_too(small: Predictor) -> None:
    assert holds_face(box_of_only_face(small.predict([to_grey(astronaut())])[0]))


@pytest.mark.parametrize("detection", ["haar", "yunet"])
def test_picture_says_which_detector_searched_it(model: Path, detection: Detection) -> None:
    searching = Predictor(model, detection=detection)
    searched, cropped, broken = searching.predict([astronaut(200), np.zeros((48, 48), np.uint8), b"text"])
    assert [each.detector for each in (searched, cropped, broken)] == [detection, None, None]
    assert (searched.faces[0].landmarks is None) == (detection == "haar")


def test_smallest_face_can_be_set(model: Path) -> None:
    assert Predictor(model, smallest=200).predict([astronaut()])[0].faces == ()


def test_only_the_largest_face_can_be_taken(small: Predictor, model: Path) -> None:
    photo = scene((0, 0, 300), (300, 50, 500))
    assert len(small.predict([photo])[0].faces) == 2
    (face,) = Predictor(model, largest=True).predict([photo])[0].faces
    assert holds_face(face.box, 300, 50, 500)


def test_pickled_predictor_gives_the_same_results(model: Path) -> None:
    predictor = Predictor(model, threads=1, smallest=100, largest=True)
    photo = scene((0, 0, 500), (500, 300, 300))
    again = pickle.loads(pickle.dumps(predictor))  # noqa: S301
    assert again.predict([photo]) == predictor.predict([photo])
    assert again.predict([astronaut(200)]) == predictor.predict([astronaut(200)])


def test_predictor_works_in_another_process(model: Path) -> None:
    predictor = Predictor(model, threads=1)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(predictor.predict, ([astronaut_pixels(200)],)) == predictor.predict([astronaut_pixels(200)])


def test_cropped_face_of_any_size_reaches_the_network_as_a_training_example(
    small: Predictor, batches: list[NDArray[np.uint8]]
) -> None:
    image = noise(1, (61, 90), "RGB")
    (picture,) = small.predict([encode(image)], cropped=True)
    assert box_of_only_face(picture) is None
    np.testing.assert_array_equal(batches[0][0], to_face(image))


def test_only_pictures_of_48_pixels_count_as_cropped_faces_by_default(small: Predictor) -> None:
    exact, other = np.zeros((48, 48), np.uint8), np.zeros((48, 49), np.uint8)
    assert [len(picture.faces) for picture in small.predict([exact, other])] == [1, 0]
    assert [len(picture.faces) for picture in small.predict([exact, other], cropped=False)] == [0, 0]
    assert [len(picture.faces) for picture in small.predict([exact, other], cropped=True)] == [1, 1]


def test_unknown_face_detector_is_refused(model: Path) -> None:
    with pytest.raises(EmotionError, match="there is no face detector 'hog'; use yunet or haar"):
        Predictor(model, detection="hog")  # type: ignore[arg-type]


def test_pictures_give_the_same_results_together_and_one_by_one(small: Predictor) -> None:
    pictures = [astronaut_pixels(edge) for edge in (200, 300, 400)] + [np.asarray(noise(i)) for i in range(70)]
    together = small.predict(pictures)
    apart = [small.predict([picture])[0] for picture in pictures]
    assert [picture.faces for picture in together] == [picture.faces for picture in apart]


def test_classify_puts_all_boxes_of_a_picture_into_one_batch(
    small: Predictor, batches: list[NDArray[np.uint8]], faces: tuple[NDArray[np.uint8], NDArray[np.int8]]
) -> None:
    frame = np.hstack(list(faces[0][:5]))
    found = [DetectedFace(Box(48 * index, 0, 48, 48)) for index in range(5)]
    probabilities = small.classify(frame, found)
    np.testing.assert_array_equal(batches[0], faces[0][:5])
    np.testing.assert_array_equal(probabilities, small.network.probabilities(faces[0][:5], 1))
    assert small.classify(frame, []).shape == (0, 7)


def test_picture_without_a_face_is_no_error(small: Predictor) -> None:
    (picture,) = small.predict([noise(2, (300, 200), "RGB")])
    assert picture == Picture("picture 1", 300, 200, detector=small.detector.name)


def test_negative_number_of_threads_is_refused(model: Path) -> None:
    with pytest.raises(EmotionError, match="expected at least 1 thread, or 0 for all cores, received -1"):
        Predictor(model, threads=-1)


def test_missing_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"there is no model file .*absent\.onnx; choose an \.onnx file"):
        Predictor(tmp_path / "absent.onnx")


def test_empty_list_gives_an_empty_list(small: Predictor) -> None:
    assert small.predict([]) == []


def test_threads_share_a_predictor(small: Predictor) -> None:
    pictures = [astronaut(edge) for edge in (200, 300, 400)]
    expected = small.predict(pictures)
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(small.predict, [pictures] * 16)) == [expected] * 16


def test_predictor_of_another_process_is_refused(small: Predictor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getpid", lambda: -1)
    with pytest.raises(EmotionError, match="a Predictor does not work after a fork; make a new one in this process"):
        small.predict([astronaut(64)])


def test_stream_keeps_few_pictures_in_flight_and_their_order(small: Predictor) -> None:
    drawn = 0

    def draw() -> Iterator[PictureSource]:
        nonlocal drawn
        for number in range(300):
            drawn += 1
            yield np.full((10 + number, 20), number % 256, np.uint8)

    heights = []
    for picture in small.stream(draw()):
        heights.append(picture.height)
        assert drawn - len(heights) <= AHEAD * 2
    assert heights == list(range(10, 310))


def test_crops_are_what_the_network_received(small: Predictor, batches: list[NDArray[np.uint8]]) -> None:
    images: list[PictureSource] = [
        scene((0, 0, 500), (500, 300, 300)),
        np.zeros((60, 60), np.uint8),
        np.full((48, 48), 7, np.uint8),
    ]
    pictures, crops = zip(*small.stream_crops(images), strict=True)
    assert [len(faces) for faces in crops] == [len(picture.faces) for picture in pictures] == [2, 0, 1]
    np.testing.assert_array_equal([face for faces in crops for face in faces], np.concatenate(batches))
    assert list(pictures) == small.predict(images)


def test_stream_can_be_left_early(small: Predictor) -> None:
    images = iter([np.zeros((50, 50), np.uint8)] * 1000)
    assert next(small.stream(images)).width == 50
    assert len(list(images)) > 900
    assert len(small.predict([astronaut(200)])[0].faces) == 1


def test_predict_emotion_loads_the_network_once(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "SHIPPED", model)
    predictor._shared_predictor.cache_clear()
    picture = predict_emotion(astronaut())
    model.rename(model.with_suffix(".gone"))
    try:
        assert predict_emotion(astronaut()) == picture
    finally:
        model.with_suffix(".gone").rename(model)
        predictor._shared_predictor.cache_clear()
    assert holds_face(box_of_only_face(picture))
