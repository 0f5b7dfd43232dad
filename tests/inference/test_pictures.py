from __future__ import annotations

import io
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from shut_folders import make_shut_folder
from small_archives import encode, noise
from small_models import write_model
from small_photos import astronaut, box_of_only_face, holds_face
from small_videos import RED, write_clip

from emotion import Predictor
from emotion.errors import ImageError
from emotion.images import read_image, to_grey
from emotion.inference.pictures import PictureSource, find_pictures, to_rgb


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    """A predictor with an untrained network."""
    return Predictor(write_model(tmp_path_factory.mktemp("model") / "emotion.onnx"), threads=2)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_turns_the_picture_upright(small: Predictor, orientation: int) -> None:
    turn = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # the inverse of each orientation, numbered as in Pillow
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
    assert holds_face(box_of_only_face(small.predict([converted])[0]))


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF"])
def test_face_is_found_in_every_format(small: Predictor, form: str) -> None:
    assert holds_face(box_of_only_face(small.predict([encode(astronaut(), form)])[0]))


@pytest.mark.parametrize("edge", [100, 6000])
def test_face_is_found_in_tiny_and_huge_files(small: Predictor, edge: int) -> None:
    assert holds_face(box_of_only_face(small.predict([encode(astronaut(edge), "JPEG")])[0]), edge=edge)


def test_unreadable_picture_says_why_and_the_others_are_read(small: Predictor, tmp_path: Path) -> None:
    cut = encode(astronaut(), "JPEG")[:9000]
    sources: list[PictureSource] = [
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
    assert holds_face(box_of_only_face(good))
    for picture in bad:
        assert picture.error
        assert "\n" not in picture.error
        assert (picture.faces, picture.width) == ((), 0)
    assert [picture.source for picture in bad[:3]] == [str(tmp_path / "absent.jpg"), str(tmp_path), "picture 3"]
    assert [picture.error for picture in bad[:2]] == [
        "no readable file (No such file or directory)",
        "no readable file (a folder)",
    ]


def test_folder_that_cannot_be_read_says_why(small: Predictor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shut = make_shut_folder(tmp_path / "shut", monkeypatch)
    (picture,) = small.predict(list(find_pictures(str(tmp_path))))
    assert (picture.source, picture.error) == (str(shut), "no readable folder (Permission denied)")


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("https://example.org/y.jpg?size=1", "this is an address; download the picture first"),
        ("nowhere/*.jpg", "no file matches this pattern"),
    ],
)
def test_name_that_is_not_a_file_says_what_it_is(small: Predictor, source: str, error: str) -> None:
    (picture,) = small.predict([source])
    assert (picture.source, picture.error) == (source, error)


@pytest.mark.parametrize("suffix", [".avi", ".mp4"])
def test_video_is_no_picture_and_the_other_command_is_named(small: Predictor, tmp_path: Path, suffix: str) -> None:
    clip = write_clip(tmp_path / f"clip{suffix}", [RED] * 3)
    pictures = small.predict([clip, clip.read_bytes()])
    assert {picture.error for picture in pictures} == {"this is a video, not a picture; emotion video reads it"}


def test_random_bytes_are_always_an_error(small: Predictor) -> None:
    generator = np.random.default_rng(0)
    starts = [b"", b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"BM", b"II*\0", b"RIFF\0\0\0\0WEBPVP8 "]
    contents = [starts[i % len(starts)] + generator.bytes(int(generator.integers(0, 400))) for i in range(500)]
    assert all(picture.error for picture in small.predict(contents))


def test_damaged_picture_gives_an_error_or_a_result(small: Predictor) -> None:
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
def test_single_picture_is_not_a_list(small: Predictor, images: Any) -> None:
    with pytest.raises(ImageError, match=r"expected a list of pictures, received a single .*; wrap it in \[ \]"):
        small.predict(images)


