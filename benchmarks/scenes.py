"""Pictures for the benchmarks of prediction: a photo with one face, and scenes in which two faces move over a table.

Both pictures come with scikit-image. Import this only in the measured processes: `processes` must stay light.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from skimage.data import astronaut, coffee

ASTRONAUT: Final[NDArray[np.uint8]] = astronaut()  # type: ignore[no-untyped-call]
TABLE: Final[NDArray[np.uint8]] = coffee()  # type: ignore[no-untyped-call]

RATE: Final = 30.0
"""Frames per second of a drawn video."""

PERIOD: Final = 120
"""Number of frames after which the movement of a face repeats."""

HEAD: Final = np.s_[0:256, 96:352]
"""Position of the head in the photo: a square with a margin."""


def photo(width: int, height: int) -> NDArray[np.uint8]:
    """Return the photo with its one face: uint8 (height, width, 3), RGB."""
    return _resized(ASTRONAUT, width, height)


def scene(width: int, height: int, index: int) -> NDArray[np.uint8]:
    """Return frame `index` of two faces that move and grow over a table: uint8 (height, width, 3), RGB."""
    picture = table(width, height)
    swing = np.sin(2 * np.pi * index / PERIOD)
    for place, direction in ((0.25, 1), (0.75, -1)):
        edge = round(height * (0.45 + 0.1 * direction * swing))
        left = round(width * place + direction * swing * 0.03 * width - edge / 2)
        top = round((height - edge) / 2 * (1 + 0.5 * direction * swing))
        picture[top : top + edge, left : left + edge] = _resized(ASTRONAUT[HEAD], edge, edge)
    return picture


def table(width: int, height: int) -> NDArray[np.uint8]:
    """Return the table without a face: uint8 (height, width, 3), RGB."""
    return _resized(TABLE, width, height)


def write_photos(folder: Path, number: int) -> None:
    """Write this number of JPEG files of 640x480, each with two faces."""
    for index in range(number):
        Image.fromarray(scene(640, 480, index)).save(folder / f"{index:05}.jpg", quality=90)


def write_video(path: Path, frames: int, width: int, height: int) -> None:
    """Write an mp4 file with two faces in each frame."""
    period = [cv2.cvtColor(scene(width, height, index), cv2.COLOR_RGB2BGR) for index in range(PERIOD)]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), RATE, (width, height))
    for index in range(frames):
        writer.write(period[index % PERIOD])
    writer.release()


def _resized(picture: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    return np.array(Image.fromarray(picture).resize((width, height)))
