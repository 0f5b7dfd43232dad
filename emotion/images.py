"""From any picture to a face (contract 1 of the design): uint8 (48, 48), grey, 0-255.

The file on disk, the webcam crop and the training example pass through `to_face`, so that training and serving agree.
"""

from __future__ import annotations

import errno
import io
import stat
import threading
import warnings
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from emotion.errors import ImageError

FACE_SIZE: Final = 48
"""Edge of a face in pixels."""

KINDS: Final = "JPEG, PNG, WebP, BMP, TIFF, GIF"
"""Of the pictures that are promised to be read."""

FORMATS: Final = (*KINDS.upper().split(", "), "PPM")
"""What Pillow may open; of the others some run programs (EPS) or decode before the size is known (ICO)."""

MAX_BYTES: Final = 1_000_000_000
"""Largest file that is read: no format takes more for `MAX_PIXELS`, and memory holds it."""

MAX_PIXELS: Final = 100_000_000
"""Largest picture that is decoded, in pixels: a 100 megapixel camera passes, a decompression bomb does not."""


VALUES: Final = {"F": (1, 255), "I": (255, 65535)}
"""Of Pillow's modes of 32 bits, which name no range: the largest value must exceed the one and not the other."""


class _PillowWarnings:
    """Ignores the warnings of Pillow while any thread is inside; to be entered with `with`, again and again.

    `warnings.catch_warnings` alone would, left by one thread while another is inside, leave them off for ever.
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
"""A picture decodes or it does not: what Pillow remarks on the way changes nothing. For every use of `Image.open`."""


def read_image(source: bytes | Path) -> Image.Image:
    """Decode a picture file and turn it upright by its EXIF orientation; of an animation, the first frame.

    Args:
        source: the file's content, or its path.

    Raises:
        ImageError: the path cannot be read (`not_found`), Pillow cannot decode it (`not_an_image`), it is cut off
            (`truncated`), or it has more than `MAX_PIXELS` pixels or `MAX_BYTES` (`too_large`, found before any
            pixel is decoded).
    """
    content = source if isinstance(source, bytes) else _read_bytes(source)
    with PILLOW_WARNINGS_OFF, _open(content) as image:
        return _load_upright(image)


def _read_bytes(path: Path) -> bytes:
    try:
        _check_file(path)
        return path.read_bytes()
    except OSError as error:
        raise ImageError("not_found", f"expected a picture file, received {path} ({error.strerror})") from error


def _check_file(path: Path) -> None:
    """Refuse what would be read for ever or fill the memory."""
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "a folder" if stat.S_ISDIR(found.st_mode) else "a device, pipe or socket")
    if found.st_size > MAX_BYTES:
        raise ImageError("too_large", f"expected at most {MAX_BYTES:,} bytes, received {found.st_size:,}")


def _open(content: bytes) -> Image.Image:
    try:
        image = Image.open(io.BytesIO(content), formats=FORMATS)
    except Image.DecompressionBombError as error:
        size = str(error).split(" exceeds")[0]
        raise ImageError("too_large", f"expected at most {MAX_PIXELS} pixels, received {size}") from error
    except Exception as error:  # UnidentifiedImageError, or what a decoder makes of damage to the first bytes
        received = "another kind of file" if content else "an empty file"
        raise ImageError("not_an_image", f"expected a picture ({KINDS}), received {received}") from error
    if image.width * image.height > MAX_PIXELS:
        raise ImageError("too_large", f"expected at most {MAX_PIXELS} pixels, received {image.width}x{image.height}")
    return image


def _load_upright(image: Image.Image) -> Image.Image:
    try:
        image.load()
        return ImageOps.exif_transpose(image)
    except MemoryError:
        raise
    except Exception as error:  # Pillow's decoders raise a dozen types, OSError to struct.error, on damaged files
        raise ImageError(
            "truncated", f"expected a whole picture, received one that breaks off or is damaged ({error})"
        ) from error


def to_grey(image: Image.Image | NDArray[Any]) -> NDArray[np.uint8]:
    """Convert a picture to grey (ITU-R 601 luma); transparent pixels are laid over white, 16 bits scaled to 8.

    Args:
        image: Pillow picture of any mode, or an array: uint8 (h, w) grey, (h, w, 3) RGB or (h, w, 4) RGBA.

    Returns:
        uint8, shape (h, w), 0-255.

    Raises:
        ImageError: the array has another dtype or shape (`wrong_array`), a Pillow picture has no pixels (`wrong_size`),
            or one of 32 bits has values of a range that nobody can know (`unknown_range`).
    """
    if isinstance(image, np.ndarray):
        image = _from_array(image)
    if 0 in image.size:
        raise ImageError("wrong_size", f"expected a picture with pixels, received {image.width}x{image.height}")
    if image.mode in VALUES:
        _check_values(np.asarray(image), *VALUES[image.mode])
    if image.mode.startswith("I"):
        return _scale_deep(np.asarray(image))
    if image.mode in {"RGBA", "LA", "PA", "La", "RGBa"} or "transparency" in image.info:
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA"))
    return np.asarray(image.convert("L"))


def to_face(image: Image.Image | NDArray[Any]) -> NDArray[np.uint8]:
    """Convert a picture of one face, already cropped, into what the network takes.

    Args:
        image: as for `to_grey`; a picture that is not square is resized without keeping its proportions.

    Returns:
        uint8, shape (48, 48), grey, 0-255. A grey picture of 48x48 comes back unchanged.
    """
    grey = to_grey(image)
    if grey.shape == (FACE_SIZE, FACE_SIZE):
        return grey
    # Pillow widens the bilinear filter when it shrinks (antialiasing); OpenCV's default does not.
    resized = Image.fromarray(grey).resize((FACE_SIZE, FACE_SIZE), Image.Resampling.BILINEAR)
    return np.asarray(resized)


def align_face(grey: NDArray[np.uint8], landmarks: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Cut one face out of a picture, levelled and scaled so that its landmarks lie where they lie in FER-2013.

    The similarity transform (turn, scale and shift) fits the five landmarks by least squares (Umeyama 1991, without a
    mirror image). Large faces are first reduced by averaging areas; outside the picture its edge is repeated.

    Args:
        grey: uint8, shape (h, w), 0-255.
        landmarks: float64, shape (5, 2), x and y in pixels from the picture's upper left corner, in the order of
            `emotion/landmarks.csv`.

    Returns:
        uint8, shape (48, 48), grey, 0-255.

    Raises:
        ImageError: the landmarks lie in one place (`no_landmarks`).
    """
    to_face_place = _fit_similarity(landmarks, face_landmarks())
    to_picture = np.linalg.inv(np.vstack([to_face_place, [0, 0, 1]]))[:2]
    scale = min(1.0, float(np.hypot(*to_face_place[:, 0])))
    left, top, region = _cut_around(grey, to_picture, margin=2 / scale)
    small = region.resize([max(1, round(edge * scale)) for edge in region.size], Image.Resampling.BOX)
    to_picture[:, 2] -= left, top
    to_picture *= np.array([[small.width / region.width], [small.height / region.height]])
    size = (FACE_SIZE, FACE_SIZE)
    return np.asarray(
        small.transform(size, Image.Transform.AFFINE, to_picture.ravel().tolist(), Image.Resampling.BILINEAR)
    )