@pytest.mark.parametrize("images", [None, 5])
def test_argument_that_is_not_a_list_is_refused(small: Predictor, images: Any) -> None:
    with pytest.raises(ImageError, match="expected a list of pictures, received "):
        small.predict(images)


def test_picture_without_pixels_is_refused(small: Predictor) -> None:
    with pytest.raises(ImageError, match=r"the picture has no pixels \(0x5\)"):
        small.predict([Image.new("RGB", (0, 5))])


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


def test_files_of_other_kinds_are_counted(tree: Path) -> None:
    for name in (
        "clip.MP4",
        "deep/more.txt",
        "deep/LICENSE",
        "photo.heic",
        "photo.jfif",
        "photo.avif",
        "Thumbs.db",
        ".DS_Store",
        "__MACOSX/a.jpg",
    ):
        (tree / name).parent.mkdir(exist_ok=True)
        (tree / name).touch()
    left_out: Counter[str] = Counter()
    found = list(find_pictures(".", left_out))
    assert found == ["a.png", "b.JPG", "photo.avif", "photo.heic", "photo.jfif", "deep/c.webp"]
    assert left_out == {".txt": 2, ".mp4": 1, "": 1}


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
def test_file_is_found_by_name_and_pattern_by_its_matches(tree: Path, path: str, found: list[str]) -> None:
    assert list(find_pictures(path)) == found
    assert [str(tree / name) for name in found] == list(find_pictures(str(tree / path)))


def test_broken_link_and_long_name_are_not_dropped(tree: Path) -> None:
    (tree / "link.jpg").symlink_to("gone")
    long = "x" * 300 + ".jpg"
    assert list(find_pictures("link.jpg")) == ["link.jpg"]
    assert list(find_pictures("l*.jpg")) == ["link.jpg"]
    assert list(find_pictures(long)) == [long]
    assert "link.jpg" in find_pictures(".")


def test_file_whose_name_looks_like_a_pattern_is_a_file(tree: Path) -> None:
    (tree / "a[1].png").touch()
    assert list(find_pictures("a[1].png")) == ["a[1].png"]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I", "F", "I;16"])
def test_every_colour_mode_is_converted_to_rgb(mode: str) -> None:
    image = noise(1, (30, 20), "RGB")
    if mode.startswith("I"):
        image = Image.fromarray(np.asarray(image.convert("L")).astype(np.int32) * 257)
    pixels = to_rgb(image.convert(mode))
    assert pixels.dtype == np.uint8
    assert pixels.shape == (20, 30, 3)


def test_conversion_keeps_colours_and_16_bits_and_makes_transparency_white() -> None:
    assert to_rgb(Image.new("RGBA", (1, 1), (10, 20, 30, 255))).tolist() == [[[10, 20, 30]]]
    assert to_rgb(Image.new("RGBA", (1, 1), (10, 20, 30, 0))).tolist() == [[[255, 255, 255]]]
    assert to_rgb(Image.fromarray(np.full((1, 1), 100 * 257, np.uint16))).tolist() == [[[100, 100, 100]]]


def test_arrays_of_any_shape_are_converted_to_rgb() -> None:
    grey = np.array([[7, 200]], np.uint8)
    rgb = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    assert to_rgb(grey).tolist() == [[[7, 7, 7], [200, 200, 200]]]
    np.testing.assert_array_equal(to_rgb(rgb[::-1]), rgb[::-1])
    assert to_rgb(np.dstack([rgb, np.zeros((2, 2), np.uint8)])).tolist() == [[[255] * 3] * 2] * 2


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB"])
def test_transparent_colour_is_white_in_grey_and_in_rgb(mode: str) -> None:
    image = Image.new("RGB", (2, 1), "white")
    image.putpixel((0, 0), (0, 0, 0))
    black = (0, 0, 0) if mode == "RGB" else image.convert(mode).getpixel((0, 0))
    read = read_image(encode(image.convert(mode), transparency=black))
    assert to_grey(read).tolist() == [[255, 255]]
    assert to_rgb(read).min() == 255
