"""A real photo with one face in every form, for the tests of what looks for faces."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from skimage import data

from emotion.inference.results import Box

FACE = (0.34, 0.12, 0.2)
"""Left, top and edge of the astronaut's face, as shares of the picture's edge."""


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
    """Whether a box lies around the face of an astronaut that was placed there."""
    if box is None:
        return False
    found = ((box.left - left) / edge, (box.top - top) / edge, box.width / edge)
    return all(abs(share - true) < 0.05 for share, true in zip(found, FACE, strict=True))
