"""Boxes, labels and bars drawn into a picture, readable on small and large ones and without colour.

Knows arrays and faces; nothing of files and videos.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from emotion.images import to_grey
from emotion.inference.results import Box, Face
from emotion.labels import COLOURS

SMALLEST: Final = 200
"""Shorter edge in pixels that a label needs; smaller pictures are enlarged."""

ENLARGED: Final = 4000
"""Longer edge in pixels up to which that is done."""

BARS: Final = 3
"""Classes shown beside a face: with seven bars, several faces would hide one another."""

FONT: Final = cv2.FONT_HERSHEY_SIMPLEX
FONT_HEIGHT: Final = 22
"""Height in pixels of the font's capitals at scale 1."""

WHITE, BLACK, DARK, GREY = (255, 255, 255), (0, 0, 0), (32, 32, 32), (80, 80, 80)

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class _Canvas:
    """A picture that is drawn into, and the height of its text, from which all other lengths follow."""

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
    """Draw faces into a copy of a picture: a box and a label each, and its most probable classes where there is room.

    The box of an uncertain face is dashed and its label says so.

    Args:
        picture: uint8, shape (h, w, 3), RGB.
        faces: from the largest to the smallest; one without a box is the whole picture.

    Returns:
        uint8, of the picture's shape; twice as large or more where its shorter edge is below 200 pixels and
        its longer one comes to at most 4000.
    """
    factor = max(1, min(ceil(SMALLEST / min(picture.shape[:2])), ENLARGED // max(picture.shape[:2])))
    pixels = picture.repeat(factor, axis=0).repeat(factor, axis=1) if factor > 1 else picture.copy()
    canvas = _Canvas(pixels, max(8, round(0.022 * min(pixels.shape[:2]))))
    boxes = [canvas.bounds if face.box is None else _enlarge(face.box, factor) for face in faces]
    for box, face in zip(boxes, faces, strict=True):
        _draw_box(canvas, box, face)
    taken = list(boxes)
    for box, face in zip(boxes, faces, strict=True):
        taken.append(_draw_label(canvas, box, face))
    for box, face in zip(boxes, faces, strict=True):
        if panel := _free_place(canvas, box, taken):
            _draw_bars(canvas, panel, face)
            taken.append(panel)
    return pixels


def to_rgb(image: Image.Image) -> NDArray[np.uint8]:
    """Convert a Pillow picture of any mode to what `draw` takes; transparent pixels are laid over white."""
    if image.mode.startswith(("I", "F")):
        image = Image.fromarray(to_grey(image))  # Pillow would clip 16 bits to white
    elif image.mode != "RGB":
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA"))
    return np.asarray(image.convert("RGB"))


def _enlarge(box: Box, factor: int) -> Box:
    return Box(box.left * factor, box.top * factor, box.width * factor, box.height * factor)


def _colour(label: str) -> Colour:
    red, green, blue = bytes.fromhex(COLOURS.get(label, COLOURS["neutral"]).removeprefix("#"))
    return red, green, blue


def _draw_box(canvas: _Canvas, box: Box, face: Face) -> None:
    stroke = _dash if face.uncertain else _frame
    # Dark below the colour: the line is seen on any ground.
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
    """Write the label above the box, or inside at its top where there is no room; return its place."""
    words = face.describe()
    width = canvas.width_of(words) + canvas.text
    above = Box(box.left, box.top - canvas.row, width, canvas.row)
    place = _push_inside(above if above.top >= 0 else replace(above, top=box.top), canvas.bounds)
    colour = _colour(face.label)
    canvas.fill(place, colour)
    canvas.write(words, place.left + canvas.text // 2, place, _readable_on(colour))
    return place


def _readable_on(colour: Colour) -> Colour:
    red, green, blue = colour
    return BLACK if 0.299 * red + 0.587 * green + 0.114 * blue > 110 else WHITE


def _push_inside(box: Box, bounds: Box) -> Box:
    left = max(0, min(box.left, bounds.width - box.width))
    return replace(box, left=left, top=max(0, min(box.top, bounds.height - box.height)))


def _free_place(canvas: _Canvas, box: Box, taken: Sequence[Box]) -> Box | None:
    """Find room for the bars beside or below a face that hides no face and no label; None where there is none."""
    width, height, gap = _bars_width(canvas), BARS * canvas.row, canvas.text // 2
    if box.height < 0.75 * height:
        return None  # beside a crowd of small faces they would hide the picture
    places = [
        Box(box.left + box.width + gap, box.top, width, height),
        Box(box.left - gap - width, box.top, width, height),
        Box(box.left, box.top + box.height + gap, width, height),
    ]
    inside = [place for place in places if _push_inside(place, canvas.bounds) == place]
    return next((place for place in inside if not any(_overlap(place, other) for other in taken)), None)


def _overlap(one: Box, other: Box) -> bool:
    across = one.left < other.left + other.width and other.left < one.left + one.width
    return across and one.top < other.top + other.height and other.top < one.top + one.height


def _names_width(canvas: _Canvas) -> int:
    return max(canvas.width_of(name) for name in COLOURS)


def _bars_width(canvas: _Canvas) -> int:
    return _names_width(canvas) + 6 * canvas.text


def _draw_bars(canvas: _Canvas, panel: Box, face: Face) -> None:
    """Draw a line for each of the most probable classes: its name, and a bar whose full length is 1."""
    canvas.fill(panel, DARK)
    start = panel.left + _names_width(canvas) + canvas.text
    longest = panel.left + panel.width - canvas.text // 2 - start
    for number, (name, share) in enumerate(face.top(BARS)):
        row = Box(panel.left, panel.top + number * canvas.row, panel.width, canvas.row)
        canvas.write(name, row.left + canvas.text // 2, row, WHITE)
        top = row.top + (canvas.row - canvas.text) // 2
        canvas.fill(Box(start, top, longest, canvas.text), GREY)
        canvas.fill(Box(start, top, max(1, round(share * longest)), canvas.text), _colour(name))
