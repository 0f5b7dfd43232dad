from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from small_runs import PARAMS, write_run, write_settings

from stages.plot import plot

ROOT = Path(__file__).parents[2]
MADE = ("plots/pictures", "plots/faces", "models/card.md")


def run_stage(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", "-m", "stages.plot"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A project folder as `evaluate` leaves it, for a quick drawing."""
    content = yaml.safe_load(PARAMS.read_text())
    content["plot"].update(dpi=50, sample_faces=9)
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(content))
    return write_run(tmp_path, ("happy", "sad", "fear"))


def outputs(folder: Path) -> dict[str, bytes]:
    paths = [path for made in MADE for path in (folder / made, *(folder / made).glob("*")) if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def test_stage_writes_pictures_grids_and_card_and_the_same_bytes_again(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = run_stage(workspace)
    assert (result.returncode, result.stderr) == (0, "")
    first = outputs(workspace)
    assert len([name for name in first if name.startswith("plots/pictures/")]) == 12
    assert {*(f"plots/faces/{name}.png" for name in ("samples", "mistakes", "doubtful")), "models/card.md"} <= set(
        first
    )
    for made in MADE[:2]:
        shutil.rmtree(workspace / made)
    monkeypatch.chdir(workspace)
    plot()
    assert outputs(workspace) == first


@pytest.mark.parametrize(
    ("section", "key", "value"), [("plot", "colormap", "jet"), ("train", "epochs", "fifty"), ("plot", "dpi", "120")]
)
def test_wrong_setting_is_refused_before_anything_is_drawn(
    workspace: Path, section: str, key: str, value: str, refused: Callable[[str, Path], str]
) -> None:
    write_settings(workspace, section, key, value)
    line = refused("plot", workspace)
    assert f"{section}.{key}" in line
    assert value in line
    assert outputs(workspace) == {}


def test_missing_metrics_are_refused_in_one_line(workspace: Path, refused: Callable[[str, Path], str]) -> None:
    (workspace / "metrics/test.json").unlink()
    assert "metrics/test.json" in refused("plot", workspace)
    assert outputs(workspace) == {}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("metrics/details/intervals.csv", "<<<<<<< HEAD\n"),
        ("metrics/details/test_confusion.csv", "actual,happy\nhappy,3\n"),
        ("data/predictions.csv", "split,name\ntest,a\n"),
        ("metrics/details/model.json", "{}"),
    ],
)
def test_damaged_files_are_refused_in_one_line(
    workspace: Path, name: str, content: str, refused: Callable[[str, Path], str]
) -> None:
    (workspace / name).write_text(content)
    line = refused("plot", workspace)
    assert line.startswith(f"plot: {name} cannot be read (")
    assert line.endswith("; run: dvc repro")


def test_start_up_imports_neither_onnxruntime_nor_tensorflow_nor_pyplot() -> None:
    heavy = "onnxruntime tensorflow keras sklearn cv2 matplotlib.pyplot"
    script = f"import sys, stages.plot; print(*set({heavy.split()}) & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert result.stdout.split() == []
