from __future__ import annotations

import json
import tracemalloc
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.stats import binomtest
from small_pictures import CLASSES, THRESHOLD, face, reference, result, several

from emotion.evaluation.picture_results import LISTED, PictureResult, find_unreadable, share, summarize
from emotion.inference.results import Picture


def summary_of(*results: PictureResult) -> dict[str, Any]:
    return summarize(results, CLASSES, THRESHOLD, reference())


@pytest.fixture(scope="module")
def summary() -> dict[str, Any]:
    return summary_of(*several())


@pytest.mark.parametrize(
    ("faces", "found", "expected"), [(1, 1, (0, 0)), (3, 1, (2, 0)), (1, 3, (0, 2)), (0, 2, (0, 2)), (2, 0, (2, 0))]
)
def test_faces_are_matched_by_number(faces: int, found: int, expected: tuple[int, int]) -> None:
    each = result("a.jpg", faces, None, *[face("sad")] * found)
    assert (each.missed, each.false) == expected
    assert len(each.counted) == min(faces, found)


def test_row_keeps_the_columns_and_adds_the_results() -> None:
    each = result("a.jpg", 1, "sad", face("happy", 0.9), face("sad"), accepted=("happy",))
    assert each.row() == {
        "file": "a.jpg",
        "faces": "1",
        "expected": "sad",
        "pose": "front",
        "found": 1,
        "missed": 0,
        "false": 1,
        "label": "happy",
        "confidence": 0.9,
        "uncertain": 0,
        "right": 0,
        "right_or_accepted": 1,
    }


def test_row_without_a_face_or_a_class_leaves_them_empty() -> None:
    row = result("a.jpg", 1, None).row()
    assert [row[name] for name in ("label", "confidence", "right", "right_or_accepted")] == [None] * 4
    assert row["missed"] == 1


def test_detection_counts_the_faces_of_all_pictures(summary: dict[str, Any]) -> None:
    detection = summary["detection"]
    assert (detection["pictures"], detection["faces"], detection["missed"], detection["false"]) == (7, 8, 2, 2)
    assert (detection["found"]["count"], detection["found"]["of"]) == (6, 8)
    assert (detection["pictures_with_all_found"]["count"], detection["pictures_with_all_found"]["of"]) == (3, 7)
    assert detection["detectors"] == ["haar"]
    assert {each["file"] for each in detection["worst"]} == {"two.jpg", "missed.jpg", "group.jpg", "room.jpg"}


def test_labels_are_judged_on_people_on_their_own(summary: dict[str, Any]) -> None:
    labels = summary["labels"]
    counts = {
        name: (labels[name]["count"], labels[name]["of"])
        for name in ("accuracy_found", "accuracy_all", "accepted_found", "most_frequent_class")
    }
    assert counts == {
        "accuracy_found": (3, 4),
        "accuracy_all": (3, 5),
        "accepted_found": (4, 4),
        "most_frequent_class": (2, 4),
    }
    assert labels["confusion"] == [[2, 0, 0], [0, 0, 0], [0, 1, 1]]
    assert labels["mean_confidence"] == pytest.approx((0.9 + 0.75 + 0.4 + 0.65) / 4)
    assert labels["calibration_error"] == pytest.approx((0.1 + 0.25 + 0.6 + 0.65) / 4, abs=1e-6)


def test_recalls_stand_beside_those_of_the_test_split(summary: dict[str, Any]) -> None:
    recalls = summary["labels"]["recalls"]
    assert {name: (each["value"], each["test"]) for name, each in recalls.items()} == {
        "happy": (1, 0.9),
        "neutral": (None, 0.6),
        "sad": (0.5, 0.5),
    }


def test_accuracy_of_the_test_split_is_weighted_by_the_classes_here(summary: dict[str, Any]) -> None:
    assert summary["labels"]["test_accuracy_with_these_classes"] == pytest.approx((2 * 0.9 + 2 * 0.5) / 4)


def test_pictures_of_several_people_are_counted_apart(summary: dict[str, Any]) -> None:
    assert summary["groups"] == {"pictures": 1, "found": 2, "right": 1, "right_or_accepted": None}


