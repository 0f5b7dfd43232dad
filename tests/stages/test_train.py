"""The stage `train` as DVC runs it, also killed and resumed; `test_stages.py` tests what it refuses."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import yaml
from csv_files import read_csv
from small_networks import CLASSES, ROOT, drawn, files_below, run_python, run_stage, section, settings
from small_runs import PARAMS

from emotion import dataset
from emotion.files import sha256_of
from emotion.learning import training
from emotion.networks import architectures, keras_file
from emotion.networks.architectures import APPLICATIONS
from emotion.networks.face_resnet import STAGES

MODEL, HISTORY = Path("models/emotion.keras"), Path("plots/training/history.csv")

KILLED = """
import os, runpy, signal
from emotion.learning.checkpoints import Checkpoint

def save_and_die(self, state, save=Checkpoint.save):
    save(self, state)
    if len(state.history) == {epochs}:
        os.kill(os.getpid(), signal.SIGKILL)

Checkpoint.save = save_and_die
runpy.run_module("stages.train", run_name="__main__")
"""


def prepared(folder: Path, **changes: Any) -> Path:
    """Write the settings and faces that the stage reads."""
    content = yaml.safe_load(PARAMS.read_text())
    content["train"] = section(**changes)
    (folder / "data/weights").mkdir(parents=True)
    (folder / "params.yaml").write_text(yaml.safe_dump(content))
    for seed, split in enumerate(("train", "validation")):
        dataset.save(drawn(seed=seed), folder / f"data/faces/{split}.npz")
    return folder


@pytest.fixture(scope="module", autouse=True)
def _errors_of_tensorflow_are_shown() -> Iterator[None]:
    """People set this level to see fewer messages of TensorFlow; harmless errors must not be among the rest."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TF_CPP_MIN_LOG_LEVEL", "2")
        yield


def trained(folder: Path) -> subprocess.CompletedProcess[str]:
    result = run_stage(folder, "train")
    assert result.returncode == 0, result.stderr
    return result


