"""The page in a real Chromium with drawn groups: marks, lines, the tooltip, and labels that cover no other face."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from opened_page import choose, needs_chromium, opened, photograph
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, WebSocketRoute, expect
from running_server import encoded

from emotion.data.sample_faces import draw_face
from emotion.inference.formats import picture_as_json
from emotion.inference.results import Box, Face, Picture
from emotion.labels import NAMES

pytestmark = needs_chromium

PHONE = {"width": 390, "height": 844}
SIZE = (800, 600)


def grid(count: int, *, step: int = 150, edge: int = 110) -> list[Box]:
    """Place faces in rows of five."""
    return [Box(40 + step * (index % 5), 60 + step * (index // 5), edge, edge) for index in range(count)]


def face(box: Box, index: int) -> Face:
    """Make a face of the next class; each fourth one is uncertain."""
    label, uncertain = NAMES[(3 * index + 3) % 7], index % 4 == 3
    rest = (0.66 if uncertain else 0.07) / 6
    return Face(box, label, {name: 1 - 6 * rest if name == label else rest for name in NAMES}, uncertain)


def answer_of(boxes: list[Box]) -> dict[str, Any]:
    return picture_as_json(Picture("group.jpg", *SIZE, tuple(face(box, index) for index, box in enumerate(boxes))))


def drawn(boxes: list[Box]) -> Image.Image:
    generator = np.random.default_rng(3)
    image = Image.new("RGB", SIZE, (150, 165, 180))
    for index, box in enumerate(boxes):
        drawing = Image.fromarray(draw_face(face(box, index).label, generator))
        image.paste(drawing.resize((box.width, box.height)), (box.left, box.top))
    return image


def show(page: Page, boxes: list[Box]) -> None:
    """Let the page show a drawn group as if the server had found these faces."""
    page.route("**/api/predict*", lambda route: route.fulfill(json=answer_of(boxes)))
    choose(page, "group.jpg", encoded(drawn(boxes)))
    expect(page.locator("#photo-faces > li")).to_have_count(len(boxes))


def mark(page: Page, number: int) -> Locator:
    return page.get_by_role("button", name=f"Face {number}: ")


def line(page: Page, number: int) -> Locator:
    return page.locator("#photo-faces summary").nth(number - 1)


def box_of(page: Page, number: int) -> Locator:
    return page.locator(f'#photo-boxes .edge[data-face="{number}"]')


@pytest.fixture
def phone(browser: Browser, address: str) -> Iterator[Page]:
    with opened(browser, address, viewport=PHONE, has_touch=True) as page:
        yield page


def test_four_faces_have_labels_and_cards_and_five_have_marks_and_lines(page: Page) -> None:
    show(page, grid(4))
    expect(page.locator("#photo-boxes .name")).to_have_count(4)
    expect(page.locator("#photo-faces .bars:visible")).to_have_count(4)
    expect(page.locator("#photo .mark, #photo summary, #photo-shares:visible")).to_have_count(0)
    show(page, grid(5))
    expect(page.locator("#photo-boxes .name")).to_have_count(0)
    expect(page.locator("#photo .mark")).to_have_count(5)
    expect(page.locator("#photo-faces .bars:visible")).to_have_count(0)
    expect(line(page, 1)).to_have_text("1happy 93%")
    show(page, grid(4))
    expect(page.locator("#photo-faces .bars:visible")).to_have_count(4)


def test_line_opens_and_closes_by_keyboard_and_points_at_its_face(page: Page) -> None:
    show(page, grid(15))
    line(page, 1).focus()
    page.keyboard.press("Tab")
    expect(line(page, 2)).to_be_focused()
    expect(box_of(page, 2)).to_have_class("edge active")
    page.keyboard.press("Enter")
    expect(page.locator("#photo-faces .bars:visible dt")).to_have_text(list(NAMES))
    page.keyboard.press("Space")
    expect(page.locator("#photo-faces .bars:visible")).to_have_count(0)


def test_tooltip_follows_the_focus_and_escape_hides_it(page: Page) -> None:
    show(page, grid(15))
    tip = page.locator("#photo-tip")
    expect(tip).to_be_hidden()
    mark(page, 3).focus()
    expect(tip).to_have_text("3 fear 93%")
    page.keyboard.press("Tab")
    expect(mark(page, 4)).to_be_focused()
    expect(tip).to_have_text("4 sad 34%, uncertain")
    expect(page.locator("#photo-faces > li.active")).to_contain_text("sad 34%")
    page.keyboard.press("Escape")
    expect(tip).to_be_hidden()


def test_face_under_the_pointer_and_its_line_are_highlighted_together(page: Page) -> None:
    show(page, grid(15))
    box_of(page, 7).hover()
    expect(page.locator("#photo-tip")).to_have_text("7 angry 93%")
    expect(page.locator("#photo-faces > li.active")).to_have_count(1)
    expect(page.locator("#photo-faces > li").nth(6)).to_have_class("active")
    line(page, 9).hover()
    expect(mark(page, 9)).to_have_class("disc mark active")
    expect(box_of(page, 7)).to_have_class("edge")
    page.get_by_role("heading", name="Apparent expression").hover()
    expect(page.locator("#photo .active")).to_have_count(0)


def test_tap_on_a_mark_shows_its_label_until_a_tap_elsewhere(phone: Page) -> None:
    show(phone, grid(15))
    mark(phone, 6).tap()
    expect(phone.locator("#photo-tip")).to_have_text("6 neutral 93%")
    phone.locator("#photo-status").tap()
    expect(phone.locator("#photo-tip")).to_be_hidden()
    mark(phone, 9).dispatch_event("click")  # as on phones that do not focus what is tapped
    expect(phone.locator("#photo-tip")).to_have_text("9 surprise 93%")


def test_next_photo_starts_with_closed_lines_and_without_a_tooltip(page: Page) -> None:
    show(page, grid(6))
    line(page, 2).click()
    page.get_by_role("heading", name="Apparent expression").hover()
    expect(page.locator("#photo-tip")).to_be_visible()
    show(page, grid(7))
    expect(page.locator("#photo-faces [open]")).to_have_count(0)
    expect(page.locator("#photo-tip")).to_be_hidden()


def test_shares_are_given_in_words_and_uncertain_faces_apart(page: Page) -> None:
    show(page, grid(15))
    words = page.locator("#photo-shares li").all_inner_texts()
    assert words == ["happy 2", "surprise 2", "fear 2", "neutral 2", "angry 2", "disgust 1", "sad 1", "uncertain 3"]
    widths = page.locator("#photo-shares .stack > *").evaluate_all("all => all.map(each => each.offsetWidth)")
    assert widths[-1] == pytest.approx(1.5 * widths[0], rel=0.1)
    line(page, 2).click()
    photograph(page, "group", height=1000)


def test_uncertain_face_has_a_question_mark_on_a_dashed_mark_and_a_dashed_box(page: Page) -> None:
    show(page, grid(5))
    expect(mark(page, 4)).to_have_text("4?")
    expect(mark(page, 4)).to_have_css("border-style", "dashed")
    expect(mark(page, 4)).to_have_attribute("aria-label", "Face 4: sad 34%, uncertain")
    expect(line(page, 4)).to_contain_text("uncertain")
    assert box_of(page, 4).get_attribute("stroke-dasharray")


CLOSE = [Box(150 + 112 * column, 100 + 112 * row, 110, 110) for column in range(2) for row in range(2)]


WEDGED = [Box(20, 200, 350, 400), Box(430, 200, 350, 400), Box(370, 300, 60, 230), Box(370, 530, 60, 70)]
GROUPS = {"close": CLOSE, "wedged": WEDGED, "15": grid(15, step=112), "20": grid(20, step=60, edge=58)}


@pytest.mark.parametrize("boxes", GROUPS.values(), ids=GROUPS)
@pytest.mark.parametrize("size", [PHONE, {"width": 1280, "height": 900}], ids=["phone", "desktop"])
def test_label_and_mark_lie_over_no_other_face(
    browser: Browser, address: str, boxes: list[Box], size: dict[str, int]
) -> None:
    with opened(browser, address, viewport=size) as page:
        show(page, boxes)
        covering = page.evaluate(
            """() => {
                const areas = (css) => [...document.querySelectorAll(css)].map((each) => each.getBoundingClientRect());
                const meet = (one, two) => Math.min(one.right, two.right) - Math.max(one.left, two.left) > 1
                    && Math.min(one.bottom, two.bottom) - Math.max(one.top, two.top) > 1;
                const faces = areas("#photo-boxes .edge");
                return areas("#photo .plate, #photo .mark").map((area, index) =>
                    faces.filter((face, other) => other !== index && meet(area, face)).length);
            }"""
        )
        assert covering == [0] * len(boxes)


def test_group_fits_a_phone_and_its_lines_are_large_enough_for_a_finger(phone: Page) -> None:
    show(phone, grid(15))
    width, height = phone.evaluate(
        "() => [document.documentElement.scrollWidth, document.documentElement.scrollHeight]"
    )
    assert width == PHONE["width"]
    assert height < 2500
    assert min(phone.locator("#photo-faces summary").evaluate_all("all => all.map(each => each.offsetHeight)")) >= 44
    phone.set_viewport_size({"width": 320, "height": 700})
    assert phone.evaluate("() => document.documentElement.scrollWidth") == 320


def start_group(page: Page, *, landmarks: list[list[float]] | None = None) -> None:
    """Start Live with a server that finds five faces in each frame, the last one first."""
    faces = [
        {"track": 5 - index, **each, "landmarks": landmarks} for index, each in enumerate(answer_of(grid(5))["faces"])
    ]
    answer = json.dumps({"width": SIZE[0], "height": SIZE[1], "faces": faces})

    def reply(route: WebSocketRoute, message: str | bytes) -> None:
        if isinstance(message, bytes):
            route.send(answer)

    page.route_web_socket("**/api/live", lambda route: route.on_message(lambda message: reply(route, message)))
    page.get_by_role("tab", name="Live").click()
    page.get_by_role("button", name="Start").click()
    expect(page.locator("#live .mark")).to_have_count(5)


def test_live_line_stays_open_and_focused_from_frame_to_frame(page: Page) -> None:
    start_group(page)
    lines = page.locator("#live-faces summary")
    assert [text[0] for text in lines.all_inner_texts()] == list("12345")
    lines.nth(1).click()
    page.evaluate("() => { window.before = document.querySelector('#live-faces [open] .bars'); }")
    page.wait_for_function("() => document.querySelector('#live-faces [open] .bars') !== window.before")
    expect(page.locator("#live-faces .bars:visible")).to_have_count(1)
    expect(lines.nth(1)).to_be_focused()


def test_landmarks_are_drawn_on_request_and_mirrored_like_the_picture(page: Page) -> None:
    start_group(page, landmarks=[[10, 20], [30, 20], [20, 30], [12, 40], [28, 40]])
    expect(page.locator("#live .point")).to_have_count(0)
    page.get_by_label("Show landmarks").check()
    expect(page.locator("#live .point")).to_have_count(25)
    page.get_by_role("button", name="Stop").click()
    width = page.evaluate("() => document.getElementById('live-boxes').viewBox.baseVal.width")
    place = float(page.locator("#live .point").first.get_attribute("cx") or 0)
    assert place == pytest.approx(width * (1 - 10 / SIZE[0]))
