"""A real photo with one face in several forms, for the tests of face detection."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from skimage import data

from emotion.inference.results import Box, Picture

FACE = (0.34, 0.12, 0.2)
"""Left, top and edge of the astronaut's face, as fractions of the edge of the picture."""


def astronaut(edge: int = 512) -> Image.Image:
    image = Image.fromarray(data.astronaut())  # type: ignore[no-untyped-call]
    return image.resize((edge, edge))


def astronaut_pixels(edge: int = 512) -> NDArray[np.uint8]:
    return np.asarray(astronaut(edge))


def scene(*placed: tuple[int, int, int], size: tuple[int, int] = (800, 600)) -> Image.Image:
    """Paste the astronaut at (left, top, edge) onto grey."""
    ground = Image.new("RGB", size, (180, 180, 180))
    for left, top, edge in placed:
        ground.paste(astronaut(edge), (left, top))
    return ground


def holds_face(box: Box | None, left: int = 0, top: int = 0, edge: int = 512) -> bool:
    """Return whether a box surrounds the face of an astronaut that was pasted at (left, top, edge)."""
    if box is None:
        return False
    fractions = ((box.left - left) / edge, (box.top - top) / edge, box.width / edge)
    return all(abs(found - true) < 0.05 for found, true in zip(fractions, FACE, strict=True))


def box_of_only_face(picture: Picture) -> Box | None:
    """Return the box of the face of a picture that was read and has exactly one."""
    assert picture.error is None
    assert len(picture.faces) == 1
    return picture.faces[0].box
