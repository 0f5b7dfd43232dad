"""From any picture to a face: uint8 (48, 48), grey, 0-255.

Files on disk, crops from a webcam and training examples all pass through `to_face`, so training and serving agree.
"""

from __future__ import annotations

import errno
import io
import stat
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from emotion.errors import ImageError
from emotion.picture_formats import (
    KINDS,
    MISSING,
    PILLOW_WARNINGS_OFF,
    START,
    is_video,
    newer_format,
    open_picture,
    openable,
)

FACE_SIZE: Final = 48
"""Width and height of a face, in pixels."""

MAX_BYTES: Final = 1_000_000_000
"""Largest file that is read. No format needs more for `MAX_PIXELS`, and this much fits into memory."""

MAX_PIXELS: Final = 100_000_000
"""Largest picture that is decoded, in pixels. A 100-megapixel photo passes; a decompression bomb does not."""

LEAST_RESEMBLANCE: Final = 0.5
"""Least correlation, 0-1, of five points with a face's landmarks. In 145 faces of 50 real photos the least is 0.79."""

LARGEST_GREY: Final = {"F": (1, 255), "I": (255, 65535)}
"""Limits of a picture's largest value (above the first, at most the second) in Pillow's 32-bit modes, which do not say
which value is white."""


def read_image(source: bytes | Path) -> Image.Image:
    """Decode a picture file and turn it upright by its EXIF orientation; an animation gives its first frame.

    Args:
        source: the file's content, or its path.

    Raises:
        ImageError: the path cannot be read (`not_found`); Pillow does not know the format (`not_an_image`); the picture
            is cut off or damaged (`truncated`); it has more than `MAX_PIXELS` or `MAX_BYTES` (`too_large`, raised
            before any pixel is decoded).
    """
    content = source if isinstance(source, bytes) else _read_bytes(source)
    with PILLOW_WARNINGS_OFF, _open(content) as image:
        return _load_upright(image)


def _read_bytes(path: Path) -> bytes:
    try:
        _check_file(path)
        return path.read_bytes()
    except OSError as error:
        raise ImageError("not_found", f"cannot read {path} ({error.strerror})") from error


def _check_file(path: Path) -> None:
    """Refuse a file that never ends or does not fit into memory."""
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "a folder" if stat.S_ISDIR(found.st_mode) else "a device, pipe or socket")
    if found.st_size > MAX_BYTES:
        with path.open("rb") as file:
            if is_video(start := file.read(START)):
                raise _explain(start)
        raise ImageError("too_large", f"expected at most {MAX_BYTES:,} bytes, received {found.st_size:,}")


def _open(content: bytes) -> Image.Image:
    try:
        image = open_picture(io.BytesIO(content))
    except Image.DecompressionBombError as error:
        size = str(error).split(" exceeds")[0]
        raise ImageError("too_large", f"expected at most {MAX_PIXELS} pixels, received {size}") from error
    except Exception as error:  # UnidentifiedImageError, or another type where the first bytes are damaged
        raise _explain(content) from error
    if image.width * image.height > MAX_PIXELS:
        raise ImageError("too_large", f"expected at most {MAX_PIXELS} pixels, received {image.width}x{image.height}")
    return image


def _explain(content: bytes) -> ImageError:
    """Say why a file cannot be opened as a picture."""
    form = newer_format(content[:START])
    if form in openable():
        return ImageError("truncated", "the picture is cut off or damaged")
    if form:
        return ImageError("not_an_image", MISSING[form])
    if is_video(content[:START]):
        return ImageError("not_an_image", "this is a video, not a picture; emotion video reads it")
    fact = f"not a picture in a supported format ({KINDS})" if content else "the file is empty"
    return ImageError("not_an_image", fact)


def _load_upright(image: Image.Image) -> Image.Image:
    try:
        image.load()
        return ImageOps.exif_transpose(image)
    except MemoryError:
        raise
    except Exception as error:  # Pillow's decoders raise a dozen types, OSError to struct.error, on damaged files
        raise ImageError("truncated", f"the picture is cut off or damaged ({error})") from error


def to_grey(image: Image.Image | NDArray[Any]) -> NDArray[np.uint8]:
    """Convert a picture to grey (ITU-R 601 luma), with white behind transparent pixels and 16 bits scaled to 8.

    Args:
        image: Pillow picture of any mode, or a uint8 array of shape (h, w) grey, (h, w, 3) RGB or (h, w, 4) RGBA.

    Returns:
        uint8, shape (h, w), 0-255.

    Raises:
        ImageError: the array has another dtype or shape (`wrong_array`), the Pillow picture has no pixels
            (`wrong_size`), it has 32 bits and an unknown range of values (`unknown_range`), or as for `convert`.
    """
    if isinstance(image, np.ndarray):
        image = _from_array(image)
    if 0 in image.size:
        raise ImageError("wrong_size", f"the picture has no pixels ({image.width}x{image.height})")
    if image.mode in LARGEST_GREY:
        _check_range(np.asarray(image), *LARGEST_GREY[image.mode])
    if image.mode.startswith("I"):
        return _scale_deep(np.asarray(image))
    return convert(image, "L")


