"""Each stage on bad input, run as `dvc.yaml` runs it: it exits with one line and leaves no partial file."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from running_stage import run_here
from small_runs import PARAMS, write_run

ROOT = Path(__file__).parents[2]
STAGES = ("download", "preprocess", "train", "export", "evaluate", "robustness", "saliency", "plot")
HEAVY = ("cv2", "jax", "kaggle", "keras", "sklearn", "tensorflow")

# A network that trains in a moment and learns nothing.
TRAIN = {
    "architecture": "three_block_cnn",
    "batch_size": 7,
    "epochs": 1,
    "precision": "float32",
}
QUICK_PLOT = {"dpi": 50, "sample_faces": 4}


def settings() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(PARAMS.read_text())
    return content


def write_settings(folder: Path, content: dict[str, Any]) -> None:
    (folder / "params.yaml").write_text(yaml.safe_dump(content))


def run(
    stage: str, folder: Path, *, wrapper: tuple[str, ...] = (), path: Path = ROOT
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*wrapper, sys.executable, "-m", f"stages.{stage}"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": f"{path}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
        check=False,
    )


def line_of(result: subprocess.CompletedProcess[str]) -> str:
    """Check that a run failed with exit code 1 and one line; return that line."""
    assert result.returncode == 1, result.stderr
    assert len(result.stderr.splitlines()) == 1, result.stderr
    return result.stderr


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def poison(tmp_path: Path) -> Path:
    """A folder of stand-ins for packages that take seconds to import; each ends the process when it is imported."""
    folder = tmp_path / "poison"
    for name in HEAVY:
        (folder / name).mkdir(parents=True)
        (folder / name / "__init__.py").write_text(f"raise SystemExit('imported {name}')\n")
    return folder


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    folder = tmp_path / "workspace"
    folder.mkdir()
    return folder


@pytest.mark.parametrize("stage", STAGES)
def test_every_stage_reports_all_faults_in_the_settings_before_it_starts(
    stage: str, workspace: Path, poison: Path
) -> None:
    content = settings()
    content["train"]["epochs"] = "fifty"
    content["train"]["augmentation"]["flip"] = 2
    content["preprocess"]["validation_fraction"] = 1.5
    content["preprocess"]["classes"] = ["angry", "bored"]
    content["plot"]["colourmap"] = content["plot"].pop("colormap")
    content["evalute"] = content.pop("evaluate")
    write_settings(workspace, content)
    before = files_of(workspace)
    line = line_of(run(stage, workspace, path=poison))
    assert line.startswith(f"{stage}: params.yaml: ")
    for fault in (
        "train.epochs: expected a whole number >= 1 and <= 10000, received 'fifty'",
        "train.augmentation.flip: expected a number >= 0 and <= 1, received 2",
        "preprocess.validation_fraction: expected a number > 0 and < 1, received 1.5",
        "preprocess.classes.1: expected 'angry', 'disgust', 'fear', 'happy', 'neutral', 'sad', 'surprise' or "
        "'contempt', received 'bored'",
        "plot.colourmap: unknown key (did you mean colormap?)",
        "plot.colormap: expected a value, received none",
        "evalute: unknown key (did you mean evaluate?)",
        "evaluate: expected a value, received none",
        "correct params.yaml and run it again",
    ):
        assert fault in line
    assert files_of(workspace) == before


@pytest.mark.parametrize("stage", STAGES)
def test_an_argument_is_a_usage_error(stage: str, workspace: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        run_here(stage, workspace, "--epochs", "50")
    assert ended.value.code == 2
    line = capfd.readouterr().err
    assert line == f"{stage}: a stage takes no arguments, but got --epochs 50; its settings are in params.yaml\n"
    assert files_of(workspace) == {}


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_outside_the_projects_folder_says_so(
    stage: str, workspace: Path, refused: Callable[[str, Path], str]
) -> None:
    line = refused(stage, workspace)
    assert "cannot read params.yaml (No such file or directory); run it in the project's folder" in line
    assert files_of(workspace) == {}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project in which every stage has run on drawn faces; that each runs as a command stands in its own tests."""
    folder = tmp_path_factory.mktemp("trained")
    content = settings()
    content["download"].update(source="sample", sample={"train": 2, "validation": 1, "test": 1, "seed": 1})
    content["train"].update(TRAIN)
    content["plot"].update(QUICK_PLOT)
    write_settings(folder, content)
    for stage in STAGES:
        run_here(stage, folder)
    return folder


