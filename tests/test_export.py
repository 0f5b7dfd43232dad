"""The stage `export` as DVC runs it; what it refuses stands in `test_stages.py`."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import keras
import pytest
from small_networks import KERAS_ON_NUMPY_2, drawn, facts_of, files_below, settings
from small_runs import PARAMS

from emotion import architectures, dataset, exporting, modelfile

ROOT = Path(__file__).parents[1]
FILES = ("models/emotion.onnx", "models/emotion.h5", "models/emotion.tflite", "metrics/export.json")


def run_stage(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", *KERAS_ON_NUMPY_2, "-m", "stages.export"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project in which `train` has run."""
    folder = tmp_path_factory.mktemp("project")
    shutil.copy(PARAMS, folder / "params.yaml")
    faces = drawn(seed=4)
    dataset.save(faces, folder / "data/faces/validation.npz")
    network = architectures.build("resnet", 40, len(faces.classes), architectures.Transfer("none", 32))
    facts = facts_of(settings(architecture="resnet", augmentation={"crop": 40}))
    modelfile.save(architectures.serve(network, 48, temperature=1.0), facts, folder / "models/emotion.keras")
    return folder


def test_stage_writes_its_outputs_and_another_process_the_same_bytes(project: Path, tmp_path: Path) -> None:
    before = files_below(project)
    result = run_stage(project)
    assert result.returncode == 0, result.stderr
    assert files_below(project) - before == set(FILES)
    keras.utils.clear_session()
    exporting.export(
        project / "models/emotion.keras",
        project / "data/faces/validation.npz",
        tmp_path / "models",
        tmp_path / "metrics/export.json",
        tolerance=1e-4,
    )
    for name in FILES:
        assert (tmp_path / name).read_bytes() == (project / name).read_bytes(), name
