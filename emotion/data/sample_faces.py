"""Draws faces: a seeded substitute for FER-2013 that needs no account, no network and no picture of a person.

An expression is a set of facial action units (Ekman and Friesen, Facial Action Coding System, with the EMFACS
prototypes). They move the brows, lids, nose and lips of a face whose build, pose, light and occlusion are random.
Knows nothing of archives or of the pipeline.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageDraw, ImageFilter

from emotion.errors import DataError
from emotion.images import FACE_SIZE
from emotion.labels import NAMES, OFFICIAL_SPLITS

ACTION_UNITS: Final[dict[str, dict[int, float]]] = {
    "angry": {4: 1.0, 5: 0.5, 7: 0.7, 23: 1.0, 24: 0.6},
    "disgust": {9: 1.0, 15: 0.6, 16: 0.8, 17: 0.5},
    "fear": {1: 1.0, 2: 0.5, 4: 0.5, 5: 1.0, 20: 1.0, 25: 1.0, 26: 0.3},
    "happy": {6: 1.0, 12: 1.0, 25: 1.0},
    "neutral": {},
    "sad": {1: 1.0, 4: 0.4, 15: 1.0},
    "surprise": {1: 1.0, 2: 1.0, 5: 0.7, 25: 0.5, 26: 1.0},
}
"""Full intensity (0-1) of the action units of each expression, by number in the Facial Action Coding System."""

_UNITS: Final = sorted({unit for units in ACTION_UNITS.values() for unit in units})

OVERSAMPLING: Final = 4
"""Factor by which a face is drawn larger, in both directions; shrinking it smooths the edges."""

JPEG_QUALITY: Final = 90

_ANGLES: Final = np.linspace(0, 2 * np.pi, 28, endpoint=False)
_CIRCLE: Final = np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], axis=1)
_ACROSS: Final = np.linspace(-1, 1, 15)
"""Horizontal positions from one corner of an eye or mouth (-1) to the other (1)."""
_ARCH: Final = np.sqrt(1 - _ACROSS**2)
_BEARD: Final = ((-0.95, 0.3), (-0.6, 0.55), (0, 0.45), (0.6, 0.55), (0.95, 0.3), (0.6, 1.1), (0, 1.35), (-0.6, 1.1))

_Curve = NDArray[np.float64]
"""Points in face units, shape (n, 2)."""


def draw_members(counts: dict[str, int], seed: int) -> Iterator[tuple[str, bytes]]:
    """Draw a dataset with the folders and file names of FER-2013 on Kaggle.

    A face depends only on the seed, its split, its class and its number, so a smaller dataset is part of a larger one.

    Args:
        counts: faces per class, for each of the splits `train`, `validation` and `test`.
        seed: whole number of at least 0.

    Yields:
        Member name, such as `train/angry/Training_00001.jpg`, and the content of a grey 48x48 JPEG file.
    """
    for name, expression, seeds in list_faces(counts, seed):
        yield name, _to_jpeg(draw_face(expression, np.random.default_rng(seeds)))


def list_faces(counts: dict[str, int], seed: int) -> Iterator[tuple[str, str, list[int]]]:
    """Yield the member name, the expression and the seeds of each face of `draw_members`."""
    for split, (official, name) in enumerate(OFFICIAL_SPLITS.items()):
        folder = "train" if name == "train" else "test"
        for label, expression in enumerate(NAMES):
            for index in range(counts[name]):
                number = index * len(NAMES) + label + 1
                yield f"{folder}/{expression}/{official}_{number:05d}.jpg", expression, [seed, split, label, index]


def draw_face(expression: str, generator: Generator) -> NDArray[np.uint8]:
    """Draw a face of a random person; generators in the same state give the same person with any expression.

    Returns:
        uint8, shape (48, 48), grey, 0-255.

    Raises:
        DataError: the expression is not one of `labels.NAMES`.

    Examples:
        >>> import numpy as np
        >>> draw_face("happy", np.random.default_rng(7)).shape
        (48, 48)
    """
    if expression not in ACTION_UNITS:
        raise DataError(f"expected an expression out of {', '.join(NAMES)}, received {expression!r}")
    units = random_units(expression, generator)
    pen = _Pen(generator)
    _draw_head(pen, generator)
    _draw_folds(pen, units)
    _draw_eyes(pen, units, generator)
    _draw_brows(pen, units, generator)
    _draw_nose(pen, units, generator)
    _draw_mouth(pen, units, generator)
    _draw_extras(pen, generator)
    return _photograph(pen.image, generator)


class _Pen:
    """Draws in face units: x to the right, y down, 1 is half the width of the head, origin between eyes and nose."""

    def __init__(self, generator: Generator) -> None:
        edge = FACE_SIZE * OVERSAMPLING
        self.skin = generator.uniform(110, 225)
        self.hair = generator.uniform(15, 0.75 * self.skin)
        self.image = Image.new("L", (edge, edge), int(generator.uniform(10, 245)))
        self.canvas = ImageDraw.Draw(self.image)
        angle = np.radians(np.clip(generator.normal(0, 6), -12, 12))
        turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        stretch = np.diag([generator.uniform(0.92, 1.05), generator.uniform(0.92, 1.05)])
        self.frame = stretch @ turn * edge * generator.uniform(0.38, 0.46)
        self.centre = edge / 2 + OVERSAMPLING * generator.uniform(-2.5, 2.5, 2)
        self.tilt = np.sin(np.radians(generator.uniform([-18, -7], [18, 7])))

    def place(self, points: ArrayLike, depth: float) -> list[float]:
        """Turn face units into pixels; `depth` is how far the middle of the face is in front of its edge."""
        flat = np.array(points, dtype=float)
        bulge = depth * np.sqrt(np.maximum(0, 1 - 0.8 * flat[:, :1] ** 2))
        placed = (flat + bulge * self.tilt) @ self.frame + self.centre
        pixels: list[float] = placed.ravel().tolist()
        return pixels

    def fill(self, points: ArrayLike, grey: float, depth: float = 1.0) -> None:
        self.canvas.polygon(self.place(points, depth), fill=_to_grey(grey))

    def stroke(self, points: ArrayLike, grey: float, width: float, depth: float = 1.0) -> None:
        pixels = max(1, round(width * float(abs(self.frame[0, 0]))))
        self.canvas.line(self.place(points, depth), fill=_to_grey(grey), width=pixels, joint="curve")

    def oval(self, centre: tuple[float, float], radii: tuple[float, float], grey: float, depth: float = 1.0) -> None:
        self.fill(np.array(centre) + _CIRCLE * np.array(radii), grey, depth)


def random_units(expression: str, generator: Generator) -> dict[int, float]:
    """Return the intensity (0-1) of every action unit: strong for those of the expression, weak for the others."""
    full, strength = ACTION_UNITS[expression], generator.uniform(0.8, 1.0)
    units = {}
    for unit in _UNITS:
        # Both are drawn for every unit, so that the state of the generator does not depend on the expression.
        share, trace = generator.uniform(0.85, 1.0), generator.uniform(0, 0.08)
        units[unit] = full[unit] * strength * share if unit in full else trace
    return units


def _draw_head(pen: _Pen, generator: Generator) -> None:
    jaw, length = generator.uniform(0.8, 1.15), generator.uniform(1.2, 1.4)
    shade = pen.skin * generator.uniform(0.65, 0.85)
    pen.oval((0, -0.35), (generator.uniform(1.02, 1.2), generator.uniform(1.05, 1.25)), pen.hair, 0)
    pen.fill([(-0.4, 0.9), (0.4, 0.9), (0.55, 2.5), (-0.55, 2.5)], shade, 0)
    for side in (-1, 1):
        pen.oval((side * 0.98, 0.05), (0.13, 0.24), shade, 0)
    outline = _CIRCLE * np.where(_CIRCLE[:, 1:] > 0, [1.0, length], [1.0, 1.15])
    outline[:, 0] = np.sign(_CIRCLE[:, 0]) * np.abs(_CIRCLE[:, 0]) ** np.where(_CIRCLE[:, 1] > 0, 1 / jaw, 1.0)
    pen.fill(outline, pen.skin, 0)
    _draw_hairline(pen, generator)
    pen.image.paste(pen.image.filter(ImageFilter.BoxBlur(3)))


def _draw_hairline(pen: _Pen, generator: Generator) -> None:
    height, parting = generator.uniform(-1.05, -0.72), generator.uniform(-0.6, 0.6)
    if generator.random() < 0.85:
        front = [(-1.1, -0.35), (-0.75, height), (parting, height - 0.15), (0.75, height), (1.1, -0.35)]
        pen.fill([*front, (0.8, -1.4), (-0.8, -1.4)], pen.hair, 0.2)
    if generator.random() < 0.2:
        pen.fill(_BEARD, (pen.skin + pen.hair) / 2, 0.4)


def _draw_folds(pen: _Pen, units: dict[int, float]) -> None:
    """Draw the creases of contracted muscles: frown, wrinkled nose, beside the nose, under the eyes and on the chin."""
    for side in (-1, 1):
        _crease(pen, [(side * 0.09, -0.52), (side * 0.08, -0.3)], units[4])
        _crease(pen, [(side * 0.2, 0.26), (side * 0.46, 0.4), (side * 0.66, 0.66)], max(units[9], units[12]))
        _crease(pen, [(side * 0.2, -0.02), (side * 0.42, 0.06), (side * 0.66, -0.02)], units[6])
    for height in (-0.22, -0.1, 0.02):
        _crease(pen, [(-0.17, height + 0.07), (0, height - 0.02), (0.17, height + 0.07)], units[9])
    _crease(pen, [(-0.2, 1.12), (0, 1.06), (0.2, 1.12)], units[17])


def _crease(pen: _Pen, points: ArrayLike, intensity: float) -> None:
    if intensity > 0.15:
        pen.stroke(points, pen.skin * (1 - 0.4 * intensity), 0.05, 1.1)


def _draw_eyes(pen: _Pen, units: dict[int, float], generator: Generator) -> None:
    size, apart, gaze = generator.uniform(0.9, 1.15), generator.uniform(0.4, 0.47), generator.uniform(-0.07, 0.07)
    upper = 0.12 + 0.13 * units[5] - 0.04 * units[7] - 0.05 * units[9] - 0.03 * units[4]
    lower = 0.09 + 0.02 * units[5] - 0.07 * units[7] - 0.06 * units[9] - 0.10 * units[6]
    for side in (-1, 1):
        # A raised inner brow pulls up the inner end of the lid; this slant is a sign of sadness.
        slant = 0.07 * (units[1] - units[2]) * _ACROSS * side
        middle = np.array([side * apart, -0.15])
        top = middle + np.stack([_ACROSS * 0.25, slant - upper * _ARCH], axis=1) * size
        bottom = middle + np.stack([_ACROSS * 0.25, slant + lower * _ARCH], axis=1) * size
        _draw_eye(pen, top, bottom, middle + [gaze, 0], generator)


def _draw_eye(pen: _Pen, top: _Curve, bottom: _Curve, pupil: _Curve, generator: Generator) -> None:
    pen.fill(_between(top, bottom), min(250.0, pen.skin * 0.4 + 150))
    iris = pupil + _CIRCLE * 0.115
    # The lids cover the iris where the eye is narrow.
    iris[:, 1] = np.clip(iris[:, 1], np.interp(iris[:, 0], *top.T), np.interp(iris[:, 0], *bottom.T))
    pen.fill(iris, generator.uniform(15, 60))
    pen.stroke(top, pen.skin * 0.3, 0.05)
    pen.stroke(bottom, pen.skin * 0.6, 0.03)


def _between(above: _Curve, below: _Curve) -> _Curve:
    return np.concatenate([above, below[::-1]])


def _draw_brows(pen: _Pen, units: dict[int, float], generator: Generator) -> None:
    height, thickness = generator.uniform(-0.5, -0.44), generator.uniform(0.07, 0.13)
    grey = min(pen.hair, 0.6 * pen.skin)
    inner = height - 0.2 * units[1] + 0.18 * units[4] * (1 - 0.7 * units[1]) + 0.09 * units[9]
    arch = height - 0.07 - 0.05 * units[1] - 0.13 * units[2] + 0.05 * units[4] + 0.05 * units[9]
    outer = height + 0.04 - 0.12 * units[2] + 0.08 * units[1] * (1 - units[2]) - 0.03 * units[4] * (1 - units[1])
    for side in (-1, 1):
        skew = generator.normal(0, 0.012)
        start = 0.2 - 0.09 * units[4] - 0.03 * units[9]
        ridge = np.array([(start, inner), (0.46, arch), (0.74, outer)]) + [0, skew]
        under = ridge + [[0, thickness], [0, thickness], [0, 0.02]]
        pen.fill(_between(ridge, under) * [side, 1], grey)


def _draw_nose(pen: _Pen, units: dict[int, float], generator: Generator) -> None:
    width, tip = generator.uniform(0.13, 0.2), generator.uniform(0.28, 0.38) - 0.06 * units[9]
    side = generator.choice([-1, 1])
    pen.stroke([(side * 0.07, -0.12), (side * 0.1, tip - 0.1)], pen.skin * 0.82, 0.05, 1.3)
    for nostril in (-1, 1):
        pen.oval((nostril * width * 0.6, tip), (0.055 + 0.02 * units[9], 0.035), pen.skin * 0.45, 1.3)
    pen.stroke([(-width, tip - 0.03), (0, tip + 0.04), (width, tip - 0.03)], pen.skin * 0.7, 0.03, 1.3)


def _draw_mouth(pen: _Pen, units: dict[int, float], generator: Generator) -> None:
    stretch = 1 + 0.4 * units[12] + 0.45 * units[20] - 0.15 * units[23] - 0.3 * units[26]
    x = _ACROSS * generator.uniform(0.34, 0.4) * stretch
    corners = 0.23 * units[15] + 0.04 * units[20] - 0.26 * units[12]
    line = generator.uniform(0.7, 0.76) + 0.04 * units[12] - 0.04 * units[17] + corners * _ACROSS**2
    upper = line - (0.12 * units[9] + 0.04 * units[25]) * _ARCH
    lower = line + (0.13 * units[25] + 0.34 * units[26] + 0.10 * units[16]) * _ARCH
    lip = generator.uniform(0.06, 0.1) * (1 - 0.75 * max(units[23], units[24])) * _ARCH
    lips = _between(np.stack([x, upper - lip], axis=1), np.stack([x, lower + 1.3 * lip], axis=1))
    pen.fill(lips, pen.skin * generator.uniform(0.55, 0.8))
    _draw_gape(pen, np.stack([x, upper], axis=1), np.stack([x, lower], axis=1), units)


def _draw_gape(pen: _Pen, upper: _Curve, lower: _Curve, units: dict[int, float]) -> None:
    """Draw what is between the lips: the dark mouth, teeth, or the line of a closed mouth."""
    pen.fill(_between(upper, lower), 25)
    teeth = units[12] * units[25] + units[9] * units[16] + 0.8 * units[20] * units[25]
    if teeth > 0.1:
        pen.fill(_between(upper, upper + (lower - upper) * (0.3 + 0.5 * min(1.0, teeth))), 225)
    pen.stroke(upper, pen.skin * 0.3, 0.04)


def _draw_extras(pen: _Pen, generator: Generator) -> None:
    """Draw what covers parts of some faces: glasses, a bar across the picture, a hand."""
    if generator.random() < 0.15:
        _draw_glasses(pen, generator.uniform(10, 90))
    if generator.random() < 0.12:
        x, lean = generator.uniform(0.75, 1.2) * generator.choice([-1, 1]), generator.uniform(-0.3, 0.3)
        pen.stroke([(x - lean, -2), (x + lean, 2)], generator.uniform(0, 255), generator.uniform(0.15, 0.4), 0)
    if generator.random() < 0.12:
        _draw_hand(pen, generator.choice([-1, 1]), generator.uniform(0.6, 1.2))


def _draw_glasses(pen: _Pen, grey: float) -> None:
    for side in (-1, 1):
        rim = np.concatenate([_CIRCLE, _CIRCLE[:1]]) * [0.34, 0.27]
        pen.stroke(rim + [side * 0.44, -0.13], grey, 0.04, 1.1)
    pen.stroke([(-0.12, -0.17), (0.12, -0.17)], grey, 0.04, 1.1)


def _draw_hand(pen: _Pen, side: int, height: float) -> None:
    for finger in range(4):
        centre = (side * (0.85 + 0.05 * finger), height + 0.17 * finger)
        pen.oval(centre, (0.34, 0.11), pen.skin * (0.95 - 0.07 * finger), 0.3)


def _photograph(image: Image.Image, generator: Generator) -> NDArray[np.uint8]:
    """Shrink the drawing and add the effects of a camera: uneven light, contrast, blur and noise."""
    small = image.reduce(OVERSAMPLING).filter(ImageFilter.GaussianBlur(generator.uniform(0, 0.7)))
    grid = np.linspace(-1, 1, FACE_SIZE)
    slope_x, slope_y = generator.uniform(-0.3, 0.3, 2)
    light = 1 + slope_x * grid[None, :] + slope_y * grid[:, None]
    values = 128 + generator.uniform(0.75, 1.15) * (np.asarray(small) * light - 128) + generator.uniform(-25, 25)
    values += generator.normal(0, generator.uniform(1, 6), values.shape)
    return np.asarray(np.clip(np.rint(values), 0, 255), np.uint8)


def _to_grey(value: float) -> int:
    return round(min(255.0, max(0.0, value)))


def _to_jpeg(face: NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(face).save(buffer, "JPEG", quality=JPEG_QUALITY)
    return buffer.getvalue()
