"""Places for labels and marks that cover no other face. Knows rectangles, not pictures.

`emotion/server/static/places.js` follows the same rules on the page.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import product

from emotion.inference.results import Box


def covered(area: Box, others: Iterable[Box]) -> int:
    """Return how many pixels of other areas an area covers."""
    return sum(_common(area, other) for other in others)


def shift_inside(box: Box, bounds: Box) -> Box:
    """Move an area into the picture, as far as it fits."""
    left = max(0, min(box.left, bounds.width - box.width))
    return replace(box, left=left, top=max(0, min(box.top, bounds.height - box.height)))


def label_places(own: Box, width: int, height: int, bounds: Box) -> list[Box]:
    """Return the places for a label, the best first: above, below and beside its face, then inside its edges."""
    right, bottom = own.left + own.width, own.top + own.height
    lefts = (own.left, right - width)
    stacked = [Box(left, top, width, height) for top, left in product((own.top - height, bottom), lefts)]
    beside = [Box(left, own.top, width, height) for left in (right, own.left - width)]
    inside = [Box(own.left, top, width, height) for top in (own.top, bottom - height)]
    fitting = [area for area in stacked if area.top >= 0 and area.top + height <= bounds.height]
    fitting += [area for area in beside if area.left >= 0 and area.left + width <= bounds.width]
    return [shift_inside(area, bounds) for area in fitting + inside]


def mark_places(own: Box, edge: int, bounds: Box) -> list[Box]:
    """Return the places for a mark, the best first: on the corners of a large face, but beside a small one."""
    half = edge // 2
    lefts, tops = (own.left, own.left + own.width), (own.top, own.top + own.height)
    centre, middle = own.left + own.width // 2, own.top + own.height // 2
    corners = [(left, top) for top, left in product(tops, lefts)]
    beside = [(centre, tops[0] - half), (centre, tops[1] + half), (lefts[1] + half, middle), (lefts[0] - half, middle)]
    beside += [(left, tops[0] - half) for left in (lefts[1] + half, lefts[0] - half)]
    inner = product((tops[0] + half, tops[1] - half), (lefts[0] + half, lefts[1] - half))
    points = corners + beside if own.width > 3 * edge else beside + corners
    points += [(left, top) for top, left in inner]
    return [shift_inside(Box(left - half, top - half, edge, edge), bounds) for left, top in points]


def free_place(places: Iterable[Box], taken: Sequence[Box]) -> Box | None:
    """Return the first place that covers nothing; None if there is none."""
    return next((area for area in places if not covered(area, taken)), None)


def best_place(places: Sequence[Box], own: Box, faces: Sequence[Box], taken: Sequence[Box]) -> Box:
    """Return a place that covers no other face, even if the label or mark must shrink into its own box.

    Args:
        places: the best first.
        own: box of the face that the label or mark belongs to.
        faces: boxes of the other faces.
        taken: other labels and marks, which are covered only if all places cover something.
    """
    best = min(places, key=lambda area: (covered(area, faces), covered(area, taken)))
    return _shrink(best, own, faces) if covered(best, faces) else best


def _shrink(area: Box, own: Box, faces: Sequence[Box]) -> Box:
    share = min(1.0, own.width / area.width, own.height / area.height)
    width, height = max(1, int(share * area.width)), max(1, int(share * area.height))
    lefts, tops = (own.left, own.left + own.width - width), (own.top, own.top + own.height - height)
    places = [Box(left, top, width, height) for top, left in product(tops, lefts)]
    return min(places, key=lambda place: covered(place, faces))


def _common(one: Box, other: Box) -> int:
    width = min(one.left + one.width, other.left + other.width) - max(one.left, other.left)
    height = min(one.top + one.height, other.top + other.height) - max(one.top, other.top)
    return max(0, width) * max(0, height)
