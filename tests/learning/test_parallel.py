"""Two processes on this machine train one network; the result is that of one process with the same batches."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import pytest
import yaml
from csv_files import read_csv
from small_networks import BACKEND, ROOT, drawn, files_below, one_line, run_stage, section
from small_runs import PARAMS

from emotion import dataset, params
from emotion.errors import ModelError
from emotion.learning import batch_norm, parallel, training
from stages.train import FACES

HISTORY, MODEL = Path("plots/training/history.csv"), Path("models/emotion.keras")

SHARED: dict[str, Any] = {
    "backend": "jax",
    "architecture": "resnet",
    "epochs": 2,
    "optimizer": "adamw",
    "label_smoothing": 0.1,
    "weight_decay": 0.05,
    "ema": 0.9,
    "augmentation": {"flip": 0.5, "rotation": 10.0, "shift": 2.0, "erasing": 0.5, "mixup": 0.2, "crop": 24},
}


DISAGREEING = """
from emotion.networks.keras_setup import prepare
prepare("jax", 1, 0)
from emotion.learning import parallel
from emotion.errors import ModelError
parallel.connect("data_parallel", 2)
parallel.check_same_run("0f")
for check, value in ((parallel.check_same_run, "{0}f"), (parallel.check_same_epoch, {0})):
    try:
        check(value)
    except ModelError as error:
        print(error)
"""


def prepared(folder: Path, **changes: Any) -> Path:
    """Write settings and faces: 24 for training, and 21 for validation, which two processes cannot share evenly."""
    content = yaml.safe_load(PARAMS.read_text())
    content["train"] = section(**{**SHARED, **changes})
    (folder / "data/weights").mkdir(parents=True)
    (folder / "params.yaml").write_text(yaml.safe_dump(content))
    dataset.save(drawn(seed=0), folder / "data/faces/train.npz")
    dataset.save(drawn(per_class=7, seed=1), folder / "data/faces/validation.npz")
    return folder


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def start(folder: Path, port: int, index: int, *arguments: str) -> subprocess.Popen[str]:
    """Start Python as one of two processes, each in its own folder as on its own machine."""
    variables = {
        "KERAS_DISTRIBUTION_JOB_ADDRESSES": f"127.0.0.1:{port}",
        "KERAS_DISTRIBUTION_NUM_PROCESSES": "2",
        "KERAS_DISTRIBUTION_PROCESS_ID": str(index),
    }
    return subprocess.Popen(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(processes: list[subprocess.Popen[str]]) -> list[str]:
    """Wait for the processes and return what they printed; kill all of them if one fails."""
    try:
        ends = [process.communicate(timeout=900) for process in processes]
    finally:
        for process in processes:
            process.kill()
    for process, (_, errors) in zip(processes, ends, strict=True):
        assert process.returncode == 0, errors
    return [printed for printed, _ in ends]


@pytest.mark.slow
def test_two_processes_train_like_one_and_only_the_first_writes(tmp_path: Path) -> None:
    alone = prepared(tmp_path / "alone")
    result = run_stage(alone, "train")
    assert result.returncode == 0, result.stderr
    folders = [prepared(tmp_path / name, distribution="data_parallel") for name in ("first", "second")]
    port = free_port()
    processes = [start(folder, port, index, "-m", "stages.train") for index, folder in enumerate(folders)]
    printed = finish(processes)
    assert f"Process 1: waiting for all 2 processes at 127.0.0.1:{port}\n" in printed[1]
    expected, received = (read_csv(folder / HISTORY) for folder in (alone, folders[0]))
    for column in ("loss", "val_loss", "accuracy", "val_accuracy"):
        np.testing.assert_allclose(float(received[0][column]), float(expected[0][column]), atol=1e-4, err_msg=column)
    assert str(MODEL) in files_below(folders[0])
    assert not {str(MODEL), str(HISTORY), "build/train.log"} & files_below(folders[1])


@pytest.mark.slow
def test_processes_that_differ_in_settings_or_epochs_are_refused(tmp_path: Path) -> None:
    port = free_port()
    processes = [start(tmp_path, port, index, "-c", DISAGREEING.format(index)) for index in (0, 1)]
    for printed in finish(processes):
        assert "the processes differ in settings, faces, weights to start from or code; give" in printed
        assert "the processes have checkpoints of different epochs (0, 1); copy" in printed


def test_process_that_writes_nothing_recomputes_the_statistics_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, recomputed = prepared(tmp_path, backend=BACKEND, epochs=1, architecture="three_block_cnn"), []
    monkeypatch.chdir(folder)
    monkeypatch.setattr(parallel, "is_main_process", lambda: False)
    monkeypatch.setattr(batch_norm, "recompute_statistics", lambda network, _: recomputed.append(network))
    training.run(params.load().train, FACES, MODEL, HISTORY)
    assert len(recomputed) == 1
    assert not {str(MODEL), str(HISTORY)} & files_below(folder)


def test_single_process_is_the_main_process_with_one_device() -> None:
    assert parallel.process_index_and_count() == (0, 1)
    assert parallel.is_main_process()
    assert parallel.device_count() == 1


@pytest.mark.parametrize(
    ("name", "value", "fault"),
    [
        ("ADDRESS", "", "JOB_ADDRESSES: expected host:port of the first process, received ''; set all or none of "),
        ("ADDRESS", "127.0.0.1", "JOB_ADDRESSES: expected host:port of the first process, received '127.0.0.1'"),
        ("COUNT", "\u00b2", "NUM_PROCESSES: expected the number of processes, received '\u00b2'"),
        ("COUNT", "0", "NUM_PROCESSES: expected the number of processes, received '0'"),
        ("INDEX", "-1", "PROCESS_ID: expected the index of this process, from 0, received '-1'"),
    ],
)
def test_wrong_or_missing_environment_variable_is_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, fault: str
) -> None:
    correct = {"ADDRESS": "127.0.0.1:1", "COUNT": "2", "INDEX": "0"}
    for key, content in {**correct, name: value}.items():
        monkeypatch.setenv(getattr(parallel, key), content)
    with pytest.raises(ModelError) as caught:
        parallel.connect("data_parallel", 8)
    assert fault in one_line(caught.value)


def test_batch_that_devices_cannot_share_evenly_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(parallel.ADDRESS, raising=False)
    monkeypatch.setattr(keras.distribution, "DataParallel", lambda **_: SimpleNamespace(num_model_replicas=3))
    with pytest.raises(ModelError) as caught:
        parallel.connect("data_parallel", 8)
    assert one_line(caught.value) == ("train.batch_size: expected a multiple of 3, the number of devices, received 8")
