"""Scenes for face detectors: grey faces, such as those of FER-2013, pasted at known places into smooth pictures.

Knows nothing about detectors. A face keeps a border of its own edge pixels, which fades into the ground.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from math import ceil
from typing import Final

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from emotion.images import FACE_SIZE, face_landmarks

Pixels = NDArray[np.uint8]

BORDER: Final = 0.25
"""Width of the border around a face, as a share of the face's edge."""

SIZE: Final = (640, 480)
"""Width and height of a scene with one face, in pixels."""

HEIGHT: Final = 160
"""Height of a face in pixels, where a scene is not about size."""

DRAWN: Final = 192
"""Edge in pixels at which something is drawn over a face."""


@dataclass(frozen=True)
class Place:
    """Where a face is: its centre and height in pixels, and its tilt in degrees, to the left if positive."""

    x: float
    y: float
    height: float = HEIGHT
    tilt: float = 0.0


@dataclass(frozen=True)
class Scene:
    """A picture, uint8 (h, w, 3), and the places of its faces."""

    picture: Pixels
    places: tuple[Place, ...]


Change = Callable[[Pixels], Pixels]


def compose(
    faces: Iterable[Pixels], places: Sequence[Place], generator: Generator, size: tuple[int, int] = SIZE
) -> Scene:
    """Paste each face, uint8 (n, n), at its place into a picture of some width and height."""
    picture = ground(generator, size)
    for face, place in zip(faces, places, strict=True):
        paste(picture, face, place)
    return Scene(np.repeat(picture[:, :, None], 3, axis=2), tuple(places))


def ground(generator: Generator, size: tuple[int, int]) -> Pixels:
    """Return a smooth grey picture of random patches, uint8 (height, width)."""
    patches = generator.integers(60, 200, (6, 8), np.uint8)
    return cv2.resize(patches, size, interpolation=cv2.INTER_CUBIC).astype(np.uint8, copy=False)


def paste(picture: Pixels, face: Pixels, place: Place) -> None:
    """Paste a face, uint8 (n, n), into a grey picture; it may extend beyond it."""
    bordered = np.pad(face, round(BORDER * len(face)), mode="edge")
    edge = ceil(place.height * len(bordered) / len(face) * 1.42)
    left, top = round(place.x - edge / 2), round(place.y - edge / 2)
    middle = (len(bordered) - 1) / 2
    matrix = cv2.getRotationMatrix2D((middle, middle), place.tilt, place.height / len(face)).astype(np.float64)
    matrix[:, 2] += [place.x - left - 0.5 - middle, place.y - top - 0.5 - middle]
    warped = cv2.warpAffine(
        bordered, matrix, (edge, edge), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    ).astype(np.float32)
    opacity = cv2.warpAffine(_fading(len(bordered)), matrix, (edge, edge), flags=cv2.INTER_LINEAR)
    (up, down), (start, stop) = (
        np.clip([first, first + edge], 0, length) for first, length in zip((top, left), picture.shape, strict=True)
    )
    rows, columns = slice(up, down), slice(start, stop)
    inside = (slice(up - top, down - top), slice(start - left, stop - left))
    under = picture[rows, columns]
    picture[rows, columns] = np.rint(under + opacity[inside] * (warped[inside] - under))


def _fading(edge: int) -> NDArray[np.float32]:
    """Return the opacity of a pasted square: 1 up to a rounded frame, from which it falls to 0 at the edge."""
    along = np.abs(np.linspace(-1, 1, edge, dtype=np.float32)) ** 4
    distance = (along[:, None] + along) ** 0.25
    opacity: NDArray[np.float32] = np.clip((1 - distance) / 0.15, 0, 1)
    return opacity


def grid(size: tuple[int, int], columns: int, rows: int, height: float) -> list[Place]:
    """Return places in rows and columns, evenly over a picture of some width and height."""
    across, down = size[0] / columns, size[1] / rows
    return [Place(across * (i + 0.5), down * (j + 0.5), height) for j in range(rows) for i in range(columns)]


def dim(light: float) -> Change:
    """Return what leaves a share of the light, 0-1."""
    return partial(_dim, light)


def _dim(light: float, picture: Pixels) -> Pixels:
    return cv2.convertScaleAbs(picture, alpha=light).astype(np.uint8, copy=False)


def fog(picture: Pixels) -> Pixels:
    """Leave a fifth of the contrast, on light grey."""
    return cv2.convertScaleAbs(picture, alpha=0.2, beta=170).astype(np.uint8, copy=False)


def lamp(picture: Pixels) -> Pixels:
    """Leave a fifteenth of the light, and put a bright lamp into a corner."""
    dark = dim(1 / 15)(picture)
    cv2.circle(dark, (60, 60), 30, (255, 255, 240), -1)
    return dark


def sunglasses(face: Pixels) -> Pixels:
    """Draw dark glasses over the eyes of an upright face."""
    drawn = _enlarge(face)
    for x, y in face_landmarks()[:2] / FACE_SIZE:
        cv2.ellipse(drawn, _at(x, y), (34, 25), 0, 0, 360, 15, -1)
        cv2.line(drawn, _at(round(x), y - 0.03), _at(0.5, y - 0.03), 15, 6)
    return drawn


def mask(face: Pixels) -> Pixels:
    """Draw a light mask over the nose and the mouth of an upright face."""
    drawn = _enlarge(face)
    outline = [_at(*point) for point in ((0.1, 0.55), (0.5, 0.5), (0.9, 0.55), (0.85, 0.9), (0.5, 1.0), (0.15, 0.9))]
    cv2.fillPoly(drawn, [np.array(outline)], 215)
    return drawn


def hat(face: Pixels) -> Pixels:
    """Draw a dark hat over the forehead of an upright face."""
    drawn = _enlarge(face)
    cv2.rectangle(drawn, _at(0, 0), _at(1, 0.22), 40, -1)
    return drawn


def _enlarge(face: Pixels) -> Pixels:
    return cv2.resize(face, (DRAWN, DRAWN), interpolation=cv2.INTER_CUBIC).astype(np.uint8, copy=False)


def _at(x: float, y: float) -> tuple[int, int]:
    return round(x * DRAWN), round(y * DRAWN)
