from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from csv_files import read_csv
from small_models import write_model
from small_runs import faces_of, write_settings

from emotion import dataset
from emotion.labels import NAMES, SPLITS
from stages.evaluate import evaluate

ROOT = Path(__file__).parents[2]


def run_stage(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", "-m", "stages.evaluate"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A project folder as `export` leaves it."""
    shutil.copy(ROOT / "params.yaml", tmp_path)
    write_model(tmp_path / "models/emotion.onnx")
    for seed, split in enumerate(SPLITS):
        dataset.save(faces_of(NAMES, 70, seed), tmp_path / f"data/faces/{split}.npz")
    return tmp_path


def outputs(folder: Path) -> dict[str, bytes]:
    paths = [*folder.glob("metrics/**/*.*"), *folder.glob("plots/**/*.*"), folder / "data/predictions.csv"]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths if path.is_file()}


@pytest.fixture
def refusal(workspace: Path, refused: Callable[[str, Path], str]) -> Callable[[], str]:
    """Run the stage, check that it ends with one line and no output, and return the line."""

    def run() -> str:
        line = refused("evaluate", workspace)
        assert line.startswith("evaluate: ")
        assert outputs(workspace) == {}
        return line

    return run


def test_stage_writes_all_its_outputs_and_the_same_bytes_again(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first_run = run_stage(workspace)
    assert (first_run.returncode, first_run.stderr) == (0, "")
    first = outputs(workspace)
    details = {
        f"metrics/details/{split}_{table}"
        for split in ("validation", "test")
        for table in ("classes.csv", "confusion.csv", "reliability.csv", "report.txt")
    }
    both = (
        "calibration.csv",
        "doubtful.csv",
        "doubts.json",
        "flipped.csv",
        "intervals.csv",
        "model.json",
        "selective.csv",
        "test_faces.csv",
    )
    details |= {f"metrics/details/{table}" for table in both}
    assert set(first) == details | {
        "data/predictions.csv",
        "metrics/test.json",
        "metrics/validation.json",
        "plots/evaluation/confusion_test.csv",
        "plots/evaluation/confusion_validation.csv",
    }
    monkeypatch.chdir(workspace)
    evaluate()
    assert outputs(workspace) == first


def test_votes_add_two_figures_and_tables_and_change_no_other_figure(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(workspace)
    evaluate()
    before = outputs(workspace)
    for split in SPLITS:
        path = workspace / f"data/faces/{split}.npz"
        faces = dataset.load(path)
        votes = np.zeros_like(faces.votes)
        votes[:, 3] = 10
        dataset.save(replace(faces, votes=votes), path)
    evaluate()
    after = outputs(workspace)
    tables = {f"{split}_{name}_votes.csv" for split in ("validation", "test") for name in ("confusion", "reliability")}
    tables |= {"votes.json"}
    assert set(after) - set(before) == {f"metrics/details/{name}" for name in tables}
    changed = {"metrics/test.json", "metrics/validation.json"}
    changed |= {f"metrics/details/{name}.csv" for name in ("intervals", "calibration")}
    assert {name for name in before if after[name] != before[name]} == changed
    old, new = (json.loads(files["metrics/test.json"]) for files in (before, after))
    assert {name: new[name] for name in old} == old
    assert set(new) - set(old) == {"accuracy_votes", "balanced_accuracy_votes"}
    assert len(new) <= 10


def test_predictions_follow_the_datasets_and_the_metadata_of_the_model_is_beside_the_metrics(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(workspace)
    evaluate()
    rows = read_csv(workspace / "data/predictions.csv")
    for split, part in (("validation", rows[:70]), ("test", rows[70:])):
        faces = dataset.load(workspace / f"data/faces/{split}.npz")
        assert {row["split"] for row in part} == {split}
        assert [row["name"] for row in part] == faces.names.tolist()
        assert [row["actual"] for row in part] == [NAMES[label] for label in faces.labels]
        assert [row["duplicate"] for row in part] == [str(int(duplicate)) for duplicate in faces.duplicate]
    model = json.loads((workspace / "metrics/details/model.json").read_text())
    assert model["classes"] == list(NAMES)
    assert model["parameters"]["train"]["architecture"] == "resnet"


def test_misspelt_setting_of_another_stage_is_refused_before_any_work(
    workspace: Path, refusal: Callable[[], str]
) -> None:
    write_settings(workspace, "train", "epochs", "fifty")
    assert "train.epochs" in refusal()


def test_missing_model_is_refused(workspace: Path, refusal: Callable[[], str]) -> None:
    (workspace / "models/emotion.onnx").unlink()
    assert "there is no model file models/emotion.onnx" in refusal()


def test_model_without_metadata_is_refused(workspace: Path, refusal: Callable[[], str]) -> None:
    write_model(workspace / "models/emotion.onnx", text=None)
    assert "emotion.onnx has no metadata" in refusal()


def test_test_split_of_other_classes_is_refused_before_validation_is_written(
    workspace: Path, refusal: Callable[[], str]
) -> None:
    faces = dataset.load(workspace / "data/faces/test.npz")
    dataset.save(replace(faces, classes=faces.classes[::-1]), workspace / "data/faces/test.npz")
    assert "test.npz: expected the classes angry, disgust" in refusal()


def test_dataset_of_another_schema_is_refused(workspace: Path, refusal: Callable[[], str]) -> None:
    (workspace / "data/faces/validation.npz").write_bytes(b"no npz")
    assert "cannot read the dataset file" in refusal()


def test_start_up_imports_neither_matplotlib_nor_tensorflow_nor_scikit_learn() -> None:
    heavy = "matplotlib tensorflow keras sklearn cv2"
    script = f"import sys, stages.evaluate; print(*set({heavy.split()}) & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert result.stdout.split() == []