@pytest.fixture
def project(trained: Path, tmp_path: Path) -> Path:
    """A copy of that project, for tests that damage it."""
    return Path(shutil.copytree(trained, tmp_path / "project"))


def outputs_of(stage: str) -> list[str]:
    listed = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"][stage]
    entries = [*listed["outs"], *listed.get("metrics", []), *listed.get("plots", [])]
    return [path for entry in entries for path in (entry if isinstance(entry, dict) else [entry])]


def remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


def refusal(stage: str, project: Path, run_stage: Callable[[str, Path], str]) -> str:
    """Run a stage without its outputs, as DVC does; it must end with one line and leave no partial file."""
    whole = files_of(project)
    for output in outputs_of(stage):
        remove(project / output)
    line = run_stage(stage, project)
    assert line.startswith(f"{stage}: ")
    assert files_of(project).items() <= whole.items()
    return line


@pytest.mark.parametrize(
    ("stage", "split"),
    [
        ("train", "train"),
        ("export", "validation"),
        ("evaluate", "test"),
        ("robustness", "validation"),
        ("saliency", "validation"),
        ("plot", "validation"),
    ],
)
def test_faces_of_another_schema_are_refused(
    stage: str, split: str, project: Path, refused: Callable[[str, Path], str]
) -> None:
    path = project / f"data/faces/{split}.npz"
    np.savez(path, images=np.zeros((3, 48, 48), np.float32), labels=np.zeros(3, np.int64))
    line = refusal(stage, project, refused)
    assert f"data/faces/{split}.npz: expected pixels uint8 of 3 dimensions; labels int8 of 1 dimensions" in line
    assert "received images float32 (3, 48, 48), labels int64 (3,); run: dvc repro preprocess" in line


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("metrics/test.json", "<<<<<<< HEAD\n", "metrics/test.json cannot be read (Expecting value"),
        ("metrics/details/model.json", "{}", "model.json cannot be read (expected the keys classes, face_size"),
        ("plots/training/history.csv", "epoch,loss\n1\n", "history.csv cannot be read (expected the columns accuracy"),
        (
            "metrics/robustness.csv",
            "corruption\nclean\n",
            "robustness.csv cannot be read (expected the columns meaning",
        ),
        (
            "metrics/saliency/regions.csv",
            "class,faces\nhappy,3\n",
            "regions.csv cannot be read (expected the columns forehead",
        ),
        (
            "plots/data/classes.csv",
            "split,class\ntrain,sad\n",
            "classes.csv cannot be read (expected the columns faces, received split, class)",
        ),
    ],
)
def test_plot_refuses_a_broken_file(
    name: str, content: str, expected: str, workspace: Path, refused: Callable[[str, Path], str]
) -> None:
    changed = settings()
    changed["plot"].update(QUICK_PLOT)
    write_settings(workspace, changed)
    write_run(workspace, ("happy", "sad", "fear"))
    (workspace / name).write_text(content)
    line = refused("plot", workspace)
    assert expected in line
    assert line.endswith("; run: dvc repro")


def test_export_refuses_a_model_without_its_metadata(project: Path, refused: Callable[[str, Path], str]) -> None:
    path = project / "models/emotion.keras"
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist() if name != "emotion.json"}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    line = refusal("export", project, refused)
    assert "models/emotion.keras cannot be read as a model of this project (it has no metadata)" in line


def run_on_a_full_disk(stage: str, project: Path) -> str:
    # A limit on file sizes stops a write half-way, as a full disk does. Its unit is 512 or 1024 bytes.
    return line_of(run(stage, project, wrapper=("sh", "-c", 'ulimit -f 1 && exec "$@"', "sh")))


@pytest.mark.parametrize("stage", STAGES)
def test_a_full_disk_ends_every_stage_in_one_line(stage: str, project: Path) -> None:
    line = refusal(stage, project, run_on_a_full_disk)
    advice = "check the path, its permissions and the free disk space, then run it again"
    assert re.search(rf"File too large(: '[\w./]+')?; {advice}\n$", line)
    assert [output for output in outputs_of(stage) if not (project / output).exists()]
