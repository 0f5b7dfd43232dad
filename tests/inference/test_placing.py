"""Labels and marks in random crowds: none covers a face that its own box does not reach into."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from emotion.inference.placing import best_place, covered, free_place, label_places, mark_places, shift_inside
from emotion.inference.results import Box

BOUNDS = Box(0, 0, 640, 480)


def crowd(seed: int, step: int, *, jitter: float = 0.0) -> list[Box]:
    """Make boxes in a grid; without jitter they only touch, with jitter they overlap."""
    generator = np.random.default_rng(seed)
    cells = generator.permutation(list(product(range(640 // step), range(480 // step))))[:20]
    shifts = generator.uniform(-jitter * step, jitter * step, (20, 2)).astype(int)
    sizes = generator.integers(step // 2, step, 20, endpoint=True)
    return [
        Box(int(column * step + right), int(row * step + down), int(size), int(size))
        for (column, row), (right, down), size in zip(cells, shifts, sizes, strict=False)
    ]


def place_all(boxes: list[Box], width: int, height: int) -> list[Box]:
    """Place a label of this size at each box, or a mark if it is square."""
    taken: list[Box] = []
    for index, own in enumerate(boxes):
        places = mark_places(own, width, BOUNDS) if width == height else label_places(own, width, height, BOUNDS)
        taken.append(best_place(places, own, boxes[:index] + boxes[index + 1 :], taken))
    return taken


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("size", [(90, 18), (160, 24), (20, 20), (34, 34)])
@pytest.mark.parametrize("step", [24, 60, 120])
def test_label_and_mark_cover_no_other_face(seed: int, size: tuple[int, int], step: int) -> None:
    boxes = crowd(seed, step)
    for index, area in enumerate(place_all(boxes, *size)):
        assert covered(area, boxes[:index] + boxes[index + 1 :]) == 0
        assert shift_inside(area, BOUNDS) == area


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("size", [(160, 24), (34, 34)])
def test_where_boxes_overlap_a_label_covers_only_what_its_own_box_covers(seed: int, size: tuple[int, int]) -> None:
    boxes = crowd(seed, 60, jitter=0.4)
    for index, area in enumerate(place_all(boxes, *size)):
        own, others = boxes[index], boxes[:index] + boxes[index + 1 :]
        within = area.left >= own.left and area.left + area.width <= own.left + own.width
        within = within and area.top >= own.top and area.top + area.height <= own.top + own.height
        assert within or not covered(area, others)


def test_place_above_is_the_first_choice_and_below_the_next() -> None:
    own = Box(200, 200, 100, 100)
    first = label_places(own, 80, 20, BOUNDS)
    assert free_place(first, [own]) == Box(200, 180, 80, 20)
    assert free_place(first, [own, Box(150, 100, 200, 100)]) == Box(200, 300, 80, 20)
    assert free_place(first, [BOUNDS]) is None


def test_mark_stands_on_the_corner_of_a_large_face_and_beside_a_small_one() -> None:
    assert mark_places(Box(200, 200, 100, 100), 20, BOUNDS)[0] == Box(190, 190, 20, 20)
    small = Box(200, 200, 30, 30)
    assert covered(mark_places(small, 20, BOUNDS)[0], [small]) == 0
