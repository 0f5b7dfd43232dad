from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any, Literal

import pytest
from small_networks import settings

from emotion.errors import ModelError
from emotion.learning import callbacks
from emotion.learning.callbacks import Recorder
from emotion.learning.checkpoints import Checkpoint
from emotion.learning.schedules import Phase

pytestmark = pytest.mark.usefixtures("own_folder")


def start_recorder(**changes: Any) -> Recorder:
    """Return a recorder on a model that does nothing; it resumes from the checkpoint of the recorder before it."""
    recorder = Recorder(
        settings(**changes), SimpleNamespace(get_weights=list, set_weights=lambda _: None), Checkpoint("run")
    )
    optimizer = SimpleNamespace(learning_rate=0.0, variables=[], build=lambda _: None)
    model = SimpleNamespace(optimizer=optimizer, variables=[], trainable_variables=[], stop_training=False)
    recorder.set_model(model)
    recorder.begin(model, Phase(0, 9, changes.get("learning_rate", 0.001), "all"))
    return recorder


def record(recorder: Recorder, epoch: int, accuracy: float, loss: float) -> None:
    recorder.on_epoch_begin(epoch)
    recorder.on_test_end()
    recorder.on_epoch_end(epoch, {"accuracy": 0.5, "loss": 1.0, "val_accuracy": accuracy, "val_loss": loss})


def test_plateau_sets_the_learning_rate_from_the_losses_so_far() -> None:
    recorder = start_recorder(schedule="plateau", learning_rate=0.8)
    for epoch in range(6):
        record(recorder, epoch, accuracy=0.5, loss=1.0)
    assert [row["learning_rate"] for row in recorder.history] == [0.8, 0.8, 0.8, 0.8, 0.4, 0.4]
    resumed = start_recorder(schedule="plateau", learning_rate=0.8)
    resumed.on_epoch_begin(6)
    assert resumed.model.optimizer.learning_rate == 0.4


def test_plateau_of_the_second_phase_starts_at_its_own_peak() -> None:
    recorder = start_recorder(schedule="plateau", learning_rate=0.8)
    for epoch in range(6):
        record(recorder, epoch, accuracy=0.5, loss=1.0)
    recorder.begin(recorder.model, Phase(6, 9, 0.1, "top"))
    recorder.on_epoch_begin(6)
    assert recorder.model.optimizer.learning_rate == 0.1


def test_durations_are_logged_and_not_in_the_history() -> None:
    recorder = start_recorder()
    record(recorder, 0, accuracy=0.5, loss=1.0)
    assert callbacks.LOG.read_text().startswith("epoch 1: ")
    assert list(recorder.history[0]) == list(callbacks.COLUMNS)


def test_run_that_stopped_early_stays_stopped_when_resumed() -> None:
    recorder = start_recorder(early_stopping=2)
    for epoch, accuracy in enumerate((0.5, 0.4, 0.4)):
        assert not recorder.stopped
        record(recorder, epoch, accuracy, loss=1.0)
    assert recorder.model.stop_training
    assert start_recorder(early_stopping=2).stopped


def test_early_stopping_ignores_epochs_with_a_frozen_base() -> None:
    pretrained: dict[str, Any] = {
        "architecture": "vgg16",
        "epochs": 6,
        "transfer": {"weights": "imagenet", "freeze_epochs": 3},
    }
    recorder = start_recorder(early_stopping=1, **pretrained)
    for epoch, accuracy in enumerate((0.5, 0.4, 0.4, 0.3, 0.2)):
        assert not recorder.stopped
        record(recorder, epoch, accuracy, loss=1.0)
    assert recorder.stopped


ANCHORED: dict[str, Any] = {"architecture": "vgg16", "transfer": {"weights": "imagenet", "anchor": 0.1}}


@pytest.mark.parametrize(
    ("changes", "trainable", "advice"),
    [
        ({}, "all", "lower train.learning_rate"),
        ({"precision": "mixed_float16"}, "all", "lower train.learning_rate or set train.precision to float32"),
        ({"transfer": {"anchor": 0.1}}, "all", "lower train.learning_rate"),
        (ANCHORED, "head", "lower train.learning_rate"),
        (ANCHORED, "all", "lower train.transfer.learning_rate or train.transfer.anchor"),
        (
            {"architecture": "vgg16", "transfer": {"weights": "imagenet"}, "precision": "mixed_bfloat16"},
            "top",
            "lower train.transfer.learning_rate or set train.precision to float32",
        ),
    ],
)
def test_advice_after_divergence_names_only_settings_that_count(
    changes: dict[str, Any], trainable: Literal["all", "head", "top"], advice: str
) -> None:
    recorder = start_recorder(**changes)
    recorder.begin(recorder.model, Phase(0, 9, 0.001, trainable))
    with pytest.raises(ModelError, match=f"the loss is nan in epoch 1, step 3; {advice}$"):
        recorder.on_train_batch_end(2, {"loss": math.nan})
