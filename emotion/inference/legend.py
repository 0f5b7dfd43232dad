"""The legend below a group picture: a bar with the shares of the labels, and a line for each face, in columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emotion.inference.canvas import BLACK, DARK, Canvas, colour_of
from emotion.inference.results import Box, Face

UNCERTAIN: Final = "uncertain"
"""What faces count as whose label is uncertain."""


def shares(faces: Sequence[Face]) -> dict[str, int]:
    """Count the faces with each label, the most frequent first; uncertain faces count apart, and last."""
    counts = Counter(UNCERTAIN if face.uncertain else face.label for face in faces)
    return dict(sorted(counts.items(), key=lambda item: (item[0] == UNCERTAIN, -item[1])))


def draw_legend(width: int, text: int, faces: Sequence[Face]) -> NDArray[np.uint8]:
    """Draw the legend of a group picture on white.

    Args:
        width: of the picture in pixels.
        text: height of the letters in pixels; smaller letters are used where a line would be too wide.
        faces: in the order of their numbers, from 1.

    Returns:
        uint8, shape (h, width, 3), RGB.
    """
    canvas = Canvas(np.full((1, width, 3), 255, np.uint8), text)
    lines = [face.describe() for face in faces]
    widest = max(canvas.width_of(line) for line in lines) + canvas.row + 2 * text
    if widest > width - 2 * text and text > 1:
        return draw_legend(width, text - 1, faces)
    columns = max(1, min((width - 2 * text) // widest, len(faces)))
    words = _flow(canvas, [f"{label} {count}" for label, count in shares(faces).items()])
    rows = -(-len(faces) // columns)
    top = (words[-1].top + words[-1].height) + text
    canvas = Canvas(np.full((top + rows * canvas.row + text, width, 3), 255, np.uint8), text)
    _draw_shares(canvas, words, faces)
    for index, (face, line) in enumerate(zip(faces, lines, strict=True)):
        column, row = divmod(index, rows)
        area = Box(text + column * ((width - 2 * text) // columns), top + row * canvas.row, canvas.row, canvas.row)
        canvas.mark(area, mark_text(index + 1, face), colour_of(face.label), dashed=face.uncertain)
        canvas.write(line, area.left + area.width + text // 2, area, DARK)
    return canvas.pixels


def mark_text(number: int, face: Face) -> str:
    """Return what the mark of a face says: its number, with a question mark if its label is uncertain."""
    return f"{number}?" if face.uncertain else f"{number}"


def _flow(canvas: Canvas, words: Sequence[str]) -> list[Box]:
    """Lay words with swatches out below the bar, in as many rows as they need."""
    text, row = canvas.text, canvas.row
    areas, left, top = [], text, 3 * text
    for each in words:
        width = canvas.width_of(each) + 2 * text
        if left > text and left + width > canvas.bounds.width - text:
            left, top = text, top + row
        areas.append(Box(left, top, width, row))
        left += width + text
    return areas


def _draw_shares(canvas: Canvas, words: Sequence[Box], faces: Sequence[Face]) -> None:
    text, long = canvas.text, canvas.bounds.width - 2 * canvas.text
    done = 0
    for area, (label, count) in zip(words, shares(faces).items(), strict=True):
        start, stop = (text + round(long * part / len(faces)) for part in (done, done + count))
        swatch = Box(area.left, area.top + (area.height - text) // 2, text, text)
        for box in (Box(start, text, max(1, stop - start - canvas.line), round(1.4 * text)), swatch):
            if label == UNCERTAIN:
                canvas.hatch(box)
            else:
                canvas.fill(box, colour_of(label))
        canvas.write(f"{label} {count}", area.left + round(1.5 * text), area, BLACK)
        done += count
