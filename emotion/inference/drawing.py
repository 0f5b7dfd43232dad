"""Draw boxes, labels and bars into a picture, readable at any size and without colour.

From `GROUP` faces on, marks replace labels. This module works on arrays and faces. It knows nothing about files or
videos.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from emotion.inference.canvas import BLACK, DARK, GREY, WHITE, Canvas, Colour, colour_of, enlarged, ink_on
from emotion.inference.legend import draw_legend, mark_text
from emotion.inference.placing import best_place, free_place, label_places, mark_places, shift_inside
from emotion.inference.results import Box, Face

MIN_EDGE: Final = 200
"""Shorter edge in pixels that a readable label needs; smaller pictures are enlarged to it."""

MAX_ENLARGED: Final = 4000
"""Longer edge in pixels that an enlarged picture may have."""

GROUP: Final = 5
"""Faces from which on a picture is a group: labels would cover the people. As in `emotion/server/static/view.js`."""

BARS: Final = 3
"""Number of classes shown beside a face; seven bars would cover neighbouring faces."""

SMALLEST_MARK: Final = 14
"""Pixels across which a number can still be read."""


def draw(picture: NDArray[np.uint8], faces: Sequence[Face]) -> NDArray[np.uint8]:
    """Draw faces into a copy of a picture: a box, a label and, where there is room, bars of the most probable classes.

    From `GROUP` faces on, the label is the class alone and stands only where it covers nothing; other faces have a
    mark with its first letters. No label covers another face. An uncertain face has a dashed box, and its label says
    that it is uncertain.

    Args:
        picture: uint8, shape (h, w, 3), RGB.
        faces: from the largest to the smallest; a face without a box fills the whole picture.

    Returns:
        uint8, shape (h, w, 3), RGB. A picture whose shorter edge is below `MIN_EDGE` is enlarged by a whole factor, as
        far as its longer edge stays within `MAX_ENLARGED`.
    """
    canvas, boxes = _draw_boxes(picture, faces)
    if len(faces) < GROUP:
        _draw_labels(canvas, boxes, faces)
    else:
        _draw_short_labels(canvas, boxes, faces)
    return canvas.pixels


def draw_with_legend(picture: NDArray[np.uint8], faces: Sequence[Face]) -> NDArray[np.uint8]:
    """Draw faces like `draw`, but from `GROUP` faces on as numbered marks with a legend below the picture.

    The legend has a bar with the shares of the labels, and the label of each number. Arguments are those of `draw`.

    Returns:
        uint8, RGB, as wide as the answer of `draw`; with a legend it is taller.
    """
    if len(faces) < GROUP:
        return draw(picture, faces)
    canvas, boxes = _draw_boxes(picture, faces)
    taken: list[Box] = []
    for index, face in enumerate(faces):
        _draw_mark(canvas, boxes, index, face, mark_text(index + 1, face), taken)
    return np.concatenate([canvas.pixels, draw_legend(canvas.bounds.width, canvas.text, faces)])


def _enlarge(box: Box, factor: int) -> Box:
    return Box(box.left * factor, box.top * factor, box.width * factor, box.height * factor)


def _draw_boxes(picture: NDArray[np.uint8], faces: Sequence[Face]) -> tuple[Canvas, list[Box]]:
    canvas, factor = enlarged(picture, MIN_EDGE, MAX_ENLARGED)
    boxes = [canvas.bounds if face.box is None else _enlarge(face.box, factor) for face in faces]
    for box, face in zip(boxes, faces, strict=True):
        _draw_box(canvas, box, face)
    return canvas, boxes


def _draw_box(canvas: Canvas, box: Box, face: Face) -> None:
    stroke = _dash if face.uncertain else _frame
    # A black line below the coloured one is visible on any background.
    stroke(canvas, box, BLACK, canvas.line + 2)
    stroke(canvas, box, colour_of(face.label), canvas.line)


def _frame(canvas: Canvas, box: Box, colour: Colour, thickness: int) -> None:
    corner = (box.left + box.width - 1, box.top + box.height - 1)
    cv2.rectangle(canvas.pixels, (box.left, box.top), corner, colour, thickness)


def _dash(canvas: Canvas, box: Box, colour: Colour, thickness: int) -> None:
    right, bottom, step = box.left + box.width - 1, box.top + box.height - 1, canvas.row
    for start in range(box.left, right, step):
        stop = min(start + step // 2, right)
        for row in (box.top, bottom):
            cv2.line(canvas.pixels, (start, row), (stop, row), colour, thickness)
    for start in range(box.top, bottom, step):
        stop = min(start + step // 2, bottom)
        for column in (box.left, right):
            cv2.line(canvas.pixels, (column, start), (column, stop), colour, thickness)


def _draw_labels(canvas: Canvas, boxes: list[Box], faces: Sequence[Face]) -> None:
    taken: list[Box] = []
    for index, (box, face) in enumerate(zip(boxes, faces, strict=True)):
        places = label_places(box, canvas.width_of(face.describe()) + canvas.text, canvas.row, canvas.bounds)
        taken.append(best_place(places, box, _others(boxes, index), taken))
        _draw_label(canvas, taken[-1], face.describe(), face)
    for box, face in zip(boxes, faces, strict=True):
        if panel := _free_area(canvas, box, face, [*boxes, *taken]):
            _draw_bars(canvas, panel, face)
            taken.append(panel)


def _draw_short_labels(canvas: Canvas, boxes: list[Box], faces: Sequence[Face]) -> None:
    """Write each class where it covers no face and no label; mark the other faces with its first letters."""
    taken: list[Box] = []
    crowded: list[int] = []
    for index, (box, face) in enumerate(zip(boxes, faces, strict=True)):
        words = _short(face, face.label)
        places = label_places(box, canvas.width_of(words) + canvas.text, canvas.row, canvas.bounds)
        if area := free_place(places, [*boxes, *taken]):
            _draw_label(canvas, area, words, face)
            taken.append(area)
        else:
            crowded.append(index)
    for index in crowded:
        _draw_mark(canvas, boxes, index, faces[index], _short(faces[index], faces[index].label[:2]), taken)


def _short(face: Face, words: str) -> str:
    return f"{words}?" if face.uncertain else words


def _draw_mark(canvas: Canvas, boxes: list[Box], index: int, face: Face, words: str, taken: list[Box]) -> None:
    median = float(np.median([box.width for box in boxes]))
    edge = round(max(SMALLEST_MARK, min(0.4 * median, canvas.row)))
    places = mark_places(boxes[index], edge, canvas.bounds)
    taken.append(best_place(places, boxes[index], _others(boxes, index), taken))
    canvas.mark(taken[-1], words, colour_of(face.label), dashed=face.uncertain)


def _others(boxes: list[Box], index: int) -> list[Box]:
    return boxes[:index] + boxes[index + 1 :]


def _draw_label(canvas: Canvas, area: Box, words: str, face: Face) -> None:
    canvas.fill(area, colour_of(face.label))
    canvas.write_centred(words, area, ink_on(colour_of(face.label)))


def _free_area(canvas: Canvas, box: Box, face: Face, taken: Sequence[Box]) -> Box | None:
    """Find an area beside or below a face where the bars cover no face and no label; None if there is none."""
    width, height, gap = _bars_width(canvas, face), BARS * canvas.row, canvas.text // 2
    if box.height < 0.75 * height:
        return None  # beside many small faces, bars would cover the picture
    areas = [
        Box(box.left + box.width + gap, box.top, width, height),
        Box(box.left - gap - width, box.top, width, height),
        Box(box.left, box.top + box.height + gap, width, height),
    ]
    return free_place([area for area in areas if shift_inside(area, canvas.bounds) == area], taken)


def _names_width(canvas: Canvas, face: Face) -> int:
    return max(canvas.width_of(name) for name in face.probabilities)


def _bars_width(canvas: Canvas, face: Face) -> int:
    return _names_width(canvas, face) + 6 * canvas.text


def _draw_bars(canvas: Canvas, panel: Box, face: Face) -> None:
    """Draw the name and the bar of each of the most probable classes; a full bar is a probability of 1."""
    canvas.fill(panel, DARK)
    start = panel.left + _names_width(canvas, face) + canvas.text
    longest = panel.left + panel.width - canvas.text // 2 - start
    for number, (name, share) in enumerate(face.top(BARS)):
        row = Box(panel.left, panel.top + number * canvas.row, panel.width, canvas.row)
        canvas.write(name, row.left + canvas.text // 2, row, WHITE)
        top = row.top + (canvas.row - canvas.text) // 2
        canvas.fill(Box(start, top, longest, canvas.text), GREY)
        canvas.fill(Box(start, top, max(1, round(share * longest)), canvas.text), colour_of(name))
