from __future__ import annotations

import io
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from small_archives import encode, noise
from small_models import write_model
from small_photos import astronaut, astronaut_pixels, holds_face, scene

from emotion import params
from emotion.data.archives import members
from emotion.data.cleaning import clean
from emotion.data.layouts import read_records
from emotion.errors import EmotionError, ImageError, ModelError
from emotion.images import to_face, to_grey
from emotion.inference import network, predictor
from emotion.inference.detection import crop
from emotion.inference.predictor import AHEAD, Predictor, Source, find_pictures, predict_emotion
from emotion.inference.results import Box, Picture
from emotion.labels import NAMES

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("model") / "emotion.onnx")


@pytest.fixture(scope="session")
def small(model: Path) -> Predictor:
    """A predictor whose network means nothing."""
    return Predictor(model, threads=2)


@pytest.fixture
def seen(small: Predictor, monkeypatch: pytest.MonkeyPatch) -> list[NDArray[np.uint8]]:
    """What reaches the network of `small`, batch by batch."""
    batches: list[NDArray[np.uint8]] = []
    compute = small.network.probabilities

    def record(faces: NDArray[np.uint8], batch_size: int) -> NDArray[np.float32]:
        batches.append(faces)
        return compute(faces, batch_size)

    monkeypatch.setattr(small.network, "probabilities", record)
    return batches


def only_face(picture: Picture) -> Box | None:
    assert picture.error is None
    assert len(picture.faces) == 1
    return picture.faces[0].box


def test_shipped_network_sees_a_happy_astronaut() -> None:
    picture = Predictor().predict([astronaut_pixels()])[0]
    assert (picture.width, picture.height) == (512, 512)
    assert holds_face(only_face(picture))
    assert (picture.faces[0].label, picture.faces[0].uncertain) == ("happy", False)
    assert list(picture.faces[0].probabilities) == list(NAMES)
    assert sum(picture.faces[0].probabilities.values()) == pytest.approx(1, abs=1e-5)


def test_faces_of_one_picture_are_judged_apart(small: Predictor) -> None:
    placed = [(0, 0, 500), (500, 300, 300)]
    picture = small.predict([scene(*placed)])[0]
    assert [holds_face(face.box, *place) for face, place in zip(picture.faces, placed, strict=True)] == [True, True]
    assert picture.faces[0].probabilities != picture.faces[1].probabilities


def test_training_examples_reach_the_network_as_they_were_trained_on(
    small: Predictor, seen: list[NDArray[np.uint8]], sample_archive: Path
) -> None:
    archived = dict(members(sample_archive))
    trained = clean(read_records(archived.items()), params.load(ROOT / "params.yaml").preprocess).datasets["train"]
    small.predict([archived[name] for name in trained.names])
    np.testing.assert_array_equal(np.concatenate(seen), trained.pixels)


@pytest.mark.parametrize("form", ["PNG", "JPEG"])
def test_path_text_content_array_and_picture_reach_the_network_alike(
    small: Predictor, seen: list[NDArray[np.uint8]], tmp_path: Path, form: str
) -> None:
    path = tmp_path / "photo"
    path.write_bytes(encode(astronaut(), form))
    image = Image.open(path)
    pixels = np.asarray(image)
    sources: list[Source] = [path, str(path), path.read_bytes(), pixels, to_grey(pixels), image]
    boxes = [only_face(small.predict([source])[0]) for source in sources]
    assert len(set(boxes)) == 1
    assert boxes[0] is not None
    face = crop(to_grey(pixels), boxes[0])
    for batch in seen:
        np.testing.assert_array_equal(batch, face[np.newaxis])
    small.classify(to_grey(pixels), [boxes[0]])
    np.testing.assert_array_equal(seen[-1], face[np.newaxis])


