from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from emotion.errors import VideoError
from emotion.images import face_landmarks
from emotion.inference.results import Box, DetectedFace, Frame, TrackedFace, TrackedFrame
from emotion.inference.tracking import HeldFaces, Tracker, track_faces

CLASSES = ("angry", "happy", "sad")
HAPPY, SAD = [0.1, 0.8, 0.1], [0.1, 0.1, 0.8]
STILL = Box(100, 100, 80, 80)
PLAIN = np.full((240, 320, 3), 90, np.uint8)


def tracker(smoothing: float = 0.5) -> Tracker:
    return Tracker(CLASSES, threshold=0.5, smoothing=smoothing)


def rows(*values: list[float]) -> NDArray[np.float32]:
    return np.array(values, np.float32).reshape(-1, len(CLASSES))


def update_one(to: Tracker, shares: list[float], time: float, box: Box = STILL) -> TrackedFace:
    (face,) = update(to, [box], rows(shares), time)
    return face


def update(to: Tracker, boxes: list[Box], shares: NDArray[np.float32], time: float) -> list[TrackedFace]:
    return to.update([DetectedFace(box) for box in boxes], lambda _: shares, time)


def times(start: float, end: float, rate: int) -> list[float]:
    """Return the times of the frames after `start` and up to `end`, in seconds."""
    return [start + step / rate for step in range(1, round((end - start) * rate) + 1)]


def at(left: float, top: float = 100.0, size: int = 80) -> Box:
    return Box(round(left), round(top), size, size)


def track_numbers(paths: Callable[[float], Iterable[Box]], seconds: float, rate: int) -> list[list[int]]:
    """Return the track numbers in each frame, if `paths` gives the boxes at each time."""
    to = tracker()
    numbers = []
    for time in times(0, seconds, rate):
        boxes = list(paths(time))
        numbers.append([face.track for face in update(to, boxes, rows(*[HAPPY] * len(boxes)), time)])
    return numbers


def test_faces_are_returned_in_the_order_of_the_boxes() -> None:
    to = tracker()
    boxes = [at(0), at(300), at(600)]
    update(to, boxes, rows(HAPPY, SAD, HAPPY), 0.0)
    faces = update(to, boxes[::-1], rows(HAPPY, SAD, HAPPY), 0.1)
    assert [(face.track, face.face.box) for face in faces] == [(3, boxes[2]), (2, boxes[1]), (1, boxes[0])]


def test_frame_without_faces_gives_nothing() -> None:
    assert update(tracker(), [], rows(), 0.0) == []


def test_probabilities_of_the_first_frame_are_not_smoothed() -> None:
    face = update_one(tracker(), HAPPY, 5.0).face
    assert (face.label, face.uncertain) == ("happy", False)
    assert list(face.probabilities.values()) == pytest.approx(HAPPY)


def test_smoothed_value_is_the_same_at_10_and_30_frames_a_second() -> None:
    values = {}
    for rate in (10, 30):
        to = tracker()
        update_one(to, HAPPY, 0.0)
        values[rate] = [update_one(to, SAD, time).face.probabilities["happy"] for time in times(0, 2, rate)]
    assert values[10] == pytest.approx(values[30][2::3])
    assert values[10][4] == pytest.approx(0.1 + 0.7 * np.exp(-1))  # one time constant after the change


def test_smoothing_can_be_turned_off_and_on_while_running() -> None:
    to = tracker(0)
    update_one(to, HAPPY, 0.0)
    assert update_one(to, SAD, 0.03).face.probabilities["sad"] == pytest.approx(0.8)
    to.smoothing = 1.0
    assert update_one(to, HAPPY, 0.06).face.label == "sad"


def test_without_smoothing_the_label_is_the_most_probable_of_each_frame() -> None:
    to = tracker(0)
    shares = [[0.1, 0.46, 0.44], [0.1, 0.44, 0.46], [0.1, 0.46, 0.44]]
    assert [update_one(to, row, index / 30).face.label for index, row in enumerate(shares)] == ["happy", "sad", "happy"]


def test_probabilities_still_sum_to_one() -> None:
    to = tracker()
    generator = np.random.default_rng(0)
    faces = [update_one(to, list(generator.dirichlet(np.ones(3))), time).face for time in times(0, 2, 20)]
    assert [sum(face.probabilities.values()) for face in faces] == pytest.approx([1.0] * 40)


