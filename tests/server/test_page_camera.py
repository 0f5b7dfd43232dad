"""The page in a real Chromium with a made-up camera: snapshots and live faces."""

from __future__ import annotations

import re

from opened_page import expect_tracks, hold_camera, needs_chromium, opened, paste, photograph, start_live
from playwright.sync_api import Browser, Page, expect
from running_server import encoded, serving
from small_photos import astronaut

pytestmark = needs_chromium


def test_snapshot_is_taken_and_the_camera_is_released(page: Page) -> None:
    page.get_by_role("button", name="Use the camera").click()
    tracks = page.wait_for_function("() => document.getElementById('snapshot-video').srcObject?.getTracks()")
    page.get_by_role("button", name="Take photo").click()
    expect(page.locator("#photo-status")).to_have_text("snapshot.jpg: 1 face")
    assert tracks.evaluate("tracks => tracks.map(track => track.readyState)") == ["ended"]


def test_camera_that_opens_after_cancel_is_released(page: Page) -> None:
    hold_camera(page)
    page.get_by_role("button", name="Use the camera").click()
    page.get_by_role("button", name="Cancel").click()
    page.evaluate("allow()")
    expect_tracks(page, "ended")
    expect(page.locator("#snapshot")).to_be_hidden()


def test_camera_that_opens_after_the_tab_was_left_is_released(page: Page) -> None:
    hold_camera(page)
    page.get_by_role("button", name="Use the camera").click()
    page.get_by_role("tab", name="Model").click()
    page.evaluate("allow()")
    expect_tracks(page, "ended")


def test_camera_requested_several_times_is_open_once(page: Page) -> None:
    hold_camera(page)
    for _ in range(3):
        page.get_by_role("button", name="Use the camera").click()
    page.get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="Use the camera").click()
    page.evaluate("allow()")
    expect_tracks(page, "ended", "live")
    expect(page.get_by_role("button", name="Take photo")).to_be_focused()
    expect(page.locator("#photo-status")).to_be_empty()


def test_live_labels_frames_until_stop_releases_the_camera(page: Page) -> None:
    start_live(page)
    page.wait_for_function("() => window.labelled >= 10")
    expect(page.locator("#live-faces .label").first).to_have_text(re.compile(r"^[a-z]+ \d+%$"))
    expect(page.locator("#fps")).to_have_text(re.compile(r"^[1-9]\d*$"))
    photograph(page, "live", height=800)
    tracks = page.evaluate_handle("() => document.getElementById('live-video').srcObject.getTracks()")
    assert tracks.evaluate("tracks => tracks.map(track => track.readyState)") == ["live"]
    page.get_by_role("button", name="Stop").click()
    assert tracks.evaluate("tracks => tracks.map(track => track.readyState)") == ["ended"]


def test_exit_stops_the_server_and_the_camera(browser: Browser) -> None:
    with serving() as (process, address), opened(browser, address) as page:
        start_live(page)
        page.wait_for_function("() => window.labelled >= 1")
        page.get_by_role("button", name="Exit").click()
        expect(page.locator("#live-status")).to_contain_text("The server has stopped")
        assert page.evaluate("() => document.getElementById('live-video').srcObject") is None
        assert process.wait(timeout=30) == 0
        page.get_by_role("tab", name="Photo").click()
        paste(page, "later.jpg", encoded(astronaut(256)))
        expect(page.locator("#photo-status")).to_be_empty()
        for name in ("#choose", "#file", "#engines [value=browser]"):
            expect(page.locator(name)).to_be_disabled()


def test_exit_while_the_camera_opens_keeps_the_page_stopped(browser: Browser) -> None:
    with serving() as (process, address), opened(browser, address) as page:
        hold_camera(page)
        page.get_by_role("tab", name="Live").click()
        page.get_by_role("button", name="Start").click()
        page.get_by_role("button", name="Exit").click()
        expect(page.locator("#live-status")).to_contain_text("The server has stopped")
        assert process.wait(timeout=30) == 0
        page.evaluate("allow()")
        expect_tracks(page, "ended")
        expect(page.locator("#live-status")).to_contain_text("The server has stopped")
        expect(page.get_by_role("button", name="Start")).to_be_disabled()


def test_stop_while_the_camera_opens_releases_it_and_the_next_start_works(page: Page) -> None:
    hold_camera(page)
    page.get_by_role("tab", name="Live").click()
    page.get_by_role("button", name="Start").click()
    page.get_by_role("button", name="Stop").click()
    expect(page.locator("#live-status")).to_contain_text("Stopped")
    page.get_by_role("button", name="Start").click()
    page.evaluate("allow()")
    expect_tracks(page, "ended", "live")
    expect(page.locator("#live-status")).to_contain_text("Live.")


def test_live_stops_and_says_so_when_the_camera_is_lost(page: Page) -> None:
    start_live(page)
    page.wait_for_function("() => window.labelled >= 1")
    page.evaluate(
        """() => document.getElementById('live-video').srcObject.getTracks()[0].dispatchEvent(new Event('ended'))"""
    )
    expect(page.locator("#live-status")).to_contain_text("The camera was lost.")
    expect(page.locator("#fps")).to_have_text("0")
    expect(page.get_by_role("button", name="Start")).to_be_enabled()


def test_keyboard_focus_moves_between_start_and_stop(page: Page) -> None:
    page.get_by_role("tab", name="Live").click()
    page.get_by_role("button", name="Start").press("Enter")
    expect(page.get_by_role("button", name="Stop")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Start")).to_be_focused()


def test_live_stops_when_a_person_leaves_the_tab(page: Page) -> None:
    start_live(page)
    page.wait_for_function("() => window.labelled >= 1")
    page.get_by_role("tab", name="Photo").click()
    assert page.evaluate("() => document.getElementById('live-video').srcObject") is None


def test_smoothing_is_sent_while_live(page: Page) -> None:
    sent: list[str | bytes] = []
    page.on("websocket", lambda socket: socket.on("framesent", lambda content: sent.append(content)))
    start_live(page)
    page.wait_for_function("() => window.labelled >= 1")
    page.get_by_label("Smoothing").fill("1.5")
    expect(page.locator("#smoothing-value")).to_have_text("1.5 s")
    page.wait_for_function("() => window.labelled >= 3")
    assert '{"smoothing":0.5}' in sent
    assert '{"smoothing":1.5}' in sent