def test_cropped_face_of_any_size_reaches_the_network_as_a_training_example(
    small: Predictor, seen: list[NDArray[np.uint8]]
) -> None:
    image = noise(1, (61, 90), "RGB")
    (picture,) = small.predict([encode(image)], cropped=True)
    assert only_face(picture) is None
    np.testing.assert_array_equal(seen[0][0], to_face(image))


def test_only_pictures_of_48_pixels_are_taken_as_faces_by_themselves(small: Predictor) -> None:
    exact, other = np.zeros((48, 48), np.uint8), np.zeros((48, 49), np.uint8)
    assert [len(picture.faces) for picture in small.predict([exact, other])] == [1, 0]
    assert [len(picture.faces) for picture in small.predict([exact, other], cropped=False)] == [0, 0]
    assert [len(picture.faces) for picture in small.predict([exact, other], cropped=True)] == [1, 1]


def test_without_detection_each_picture_is_a_face(model: Path) -> None:
    whole = Predictor(model, detection="none").predict([astronaut(100)])[0]
    assert only_face(whole) is None
    with pytest.raises(EmotionError, match="expected the detection haar or none"):
        Predictor(model, detection="hog")  # type: ignore[arg-type]


def test_batch_gives_what_one_by_one_gives(small: Predictor) -> None:
    pictures = [astronaut_pixels(edge) for edge in (200, 300, 400)] + [np.asarray(noise(i)) for i in range(70)]
    together = small.predict(pictures)
    apart = [small.predict([picture])[0] for picture in pictures]
    assert [picture.faces for picture in together] == [picture.faces for picture in apart]


def test_classify_takes_all_boxes_of_a_picture_in_one_batch(
    small: Predictor, seen: list[NDArray[np.uint8]], faces: tuple[NDArray[np.uint8], NDArray[np.int8]]
) -> None:
    frame = np.hstack(list(faces[0][:5]))
    boxes = [Box(48 * index, 0, 48, 48) for index in range(5)]
    probabilities = small.classify(frame, boxes)
    np.testing.assert_array_equal(seen[0], faces[0][:5])
    np.testing.assert_array_equal(probabilities, small.network.probabilities(faces[0][:5], 1))
    assert small.classify(frame, []).shape == (0, 7)


def test_aligned_crops_are_levelled(model: Path, small: Predictor) -> None:
    leaning = to_grey(astronaut().rotate(-10, Image.Resampling.BILINEAR, center=(224, 114)))
    box = Box(174, 64, 100, 100)
    aligned = Predictor(model, align=True)
    levelled = small.network.probabilities(crop(leaning, box, align=True)[np.newaxis], 1)
    np.testing.assert_array_equal(aligned.classify(leaning, [box]), levelled)
    assert np.any(small.classify(leaning, [box]) != levelled)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_turns_the_picture_upright(small: Predictor, orientation: int) -> None:
    turn = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # what undoes each, in Pillow's numbers
    lying = astronaut().transpose(Image.Transpose(turn[orientation])) if orientation > 1 else astronaut()
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = encode(lying, exif=exif)
    upright = small.predict([astronaut()])[0].faces
    assert small.predict([content])[0].faces == upright
    assert small.predict([Image.open(io.BytesIO(content))])[0].faces == upright


@pytest.mark.parametrize("mode", ["L", "LA", "RGBA", "P", "CMYK", "YCbCr", "HSV", "I;16", "I", "F"])
def test_face_is_found_in_every_colour_mode(small: Predictor, mode: str) -> None:
    image = astronaut()
    if mode.startswith("I"):
        converted = Image.fromarray(to_grey(image).astype(np.uint16 if mode == "I;16" else np.int32) * 257)
    else:
        converted = image.convert(mode)
    assert converted.mode == mode
    assert holds_face(only_face(small.predict([converted])[0]))


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF"])
def test_face_is_found_in_every_format(small: Predictor, form: str) -> None:
    assert holds_face(only_face(small.predict([encode(astronaut(), form)])[0]))


