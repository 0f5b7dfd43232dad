from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest

from emotion.inference import formats
from emotion.inference.results import Box, DetectedFace, Face, Picture, face_from_probabilities
from emotion.labels import NAMES

POINTS = np.array([[130, 95], [170, 95], [150, 120], [135, 145], [165.5, 145]])
SHARES = np.array([0.05, 0, 0.1, 0.6, 0.15, 0.1, 0], np.float32)
FACE = face_from_probabilities(DetectedFace(Box(100, 50, 120, 120), POINTS), SHARES, NAMES, 0.5)
WHOLE = face_from_probabilities(None, SHARES, NAMES, 0.9)
FOUND = Picture("a.jpg", 640, 480, (FACE, WHOLE), detector="yunet")
EMPTY = Picture("b.jpg", 640, 480)
BROKEN = Picture("c.jpg", error="the picture is damaged")


def test_json_holds_all_probabilities() -> None:
    content = json.loads(json.dumps(formats.picture_as_json(FOUND)))
    assert list(content) == ["source", "width", "height", "detector", "faces", "error"]
    assert content["detector"] == "yunet"
    assert content["faces"][0]["box"] == {"left": 100, "top": 50, "width": 120, "height": 120}
    assert content["faces"][0]["probabilities"] == pytest.approx(FACE.probabilities)
    assert content["faces"][0]["landmarks"][4] == [165.5, 145.0]
    assert content["faces"][1]["box"] is None
    assert content["faces"][1]["landmarks"] is None
    assert [face["uncertain"] for face in content["faces"]] == [False, True]
    assert formats.picture_as_json(BROKEN)["error"] == BROKEN.error


def test_numbers_are_written_with_the_digits_of_float32() -> None:
    face = Face(None, "happy", {"happy": float(np.float32(0.9)), "sad": float(np.float32(1e-5))}, uncertain=False)
    assert json.dumps(formats.face_as_json(face)["probabilities"]) == '{"happy": 0.9, "sad": 1e-05}'


def test_csv_has_a_row_for_each_face_and_for_each_picture_without_faces() -> None:
    rows = list(csv.DictReader(io.StringIO(formats.csv_text([EMPTY, FOUND, BROKEN], NAMES))))
    assert [(row["source"], row["status"], row["label"], row["happy"]) for row in rows] == [
        ("b.jpg", "no face", "", ""),
        ("a.jpg", "face", "happy", "0.6"),
        ("a.jpg", "face", "happy", "0.6"),
        ("c.jpg", "error", "", ""),
    ]
    assert formats.csv_text([], NAMES) == ""


def test_each_row_is_flushed_to_the_disk(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    with path.open("w") as stream:
        write = formats.row_writer(stream)
        write(FOUND.rows(NAMES))
        assert len(path.read_text().splitlines()) == 3
        write(EMPTY.rows(NAMES))
        assert len(path.read_text().splitlines()) == 4
