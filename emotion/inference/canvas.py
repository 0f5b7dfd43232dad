"""A picture to draw into: filled areas, words, bars, round marks; the text height sets all other lengths.

Knows the colours of the classes, not faces or where things belong.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from emotion.inference.results import Box
from emotion.labels import COLOURS

FONT: Final = cv2.FONT_HERSHEY_SIMPLEX
FONT_HEIGHT: Final = 22
"""Height in pixels of the font's capitals at scale 1."""

WHITE, BLACK, DARK, GREY = (255, 255, 255), (0, 0, 0), (32, 32, 32), (80, 80, 80)

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Canvas:
    """The picture to draw into, uint8 (h, w, 3), RGB, and its text height in pixels."""

    pixels: NDArray[np.uint8]
    text: int

    @property
    def bounds(self) -> Box:
        """The whole picture."""
        height, width = self.pixels.shape[:2]
        return Box(0, 0, width, height)

    @property
    def line(self) -> int:
        """Thickness of the line around a face."""
        return max(1, round(self.text / 6))

    @property
    def pen(self) -> int:
        """Thickness of a letter's strokes."""
        return max(1, round(self.text / 9))

    @property
    def row(self) -> int:
        """Height of a row of text."""
        return round(1.8 * self.text)

    def width_of(self, words: str) -> int:
        """Return the width of words in pixels."""
        (width, _), _ = cv2.getTextSize(words, FONT, self.text / FONT_HEIGHT, self.pen)
        return width

    def fill(self, box: Box, colour: Colour) -> None:
        """Fill an area."""
        corner = (box.left + box.width - 1, box.top + box.height - 1)
        cv2.rectangle(self.pixels, (box.left, box.top), corner, colour, cv2.FILLED)

    def hatch(self, box: Box) -> None:
        """Fill an area with the pattern that stands for uncertain faces."""
        self.fill(box, WHITE)
        rows, columns = np.mgrid[: box.height, : box.width]
        area = self.pixels[box.top : box.top + box.height, box.left : box.left + box.width]
        area[(rows + columns) % (4 * self.line) < 2 * self.line] = GREY

    def write(self, words: str, left: int, row: Box, colour: Colour) -> None:
        """Write words from a column on, in the middle of a row."""
        base = (left, row.top + (row.height + self.text) // 2)
        cv2.putText(self.pixels, words, base, FONT, self.text / FONT_HEIGHT, colour, self.pen, cv2.LINE_AA)

    def write_centred(self, words: str, area: Box, colour: Colour) -> None:
        """Write words in the middle of an area, in smaller letters if they are too wide for it."""
        share = min(1.0, area.height / self.row, 0.95 * area.width / max(1, self.width_of(words)))
        small = replace(self, text=max(1, int(share * self.text)))
        small.write(words, area.left + (area.width - small.width_of(words)) // 2, area, colour)

    def mark(self, area: Box, words: str, colour: Colour, *, dashed: bool) -> None:
        """Draw a round mark: full in its colour, or dark with a dashed rim in its colour."""
        centre, radius = (area.left + area.width // 2, area.top + area.height // 2), max(1, area.width // 2 - 1)
        rim = max(1, area.width // 16)
        cv2.circle(self.pixels, centre, radius, BLACK if dashed else colour, cv2.FILLED, cv2.LINE_AA)
        for start in range(0, 360, 60) if dashed else ():
            axes = (radius - rim, radius - rim)
            cv2.ellipse(self.pixels, centre, axes, 0, start, start + 35, colour, rim, cv2.LINE_AA)
        if not dashed:
            cv2.circle(self.pixels, centre, radius - rim // 2, WHITE, rim, cv2.LINE_AA)
            cv2.circle(self.pixels, centre, radius, BLACK, 1, cv2.LINE_AA)
        margin = 2 * rim if dashed else rim
        inside = replace(area, left=area.left + margin, width=max(1, area.width - 2 * margin))
        self.write_centred(words, inside, WHITE if dashed else ink_on(colour))


def enlarged(picture: NDArray[np.uint8], shortest: int, longest: int) -> tuple[Canvas, int]:
    """Copy a picture into a canvas, enlarged by a whole factor until its shorter edge has `shortest` pixels.

    Its longer edge stays within `longest` pixels, unless the picture itself is larger. Returns the canvas, factor.
    """
    factor = max(1, min(ceil(shortest / min(picture.shape[:2])), longest // max(picture.shape[:2])))
    pixels = picture.repeat(factor, axis=0).repeat(factor, axis=1) if factor > 1 else picture.copy()
    return Canvas(pixels, max(8, round(0.022 * min(pixels.shape[:2])))), factor


def colour_of(label: str) -> Colour:
    """Return the colour of a class; a class of another network is as grey as `neutral`."""
    red, green, blue = bytes.fromhex(COLOURS.get(label, COLOURS["neutral"]).removeprefix("#"))
    return red, green, blue


def ink_on(colour: Colour) -> Colour:
    """Return black or white, whichever is easier to read on a colour."""
    red, green, blue = colour
    return BLACK if 0.299 * red + 0.587 * green + 0.114 * blue > 100 else WHITE