@pytest.mark.parametrize("edge", [100, 6000])
def test_face_is_found_in_tiny_and_huge_files(small: Predictor, edge: int) -> None:
    assert holds_face(only_face(small.predict([encode(astronaut(edge), "JPEG")])[0]), edge=edge)


def test_picture_without_a_face_is_no_error(small: Predictor) -> None:
    (picture,) = small.predict([noise(2, (300, 200), "RGB")])
    assert picture == Picture("picture 1", 300, 200)


def test_unreadable_pictures_say_why_and_the_rest_goes_on(small: Predictor, tmp_path: Path) -> None:
    cut = encode(astronaut(), "JPEG")[:9000]
    sources: list[Source] = [
        tmp_path / "absent.jpg",
        tmp_path,
        b"",
        cut,
        "a\0b",
        Image.open(io.BytesIO(cut)),
        Image.new("LAB", (9, 9)),
        astronaut(),
    ]
    *bad, good = small.predict(sources)
    assert holds_face(only_face(good))
    for picture in bad:
        assert picture.error
        assert "\n" not in picture.error
        assert (picture.faces, picture.width) == ((), 0)
    assert [picture.source for picture in bad[:3]] == [str(tmp_path / "absent.jpg"), str(tmp_path), "picture 3"]
    assert bad[0].error == "expected a picture file, received none (No such file or directory)"


@pytest.mark.parametrize(
    ("source", "received"),
    [
        ("https://example.org/y.jpg?size=1", "an address; download it first"),
        ("nowhere/*.jpg", "a pattern that no file matches"),
    ],
)
def test_name_that_is_no_file_says_what_it_is(small: Predictor, source: str, received: str) -> None:
    (picture,) = small.predict([source])
    assert (picture.source, picture.error) == (source, f"expected a picture file, received {received}")


def test_random_bytes_are_always_an_error(small: Predictor) -> None:
    generator = np.random.default_rng(0)
    starts = [b"", b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"BM", b"II*\0", b"RIFF\0\0\0\0WEBPVP8 "]
    contents = [starts[i % len(starts)] + generator.bytes(int(generator.integers(0, 400))) for i in range(500)]
    assert all(picture.error for picture in small.predict(contents))


