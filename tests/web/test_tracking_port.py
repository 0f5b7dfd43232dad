"""The page follows faces in JavaScript as `emotion/inference/tracking.py` does."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from running_node import needs_node, run_node

from emotion.inference.results import Box, DetectedFace
from emotion.inference.tracking import Tracker
from emotion.labels import NAMES

pytestmark = needs_node

THRESHOLD = 0.5


def wandering_faces(generator: np.random.Generator, frame: int) -> list[DetectedFace]:
    """Move three faces, of which each is missed now and then."""
    found = []
    for index in range(3):
        left, top = 40 + 150 * index + 5 * frame, 60 + round(20 * np.sin(frame / 4 + index))
        if generator.random() < 0.8:
            landmarks = generator.normal(0, 2, (5, 2)) + [[left, top]]
            found.append(DetectedFace(Box(left, top, 90, 110), landmarks))
    return found


def followed(tracker: Tracker, generator: np.random.Generator, frame: int) -> dict[str, Any]:
    """Give the tracker the next frame; return what it was given and what it answered."""
    time, found = frame * 0.06 + (2 if frame > 30 else 0), wandering_faces(generator, frame)
    rows: NDArray[np.float32] = generator.dirichlet(np.ones(len(NAMES)), len(found)).astype(np.float32)
    expected = [asdict(box) for box in tracker.expected(time)]
    answers = [
        {"track": each.track, "label": each.face.label, "shares": list(each.face.probabilities.values())}
        for each in tracker.update(found, lambda _: rows, time)
    ]
    faces = [{"box": asdict(face.box), "landmarks": np.asarray(face.landmarks).tolist()} for face in found]
    return {"time": time, "found": faces, "rows": rows.tolist(), "expected": expected, "answers": answers}


def test_tracks_labels_and_smoothed_values_are_those_of_python(facts: dict[str, Any], tmp_path: Path) -> None:
    cases = []
    for smoothing in (0.0, 0.5):
        tracker, generator = Tracker(NAMES, THRESHOLD, smoothing), np.random.default_rng(3)
        frames = [followed(tracker, generator, frame) for frame in range(40)]
        cases.append({"title": f"smoothing over {smoothing} s", "smoothing": smoothing, "frames": frames})
    (tmp_path / "cases.json").write_text(json.dumps({"facts": facts, "cases": cases}))
    run_node("tracking", tmp_path / "cases.json", tests=len(cases))