def test_most_confident_mistakes_come_first_and_are_limited() -> None:
    wrong = [result(f"{number}.jpg", 1, "sad", face("happy", 0.5 + number / 100)) for number in range(LISTED + 5)]
    mistakes = summary_of(*wrong)["labels"]["mistakes"]
    assert [each["file"] for each in mistakes] == [f"{LISTED + 4 - place}.jpg" for place in range(LISTED)]


def test_uncertain_faces_are_counted_among_all_and_their_labels_judged(summary: dict[str, Any]) -> None:
    uncertain = summary["uncertain"]
    assert (uncertain["faces"]["count"], uncertain["faces"]["of"]) == (1, 6)
    assert (uncertain["accuracy_certain"]["count"], uncertain["accuracy_certain"]["of"]) == (2, 3)
    assert (uncertain["accuracy_uncertain"]["count"], uncertain["accuracy_uncertain"]["of"]) == (1, 1)


def test_drift_is_measured_on_the_counted_faces(summary: dict[str, Any]) -> None:
    assert summary["drift"]["faces"] == 6
    assert summary["drift"]["size"]["smaller"] == pytest.approx(1 / 6, abs=1e-6)
    assert summary["drift"]["classes"]["sad"]["share"] == pytest.approx(1 / 6, abs=1e-6)


def test_cropped_picture_has_its_own_size() -> None:
    each = result("a.jpg", 1, "sad", replace(face("sad"), box=None))
    assert summary_of(each)["drift"]["size"]["q50"] == 640


def test_without_accepted_labels_there_is_no_accuracy_for_them() -> None:
    assert summary_of(result("a.jpg", 1, "sad", face("sad")))["labels"]["accepted_found"] is None


def test_what_cannot_be_measured_is_none() -> None:
    summary = summary_of(result("a.jpg", 1, "sad"), result("b.jpg", 0, None))
    assert [summary[name] for name in ("labels", "groups", "uncertain", "drift")] == [None] * 4
    assert summary["detection"]["found"]["value"] == 0


@pytest.mark.usefixtures("summary")  # what is imported late takes memory too
def test_many_pictures_are_summarized_in_little_memory() -> None:
    results = [result("a.jpg", 1, "sad", face("sad"))] * 5000
    tracemalloc.start()
    summary_of(*results)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8_000 * len(results)


def test_calibration_error_by_chance_is_that_of_faces_with_the_right_confidence() -> None:
    generator = np.random.default_rng(2)
    errors, chances = [], []
    for _ in range(40):
        confidence = generator.uniform(0.4, 0.95, 30)
        right = generator.random(30) < confidence
        faces = [face("happy", each) for each in confidence]
        labels = summary_of(
            *(result(f"{n}.jpg", 1, "happy" if right[n] else "sad", each) for n, each in enumerate(faces))
        )["labels"]
        errors.append(labels["calibration_error"])
        chances.append(labels["calibration_error_by_chance"])
    assert np.mean(chances) == pytest.approx(np.mean(errors), abs=0.02)


def test_summary_is_json_and_the_same_again(summary: dict[str, Any]) -> None:
    assert json.dumps(summary_of(*several()), allow_nan=False) == json.dumps(summary, allow_nan=False)


def test_share_has_the_interval_of_wilson() -> None:
    expected = binomtest(27, 34).proportion_ci(method="wilson")
    found = share(27, 34)
    assert (found["count"], found["of"], found["value"]) == (27, 34, round(27 / 34, 6))
    assert (found["low"], found["high"]) == pytest.approx((expected.low, expected.high), abs=1e-6)
    assert share(0, 0) == {"count": 0, "of": 0, "value": None, "low": None, "high": None}


def test_unreadable_pictures_are_faults_of_their_lines() -> None:
    good = result("a.jpg", 1, "sad", face("sad"))
    bad = replace(good, picture=Picture("b.jpg", error="the picture is cut off"), crops=())
    (fault,) = find_unreadable([good, bad])
    assert (fault.line, fault.message) == (2, "b.jpg: the picture is cut off")