@cache
def face_landmarks() -> NDArray[np.float64]:
    """Return where the landmarks lie in a face of 48x48 pixels, float64 (5, 2): medians over FER-2013."""
    return np.loadtxt(Path(__file__).parent / "landmarks.csv", delimiter=",", skiprows=1, usecols=(1, 2))


def _fit_similarity(points: NDArray[np.float64], targets: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the matrix, shape (2, 3), that brings points closest to targets by turning, scaling and shifting."""
    centre, target = points.mean(axis=0), targets.mean(axis=0)
    p, q = points - centre, targets - target
    spread = float((p**2).sum())
    along = float((p * q).sum()) / max(spread, 1e-9)
    across = float((p[:, 0] * q[:, 1] - p[:, 1] * q[:, 0]).sum()) / max(spread, 1e-9)
    if not 1e-3 < np.hypot(along, across) < 1e3:
        raise ImageError("no_landmarks", f"expected five landmarks apart from one another, received {points.tolist()}")
    turn = np.array([[along, -across], [across, along]])
    return np.column_stack([turn, target - turn @ centre])


def _cut_around(
    grey: NDArray[np.uint8], to_picture: NDArray[np.float64], margin: float
) -> tuple[int, int, Image.Image]:
    """Cut out the upright rectangle around a turned face; return its left and top edge and the cut."""
    corners = np.array([[x, y, 1.0] for x in (0, FACE_SIZE) for y in (0, FACE_SIZE)]) @ to_picture.T
    left, top = (int(edge) for edge in np.floor(corners.min(axis=0) - margin))
    right, bottom = (int(edge) for edge in np.ceil(corners.max(axis=0) + margin))
    rows = np.clip(np.arange(top, bottom), 0, grey.shape[0] - 1)
    columns = np.clip(np.arange(left, right), 0, grey.shape[1] - 1)
    return left, top, Image.fromarray(grey[rows][:, columns])


def _from_array(array: NDArray[Any]) -> Image.Image:
    grey_or_colour = array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (3, 4))
    if array.dtype != np.uint8 or not grey_or_colour or array.size == 0:
        raise ImageError(
            "wrong_array",
            f"expected uint8 of shape (h, w), (h, w, 3) or (h, w, 4), received {array.dtype} {array.shape}",
        )
    return Image.fromarray(np.ascontiguousarray(array))


def _scale_deep(values: NDArray[Any]) -> NDArray[np.uint8]:
    """Scale 16-bit grey, which Pillow opens in the modes `I;16` and `I`, to 0-255."""
    scaled: NDArray[np.uint32] = np.clip(values, 0, 65535).astype(np.uint32)
    # In place and in integers, as a large picture takes much memory: a rounded division by 257.
    scaled += 128
    scaled //= 257
    return scaled.astype(np.uint8)


def _check_values(values: NDArray[Any], least: int, most: int) -> None:
    """Refuse a picture that would silently become black or white; one that is black stays so."""
    largest = values.max()
    if largest != 0 and not least < largest <= most:
        expected = f"expected grey values of 0 to {most} in a picture of 32 bits"
        raise ImageError("unknown_range", f"{expected}, received at most {largest:g}; save it with 8 bits")
