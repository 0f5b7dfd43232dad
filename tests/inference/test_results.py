from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from emotion.inference.results import Box, DetectedFace, Face, Picture, face_from_probabilities
from emotion.labels import NAMES

POINTS = np.array([[130.02, 95], [170, 95], [150, 120], [135, 145], [165.55, 145]])
SHARES = np.array([0.05, 0, 0.1, 0.6, 0.15, 0.1, 0], np.float32)
FACE = face_from_probabilities(DetectedFace(Box(100, 50, 120, 120), POINTS), SHARES, NAMES, 0.5)


def test_most_probable_class_is_the_label() -> None:
    assert FACE.label == "happy"
    assert FACE.confidence == pytest.approx(0.6)
    assert [name for name, _ in FACE.top(3)] == ["happy", "neutral", "fear"]


@pytest.mark.parametrize(("threshold", "uncertain"), [(0.59, False), (0.61, True), (0.25, False)])
def test_face_is_uncertain_below_the_threshold(threshold: float, uncertain: bool) -> None:
    assert face_from_probabilities(None, SHARES, NAMES, threshold).uncertain is uncertain


def test_landmarks_have_one_decimal() -> None:
    assert FACE.landmarks == ((130.0, 95.0), (170.0, 95.0), (150.0, 120.0), (135.0, 145.0), (165.6, 145.0))


def test_face_without_landmarks_says_so() -> None:
    assert face_from_probabilities(DetectedFace(Box(0, 0, 9, 9)), SHARES, NAMES, 0.5).landmarks is None


def test_face_exactly_at_the_threshold_is_certain() -> None:
    assert not face_from_probabilities(None, np.array([0.25, 0.75], np.float32), ("sad", "happy"), 0.75).uncertain


def test_repr_has_a_line_for_each_face() -> None:
    uncertain = face_from_probabilities(None, SHARES, NAMES, 0.9)
    assert repr(Picture("me.jpg", 640, 480, (FACE, uncertain))) == (
        "Picture('me.jpg', 640x480,\n"
        "  Face(happy 60%, neutral 15%, fear 10%; box 100,50 120x120)\n"
        "  Face(uncertain: happy 60%, neutral 15%, fear 10%; whole picture))"
    )
    assert repr(Picture("me.jpg", 640, 480)) == "Picture('me.jpg', 640x480, no face found)"
    assert repr(Picture("me.jpg", error="too large")) == "Picture('me.jpg', error='too large')"


def test_rows_of_faces_of_no_face_and_of_errors_form_one_table() -> None:
    pictures = [
        Picture("a.jpg", 640, 480, (FACE, Face(None, "sad", dict.fromkeys(NAMES, 1 / 7), uncertain=True))),
        Picture("b.jpg", 640, 480),
        Picture("c.jpg", error="too large"),
    ]
    table: Any = pd.DataFrame([row for picture in pictures for row in picture.rows(NAMES)])
    assert list(table["source"]) == ["a.jpg", "a.jpg", "b.jpg", "c.jpg"]
    assert list(table["status"]) == ["face", "face", "no face", "error"]
    assert table.loc[0, ["face", "left", "top", "width", "height"]].tolist() == [0, 100, 50, 120, 120]
    assert table.loc[0, "happy"] == table.loc[0, "confidence"] == pytest.approx(0.6)
    assert table.loc[1:, "left"].isna().all()
    assert table.loc[2:, [*NAMES, "label", "uncertain"]].isna().all(axis=None)
    assert table["error"].tolist()[3] == "too large"
    assert not table.loc[:2, "error"].notna().any()


def test_label_of_a_face_comes_first_even_if_it_is_not_the_most_probable() -> None:
    held = Face(None, "sad", {"angry": 0.2, "neutral": 0.5, "sad": 0.3}, uncertain=False)
    assert [name for name, _ in held.top(2)] == ["sad", "neutral"]
    assert held.describe() == "sad 30%"
