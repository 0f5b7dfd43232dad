from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from emotion.errors import VideoError
from emotion.inference.results import Box, Frame, Tracked, TrackedFrame
from emotion.inference.tracking import HeldFaces, Tracker, track_faces

CLASSES = ("angry", "happy", "sad")
HAPPY, SAD = [0.1, 0.8, 0.1], [0.1, 0.1, 0.8]
STILL = Box(100, 100, 80, 80)
PLAIN = np.full((240, 320, 3), 90, np.uint8)


def tracker(smoothing: float = 0.5) -> Tracker:
    return Tracker(CLASSES, threshold=0.5, smoothing=smoothing)


def rows(*values: list[float]) -> NDArray[np.float32]:
    return np.array(values, np.float32).reshape(-1, len(CLASSES))


def show(to: Tracker, shares: list[float], time: float, box: Box = STILL) -> Tracked:
    (answer,) = to.update([box], rows(shares), time)
    return answer


def times(start: float, end: float, rate: int) -> list[float]:
    """Return the times of the frames after `start` up to `end`, in seconds."""
    return [start + step / rate for step in range(1, round((end - start) * rate) + 1)]


def at(left: float, top: float = 100.0, size: int = 80) -> Box:
    return Box(round(left), round(top), size, size)


def walk(paths: Callable[[float], Iterable[Box]], seconds: float, rate: int) -> list[list[int]]:
    """Return the track numbers of every frame in which these boxes are found."""
    to = tracker()
    numbers = []
    for time in times(0, seconds, rate):
        boxes = list(paths(time))
        numbers.append([face.track for face in to.update(boxes, rows(*[HAPPY] * len(boxes)), time)])
    return numbers


def test_answers_come_in_the_order_of_the_boxes_and_keep_them() -> None:
    to = tracker()
    boxes = [at(0), at(300), at(600)]
    to.update(boxes, rows(HAPPY, SAD, HAPPY), 0.0)
    answer = to.update(boxes[::-1], rows(HAPPY, SAD, HAPPY), 0.1)
    assert [(face.track, face.face.box) for face in answer] == [(3, boxes[2]), (2, boxes[1]), (1, boxes[0])]


def test_frame_without_faces_gives_nothing() -> None:
    assert tracker().update([], rows(), 0.0) == []


def test_first_sight_of_a_face_is_shown_as_it_is() -> None:
    face = show(tracker(), HAPPY, 5.0).face
    assert (face.label, face.uncertain) == ("happy", False)
    assert list(face.probabilities.values()) == pytest.approx(HAPPY)


def test_smoothed_value_is_the_same_at_10_and_30_frames_a_second() -> None:
    values = {}
    for rate in (10, 30):
        to = tracker()
        show(to, HAPPY, 0.0)
        values[rate] = [show(to, SAD, time).face.probabilities["happy"] for time in times(0, 2, rate)]
    assert values[10] == pytest.approx(values[30][2::3])
    assert values[10][4] == pytest.approx(0.1 + 0.7 * np.exp(-1))  # one time constant after the change


def test_smoothing_can_be_turned_off_and_on_while_running() -> None:
    to = tracker(0)
    show(to, HAPPY, 0.0)
    assert show(to, SAD, 0.03).face.probabilities["sad"] == pytest.approx(0.8)
    to.smoothing = 1.0
    assert show(to, HAPPY, 0.06).face.label == "sad"


def test_without_smoothing_the_label_is_the_most_probable_of_each_frame() -> None:
    to = tracker(0)
    shares = [[0.1, 0.46, 0.44], [0.1, 0.44, 0.46], [0.1, 0.46, 0.44]]
    assert [show(to, row, index / 30).face.label for index, row in enumerate(shares)] == ["happy", "sad", "happy"]


def test_probabilities_still_sum_to_one() -> None:
    to = tracker()
    generator = np.random.default_rng(0)
    faces = [show(to, list(generator.dirichlet(np.ones(3))), time).face for time in times(0, 2, 20)]
    assert [sum(face.probabilities.values()) for face in faces] == pytest.approx([1.0] * 40)


