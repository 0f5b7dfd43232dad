from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from small_models import write_model
from small_runs import faces_of, write_settings

from emotion import dataset
from emotion.evaluation.robustness import CORRUPTIONS, Score, headline, measure
from emotion.files import read_csv, read_json
from emotion.labels import NAMES

ROOT = Path(__file__).parents[2]
Faces = NDArray[np.uint8]


def knows_light_from_dark(faces: Faces) -> NDArray[np.float32]:
    """Say the second class where a face is lighter than 100 on average."""
    light = faces.mean(axis=(1, 2)) > 100
    return np.stack([~light, light], axis=1).astype(np.float32)


@pytest.fixture
def scores() -> list[Score]:
    faces = np.repeat(np.array([50, 150], np.uint8), 10)[:, None, None] * np.ones((48, 48), np.uint8)
    return measure(knows_light_from_dark, faces, np.repeat([0, 1], 10))


def test_every_corruption_has_three_scores_after_the_clean_one(scores: list[Score]) -> None:
    expected = [("clean", 0)] + [(kind, strength) for kind in CORRUPTIONS for strength in (1, 2, 3)]
    assert [(score.corruption, score.strength) for score in scores] == expected
    assert scores[1].meaning == "noise of 5 grey levels"
    assert {score.faces for score in scores} == {20}


def test_a_network_that_goes_by_light_fails_in_the_dark_alone(scores: list[Score]) -> None:
    # Half of the light leaves of 150 no more than 75: every face is taken for a dark one.
    by_kind = {kind: [score.accuracy for score in scores if score.corruption == kind] for kind in CORRUPTIONS}
    assert by_kind.pop("darkness") == [0.5, 0.5, 0.5]
    assert by_kind.pop("occlusion")[0] == 1
    assert set(map(tuple, by_kind.values())) == {(1.0, 1.0, 1.0)}


def test_each_accuracy_lies_in_its_interval(scores: list[Score]) -> None:
    for score in scores:
        assert 0 <= score.low <= score.accuracy <= score.high <= 1
    dark = next(score for score in scores if score.corruption == "darkness")
    assert 0.15 < dark.low < 0.4
    assert 0.6 < dark.high < 0.85


def test_headline_holds_the_clean_accuracy_and_means_of_the_corrupted_ones() -> None:
    clean = [Score("clean", 0, 0.9, 0, 1, 10, "")]
    rest = [
        Score(kind, strength, accuracy, 0, 1, 10, "")
        for kind in CORRUPTIONS
        for strength, accuracy in enumerate((0.8, 0.6, 0.1 if kind == "blur" else 0.4), start=1)
    ]
    figures = headline(clean + rest)
    assert figures == {"clean": 0.9, "mean": 0.58, **dict.fromkeys(CORRUPTIONS, 0.6), "blur": 0.5}
    assert len(figures) <= 10


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A project folder as `export` leaves it."""
    write_settings(tmp_path, "robustness", "faces", 21)
    write_model(tmp_path / "models/emotion.onnx")
    dataset.save(faces_of(NAMES, 70, seed=0), tmp_path / "data/faces/validation.npz")
    return tmp_path


def run_stage(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", "-m", "stages.robustness"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_stage_judges_the_chosen_number_of_faces_and_writes_the_same_bytes_again(workspace: Path) -> None:
    result = run_stage(workspace)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    first = {path.name: path.read_bytes() for path in (workspace / "metrics").iterdir()}
    rows = read_csv(workspace / "metrics/robustness.csv")
    assert [row["faces"] for row in rows] == ["21"] * 16
    assert read_json(workspace / "metrics/robustness.json")["clean"] == float(rows[0]["accuracy"])
    shutil.rmtree(workspace / "metrics")
    run_stage(workspace)
    assert {path.name: path.read_bytes() for path in (workspace / "metrics").iterdir()} == first


def test_stage_refuses_faces_of_other_classes(workspace: Path) -> None:
    dataset.save(faces_of(NAMES[:3], 9, seed=0), workspace / "data/faces/validation.npz")
    result = run_stage(workspace)
    assert result.returncode == 1
    assert result.stderr.startswith("robustness: validation.npz: expected the classes angry, disgust, fear, happy, ")
    assert len(result.stderr.splitlines()) == 1
    assert not (workspace / "metrics").exists()
