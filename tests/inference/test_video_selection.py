from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

import pytest
from small_videos import Capture, source_of

from emotion.errors import VideoError
from emotion.inference.video import Selection, VideoSource


def count_calls(calls: list[None], function: Callable[[], Any]) -> Callable[[], Any]:
    """Return the function; each call adds an item to the list."""

    def counted() -> Any:
        calls.append(None)
        return function()

    return counted


@pytest.mark.parametrize(
    ("selection", "indices"),
    [
        (Selection(every=30), [0, 30, 60, 90]),
        (Selection(start=2.5), [*range(75, 100)]),
        (Selection(end=0.1), [0, 1, 2]),
        (Selection(every=10, start=1.0, end=2.0), [30, 40, 50]),
        (Selection(end=60.0), [*range(100)]),
    ],
)
def test_only_wanted_frames_are_yielded(selection: Selection, indices: list[int]) -> None:
    _, source = source_of(100, selection=selection)
    with source:
        frames = list(source)
    assert [frame.index for frame in frames] == indices
    assert [frame.time for frame in frames] == pytest.approx([index / 30 for index in indices])
    assert source.total == len(indices)
    assert source.rate == pytest.approx(30 / selection.every)


def test_frames_that_are_not_wanted_are_not_converted(monkeypatch: pytest.MonkeyPatch) -> None:
    capture, source = source_of(100, selection=Selection(every=50))
    retrieved: list[None] = []
    monkeypatch.setattr(capture, "retrieve", count_calls(retrieved, capture.retrieve))
    with source:
        assert len(list(source)) == len(retrieved) == 2


def test_camera_is_left_at_the_end_without_an_error() -> None:
    ticks = count(100)
    camera = Capture(50)
    source = VideoSource(camera, "0", live=True, selection=Selection(end=20.0), clock=lambda: float(next(ticks)))
    with source:
        assert all(frame.time < 20 for frame in source)
    assert camera.reads == 21


def test_start_after_the_end_of_the_file_is_an_error() -> None:
    _, source = source_of(30, selection=Selection(start=5.0))
    with pytest.raises(VideoError, match=r"clip\.avi has no frame from second 5 on; choose another start"), source:
        list(source)
