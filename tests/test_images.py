from __future__ import annotations

import os
import struct
import threading
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from small_archives import encode, noise

from emotion import images
from emotion.errors import ImageError
from emotion.images import MAX_PIXELS, read_image, to_face, to_grey

MESSAGES = {
    "not_an_image": "not a picture in a supported format (",
    "not_found": "cannot read ",
    "too_large": "expected at most ",
    "truncated": "the picture is cut off or damaged (",
    "unknown_colours": "expected a picture in grey, RGB or CMYK, received the colour mode ",
    "unknown_range": "expected a 32-bit picture with grey values from 0 to ",
}
"""Part of the message by reason."""


def png_header(width: int, height: int) -> bytes:
    """Return a PNG whose header gives a size and whose data holds hardly any pixels."""
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)), (b"IDAT", zlib.compress(b"\0" * 9))]
    packed = [struct.pack(">I", len(body)) + kind + body for kind, body in chunks]
    sums = [struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk + checksum for chunk, checksum in zip(packed, sums, strict=True))


def reason_of(source: bytes | Path) -> str:
    with pytest.raises(ImageError) as caught:
        to_face(read_image(source))
    (line,) = str(caught.value).splitlines()
    assert MESSAGES[caught.value.reason] in line
    return caught.value.reason


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "HSV", "I", "F", "I;16"])
@pytest.mark.parametrize("size", [(48, 48), (1, 1), (300, 17), (47, 200)])
def test_every_mode_and_size_becomes_a_face(mode: str, size: tuple[int, int]) -> None:
    image = noise(1, size)
    if mode.startswith("I"):
        image = Image.fromarray(np.asarray(image).astype(np.int32) * 257)
    face = to_face(image.convert(mode))
    assert face.dtype == np.uint8
    assert face.shape == (48, 48)


def test_grey_picture_of_48_pixels_comes_back_unchanged() -> None:
    image = noise(2)
    np.testing.assert_array_equal(to_face(read_image(encode(image))), np.asarray(image))
    np.testing.assert_array_equal(to_face(np.asarray(image)), np.asarray(image))


@pytest.mark.parametrize("form", ["JPEG", "PNG", "BMP", "GIF", "WEBP", "TIFF"])
def test_bytes_path_and_array_of_a_picture_give_one_face(tmp_path: Path, form: str) -> None:
    content = encode(noise(3, (61, 90), "RGB"), form)
    path = tmp_path / "picture"
    path.write_bytes(content)
    face = to_face(read_image(content))
    np.testing.assert_array_equal(to_face(read_image(path)), face)
    np.testing.assert_array_equal(to_face(np.asarray(read_image(content).convert("RGB"))), face)


def test_grey_is_luma() -> None:
    colours = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]]], dtype=np.uint8)
    np.testing.assert_array_equal(to_grey(colours), [[76, 150, 29, 255]])


@pytest.mark.parametrize("form", ["PNG", "WEBP", "TIFF"])
def test_transparent_pixels_become_white(form: str) -> None:
    image = Image.new("RGBA", (48, 48), (0, 0, 0, 0))
    image.paste((10, 10, 10, 255), (0, 0, 24, 48))
    face = to_face(read_image(encode(image, form, lossless=True)))
    assert face[0, 0] == 10
    assert face[0, 47] == 255


def test_transparent_colour_of_a_palette_becomes_white() -> None:
    image = Image.new("P", (48, 48), 1)
    image.putpalette([0, 0, 0, 90, 90, 90])
    image.paste(0, (0, 0, 48, 24))
    face = to_face(read_image(encode(image, transparency=0)))
    assert (face[0, 0], face[47, 0]) == (255, 90)


def test_sixteen_bits_are_scaled_to_eight() -> None:
    deep = np.repeat(np.arange(48, dtype=np.uint16)[:, None] * 1285, 48, axis=1)
    face = to_face(read_image(encode(Image.fromarray(deep))))
    np.testing.assert_array_equal(face[:, 0], np.arange(48) * 5)


def test_all_values_of_sixteen_bits_are_scaled_by_rounding() -> None:
    values = np.arange(65536).reshape(256, 256)
    for deep in (values.astype(np.uint16), values.astype(np.int32)):
        np.testing.assert_array_equal(to_grey(Image.fromarray(deep)), np.rint(values / 257))


@pytest.mark.parametrize(("dtype", "largest"), [("float32", 0.9), ("float32", 6e4), ("int32", 255), ("int32", 1e6)])
def test_values_of_an_unknown_range_are_refused_and_not_turned_black_or_white(dtype: str, largest: float) -> None:
    values = np.linspace(0, largest, 2304).reshape(48, 48).astype(dtype)
    assert reason_of(encode(Image.fromarray(values), "TIFF")) == "unknown_range"
    assert to_face(Image.fromarray(values * 0)).max() == 0


def test_colours_that_pillow_cannot_convert_are_refused() -> None:
    assert reason_of(encode(Image.new("LAB", (9, 9)), "TIFF")) == "unknown_colours"


def test_exif_orientation_turns_the_picture_upright() -> None:
    pixels = np.zeros((48, 48), dtype=np.uint8)
    pixels[:24] = 250
    exif = Image.Exif()
    exif[0x0112] = 6  # stored lying on its left side; upright after a clockwise turn
    face = to_face(read_image(encode(Image.fromarray(pixels), exif=exif)))
    np.testing.assert_array_equal(face, np.rot90(pixels, -1))


def test_animation_gives_its_first_frame() -> None:
    first, second = Image.new("L", (48, 48), 10), Image.new("L", (48, 48), 200)
    content = encode(first, "GIF", save_all=True, append_images=[second])
    assert np.all(to_face(read_image(content)) == 10)


