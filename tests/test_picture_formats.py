from __future__ import annotations

from pathlib import Path

import pytest
from small_videos import RED, write_clip

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