EVERYTHING: dict[str, Any] = {
    "epochs": 2,
    "batch_size": 2,
    "optimizer": "adamw",
    "schedule": "cosine",
    "weight_decay": 0.1,
    "label_smoothing": 0.1,
    "precision": "mixed_bfloat16",
    "ema": 0.5,
    "keep": "best",
    "augmentation": {
        "flip": 0.5,
        "rotation": 10.0,
        "shift": 4.0,
        "zoom": 0.1,
        "brightness": 0.1,
        "contrast": 0.1,
        "erasing": 0.5,
        "mixup": 0.2,
        "crop": 24,
    },
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project in which the stage has run without a warning."""
    folder = prepared(tmp_path_factory.mktemp("project"), **EVERYTHING)
    result = trained(folder)
    assert result.stderr == ""
    assert "Epoch 2/2" in result.stdout
    return folder


def test_stage_leaves_its_outputs_and_a_log_of_durations_but_no_checkpoint(project: Path) -> None:
    inputs = {"params.yaml", "data/faces/train.npz", "data/faces/validation.npz"}
    assert files_below(project) - inputs == {str(MODEL), str(HISTORY), "build/train.log"}
    assert (project / "build/train.log").read_text().count(" s\n") == 2


def test_history_has_one_row_per_epoch(project: Path) -> None:
    rows = read_csv(project / HISTORY)
    assert list(rows[0]) == ["epoch", "accuracy", "loss", "val_accuracy", "val_loss", "learning_rate"]
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert all(np.isfinite(float(value)) for row in rows for value in row.values())


def test_model_holds_its_metadata_and_computes_in_float32(project: Path) -> None:
    model, facts = keras_file.load(project / MODEL)
    assert (facts.classes, facts.face_size, facts.temperature) == (CLASSES, 48, 1.0)
    assert (facts.backend, facts.device) == ("tensorflow", "cpu")
    assert facts.data_sha256 == sha256_of(project / "data/faces/train.npz")
    assert facts.parameters == {"train": settings(**EVERYTHING).model_dump()}
    assert {layer.compute_dtype for layer in model.get_layer("three_block_cnn").layers} == {"float32"}
    assert {weight.dtype for weight in model.weights} == {"float32"}


def test_kept_model_has_the_best_accuracy_of_the_history(project: Path) -> None:
    model, _ = keras_file.load(project / MODEL)
    faces = drawn(seed=1)
    found = float((np.asarray(model(faces.pixels)).argmax(axis=1) == faces.labels).mean())
    assert found == pytest.approx(max(float(row["val_accuracy"]) for row in read_csv(project / HISTORY)), abs=1e-6)


def test_another_process_writes_the_same_bytes(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    keras.utils.clear_session()
    keras.utils.set_random_seed(0)
    inputs = (project / "data/faces/train.npz", project / "data/faces/validation.npz")
    training.run(settings(**EVERYTHING), inputs, MODEL, HISTORY)
    for path in (MODEL, HISTORY):
        assert path.read_bytes() == (project / path).read_bytes()


@pytest.mark.slow
def test_diverged_training_ends_the_stage_with_one_line_and_no_model(tmp_path: Path) -> None:
    folder = prepared(tmp_path, optimizer="sgd", learning_rate=1e30)
    result = run_stage(folder, "train")
    assert result.returncode == 1
    # TensorFlow may print notes about prefetched batches before or after the line.
    lines = [line for line in result.stderr.splitlines() if line.startswith("train: ")]
    assert len(lines) == 1
    assert lines[0].startswith("train: training diverged: the loss is ")
    assert "Traceback" not in result.stderr
    assert not (folder / "models").exists()


LONGER = {**EVERYTHING, "epochs": 4}
SECOND_PHASE: dict[str, Any] = {
    **LONGER,
    "architecture": "mobilenetv2",
    "transfer": {"weights": "base.weights.h5", "freeze_epochs": 2, "unfreeze_layers": 30, "learning_rate": 0.0001},
}
RUNS = {
    "default network": ({**LONGER, "architecture": "resnet", "augmentation": {"crop": 40}}, (1,)),
    "phases": (SECOND_PHASE, (1, 2, 3)),
    "jax": ({**LONGER, "backend": "jax"}, (1,)),
}


def put_weights(folder: Path, name: str, edge: int = 32) -> None:
    """Write weights of the base into data/weights/, as a person would do."""
    keras.utils.set_random_seed(5)
    base = architectures._build_base(name, (edge, edge, 3), weights=None)
    base.save_weights(folder / "data/weights/base.weights.h5")


@pytest.mark.slow
@pytest.mark.parametrize("name", RUNS)
def test_run_killed_after_any_epoch_and_resumed_gives_the_bytes_of_an_uninterrupted_one(
    name: str, tmp_path: Path
) -> None:
    changes, kills = RUNS[name]
    folder = prepared(tmp_path, **changes)
    if "transfer" in changes:
        put_weights(folder, "MobileNetV2")
    trained(folder)
    expected = {path: (folder / path).read_bytes() for path in (MODEL, HISTORY)}
    for epochs in kills:
        for path in expected:
            (folder / path).unlink()
        assert run_python(folder, "-c", KILLED.format(epochs=epochs)).returncode == -signal.SIGKILL
        assert not (folder / MODEL).exists()
        assert f"Resuming after epoch {epochs} of 4\n" in trained(folder).stdout
        assert {path: (folder / path).read_bytes() for path in expected} == expected
        assert not list((folder / "build/checkpoints").iterdir())


@pytest.mark.slow
def test_killed_run_with_changed_settings_starts_from_the_first_epoch(tmp_path: Path) -> None:
    folder = prepared(tmp_path, **LONGER)
    assert run_python(folder, "-c", KILLED.format(epochs=1)).returncode == -signal.SIGKILL
    content = yaml.safe_load((folder / "params.yaml").read_text())
    content["train"]["learning_rate"] = 0.002
    (folder / "params.yaml").write_text(yaml.safe_dump(content))
    assert "Resuming" not in trained(folder).stdout
    assert [row["epoch"] for row in read_csv(folder / HISTORY)] == ["1", "2", "3", "4"]


EDITED = """
import runpy
from pathlib import Path
from emotion.learning.checkpoints import Checkpoint

def save_and_edit(self, state, save=Checkpoint.save):
    save(self, state)
    if len(state.history) == 1:
        path = Path("params.yaml")
        path.write_text(path.read_text().replace("learning_rate: 0.001", "learning_rate: 0.002"))

Checkpoint.save = save_and_edit
runpy.run_module("stages.train", run_name="__main__")
"""


@pytest.mark.slow
def test_run_whose_settings_change_fails_but_its_epochs_are_kept_for_these_settings(tmp_path: Path) -> None:
    expected = prepared(tmp_path / "undisturbed", **EVERYTHING)
    trained(expected)
    folder = prepared(tmp_path / "edited", **EVERYTHING)
    shutil.copy(ROOT / "dvc.yaml", folder)
    first = (folder / "params.yaml").read_text()
    result = run_python(folder, "-c", EDITED)
    assert result.returncode == 1
    assert result.stderr == (
        "train: changed while the stage ran: train.learning_rate from 0.001 to 0.002; "
        "its result is not recorded; run it again, with the change or without it\n"
    )
    (folder / "params.yaml").write_text(first)
    (folder / MODEL).unlink()
    assert "Epoch" not in trained(folder).stdout
    for path in (MODEL, HISTORY):
        assert (folder / path).read_bytes() == (expected / path).read_bytes()
    assert not list((folder / "build/checkpoints").iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ["three_block_cnn", "resnet"])
def test_network_trained_by_jax_keeps_its_accuracy_and_is_exported_by_tensorflow(
    architecture: str, tmp_path: Path
) -> None:
    folder = prepared(tmp_path, **{**EVERYTHING, "backend": "jax", "architecture": architecture})
    trained(folder)
    assert keras_file.load(folder / MODEL)[1].backend == "jax"
    if architecture == "three_block_cnn":  # others recompute their batch statistics after the last validation
        test_kept_model_has_the_best_accuracy_of_the_history(folder)
    exported = run_stage(folder, "export")
    assert exported.returncode == 0, exported.stderr
    numbers = json.loads((folder / "metrics/export.json").read_text())
    assert max(numbers[f"{suffix}_difference"] for suffix in ("onnx", "h5", "tflite")) < 1e-6


@pytest.mark.slow
@pytest.mark.parametrize("architecture", APPLICATIONS)
def test_network_with_a_pretrained_base_is_trained_in_both_phases_and_exported(
    architecture: str, tmp_path: Path
) -> None:
    edge = 64 if architecture in STAGES else 32  # `face_resnet` takes no smaller faces
    transfer = {**SECOND_PHASE["transfer"], "image_size": edge}
    folder = prepared(tmp_path, **{**SECOND_PHASE, "architecture": architecture, "transfer": transfer, "epochs": 3})
    put_weights(folder, APPLICATIONS[architecture].name, edge)
    trained(folder)
    assert len({row["learning_rate"] for row in read_csv(folder / HISTORY)}) > 1
    exported = run_stage(folder, "export")
    assert exported.returncode == 0, exported.stderr