def test_label_does_not_flicker_between_two_nearly_equal_classes() -> None:
    to = tracker(0.05)
    shares = [[0.1, 0.48, 0.42], [0.1, 0.42, 0.48]]
    assert {update_one(to, shares[index // 3 % 2], index / 30).face.label for index in range(90)} == {"happy"}


def test_label_with_a_clear_lead_replaces_the_old_one_at_once() -> None:
    to = tracker(0.05)
    update_one(to, HAPPY, 0.0)
    assert update_one(to, SAD, 0.1).face.label == "sad"


def test_label_with_a_small_lead_replaces_the_old_one_after_half_a_second() -> None:
    to = tracker(0.05)
    update_one(to, [0.1, 0.48, 0.42], 0.0)
    labels = [update_one(to, [0.1, 0.42, 0.48], time).face.label for time in times(0, 1, 10)]
    assert labels == ["happy"] * 4 + ["sad"] * 6


def test_uncertain_follows_the_smoothed_probabilities() -> None:
    to = tracker()
    update_one(to, HAPPY, 0.0)
    uncertain = [update_one(to, [0.3, 0.35, 0.35], time).face.uncertain for time in times(0, 2, 10)]
    assert uncertain == sorted(uncertain)
    assert (uncertain[0], uncertain[-1]) == (False, True)


def test_face_missed_for_a_few_frames_keeps_its_track_and_its_probabilities() -> None:
    to = tracker()
    first = update_one(to, HAPPY, 0.0)
    for time in (0.1, 0.2, 0.3):
        update(to, [], rows(), time)
    again = update_one(to, SAD, 0.4)
    assert again.track == first.track
    assert again.face.probabilities["happy"] > 0.3


def test_face_missing_for_two_seconds_gets_a_new_track() -> None:
    to = tracker()
    update_one(to, HAPPY, 0.0)
    for time in times(0, 2, 10):
        update(to, [], rows(), time)
    again = update_one(to, SAD, 2.1)
    assert again.track == 2
    assert again.face.probabilities["happy"] == pytest.approx(0.1)


def test_still_face_keeps_its_track_at_one_frame_a_second() -> None:
    to = tracker()
    assert [update_one(to, HAPPY, float(second)).track for second in range(5)] == [1] * 5


def test_face_far_away_gets_a_new_track() -> None:
    to = tracker()
    update_one(to, HAPPY, 0.0)
    assert update_one(to, HAPPY, 0.03, at(400)).track == 2


def test_moving_and_growing_face_keeps_its_track() -> None:
    def path(time: float) -> list[Box]:
        return [at(50 + 120 * time, 50, round(60 + 40 * time))]

    assert track_numbers(path, 4, 15) == [[1]] * 60


@pytest.mark.parametrize("rate", [10, 30])
def test_two_faces_that_pass_each_other_keep_their_tracks(rate: int) -> None:
    def paths(time: float) -> list[Box]:
        return [at(100 * time), at(400 - 100 * time, 110)]

    assert track_numbers(paths, 4, rate) == [[1, 2]] * (4 * rate)


def test_two_faces_found_as_one_while_they_pass_keep_their_tracks() -> None:
    def paths(time: float) -> list[Box]:
        both = [at(100 * time), at(400 - 100 * time, 120)]
        return both[:1] if abs(both[0].left - both[1].left) < 80 else both

    numbers = track_numbers(paths, 4, 30)
    assert [1] in numbers
    assert [pair for pair in numbers if len(pair) == 2] == [[1, 2]] * (len(numbers) - numbers.count([1]))


def test_clock_that_restarts_keeps_the_tracks() -> None:
    to = tracker()
    update_one(to, HAPPY, 100.0)
    assert update_one(to, HAPPY, 0.0).track == 1
    update(to, [], rows(), 0.1)
    assert update_one(to, SAD, 0.2).track == 1


def landmarks_at(box: Box) -> NDArray[np.float64]:
    return face_landmarks() * box.width / 48 + [box.left, box.top]


def smoothed_landmarks(smoothing: float, wobble: float) -> NDArray[np.float64]:
    """Return the landmarks, relative to their box, that reach the network while a face moves and they wobble."""
    to, received = tracker(smoothing), []
    for index, time in enumerate(times(0, 2, 30)):
        box = at(100 + 2 * index)
        points = landmarks_at(box) + [wobble * (-1) ** index, 0]

        def classify(found: list[DetectedFace], box: Box = box) -> NDArray[np.float32]:
            assert found[0].landmarks is not None
            received.append(found[0].landmarks - landmarks_at(box))
            return rows(HAPPY)

        to.update([DetectedFace(box, points)], classify, time)
    return np.array(received)


def test_landmarks_move_with_their_box_and_wobble_less() -> None:
    assert np.abs(smoothed_landmarks(0.5, 0.0)).max() < 1e-9
    assert np.abs(smoothed_landmarks(0.5, 3.0)[15:]).max() < 1.0


def test_without_smoothing_landmarks_are_those_of_the_frame() -> None:
    np.testing.assert_allclose(np.abs(smoothed_landmarks(0, 3.0))[:, :, 0], 3.0)


def test_tracked_face_has_the_landmarks_that_the_network_saw() -> None:
    (tracked,) = tracker().update([DetectedFace(STILL, landmarks_at(STILL))], lambda _: rows(HAPPY), 0.0)
    assert tracked.face.landmarks is not None
    np.testing.assert_allclose(tracked.face.landmarks, landmarks_at(STILL), atol=0.051)


def test_boxes_and_probabilities_must_agree_in_number() -> None:
    with pytest.raises(ValueError, match=r"zip\(\)"):
        update(tracker(), [STILL], rows(HAPPY, SAD), 0.0)


def track_in(frames: Iterable[Frame], *found: list[Box]) -> Iterator[TrackedFrame]:
    """Track the faces in frames in which these boxes are found."""
    boxes_of_frames = iter(found)

    def find(rgb: NDArray[np.uint8], _: Sequence[Box]) -> list[DetectedFace]:
        assert rgb.shape == (240, 320, 3)
        return [DetectedFace(box) for box in next(boxes_of_frames)]

    def classify(grey: NDArray[np.uint8], found: list[DetectedFace]) -> NDArray[np.float32]:
        assert grey.shape == (240, 320)
        return rows(*[HAPPY] * len(found))

    return track_faces(frames, find, classify, tracker())


def track_plain_frames(*found: list[Box]) -> list[TrackedFrame]:
    return list(track_in((Frame(index, index / 30, PLAIN) for index in range(len(found))), *found))


def tracks_in(tracked_frames: Iterable[TrackedFrame]) -> list[list[int]]:
    return [[tracked.track for tracked in frame.faces] for frame in tracked_frames]


def test_each_frame_is_yielded_with_its_tracked_faces() -> None:
    frames = track_plain_frames([STILL], [STILL], [STILL], [], [STILL])
    assert [tracked_frame.frame.index for tracked_frame in frames] == [0, 1, 2, 3, 4]
    assert tracks_in(frames) == [[1], [1], [1], [], [1]]


def test_face_that_flickers_is_never_shown_and_gets_no_number() -> None:
    flicker = at(250)
    frames = track_plain_frames([flicker], [flicker, STILL], [STILL], [STILL, flicker], [STILL], [flicker], [flicker])
    assert tracks_in(frames) == [[], [1], [1], [1], [1], [], []]


def test_tracks_are_numbered_in_the_order_in_which_they_are_confirmed() -> None:
    late = at(250)
    frames = track_plain_frames([late], [STILL], [STILL], [STILL, late], [STILL, late], [late])
    assert tracks_in(frames) == [[], [1], [1], [1, 2], [1, 2], [2]]


def test_failing_source_loses_no_frame() -> None:
    def fail() -> Iterator[Frame]:
        yield from (Frame(index, index / 30, PLAIN) for index in range(4))
        raise VideoError("gone")

    frames: list[TrackedFrame] = []
    with pytest.raises(VideoError, match="gone"):
        frames.extend(track_in(fail(), *[[STILL]] * 4))
    assert tracks_in(frames) == [[1]] * 4


def test_each_face_and_each_frame_without_faces_has_a_row() -> None:
    faces = update(tracker(), [STILL, at(200)], rows(HAPPY, SAD), 2.0)
    table = TrackedFrame(Frame(60, 2.00049, PLAIN), tuple(faces)).rows(CLASSES)
    assert [[row[key] for key in ("frame", "time", "track", "label")] for row in table] == [
        [60, 2.0, 1, "happy"],
        [60, 2.0, 2, "sad"],
    ]
    (empty,) = TrackedFrame(Frame(61, 2.03, PLAIN), ()).rows(CLASSES)
    assert (empty["status"], empty["track"], empty["label"]) == ("no face", None, None)
    assert list(empty) == list(table[0])


def test_face_that_is_missed_for_a_moment_is_still_drawn() -> None:
    to, held = tracker(), HeldFaces()

    def count_drawn(boxes: list[Box], time: float) -> int:
        faces = update(to, boxes, rows(*[HAPPY] * len(boxes)), time)
        return len(held.faces(TrackedFrame(Frame(0, time, PLAIN), tuple(faces))))

    found = [(0.0, [STILL]), (0.1, []), (0.2, [STILL]), (0.3, []), (0.5, [])]
    assert [count_drawn(boxes, time) for time, boxes in found] == [1, 1, 1, 1, 0]
