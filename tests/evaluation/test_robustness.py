from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from csv_files import read_csv
from numpy.typing import NDArray
from small_models import write_model
from small_runs import faces_of, write_settings

from emotion import dataset
from emotion.evaluation.robustness import CORRUPTIONS, headline, measure
from emotion.files import read_json
from emotion.labels import NAMES

ROOT = Path(__file__).parents[2]
Faces = NDArray[np.uint8]


def distinguish_light_from_dark(faces: Faces) -> NDArray[np.float32]:
    """Predict the second class where a face is lighter than 100 on average."""
    light = faces.mean(axis=(1, 2)) > 100
    return np.stack([~light, light], axis=1).astype(np.float32)


@pytest.fixture
def scores() -> pd.DataFrame:
    faces = np.repeat(np.array([50, 150], np.uint8), 10)[:, None, None] * np.ones((48, 48), np.uint8)
    return measure(distinguish_light_from_dark, faces, np.repeat([0, 1], 10))


def test_every_corruption_has_three_scores_after_the_clean_one(scores: pd.DataFrame) -> None:
    expected = [("clean", 0)] + [(kind, strength) for kind in CORRUPTIONS for strength in (1, 2, 3)]
    assert list(zip(scores["corruption"], scores["strength"], strict=True)) == expected
    assert scores["meaning"][1] == "noise of 5 grey levels"
    assert set(scores["faces"]) == {20}


def test_a_network_that_measures_light_fails_only_in_the_dark(scores: pd.DataFrame) -> None:
    # Half of the light turns a grey of 150 into 75: every face counts as dark.
    by_kind = {kind: scores.loc[scores["corruption"] == kind, "accuracy"].tolist() for kind in CORRUPTIONS}
    assert by_kind.pop("darkness") == [0.5, 0.5, 0.5]
    assert by_kind.pop("occlusion")[0] == 1
    assert set(map(tuple, by_kind.values())) == {(1.0, 1.0, 1.0)}


def test_each_accuracy_lies_in_its_interval(scores: pd.DataFrame) -> None:
    assert scores["accuracy"].between(scores["low"], scores["high"]).all()
    assert scores["low"].min() >= 0
    assert scores["high"].max() <= 1
    dark = scores[scores["corruption"] == "darkness"].iloc[0]
    assert 0.15 < dark["low"] < 0.4
    assert 0.6 < dark["high"] < 0.85


def test_headline_holds_the_clean_accuracy_and_the_means_under_corruption() -> None:
    rows = [(kind, accuracy) for kind in CORRUPTIONS for accuracy in (0.8, 0.6, 0.1 if kind == "blur" else 0.4)]
    figures = headline(pd.DataFrame([("clean", 0.9), *rows], columns=["corruption", "accuracy"]))
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


def test_stage_scores_the_chosen_number_of_faces_and_writes_the_same_bytes_again(workspace: Path) -> None:
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
