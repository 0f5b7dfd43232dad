"""The rows that YuNet gives for faces: moved, scaled, merged and made boxes of.

Functions that get rows change them in place where they return them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import astuple
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from emotion.inference.results import Box

Rows = NDArray[np.float32]
"""One row a face: left, top, width, height, five landmarks as x and y, score; as OpenCV returns them."""

INSIDE: Final = 0.6
"""Share of the smaller of two boxes inside the larger one above which both are the same face."""

COLUMNS: Final = [0, 4, 6, 8, 10, 12]
ROWS: Final = [1, 5, 7, 9, 11, 13]
"""Where a row of OpenCV's holds x and y coordinates; width and height stand at 2 and 3, the score at 14."""

NOTHING: Final = np.zeros((0, 15), np.float32)
"""The rows of no face."""


def zoom(rows: Rows, across: float, down: float) -> Rows:
    """Scale what was found in a resized picture to the pixels of the original."""
    rows[:, [*COLUMNS, 2]] *= across
    rows[:, [*ROWS, 3]] *= down
    return rows


def shift(rows: Rows, left: int, top: int) -> Rows:
    """Move what was found in a part of a picture to its place there."""
    rows[:, COLUMNS] += left
    rows[:, ROWS] += top
    return rows


def merge(rows: Rows) -> list[NDArray[np.float32]]:
    """Drop what several searches found of one face, keeping the best score; return the rest, largest first."""
    kept: list[NDArray[np.float32]] = []
    for row in rows[np.argsort(-rows[:, 14], kind="stable")]:
        if all(_shared_area(row, other) < INSIDE for other in kept):
            kept.append(row)
    return sorted(kept, key=lambda row: (-row[2] * row[3], row[1], row[0]))


def _shared_area(first: NDArray[np.float32], second: NDArray[Any]) -> float:
    """Return the share of the smaller box that lies inside the other."""
    width = min(first[0] + first[2], second[0] + second[2]) - max(first[0], second[0])
    height = min(first[1] + first[3], second[1] + second[3]) - max(first[1], second[1])
    return float(max(0, width) * max(0, height) / min(first[2] * first[3], second[2] * second[3]))


def holds(rows: Iterable[NDArray[np.float32]], box: Box) -> bool:
    """Return whether one of the rows is the face of a box."""
    return any(_shared_area(row, np.array(astuple(box))) >= INSIDE for row in rows)


def box_of(row: NDArray[np.float32]) -> Box:
    """Return the box of a face in whole pixels."""
    left, top, width, height = (round(float(value)) for value in row[:4])
    return Box(left, top, max(1, width), max(1, height))
