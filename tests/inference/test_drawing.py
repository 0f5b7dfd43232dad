from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import ImageColor

from emotion import server
from emotion.inference.canvas import GREY
from emotion.inference.drawing import GROUP, draw, draw_with_legend
from emotion.inference.legend import shares
from emotion.inference.results import Box, Face
from emotion.labels import COLOURS, NAMES

Drawing = Callable[[NDArray[np.uint8], list[Face]], NDArray[np.uint8]]


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


def test_bars_begin_behind_the_names_of_another_networks_classes() -> None:
    def start_of_bars(names: tuple[str, str]) -> int:
        other = Face(Box(40, 100, 200, 200), names[0], dict(zip(names, (0.5, 0.5), strict=True)), uncertain=False)
        grey = np.all(draw(plain(480, 900), [other]) == GREY, axis=2)
        return int(np.argmax(grey.sum(axis=0) >= 10))

    assert start_of_bars(("deep in thought", "bored")) > start_of_bars(("bored", "happy")) + 50


def test_bars_cover_no_other_face() -> None:
    boxes = [Box(100 + 110 * i, 150 + 110 * j, 100, 100) for i in range(4) for j in range(3)]
    before = plain(480, 640)
    touched = changed(draw(before, [face(box) for box in boxes]), before)
    for box in boxes:
        # The label of the face below also covers some rows, because there is little room between the boxes.
        assert not touched[box.top + 30 : box.top + 75, box.left + 5 : box.left + 95].any()


def group(count: int, *, edge: int = 50) -> list[Face]:
    """Make faces in rows of five in the left half of a picture, of all classes, each fourth one uncertain."""
    boxes = [Box(20 + 65 * (index % 5), 60 + 80 * (index // 5), edge, edge) for index in range(count)]
    return [face(box, NAMES[index % 7], uncertain=index % 4 == 3) for index, box in enumerate(boxes)]


@pytest.mark.parametrize("drawing", [draw, draw_with_legend])
def test_labels_of_close_faces_cover_none_of_them(drawing: Drawing) -> None:
    boxes = [Box(100 + 102 * column, 150 + 102 * row, 100, 100) for column in range(2) for row in range(2)]
    before = plain(480, 640)
    touched = changed(drawing(before, [face(box) for box in boxes]), before)
    for box in boxes:
        assert not touched[box.top + 4 : box.top + 96, box.left + 4 : box.left + 96].any()


def test_frame_of_a_group_keeps_its_size_and_stays_as_it_is_away_from_the_faces() -> None:
    before = plain(480, 640)
    drawn = draw(before, group(15))
    assert drawn.shape == before.shape
    assert not changed(drawn, before)[:, 440:].any()
    assert not changed(drawn, before)[300:].any()


def test_label_of_a_face_in_a_group_is_short_where_it_is_free_and_otherwise_a_mark() -> None:
    before = plain(480, 640)
    free = changed(draw(before, group(5)), before)[40:59, 20:345]
    assert free.any(axis=0).mean() > 0.5
    close = [face(Box(100 + 30 * (index % 8), 100 + 30 * (index // 8), 30, 30)) for index in range(64)]
    inner = changed(draw(before, close), before)[104:336, 104:336]
    assert inner.mean() < 0.8, "marks hide the faces"


def test_copy_of_a_group_has_a_legend_below_and_one_of_four_faces_has_none() -> None:
    before = plain(480, 640)
    copy = draw_with_legend(before, group(15))
    assert copy.shape[1] == 640
    legend = copy[480:]
    for label in {each.label for each in group(15) if not each.uncertain}:
        assert coloured(legend, label).sum() > 100
    assert legend[:, :, 0].min() < 50, "there are no letters"
    np.testing.assert_array_equal(draw_with_legend(before, group(4)), draw(before, group(4)))


def test_bar_of_shares_is_as_long_as_the_counts() -> None:
    faces = [face(Box(40 * index, 60, 30, 30), "happy" if index < 6 else "sad") for index in range(8)]
    legend = draw_with_legend(plain(480, 640), faces)[480:]
    happy, sad = (coloured(legend, label).sum(axis=1).max() for label in ("happy", "sad"))
    assert happy == pytest.approx(3 * sad, rel=0.05)


def test_uncertain_faces_count_apart_and_last() -> None:
    faces = [face(None, "sad"), *[face(None, uncertain=True)] * 3, *[face(None, "happy")] * 2]
    assert shares(faces) == {"happy": 2, "sad": 1, "uncertain": 3}
    assert list(shares(faces)) == ["happy", "sad", "uncertain"]


@pytest.mark.parametrize("shape", [(48, 48), (2000, 4), (200, 80), (900, 5000)])
def test_group_in_a_picture_of_any_shape_gets_marks_and_a_legend(shape: tuple[int, int]) -> None:
    drawn = draw_with_legend(plain(*shape), [face(Box(0, 0, 4, 4), uncertain=True)] * 12)
    assert drawn.shape[1] == draw(plain(*shape), []).shape[1]
    assert drawn.shape[0] > draw(plain(*shape), []).shape[0]


def test_page_and_copies_call_the_same_number_of_faces_a_group() -> None:
    script = Path(server.__file__).with_name("static") / "view.js"
    assert re.findall(r"GROUP = (\d+);", script.read_text()) == [str(GROUP)]


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
