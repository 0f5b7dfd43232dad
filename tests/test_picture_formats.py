from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, features
from small_archives import encode, noise
from small_photos import astronaut
from small_videos import RED, write_clip

from emotion import picture_formats
from emotion.errors import ImageError
from emotion.images import read_image, to_grey
from emotion.picture_formats import START, is_video

PACKET = b"G" + bytes(187)


@pytest.mark.parametrize("suffix", [".avi", ".mp4"])
def test_written_videos_are_recognised(tmp_path: Path, suffix: str) -> None:
    assert is_video(write_clip(tmp_path / f"clip{suffix}", [RED] * 3).read_bytes()[:START])


@pytest.mark.parametrize(
    "start",
    [
        b"\0\0\0\x14ftypqt  ",
        b"\0\0\0\x08wide\0\0\0\0mdat",
        b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01",
        b"\x30\x26\xb2\x75\x8e\x66\xcf\x11",
        PACKET + PACKET,
        b"\0\0\0\0" + PACKET + b"\0\0\0\0" + PACKET,
    ],
    ids=["QuickTime", "old QuickTime", "Matroska", "Windows Media", "transport stream", "camcorder"],
)
def test_videos_are_recognised_by_their_start(start: bytes) -> None:
    assert is_video(start[:START])


@pytest.mark.parametrize(
    "start",
    [
        b"",
        b"hello",
        b"GIF89a",
        b"RIFF\0\0\0\0WEBPVP8 ",
        b"\0\0\0\x1cftypheic",
        b"\0\0\0\x1cftypmif1",
        b"\0\0\0\x1cftypavif",
        b"\0\0\0\x18ftypcrx ",
        PACKET,
    ],
)
def test_other_files_are_no_videos(start: bytes) -> None:
    assert not is_video(start)


@pytest.fixture
def without_extras(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Pillow as it is without AVIF and without the package for HEIC."""
    picture_formats.openable()
    monkeypatch.setattr(Image, "OPEN", {form: Image.OPEN[form] for form in Image.OPEN if form not in {"AVIF", "HEIF"}})
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    picture_formats.openable.cache_clear()
    yield
    picture_formats.openable.cache_clear()


@pytest.mark.parametrize(
    ("brand", "text"),
    [
        (b"heic", r"this is a HEIC picture; .* pip install pillow-heif"),
        (b"mif1", r"this is a HEIC picture; .* pip install pillow-heif"),
        (b"avif", r"this is an AVIF picture.*; run: pip install --upgrade pillow"),
    ],
)
@pytest.mark.usefixtures("without_extras")
def test_format_that_cannot_be_opened_here_says_what_to_install(brand: bytes, text: str) -> None:
    with pytest.raises(ImageError, match=text) as caught:
        read_image(b"\0\0\0\x1cftyp" + brand + bytes(100))
    assert caught.value.reason == "not_an_image"


@pytest.mark.usefixtures("without_extras")
def test_other_formats_are_read_without_the_extras() -> None:
    assert read_image(encode(noise(1))).size == (48, 48)


@pytest.fixture(params=["AVIF", "HEIF"])
def form(request: pytest.FixtureRequest) -> str:
    if request.param == "HEIF":
        pytest.importorskip("pillow_heif")
    elif not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    picture_formats.openable()
    return str(request.param)


def test_newer_format_gives_the_pixels_of_the_picture(form: str) -> None:
    read = to_grey(read_image(encode(astronaut(200), form)))
    assert np.abs(read.astype(int) - to_grey(astronaut(200))).mean() < 3


def test_newer_format_is_turned_upright_once(form: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    content = encode(astronaut(200).crop((0, 0, 200, 120)), form, exif=exif.tobytes())
    assert read_image(content).size == (120, 200)


def test_newer_format_that_is_cut_off_says_so(form: str) -> None:
    with pytest.raises(ImageError, match="the picture is cut off or damaged") as caught:
        read_image(encode(astronaut(200), form)[:2000])
    assert caught.value.reason == "truncated"


def test_newer_format_with_too_many_pixels_is_refused_before_it_is_decoded(
    form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("emotion.images.MAX_PIXELS", 1000)
    with pytest.raises(ImageError, match="expected at most 1000 pixels, received 200x200"):
        read_image(encode(astronaut(200), form))


def test_what_pillow_logs_about_a_picture_is_not_printed() -> None:
    program = "import logging, emotion.picture_formats as f; f.openable(); logging.getLogger('PIL.X').error('words')"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stderr == ""


def test_damaged_tiff_is_one_error_and_prints_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    content = bytearray(encode(noise(1), "TIFF", compression="tiff_lzw"))
    content[100:300] = b"\xff" * 200
    with pytest.raises(ImageError, match="the picture is cut off or damaged"):
        read_image(bytes(content))
    assert capfd.readouterr().err == ""