def test_shrinking_averages_instead_of_skipping_pixels() -> None:
    stripes = np.zeros((480, 480), dtype=np.uint8)
    stripes[:, ::2] = 255
    inside = to_face(stripes)[4:-4, 4:-4]
    assert inside.min() > 115
    assert inside.max() < 140


@pytest.mark.parametrize("form", ["JPEG", "PNG", "BMP"])
@pytest.mark.parametrize("share", [0.5, 0.9])
def test_picture_that_is_cut_off_is_truncated(form: str, share: float) -> None:
    content = encode(noise(4), form)
    assert reason_of(content[: int(len(content) * share)]) == "truncated"


@pytest.mark.parametrize("content", [b"a text named .jpg\n" * 99, b"<html>not found</html>", b"\xff\xd8\xff"])
def test_file_of_another_kind_is_not_an_image(content: bytes) -> None:
    assert reason_of(content) == "not_an_image"


@pytest.mark.parametrize("form", ["EPS", "ICO", "ICNS"])
def test_format_that_is_not_safe_to_open_is_refused(form: str) -> None:
    assert reason_of(encode(noise(5), form)) == "not_an_image"


def test_portable_greymap_is_read() -> None:
    np.testing.assert_array_equal(to_face(read_image(encode(noise(5), "PPM"))), np.asarray(noise(5)))


@pytest.mark.parametrize("size", [(20_000, 20_000), (MAX_PIXELS // 10_000 + 1, 10_000), (2**31 - 1, 1)])
def test_huge_picture_is_refused_before_it_is_decoded(size: tuple[int, int]) -> None:
    # Decoding would fail with the reason `truncated`: the file holds nine bytes of pixels.
    assert reason_of(png_header(*size)) == "too_large"


def test_largest_picture_allowed_is_decoded() -> None:
    assert reason_of(png_header(MAX_PIXELS // 10_000, 10_000)) == "truncated"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b"hello", r"not a picture in a supported format \(JPEG, PNG, WebP, BMP, TIFF, GIF, AVIF, HEIC\)"),
    ],
)
def test_error_about_another_kind_of_file_names_the_supported_formats(content: bytes, message: str) -> None:
    with pytest.raises(ImageError, match=f"^{message}$") as caught:
        read_image(content)
    assert caught.value.reason == "not_an_image"


def test_video_too_large_to_read_is_named_as_a_video(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "MAX_BYTES", 1000)
    (tmp_path / "film.mp4").write_bytes(b"\0\0\0\x18ftypisom" + bytes(2000))
    with pytest.raises(ImageError, match="this is a video, not a picture"):
        read_image(tmp_path / "film.mp4")


def test_path_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    assert reason_of(tmp_path / "absent.jpg") == "not_found"
    with pytest.raises(ImageError, match=r"^cannot read .*absent\.jpg \(No such file or directory\)$"):
        read_image(tmp_path / "absent.jpg")
    assert reason_of(tmp_path) == "not_found"
    with pytest.raises(ImageError, match=r"^cannot read .* \(a folder\)$"):
        read_image(tmp_path)


def test_warnings_are_as_before_after_many_threads_have_read(monkeypatch: pytest.MonkeyPatch) -> None:
    together = threading.Barrier(2)
    load = images._load_upright

    def load_together(image: Image.Image) -> Image.Image:
        # The first thread leaves while the second is still inside.
        together.wait()
        warnings.warn_explicit("corrupt EXIF", UserWarning, "TiffImagePlugin.py", 1, "PIL.TiffImagePlugin")
        return load(image)

    monkeypatch.setattr(images, "_load_upright", load_together)
    before = list(warnings.filters)
    with ThreadPoolExecutor(2) as pool:
        assert len(list(pool.map(read_image, [encode(noise(1))] * 20))) == 20
    assert list(warnings.filters) == before


def test_file_that_is_not_regular_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    for path in (tmp_path / "pipe.jpg", Path("/dev/zero")):
        assert reason_of(path) == "not_found"
        with pytest.raises(ImageError, match=r"^cannot read .* \(a device, pipe or socket\)$"):
            read_image(path)


def test_huge_file_is_refused_before_it_is_read(tmp_path: Path) -> None:
    with (tmp_path / "big.tif").open("wb") as stream:
        stream.truncate(40 * 10**9)
    assert reason_of(tmp_path / "big.tif") == "too_large"


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((48, 48), np.float32),
        np.zeros((48, 48, 2), np.uint8),
        np.zeros((1, 48, 48, 3), np.uint8),
        np.zeros((0, 48), np.uint8),
        np.zeros(48, np.uint8),
    ],
)
def test_array_of_another_kind_is_refused(array: np.ndarray[Any, Any]) -> None:
    with pytest.raises(ImageError, match=r"expected uint8 of shape .* received") as caught:
        to_face(array)
    assert caught.value.reason == "wrong_array"


CONTENTS = [encode(noise(6, (20, 30), "RGB"), form) for form in ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF")]


@settings(deadline=None)
@given(
    content=st.sampled_from(CONTENTS),
    changes=st.lists(st.tuples(st.integers(0, 200), st.integers(0, 255)), max_size=6),
    length=st.floats(0, 1),
)
def test_damaged_picture_gives_a_face_or_an_image_error(
    content: bytes, changes: list[tuple[int, int]], length: float
) -> None:
    damaged = bytearray(content)
    for place, value in changes:
        damaged[place % len(damaged)] = value
    with suppress(ImageError):
        assert to_face(read_image(bytes(damaged[: round(length * len(damaged))]))).shape == (48, 48)


def test_sliced_array_gives_the_same_face_as_its_copy() -> None:
    image = np.asarray(noise(7, (96, 96), "RGB"))
    np.testing.assert_array_equal(to_face(image[::2, ::-2]), to_face(image[::2, ::-2].copy()))