def convert(image: Image.Image, mode: Literal["L", "RGB"]) -> NDArray[np.uint8]:
    """Convert a picture of 8 bits to grey (h, w) or RGB (h, w, 3), 0-255, with white behind transparent pixels.

    Raises:
        ImageError: Pillow cannot convert its colours (`unknown_colours`).
    """
    try:
        if image.has_transparency_data:
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA"))
        return np.asarray(image.convert(mode))
    except ValueError as error:
        text = f"expected a picture in grey, RGB or CMYK, received the colour mode {image.mode}; save it as RGB"
        raise ImageError("unknown_colours", text) from error


def to_face(image: Image.Image | NDArray[Any]) -> NDArray[np.uint8]:
    """Convert a picture that is already cropped to one face into the network's input.

    Args:
        image: as for `to_grey`; a picture that is not square is stretched to a square.

    Returns:
        uint8, shape (48, 48), grey, 0-255. A grey picture of 48x48 is returned unchanged.

    Raises:
        ImageError: as for `to_grey`.

    Examples:
        >>> import numpy as np
        >>> photo = np.zeros((200, 160, 3), np.uint8)
        >>> photo[:, 80:] = 255
        >>> face = to_face(photo)
        >>> face.shape, face.dtype
        ((48, 48), dtype('uint8'))
        >>> face[0, 0].item(), face[0, 47].item()
        (0, 255)
    """
    grey = to_grey(image)
    if grey.shape == (FACE_SIZE, FACE_SIZE):
        return grey
    # When it shrinks a picture, Pillow widens the bilinear filter (antialiasing); OpenCV does not by default.
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
        ImageError: the landmarks do not resemble those of a face (`no_landmarks`).
    """
    if not resembles_face(landmarks):
        raise ImageError("no_landmarks", f"expected the five landmarks of a face, received {landmarks.tolist()}")
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


def resembles_face(landmarks: NDArray[np.float64]) -> bool:
    """Return whether five landmarks, float64 (5, 2), are arranged as in a face of any position, size and tilt."""
    return _correlation(landmarks, face_landmarks()) >= LEAST_RESEMBLANCE


@cache
def face_landmarks() -> NDArray[np.float64]:
    """Return where the landmarks lie in a face of 48x48 pixels, float64 (5, 2): medians over FER-2013."""
    return np.loadtxt(Path(__file__).parent / "landmarks.csv", delimiter=",", skiprows=1, usecols=(1, 2))


def _fit_similarity(points: NDArray[np.float64], targets: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the matrix, shape (2, 3), that brings points closest to targets by turning, scaling and shifting."""
    centre, target = points.mean(axis=0), targets.mean(axis=0)
    along, across = _products(points, targets) / ((points - centre) ** 2).sum()
    turn = np.array([[along, -across], [across, along]])
    return np.column_stack([turn, target - turn @ centre])


def _correlation(points: NDArray[np.float64], targets: NDArray[np.float64]) -> float:
    """Return how well a turn, a scale and a shift can bring points to targets, 0-1; a mirror image counts as other."""
    spread = float(np.sqrt(points.var(axis=0).sum() * targets.var(axis=0).sum()) * len(points))
    return float(np.hypot(*_products(points, targets))) / max(spread, 1e-9)


def _products(points: NDArray[np.float64], targets: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the sums of the scalar and of the cross products of points and targets around their centres."""
    p, q = points - points.mean(axis=0), targets - targets.mean(axis=0)
    return np.array([(p * q).sum(), (p[:, 0] * q[:, 1] - p[:, 1] * q[:, 0]).sum()])


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
    """Scale 16-bit grey (Pillow's modes `I;16` and `I`) to 0-255."""
    scaled: NDArray[np.uint32] = np.clip(values, 0, 65535).astype(np.uint32)
    # A rounded division by 257, in place and in integers because a large picture takes much memory.
    scaled += 128
    scaled //= 257
    return scaled.astype(np.uint8)


def _check_range(values: NDArray[Any], above: int, most: int) -> None:
    """Refuse a picture that would silently become black or white; an all-black picture is accepted."""
    largest = values.max()
    if largest != 0 and not above < largest <= most:
        expected = f"expected a 32-bit picture with grey values from 0 to {most}"
        raise ImageError("unknown_range", f"{expected}, received a largest value of {largest:g}; save it with 8 bits")
