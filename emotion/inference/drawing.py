"""Draw boxes, labels and bars into a picture, readable at any size and without colour.

This module works on arrays and faces. It knows nothing about files or videos.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from emotion.inference.results import Box, Face
from emotion.labels import COLOURS

MIN_EDGE: Final = 200
"""Shorter edge in pixels that a readable label needs; smaller pictures are enlarged to it."""

MAX_ENLARGED: Final = 4000
"""Longer edge in pixels that an enlarged picture may have."""

BARS: Final = 3
"""Number of classes shown beside a face; seven bars would cover neighbouring faces."""

FONT: Final = cv2.FONT_HERSHEY_SIMPLEX
FONT_HEIGHT: Final = 22
"""Height in pixels of the font's capitals at scale 1."""

WHITE, BLACK, DARK, GREY = (255, 255, 255), (0, 0, 0), (32, 32, 32), (80, 80, 80)

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class _Canvas:
    """The picture to draw into, and its text height in pixels, from which all other lengths follow."""

    pixels: NDArray[np.uint8]
    text: int

    @property
    def bounds(self) -> Box:
        height, width = self.pixels.shape[:2]
        return Box(0, 0, width, height)

    @property
    def line(self) -> int:
        return max(1, round(self.text / 6))

    @property
    def pen(self) -> int:
        return max(1, self.text // 11)

    @property
    def row(self) -> int:
        return round(1.8 * self.text)

    def width_of(self, words: str) -> int:
        (width, _), _ = cv2.getTextSize(words, FONT, self.text / FONT_HEIGHT, self.pen)
        return width

    def fill(self, box: Box, colour: Colour) -> None:
        corner = (box.left + box.width - 1, box.top + box.height - 1)
        cv2.rectangle(self.pixels, (box.left, box.top), corner, colour, cv2.FILLED)

    def write(self, words: str, left: int, row: Box, colour: Colour) -> None:
        base = (left, row.top + (row.height + self.text) // 2)
        cv2.putText(self.pixels, words, base, FONT, self.text / FONT_HEIGHT, colour, self.pen, cv2.LINE_AA)


def draw(picture: NDArray[np.uint8], faces: Sequence[Face]) -> NDArray[np.uint8]:
    """Draw faces into a copy of a picture: a box, a label and, where there is room, bars of the most probable classes.

    An uncertain face has a dashed box, and its label says that it is uncertain.

    Args:
        picture: uint8, shape (h, w, 3), RGB.
        faces: from the largest to the smallest; a face without a box fills the whole picture.

    Returns:
        uint8, shape (h, w, 3), RGB. A picture whose shorter edge is below `MIN_EDGE` is enlarged by a whole factor, as
        far as its longer edge stays within `MAX_ENLARGED`.
    """
    factor = max(1, min(ceil(MIN_EDGE / min(picture.shape[:2])), MAX_ENLARGED // max(picture.shape[:2])))
    pixels = picture.repeat(factor, axis=0).repeat(factor, axis=1) if factor > 1 else picture.copy()
    canvas = _Canvas(pixels, max(8, round(0.022 * min(pixels.shape[:2]))))
    boxes = [canvas.bounds if face.box is None else _enlarge(face.box, factor) for face in faces]
    for box, face in zip(boxes, faces, strict=True):
        _draw_box(canvas, box, face)
    taken = list(boxes)
    for box, face in zip(boxes, faces, strict=True):
        taken.append(_draw_label(canvas, box, face))
    for box, face in zip(boxes, faces, strict=True):
        if panel := _free_area(canvas, box, taken):
            _draw_bars(canvas, panel, face)
            taken.append(panel)
    return pixels


def _enlarge(box: Box, factor: int) -> Box:
    return Box(box.left * factor, box.top * factor, box.width * factor, box.height * factor)


def _colour(label: str) -> Colour:
    red, green, blue = bytes.fromhex(COLOURS.get(label, COLOURS["neutral"]).removeprefix("#"))
    return red, green, blue


def _draw_box(canvas: _Canvas, box: Box, face: Face) -> None:
    stroke = _dash if face.uncertain else _frame
    # A black line below the coloured one is visible on any background.
    stroke(canvas, box, BLACK, canvas.line + 2)
    stroke(canvas, box, _colour(face.label), canvas.line)


def _frame(canvas: _Canvas, box: Box, colour: Colour, thickness: int) -> None:
    corner = (box.left + box.width - 1, box.top + box.height - 1)
    cv2.rectangle(canvas.pixels, (box.left, box.top), corner, colour, thickness)


def _dash(canvas: _Canvas, box: Box, colour: Colour, thickness: int) -> None:
    right, bottom, step = box.left + box.width - 1, box.top + box.height - 1, canvas.row
    for start in range(box.left, right, step):
        stop = min(start + step // 2, right)
        for row in (box.top, bottom):
            cv2.line(canvas.pixels, (start, row), (stop, row), colour, thickness)
    for start in range(box.top, bottom, step):
        stop = min(start + step // 2, bottom)
        for column in (box.left, right):
            cv2.line(canvas.pixels, (column, start), (column, stop), colour, thickness)


def _draw_label(canvas: _Canvas, box: Box, face: Face) -> Box:
    """Write the label above the box, or inside it if there is no room above; return the area of the label."""
    words = face.describe()
    width = canvas.width_of(words) + canvas.text
    above = Box(box.left, box.top - canvas.row, width, canvas.row)
    area = _shift_inside(above if above.top >= 0 else replace(above, top=box.top), canvas.bounds)
    colour = _colour(face.label)
    canvas.fill(area, colour)
    canvas.write(words, area.left + canvas.text // 2, area, _text_colour(colour))
    return area


def _text_colour(colour: Colour) -> Colour:
    red, green, blue = colour
    return BLACK if 0.299 * red + 0.587 * green + 0.114 * blue > 110 else WHITE


def _shift_inside(box: Box, bounds: Box) -> Box:
    left = max(0, min(box.left, bounds.width - box.width))
    return replace(box, left=left, top=max(0, min(box.top, bounds.height - box.height)))


def _free_area(canvas: _Canvas, box: Box, taken: Sequence[Box]) -> Box | None:
    """Find an area beside or below a face where the bars cover no face and no label; None if there is none."""
    width, height, gap = _bars_width(canvas), BARS * canvas.row, canvas.text // 2
    if box.height < 0.75 * height:
        return None  # beside many small faces, bars would cover the picture
    areas = [
        Box(box.left + box.width + gap, box.top, width, height),
        Box(box.left - gap - width, box.top, width, height),
        Box(box.left, box.top + box.height + gap, width, height),
    ]
    inside = [area for area in areas if _shift_inside(area, canvas.bounds) == area]
    return next((area for area in inside if not any(_overlap(area, other) for other in taken)), None)


def _overlap(one: Box, other: Box) -> bool:
    across = one.left < other.left + other.width and other.left < one.left + one.width
    return across and one.top < other.top + other.height and other.top < one.top + one.height


def _names_width(canvas: _Canvas) -> int:
    return max(canvas.width_of(name) for name in COLOURS)


def _bars_width(canvas: _Canvas) -> int:
    return _names_width(canvas) + 6 * canvas.text


def _draw_bars(canvas: _Canvas, panel: Box, face: Face) -> None:
    """Draw the name and the bar of each of the most probable classes; a full bar is a probability of 1."""
    canvas.fill(panel, DARK)
    start = panel.left + _names_width(canvas) + canvas.text
    longest = panel.left + panel.width - canvas.text // 2 - start
    for number, (name, share) in enumerate(face.top(BARS)):
        row = Box(panel.left, panel.top + number * canvas.row, panel.width, canvas.row)
        canvas.write(name, row.left + canvas.text // 2, row, WHITE)
        top = row.top + (canvas.row - canvas.text) // 2
        canvas.fill(Box(start, top, longest, canvas.text), GREY)
        canvas.fill(Box(start, top, max(1, round(share * longest)), canvas.text), _colour(name))