def test_mutated_pictures_give_an_error_or_a_result(small: Predictor) -> None:
    generator = np.random.default_rng(1)
    content = encode(astronaut(64), "JPEG")
    mutated = []
    for _ in range(500):
        changed = np.frombuffer(content, np.uint8).copy()
        changed[generator.integers(0, len(changed), 3)] = generator.integers(0, 256, 3)
        mutated.append(changed.tobytes()[: int(generator.integers(len(changed) // 2, 2 * len(changed)))])
    pictures = small.predict(mutated)
    broken = [picture for picture in pictures if picture.error]
    assert all(picture.width for picture in pictures if not picture.error)
    assert 50 < len(broken) < 450


@pytest.mark.parametrize(
    ("image", "received"),
    [
        (np.zeros((60, 60, 3), np.float32), "float32"),
        (np.zeros((60, 60), np.uint16), "uint16"),
        (np.zeros((60, 60), bool), "bool"),
        (np.zeros((60, 60, 2), np.uint8), r"uint8 \(60, 60, 2\)"),
        (None, "NoneType"),
        (3, "int"),
    ],
)
def test_wrong_arguments_are_refused(small: Predictor, image: Any, received: str) -> None:
    with pytest.raises(ImageError, match=f"expected .* received {received}"):
        small.predict([astronaut(64), image])


@pytest.mark.parametrize("images", ["photo.jpg", b"\xff\xd8", Path("photo.jpg"), np.zeros((9, 9), np.uint8)])
def test_one_picture_is_no_list(small: Predictor, images: Any) -> None:
    with pytest.raises(ImageError, match="expected a list of pictures, received one"):
        small.predict(images)


@pytest.mark.parametrize("images", [None, 5])
def test_what_is_no_list_is_refused(small: Predictor, images: Any) -> None:
    with pytest.raises(ImageError, match="expected a list of pictures, received "):
        small.predict(images)


def test_picture_without_pixels_is_refused(small: Predictor) -> None:
    with pytest.raises(ImageError, match="expected a picture with pixels, received 0x5"):
        small.predict([Image.new("RGB", (0, 5))])


def test_less_than_no_threads_are_refused(model: Path) -> None:
    with pytest.raises(EmotionError, match="received -1"):
        Predictor(model, threads=-1)


def test_missing_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="expected a model file"):
        Predictor(tmp_path / "absent.onnx")


def test_nothing_gives_nothing(small: Predictor) -> None:
    assert small.predict([]) == []


def test_threads_share_a_predictor(small: Predictor) -> None:
    pictures = [astronaut(edge) for edge in (200, 300, 400)]
    expected = small.predict(pictures)
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(small.predict, [pictures] * 16)) == [expected] * 16


def test_predictor_of_another_process_is_refused(small: Predictor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getpid", lambda: -1)
    with pytest.raises(EmotionError, match="received one made before a fork; make a new one here"):
        small.predict([astronaut(64)])


def test_stream_keeps_few_pictures_in_flight_and_their_order(small: Predictor) -> None:
    drawn = 0

    def draw() -> Iterator[Source]:
        nonlocal drawn
        for number in range(300):
            drawn += 1
            yield np.full((10 + number, 20), number % 256, np.uint8)

    heights = []
    for picture in small.stream(draw()):
        heights.append(picture.height)
        assert drawn - len(heights) <= AHEAD * 2
    assert heights == list(range(10, 310))


def test_stream_may_be_left_early(small: Predictor) -> None:
    images = iter([np.zeros((50, 50), np.uint8)] * 1000)
    assert next(small.stream(images)).width == 50
    assert len(list(images)) > 900
    assert len(small.predict([astronaut(200)])[0].faces) == 1


def test_one_line_for_a_notebook_loads_the_network_once(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "SHIPPED", model)
    predictor._shared_predictor.cache_clear()
    picture = predict_emotion(astronaut())
    model.rename(model.with_suffix(".gone"))
    try:
        assert predict_emotion(astronaut()) == picture
    finally:
        model.with_suffix(".gone").rename(model)
        predictor._shared_predictor.cache_clear()
    assert holds_face(only_face(picture))


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("b.JPG", "a.png", "note.txt", ".hidden.jpg", "deep/c.webp", "deep/.cache/d.jpg"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()
    return tmp_path


def test_folder_is_searched_for_pictures(tree: Path) -> None:
    assert list(find_pictures(".")) == ["a.png", "b.JPG", "deep/c.webp"]
    assert list(find_pictures(str(tree / "deep"))) == [str(tree / "deep/c.webp")]


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("note.txt", ["note.txt"]),
        ("absent.jpg", ["absent.jpg"]),
        ("*.png", ["a.png"]),
        ("**/*.[jw]*", ["deep/c.webp"]),
        ("d*", []),
        ("*.tiff", ["*.tiff"]),
    ],
)
def test_files_are_taken_by_name_and_patterns_by_what_they_match(tree: Path, path: str, found: list[str]) -> None:
    assert list(find_pictures(path)) == found
    assert [str(tree / name) for name in found] == list(find_pictures(str(tree / path)))


def test_nothing_that_was_named_vanishes(tree: Path) -> None:
    (tree / "link.jpg").symlink_to("gone")
    long = "x" * 300 + ".jpg"
    assert list(find_pictures("link.jpg")) == ["link.jpg"]
    assert list(find_pictures("l*.jpg")) == ["link.jpg"]
    assert list(find_pictures(long)) == [long]
    assert "link.jpg" in find_pictures(".")


def test_file_whose_name_looks_like_a_pattern_is_a_file(tree: Path) -> None:
    (tree / "a[1].png").touch()
    assert list(find_pictures("a[1].png")) == ["a[1].png"]
