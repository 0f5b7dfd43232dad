"""A killed run resumes to the result of an uninterrupted one, and only with the same settings, data and code."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from shutil import ignore_patterns
from typing import Any, NoReturn

import pytest
from small_networks import settings
from small_training import FACES, OTHERS, TRANSFER, Killed, KillingCheckpoint, equal, learn

from emotion import dataset
from emotion.dataset import Dataset
from emotion.learning import training
from emotion.learning.checkpoints import Checkpoint
from emotion.params import Train

pytestmark = pytest.mark.usefixtures("own_folder", "small_network")

# Every setting with a state to restore; batches of one face give enough steps to tell average and last weights apart.
DEMANDING: dict[str, Any] = {
    "epochs": 3,
    "batch_size": 1,
    "optimizer": "adamw",
    "schedule": "cosine",
    "warmup_epochs": 1.0,
    "weight_decay": 0.1,
    "precision": "mixed_float16",
    "ema": 0.9,
    "keep": "best",
    "augmentation": {"flip": 0.5, "rotation": 10.0, "erasing": 0.5, "mixup": 0.2},
}


def test_killed_run_resumes_to_the_same_weights_and_history(capfd: pytest.CaptureFixture[str]) -> None:
    expected = learn(checkpoint=Checkpoint("uninterrupted"), **DEMANDING)
    with pytest.raises(Killed):
        learn(checkpoint=KillingCheckpoint(1), **DEMANDING)
    # The second time all epochs are finished, as after a kill while the model file was being written.
    for _ in range(2):
        network, history = learn(checkpoint=Checkpoint("killed after 1"), **DEMANDING)
        assert history == expected[1]
        assert equal(network.get_weights(), expected[0].get_weights())
    assert capfd.readouterr().out.count("Resuming after epoch 1 of 3\n") == 1


@pytest.mark.parametrize("epochs", [2, pytest.param(3, marks=pytest.mark.slow)])
@pytest.mark.usefixtures("pretrained")
def test_run_killed_between_its_phases_or_in_the_second_one_resumes_to_the_same_weights(epochs: int) -> None:
    demanding = {**TRANSFER, "epochs": epochs + 1, "augmentation": {"flip": 0.5}, "schedule": "cosine"}
    expected = learn(checkpoint=Checkpoint("uninterrupted"), **demanding)
    with pytest.raises(Killed):
        learn(checkpoint=KillingCheckpoint(epochs), **demanding)
    network, history = learn(checkpoint=Checkpoint(f"killed after {epochs}"), **demanding)
    assert history == expected[1]
    assert equal(network.get_weights(), expected[0].get_weights())


class Keyed(Exception):  # noqa: N818
    """Carries the key under which a run keeps its checkpoint."""


@pytest.fixture
def key_of(monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Return the key that `run` computes, without training."""

    def stop(_: Train, __: Dataset, ___: Dataset, checkpoint: Checkpoint) -> NoReturn:
        raise Keyed(checkpoint.folder.name)

    def compute(**changes: Any) -> str:
        inputs = (Path("train.npz"), Path("validation.npz"))
        with pytest.raises(Keyed) as caught:
            training.run(settings(**changes), inputs, Path("emotion.keras"), Path("history.csv"))
        return str(caught.value)

    monkeypatch.setattr(training, "train", stop)
    for path, faces in (("train.npz", FACES), ("validation.npz", OTHERS)):
        dataset.save(faces, Path(path))
    return compute


def test_run_resumes_only_with_the_same_settings_data_and_weights(key_of: Callable[..., str]) -> None:
    first = key_of()
    assert key_of() == first
    keys = [key_of(learning_rate=0.5), key_of(augmentation={"flip": 0.5})]
    dataset.save(replace(OTHERS, duplicate=~OTHERS.duplicate), Path("validation.npz"))
    keys.append(key_of())
    (training.WEIGHTS / "mine.h5").write_bytes(b"weights")
    keys.append(key_of())
    assert len({first, *keys}) == 5


def test_run_resumes_only_with_the_same_code(key_of: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    first = key_of()
    copies = [
        Path(shutil.copytree(folder, folder.name, ignore=ignore_patterns("__pycache__"))) for folder in training.CODE
    ]
    monkeypatch.setattr(training, "CODE", copies)
    assert key_of() == first
    keys = {first}
    for folder in copies:
        (folder / "new.py").write_text("x = 1\n")
        keys.add(key_of())
        (folder / "new.py").rename(folder / "newer.py")
        keys.add(key_of())
    assert len(keys) == 5
