"""Find picture files, and read pictures in any form that users have them.

This module knows nothing about faces.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from glob import escape, glob
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from emotion.errors import ImageError
from emotion.images import convert, read_image, to_grey
from emotion.picture_formats import PILLOW_WARNINGS_OFF, START, SUFFIXES, newer_format, open_picture
from emotion.system_files import is_system_file

PictureSource = Path | str | bytes | NDArray[Any] | Image.Image
"""A picture: the path or the content of a file, a uint8 array (grey, RGB or RGBA), or a Pillow image."""

MOVING: Final = ("GIF", "WEBP", "PNG", "AVIF")
"""Formats in which several pictures are an animation; those in a JPEG or HEIC of a phone are not."""

JPEG_STREAMS: Final = (".mjpg", ".mjpeg")
"""Suffixes of videos that are JPEG pictures one after the other, so that their start is that of a picture."""


def find_pictures(path: str, left_out: Counter[str] | None = None) -> Iterator[str]:
    """Find picture files.

    Args:
        path: a file, a folder, or a pattern such as `holiday/**/*.jpg`. A file may have any name and need not exist. In
            a folder and its subfolders, the files with one of `SUFFIXES` are found, except those of operating systems.
        left_out: gets the number of the other files in a folder, by their suffix in lower case.

    Yields:
        Paths, sorted. A folder that cannot be read is yielded itself, so that the caller reports it.
    """
    if _is_folder(path):
        yield from _search(path, Counter() if left_out is None else left_out)
    elif not os.path.lexists(path) and (matches := sorted(glob(path, recursive=True))):  # noqa: PTH207  absolute ones too
        yield from (match for match in matches if not _is_folder(match))
    else:
        yield path


def _is_folder(path: str) -> bool:
    return os.path.isdir(path)  # noqa: PTH112  Path.is_dir raises on names too long and on folders without permission


def _search(path: str, left_out: Counter[str]) -> Iterator[str]:
    unreadable: list[str] = []
    for folder, folders, names in os.walk(path, onerror=lambda error: unreadable.append(error.filename)):
        folders[:] = sorted(name for name in folders if not is_system_file(name))
        visible = sorted(name for name in names if not is_system_file(name))
        pictures = [name for name in visible if _suffix(name) in SUFFIXES]
        yield from (str(Path(folder, name)) for name in pictures)
        left_out.update(_suffix(name) for name in visible if _suffix(name) not in SUFFIXES)
    yield from unreadable


def _suffix(name: str) -> str:
    return Path(name).suffix.lower()


def is_still(path: Path) -> bool:
    """Tell whether a file holds a picture that does not move, whatever its name, and whether it can be opened here."""
    if path.suffix.lower() in JPEG_STREAMS:
        return False
    try:
        with PILLOW_WARNINGS_OFF, open_picture(path) as image:
            return image.format not in MOVING or getattr(image, "n_frames", 1) == 1
    except Exception:  # not a picture, a damaged one, or one for an extra: Pillow raises a dozen types
        return _is_newer_picture(path)


def _is_newer_picture(path: Path) -> bool:
    try:
        with path.open("rb") as stream:
            return newer_format(stream.read(START)) is not None
    except OSError:
        return False


def check_list(images: Iterable[PictureSource]) -> Iterable[PictureSource]:
    """Refuse a single picture: a path would count as a list of letters, an array as a list of its rows.

    Raises:
        ImageError: the argument is a picture or cannot be iterated over (`wrong_type`).
    """
    if isinstance(images, str | bytes | Path | np.ndarray | Image.Image):
        kind = type(images).__name__
        raise ImageError("wrong_type", f"expected a list of pictures, received a single {kind}; wrap it in [ ]")
    if not isinstance(images, Iterable):
        raise ImageError("wrong_type", f"expected a list of pictures, received {type(images).__name__}")
    return images


def read_picture(image: PictureSource) -> Image.Image | NDArray[Any]:
    """Read a picture and turn it upright, for `images.to_grey` and `to_rgb`; an array is returned as it is.

    Raises:
        ImageError: the picture cannot be read, or the argument is no picture (reasons that start with `wrong_`).
    """
    if isinstance(image, np.ndarray):
        return image
    if isinstance(image, Image.Image):
        return _upright(image)
    if isinstance(image, Path | str | bytes):
        return read_image(image) if isinstance(image, bytes) else _read_file(str(image))
    expected = "expected a path, the content of a picture file, a uint8 array or a Pillow image"
    raise ImageError("wrong_type", f"{expected}, received {type(image).__name__}")


def to_rgb(image: Image.Image | NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Convert a picture to RGB, with white behind transparent pixels and 16 bits scaled to 8.

    Args:
        image: as for `images.to_grey`, which checks it.

    Returns:
        uint8, shape (h, w, 3), 0-255.
    """
    if isinstance(image, np.ndarray):
        if image.ndim == 3 and image.shape[2] == 3:
            return np.ascontiguousarray(image)
        image = Image.fromarray(np.ascontiguousarray(image))
    if image.mode.startswith(("I", "F")):
        image = Image.fromarray(to_grey(image))  # Pillow would clip 16-bit values to white
    return convert(image, "RGB")


def _read_file(path: str) -> Image.Image:
    """Read a file; the error does not repeat the path, which is in `Picture.source`."""
    try:
        return read_image(Path(path))
    except ImageError as error:
        if not isinstance(error.__cause__, OSError) or error.reason != "not_found":
            raise
        text = f"no readable file ({error.__cause__.strerror})"
        if _is_folder(path) and (reason := _fault_of_folder(path)):
            text = f"no readable folder ({reason})"
        elif "://" in path:
            text = "this is an address; download the picture first"
        elif escape(path) != path and isinstance(error.__cause__, FileNotFoundError):
            text = "no file matches this pattern"
        raise ImageError(error.reason, text) from error


def _fault_of_folder(path: str) -> str | None:
    try:
        os.scandir(path).close()
    except OSError as error:
        return error.strerror
    return None


def _upright(image: Image.Image) -> Image.Image:
    """Turn a Pillow image upright, as `read_image` does with a file.

    Pillow may decode the image only now and find it damaged.
    """
    try:
        return ImageOps.exif_transpose(image)
    except (OSError, ValueError, SyntaxError) as error:
        raise ImageError("truncated", f"the picture is damaged ({error})") from error
