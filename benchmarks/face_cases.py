"""The scenes on which detectors are compared: tilt, size, light, occlusion, the border and many faces."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import cycle, islice
from typing import Final

import numpy as np
from numpy.random import Generator

from benchmarks.face_scenes import (
    Change,
    Pixels,
    Place,
    Scene,
    compose,
    dim,
    fog,
    grid,
    hat,
    lamp,
    mask,
    sunglasses,
)
from benchmarks.preprocess import find_archive
from emotion.data.sample_faces import draw_face
from emotion.images import read_image, to_face
from emotion.inference.results import Box
from emotion.labels import NAMES

FACES: Final = 60
"""Faces from FER-2013's PublicTest, taken at random and not looked at: some of them are no good pictures of a face."""

ALONE: Final = 20
"""Number of these faces that are alone in a picture, in each case."""

Case = Callable[[Sequence[Pixels], Generator], list[Scene]]


def draw(quick: bool) -> Iterator[tuple[str, list[Scene]]]:
    """Yield the scenes of each case with its name; of two drawn faces in a quick run."""
    faces = _drawn() if quick else _real()
    for name, case in CASES.items():
        yield name, case(faces, np.random.default_rng(0))


def matched(scene: Scene, boxes: Sequence[Box]) -> int:
    """Return how many faces of a scene have a box around their centre, of about their size."""
    left = list(boxes)
    for place in scene.places:
        box = next((box for box in left if _fits(box, place)), None)
        if box:
            left.remove(box)
    return len(boxes) - len(left)


def _fits(box: Box, place: Place) -> bool:
    x, y = box.left + box.width / 2 - place.x, box.top + box.height / 2 - place.y
    return max(abs(x), abs(y)) < 0.4 * place.height and 0.4 < box.height / place.height < 2


def _real() -> list[Pixels]:
    with zipfile.ZipFile(find_archive()) as archive:
        names = sorted(name for name in archive.namelist() if "/PublicTest_" in name)
        chosen = np.random.default_rng(0).choice(len(names), FACES, replace=False)
        return [to_face(read_image(archive.read(names[index]))) for index in chosen]


def _drawn() -> list[Pixels]:
    return [draw_face(name, np.random.default_rng(0)) for name in NAMES[:2]]


def _alone(place: Place, change: Change | None = None, cover: Change | None = None) -> Case:
    """Return a case of one face in each picture; half of them are tilted to the other side."""

    def case(faces: Sequence[Pixels], generator: Generator) -> list[Scene]:
        scenes = []
        for index, face in enumerate(faces[:ALONE]):
            tilted = replace(place, tilt=-place.tilt if index % 2 else place.tilt)
            scene = compose([cover(face) if cover else face], [tilted], generator)
            scenes.append(replace(scene, picture=change(scene.picture)) if change else scene)
        return scenes

    return case


def _crowd(size: tuple[int, int], columns: int, rows: int, height: float) -> Case:
    """Return a case of one picture with many faces."""

    def case(faces: Sequence[Pixels], generator: Generator) -> list[Scene]:
        places = grid(size, columns, rows, height)
        return [compose(islice(cycle(faces), len(places)), places, generator, size)]

    return case


_MIDDLE: Final = Place(320, 240)

CASES: Final[dict[str, Case]] = {
    **{f"tilt {tilt} degrees": _alone(replace(_MIDDLE, tilt=tilt)) for tilt in (0, 15, 30, 45, 60)},
    **{f"face of {height} px": _alone(replace(_MIDDLE, height=height)) for height in (24, 32, 40, 64, 110, 200, 400)},
    "light 1/5": _alone(_MIDDLE, dim(1 / 5)),
    "light 1/15": _alone(_MIDDLE, dim(1 / 15)),
    "light 1/30": _alone(_MIDDLE, dim(1 / 30)),
    "fog": _alone(_MIDDLE, fog),
    "light 1/15 and a lamp": _alone(_MIDDLE, lamp),
    "cut by the border": _alone(Place(40, 240)),
    "sunglasses drawn over the eyes": _alone(_MIDDLE, cover=sunglasses),
    "mask drawn over nose and mouth": _alone(_MIDDLE, cover=mask),
    "hat drawn over the forehead": _alone(_MIDDLE, cover=hat),
    "many faces of 90 px, 1280x960": _crowd((1280, 960), 8, 5, 90),
    "many faces of 40 px, 1280x960": _crowd((1280, 960), 10, 6, 40),
    "many faces of 110 px, 3840x2880": _crowd((3840, 2880), 8, 7, 110),
}