def test_label_does_not_flicker_between_two_that_are_nearly_equal() -> None:
    to = tracker(0.05)
    shares = [[0.1, 0.48, 0.42], [0.1, 0.42, 0.48]]
    assert {show(to, shares[index // 3 % 2], index / 30).face.label for index in range(90)} == {"happy"}


def test_label_that_leads_clearly_takes_over_at_once() -> None:
    to = tracker(0.05)
    show(to, HAPPY, 0.0)
    assert show(to, SAD, 0.1).face.label == "sad"


def test_label_that_leads_a_little_takes_over_after_half_a_second() -> None:
    to = tracker(0.05)
    show(to, [0.1, 0.48, 0.42], 0.0)
    labels = [show(to, [0.1, 0.42, 0.48], time).face.label for time in times(0, 1, 10)]
    assert labels == ["happy"] * 4 + ["sad"] * 6


def test_uncertain_follows_the_smoothed_probabilities() -> None:
    to = tracker()
    show(to, HAPPY, 0.0)
    doubtful = [show(to, [0.3, 0.35, 0.35], time).face.uncertain for time in times(0, 2, 10)]
    assert doubtful == sorted(doubtful)
    assert (doubtful[0], doubtful[-1]) == (False, True)


def test_face_missed_for_a_few_frames_keeps_its_track_and_its_past() -> None:
    to = tracker()
    first = show(to, HAPPY, 0.0)
    for time in (0.1, 0.2, 0.3):
        to.update([], rows(), time)
    again = show(to, SAD, 0.4)
    assert again.track == first.track
    assert again.face.probabilities["happy"] > 0.3


def test_face_that_was_gone_for_two_seconds_begins_anew() -> None:
    to = tracker()
    show(to, HAPPY, 0.0)
    for time in times(0, 2, 10):
        to.update([], rows(), time)
    again = show(to, SAD, 2.1)
    assert again.track == 2
    assert again.face.probabilities["happy"] == pytest.approx(0.1)


def test_still_face_keeps_its_track_at_one_frame_a_second() -> None:
    to = tracker()
    assert [show(to, HAPPY, float(second)).track for second in range(5)] == [1] * 5


def test_face_elsewhere_is_another_person() -> None:
    to = tracker()
    show(to, HAPPY, 0.0)
    assert show(to, HAPPY, 0.03, at(400)).track == 2


def test_moving_and_growing_face_keeps_its_track() -> None:
    def path(time: float) -> list[Box]:
        return [at(50 + 120 * time, 50, round(60 + 40 * time))]

    assert walk(path, 4, 15) == [[1]] * 60


@pytest.mark.parametrize("rate", [10, 30])
def test_two_faces_that_pass_each_other_keep_their_tracks(rate: int) -> None:
    def paths(time: float) -> list[Box]:
        return [at(100 * time), at(400 - 100 * time, 110)]

    assert walk(paths, 4, rate) == [[1, 2]] * (4 * rate)


def test_two_faces_found_as_one_while_they_pass_keep_their_tracks() -> None:
    def paths(time: float) -> list[Box]:
        both = [at(100 * time), at(400 - 100 * time, 120)]
        return both[:1] if abs(both[0].left - both[1].left) < 80 else both

    numbers = walk(paths, 4, 30)
    assert [1] in numbers
    assert [pair for pair in numbers if len(pair) == 2] == [[1, 2]] * (len(numbers) - numbers.count([1]))


def test_clock_that_starts_again_forgets_nothing_and_fails_nothing() -> None:
    to = tracker()
    show(to, HAPPY, 100.0)
    assert show(to, HAPPY, 0.0).track == 1
    to.update([], rows(), 0.1)
    assert show(to, SAD, 0.2).track == 1


def test_boxes_and_probabilities_must_agree_in_number() -> None:
    with pytest.raises(ValueError, match=r"zip\(\)"):
        tracker().update([STILL], rows(HAPPY, SAD), 0.0)


def watching(frames: Iterable[Frame], *found: list[Box]) -> Iterator[TrackedFrame]:
    """Watch frames in which these boxes are found."""
    places = iter(found)

    def classify(grey: NDArray[np.uint8], boxes: list[Box]) -> NDArray[np.float32]:
        assert grey.shape == (240, 320)
        return rows(*[HAPPY] * len(boxes))

    return track_faces(frames, lambda _: next(places), classify, tracker())


def watched(*found: list[Box]) -> list[TrackedFrame]:
    return list(watching((Frame(index, index / 30, PLAIN) for index in range(len(found))), *found))


def tracks_in(seen: Iterable[TrackedFrame]) -> list[list[int]]:
    return [[tracked.track for tracked in one.faces] for one in seen]


def test_watching_yields_each_frame_with_its_tracked_faces() -> None:
    seen = watched([STILL], [STILL], [STILL], [], [STILL])
    assert [one.frame.index for one in seen] == [0, 1, 2, 3, 4]
    assert tracks_in(seen) == [[1], [1], [1], [], [1]]


def test_face_that_flickers_is_never_shown_and_has_no_number() -> None:
    flicker = at(250)
    seen = watched([flicker], [flicker, STILL], [STILL], [STILL, flicker], [STILL], [flicker], [flicker])
    assert tracks_in(seen) == [[], [1], [1], [1], [1], [], []]


def test_tracks_are_numbered_in_the_order_in_which_they_lasted() -> None:
    late = at(250)
    seen = watched([late], [STILL], [STILL], [STILL, late], [STILL, late], [late])
    assert tracks_in(seen) == [[], [1], [1], [1, 2], [1, 2], [2]]


def test_source_that_breaks_off_loses_no_frame() -> None:
    def break_off() -> Iterator[Frame]:
        yield from (Frame(index, index / 30, PLAIN) for index in range(4))
        raise VideoError("gone")

    seen: list[TrackedFrame] = []
    with pytest.raises(VideoError, match="gone"):
        seen.extend(watching(break_off(), *[[STILL]] * 4))
    assert tracks_in(seen) == [[1]] * 4


def test_rows_are_one_a_face_and_one_for_a_frame_without() -> None:
    faces = tracker().update([STILL, at(200)], rows(HAPPY, SAD), 2.0)
    table = TrackedFrame(Frame(60, 2.00049, PLAIN), tuple(faces)).rows(CLASSES)
    assert [[row[key] for key in ("frame", "time", "track", "label")] for row in table] == [
        [60, 2.0, 1, "happy"],
        [60, 2.0, 2, "sad"],
    ]
    (empty,) = TrackedFrame(Frame(61, 2.03, PLAIN), ()).rows(CLASSES)
    assert (empty["status"], empty["track"], empty["label"]) == ("no face", None, None)
    assert list(empty) == list(table[0])


def test_face_that_is_missed_for_a_moment_is_still_drawn() -> None:
    to, lingering = tracker(), HeldFaces()

    def count_drawn(boxes: list[Box], time: float) -> int:
        faces = to.update(boxes, rows(*[HAPPY] * len(boxes)), time)
        return len(lingering.faces(TrackedFrame(Frame(0, time, PLAIN), tuple(faces))))

    found = [(0.0, [STILL]), (0.1, []), (0.2, [STILL]), (0.3, []), (0.5, [])]
    assert [count_drawn(boxes, time) for time, boxes in found] == [1, 1, 1, 1, 0]
