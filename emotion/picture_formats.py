"""Formats of picture files: which can be opened here, and what a file is that cannot.

Knows the headers of files. `images` decodes pictures and says what is wrong with them.
"""

from __future__ import annotations

import ctypes
import logging
import threading
import warnings
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import BinaryIO, Final

from PIL import Image, _imaging

KINDS: Final = "JPEG, PNG, WebP, BMP, TIFF, GIF, AVIF, HEIC"
"""Picture formats that users are promised, for error messages. AVIF and HEIC need what `MISSING` names."""

FORMATS: Final = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "AVIF", "HEIF", "PPM")
"""Formats that Pillow may open. Some others run programs (EPS) or are decoded before their size is known (ICO)."""

SUFFIXES: Final = (
    ".jpg",
    ".jpeg",
    ".jfif",
    ".png",
    ".webp",
    ".bmp",
    ".tif",
    ".tiff",
    ".gif",
    ".avif",
    ".heic",
    ".heif",
)
"""Suffixes of the files that count as pictures in a folder."""

MISSING: Final = {
    "AVIF": "this is an AVIF picture, which this version of Pillow cannot read; run: pip install --upgrade pillow",
    "HEIF": "this is a HEIC picture; to read it, install the extra heif: pip install pillow-heif",
}
"""What to do about a format that cannot be opened here."""

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

BRANDS: Final = {b"avif": "AVIF", b"avis": "AVIF", b"hei": "HEIF", b"hev": "HEIF", b"mif": "HEIF", b"msf": "HEIF"}
"""The format of a picture of the same family by the start of its brands, the most telling first."""

RAW_BRAND: Final = b"crx"
"""Start of the brand of Canon's raw pictures, which cannot be read."""


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
    return Image.open(file, formats=openable())


@cache
def openable() -> tuple[str, ...]:
    """Return which of `FORMATS` this installation can open; HEIC needs a package of its own."""
    with suppress(ModuleNotFoundError):
        import pillow_heif

        pillow_heif.register_heif_opener()
    _silence_decoders()
    Image.init()
    return tuple(form for form in FORMATS if form in Image.OPEN)


def _silence_decoders() -> None:
    """Keep Pillow's log and its decoder of TIFF from printing lines about a damaged picture; it raises an error too."""
    logging.getLogger("PIL").addHandler(logging.NullHandler())
    with suppress(AttributeError):  # on Windows, the functions of libtiff cannot be reached
        ctypes.CDLL(_imaging.__file__).TIFFSetErrorHandler(None)


def newer_format(start: bytes) -> str | None:
    """Tell by the first bytes of a file whether it is `AVIF` or `HEIF`, which not every installation can open."""
    if start[4:8] != b"ftyp":
        return None
    brands = [start[8:12], *(start[place : place + 4] for place in range(16, min(start[3], START), 4))]
    return next((form for brand, form in BRANDS.items() if any(each.startswith(brand) for each in brands)), None)


def is_video(start: bytes) -> bool:
    """Tell by the first bytes of a file whether it is a video."""
    if start[:4] == b"RIFF":
        return start[8:12] == b"AVI "
    if start[4:8] in VIDEO_BOXES:
        return newer_format(start) is None and not start[8:].startswith(RAW_BRAND)
    return start.startswith(VIDEO_STARTS) or _is_transport_stream(start)


def _is_transport_stream(start: bytes) -> bool:
    """Tell whether packets of 188 bytes, or of 192 with a time in front, begin with the letter G (ISO/IEC 13818-1)."""
    return start[:1] == start[188:189] == b"G" or start[4:5] == start[196:197] == b"G"
