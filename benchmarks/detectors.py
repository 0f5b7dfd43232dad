"""Compares face detectors: on labelled photos, on scenes of known faces, and by their speed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final, cast

from benchmarks.processes import show_progress
from benchmarks.results import Result, digits
from emotion import markdown

if TYPE_CHECKING:
    from benchmarks.finders import Finder
    from emotion.evaluation.labelled_pictures import LabelledPicture

SECONDS: Final = 10
"""Seconds for the timed calls of all detectors on one picture."""


@dataclass(frozen=True, kw_only=True)
class Detection(Result):
    """What one detector did with some pictures.

    Attributes:
        detector: its name.
        faces: number of faces in the pictures; None for a line on speed alone.
        found: number of these faces that were found, or of labels that were right.
        false: number of detections that were no face, or a face once more.
    """

    detector: str
    faces: int | None = None
    found: int | None = None
    false: int = 0

    @property
    def cell(self) -> str:
        """The counts and the median of the values."""
        counts = [] if self.found is None else [str(self.found)]
        return ", ".join(
            [*counts, *([f"{self.false} false"] if self.false else []), f"{digits(self.median)} {self.unit}"]
        )

    def __str__(self) -> str:
        return f"{self.what}, {self.detector}: {self.cell}"


def side_by_side(results: Sequence[Result]) -> str:
    """Return a Markdown table with one column for each detector."""
    lines = cast("Sequence[Detection]", results)
    names = list(dict.fromkeys(line.detector for line in lines))
    rows: dict[str, dict[str, Detection]] = {}
    for line in lines:
        rows.setdefault(line.what, {})[line.detector] = line
    cells = [
        (what, _faces(row), *(row[name].cell if name in row else "" for name in names)) for what, row in rows.items()
    ]
    return markdown.table(("what", "faces", *names), cells, numbers=True) + "\n"


def measure_photos(quick: bool) -> Iterator[Result]:
    """Yield what is found on labelled photos, by pose and by what they show, and how many labels are right."""
    from benchmarks import finders, photos

    shown = photos.read()[: 2 if quick else None]
    if not shown:
        show_progress(f"{photos.VARIABLE} names no labelled photos, so they are left out")
        return
    found = {
        name: [_search(find, photos.pixels_of(photo)) for photo in shown] for name, find in finders.finders().items()
    }
    for what, chosen in photos.groups(shown).items():
        for name, searched in found.items():
            pairs = [pair for photo, pair in zip(shown, searched, strict=True) if photo in chosen]
            yield _counted(what, name, chosen, pairs)
    yield from _labelled([photo for photo in shown if photo.faces == 1], finders.labellers())


def measure_scenes(quick: bool) -> Iterator[Result]:
    """Yield what is found on scenes of faces from FER-2013, or of drawn faces from a quick run."""
    from benchmarks import face_cases, finders

    detectors = finders.finders()
    for what, scenes in face_cases.draw(quick):
        for name, find in detectors.items():
            seconds, right, false = [], 0, 0
            for scene in scenes:
                taken, boxes = _search(find, scene.picture)
                matched = face_cases.matched(scene, boxes)
                seconds.append(taken)
                right, false = right + matched, false + len(boxes) - matched
            faces = sum(len(scene.places) for scene in scenes)
            yield Detection(what, "ms", tuple(seconds), detector=name, faces=faces, found=right, false=false)


def measure_speed(quick: bool) -> Iterator[Result]:
    """Yield the time of each detector on a photo, on two sizes of a scene, and on a picture without a face."""
    from benchmarks import calls, finders, scenes

    pictures = {
        "speed: photo of 384x381, one face": scenes.photo(384, 381),
        "speed: 640x480, two faces": scenes.scene(640, 480, 0),
        "speed: 640x480, no face": scenes.table(640, 480),
        "speed: 1920x1080, two faces": scenes.scene(1920, 1080, 0),
    }
    detectors = finders.finders()
    for what, picture in pictures.items():
        jobs: calls.Calls = {name: partial(find, picture) for name, find in detectors.items()}
        for name, seconds in calls.take_turns(jobs, 0 if quick else SECONDS).items():
            yield Detection(what, "ms", tuple(1000 * each for each in seconds), detector=name)


def _faces(row: dict[str, Detection]) -> str:
    faces = next(iter(row.values())).faces
    return "" if faces is None else f"{faces:,}"


def _search(find: Finder, picture: Any) -> tuple[float, list[Any]]:
    """Return the milliseconds of a search, and the boxes."""
    begun = time.perf_counter()
    boxes = find(picture)
    return 1000 * (time.perf_counter() - begun), boxes


def _counted(
    what: str, name: str, photos: Sequence[LabelledPicture], searched: Sequence[tuple[float, list[Any]]]
) -> Detection:
    """Count by number alone: nobody wrote down where the faces of a photo are."""
    numbers = [len(boxes) for _, boxes in searched]
    right = sum(min(number, photo.faces) for number, photo in zip(numbers, photos, strict=True))
    return Detection(
        what,
        "ms",
        tuple(taken for taken, _ in searched),
        detector=name,
        faces=sum(photo.faces for photo in photos),
        found=right,
        false=sum(numbers) - right,
    )


def _labelled(
    shown: Sequence[LabelledPicture], labellers: Mapping[str, Callable[[Any], str | None]]
) -> Iterator[Detection]:
    from benchmarks import photos

    for name, label in labellers.items():
        right = sum(label(photos.pixels_of(photo)) in photo.accepted for photo in shown)
        share = 100 * right / len(shown)
        what = "labels as a person gave them, photos of one face"
        yield Detection(what, "%", (share,), detector=name, faces=len(shown), found=right)
