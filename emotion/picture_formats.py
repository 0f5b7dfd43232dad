"""Formats of picture files: which can be opened here, and what a file is that cannot.

Knows the headers of files. `images` decodes pictures and says what is wrong with them.
"""

from __future__ import annotations

import threading
import warnings
from pathlib import Path
from typing import BinaryIO, Final

from PIL import Image

KINDS: Final = "JPEG, PNG, WebP, BMP, TIFF, GIF"
"""Picture formats that users are promised, for error messages."""

FORMATS: Final = (*KINDS.upper().split(", "), "PPM")
"""Formats that Pillow may open. Some others run programs (EPS) or are decoded before their size is known (ICO)."""

START: Final = 200
"""Bytes at the start of a file from which `is_video` knows its kind."""

VIDEO_STARTS: Final = (
    b"\x1a\x45\xdf\xa3",  # Matroska and WebM
    b"\x30\x26\xb2\x75",  # Windows Media
    b"\x00\x00\x01\xba",  # MPEG-1 and MPEG-2
    b"FLV\x01",
)

VIDEO_BOXES: Final = (b"ftyp", b"moov", b"mdat", b"wide", b"free")
"""Names of the first box of an MP4 or QuickTime file (ISO/IEC 14496-12)."""

PICTURE_BRANDS: Final = (b"crx", b"mif", b"hei", b"hev", b"avif", b"avis", b"msf")
"""Starts of the names that files of the same family have whose content is a picture: raw, HEIC or AVIF."""


class _PillowWarnings:
    """Context manager that ignores Pillow's warnings while any thread is inside it.

    With `warnings.catch_warnings` alone, two threads that overlap could leave the warnings off for good.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0

    def __enter__(self) -> None:
        with self._lock:
            if self._inside == 0:
                self._before = warnings.catch_warnings()
                self._before.__enter__()
                warnings.filterwarnings("ignore", module=r"PIL\.")
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._before.__exit__(None, None, None)


PILLOW_WARNINGS_OFF: Final = _PillowWarnings()
"""For every use of `open_picture`: a picture is decoded or refused, so Pillow's warnings add nothing."""


def open_picture(file: BinaryIO | Path) -> Image.Image:
    """Read the header of a picture file.

    Raises:
        Exception: Pillow does not know the format, or the header is damaged; Pillow raises a dozen types.
    """
    return Image.open(file, formats=FORMATS)


def is_video(start: bytes) -> bool:
    """Tell by the first bytes of a file whether it is a video."""
    if start[:4] == b"RIFF":
        return start[8:12] == b"AVI "
    if start[4:8] in VIDEO_BOXES:
        return not start[8:].startswith(PICTURE_BRANDS)
    return start.startswith(VIDEO_STARTS) or _is_transport_stream(start)


def _is_transport_stream(start: bytes) -> bool:
    """Tell whether packets of 188 bytes, or of 192 with a time in front, begin with the letter G (ISO/IEC 13818-1)."""
    return start[:1] == start[188:189] == b"G" or start[4:5] == start[196:197] == b"G"
