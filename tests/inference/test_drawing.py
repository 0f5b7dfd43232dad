from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import ImageColor

from emotion.inference.drawing import draw
from emotion.inference.results import Box, Face
from emotion.labels import COLOURS, NAMES


def face(box: Box | None, label: str = "happy", *, uncertain: bool = False) -> Face:
    shares = {name: 0.7 if name == label else 0.05 for name in NAMES}
    return Face(box, label, shares, uncertain)


def plain(height: int, width: int, grey: int = 128) -> NDArray[np.uint8]:
    return np.full((height, width, 3), grey, np.uint8)


def coloured(picture: NDArray[np.uint8], label: str) -> NDArray[np.bool_]:
    return np.asarray(np.all(picture == ImageColor.getrgb(COLOURS[label]), axis=2))


def changed(picture: NDArray[np.uint8], before: NDArray[np.uint8]) -> NDArray[np.bool_]:
    return np.asarray(np.any(picture != before, axis=2))


@pytest.mark.parametrize("shape", [(200, 200), (480, 640), (3000, 4000)])
def test_box_has_the_colour_of_its_class(shape: tuple[int, int]) -> None:
    height, width = shape
    box = Box(width // 3, height // 3, height // 4, height // 4)
    drawn = coloured(draw(plain(*shape), [face(box, "sad")]), "sad")
    assert drawn[box.top, box.left : box.left + box.width].all()
    assert drawn[box.top + box.height - 1, box.left : box.left + box.width].all()
    assert drawn[box.top : box.top + box.height, box.left].all()


def test_original_picture_is_not_changed() -> None:
    picture = plain(240, 320)
    picture.flags.writeable = False
    assert draw(picture, [face(Box(20, 40, 60, 60))]).shape == picture.shape
    np.testing.assert_array_equal(draw(picture, []), picture)


@pytest.mark.parametrize("shape", [(4, 2000), (9000, 1), (1, 1)])
def test_narrow_picture_is_enlarged_only_up_to_the_limit(shape: tuple[int, int]) -> None:
    drawn = draw(plain(*shape), [face(None), face(Box(0, 0, 4, 4))])
    assert max(drawn.shape) <= max(4000, *shape)


def test_nothing_is_drawn_inside_a_box() -> None:
    before = plain(480, 640)
    touched = changed(draw(before, [face(Box(200, 200, 100, 100))]), before)
    assert not touched[205:295, 205:295].any()


def test_uncertain_face_has_a_dashed_box_and_a_longer_label() -> None:
    box, before = Box(200, 200, 200, 200), plain(480, 640)
    certain, uncertain = (draw(before, [face(box, uncertain=flag)]) for flag in (False, True))
    edge = slice(220, 380)
    assert coloured(certain, "happy")[399, edge].all()
    share = coloured(uncertain, "happy")[399, edge].mean()
    assert 0.3 < share < 0.8
    above = slice(170, 197)
    assert changed(uncertain, before)[above].sum() > 1.5 * changed(certain, before)[above].sum()


def test_bars_beside_a_face_show_its_probabilities() -> None:
    before = plain(480, 640)
    drawn = draw(before, [face(Box(200, 200, 100, 100))])
    beside = coloured(drawn, "happy")[200:300, 305:]
    other = coloured(drawn, "angry")[200:300, 305:]
    assert beside.sum(axis=1).max() == pytest.approx(14 * other.sum(axis=1).max(), rel=0.3)


@pytest.mark.parametrize(
    "box", [Box(530, 10, 100, 100), Box(0, 380, 100, 100), Box(-30, -30, 100, 100), Box(600, 440, 100, 100)]
)
def test_label_stays_inside_the_picture(box: Box) -> None:
    before = plain(480, 640)
    label = coloured(draw(before, [face(box)]), "happy")
    filled = label.sum(axis=1)
    assert filled.max() > 60, "there is no label in the colour of the class"


def test_bars_cover_no_other_face() -> None:
    boxes = [Box(100 + 110 * i, 150 + 110 * j, 100, 100) for i in range(4) for j in range(3)]
    before = plain(480, 640)
    touched = changed(draw(before, [face(box) for box in boxes]), before)
    for box in boxes:
        # The label of the face below also covers some rows, because there is little room between the boxes.
        assert not touched[box.top + 30 : box.top + 75, box.left + 5 : box.left + 95].any()


def test_small_picture_is_enlarged_until_its_label_is_readable() -> None:
    drawn = draw(plain(48, 48), [face(None)])
    assert drawn.shape == (240, 240, 3)
    assert coloured(drawn, "happy")[:20].sum() > 500
    assert coloured(draw(plain(100, 150), [face(Box(40, 40, 30, 30))]), "happy")[139, 80:140].all()


def test_class_without_a_colour_is_grey() -> None:
    drawn = draw(
        plain(240, 320, 255), [Face(Box(50, 60, 80, 80), "bored", {"bored": 0.9, "sad": 0.1}, uncertain=False)]
    )
    assert coloured(drawn, "neutral")[60, 50:130].all()
