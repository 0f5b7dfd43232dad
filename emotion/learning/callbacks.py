"""The callback that records each epoch: its numbers, the weights to keep, and the state from which to resume."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Final

import keras
import numpy as np

from emotion.errors import ModelError
from emotion.learning import parallel, schedules
from emotion.learning.checkpoints import Arrays, Checkpoint, State
from emotion.learning.schedules import Phase
from emotion.params import Train

LOG: Final = Path("build/train.log")
"""Log of durations. They differ from run to run, so no artifact holds them."""

COLUMNS: Final = ("epoch", "accuracy", "loss", "val_accuracy", "val_loss", "learning_rate")


class Recorder(keras.callbacks.Callback):
    """Record history, best weights and checkpoint; set the `plateau` learning rate; stop early; end on NaN.

    Attributes:
        network: the part of the model whose weights are kept, without augmentation.
        history: one row of `COLUMNS` per epoch.
        best: weights of the best epoch so far, or of the last one, as the setting `keep` says.
    """

    def __init__(self, settings: Train, network: keras.Model, checkpoint: Checkpoint) -> None:
        super().__init__()
        self._settings, self._checkpoint = settings, checkpoint
        self._last_phase_start = schedules.phases(settings)[-1].start
        self.network = network
        self._stored = checkpoint.load()
        self.history = list(self._stored.history) if self._stored else []
        self.best: Arrays = self._stored.best if self._stored else []
        self._validated: Arrays = []
        self._epoch_began = 0.0

    @property
    def stopped(self) -> bool:
        """Whether early stopping has ended the run; epochs with a frozen base do not count."""
        accuracies = self._column("val_accuracy")[self._last_phase_start :]
        return schedules.should_stop(accuracies, self._settings.early_stopping)

    def begin(self, model: keras.Model, phase: Phase) -> None:
        """Restore the stored state in a compiled model; start a second phase with the best weights of the first."""
        self._phase = phase
        model.optimizer.build(model.trainable_variables)
        if self._stored:
            print(f"Resuming after epoch {len(self.history)} of {self._settings.epochs}")
            within_phase = len(self.history) > phase.start
            targets = model.variables + (model.optimizer.variables if within_phase else [])
            for variable, value in zip(targets, self._stored.variables, strict=False):
                variable.assign(value)
            self._stored = None
        if len(self.history) == phase.start > 0:
            self.network.set_weights(self.best)

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Start the timer and set the learning rate of the schedule `plateau`."""
        self._epoch_began = time.perf_counter()
        if self._settings.schedule == "plateau":
            losses = self._column("val_loss")[self._phase.start :]
            self.model.optimizer.learning_rate = schedules.plateau(losses, self._phase.learning_rate)

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """End the run if the loss is not finite."""
        self._check_finite((logs or {})["loss"], f"step {batch + 1}")

    def on_test_end(self, logs: dict[str, float] | None = None) -> None:
        """Note the weights that were just validated: the averaged ones if an average is kept."""
        self._validated = self.network.get_weights()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Record the epoch, keep its weights if they are the best so far, and store the state to resume from."""
        self._check_finite((logs or {})["val_loss"], "validation")
        numbers = {
            **(logs or {}),
            "epoch": epoch + 1,
            "learning_rate": float(np.asarray(self.model.optimizer.learning_rate)),
        }
        self.history.append({name: round(numbers[name], 6) for name in COLUMNS})
        if self._settings.keep == "last" or schedules.best_epoch(self._column("val_accuracy")) == epoch:
            self.best = self._validated
        variables = [np.asarray(variable) for variable in self.model.variables + self.model.optimizer.variables]
        if parallel.is_main_process():
            self._checkpoint.save(State(self.history, variables, self.best))
            _log(f"epoch {epoch + 1}: {time.perf_counter() - self._epoch_began:.1f} s")
        self.model.stop_training = self.stopped

    def _check_finite(self, loss: float, where: str) -> None:
        if not math.isfinite(loss):
            raise ModelError(
                f"training diverged: the loss is {loss} in epoch {len(self.history) + 1}, {where}; {self._advise()}"
            )

    def _advise(self) -> str:
        """Name the settings that count in this phase and can be lowered."""
        lower, transfer = "train.learning_rate", self._settings.transfer
        if schedules.is_pretrained(self._settings) and self._phase.trainable != "head":
            lower = "train.transfer.learning_rate" + (" or train.transfer.anchor" if transfer.anchor else "")
        precision = "" if self._settings.precision == "float32" else " or set train.precision to float32"
        return f"lower {lower}{precision}"

    def _column(self, name: str) -> list[float]:
        return [row[name] for row in self.history]


def _log(line: str) -> None:
    LOG.parent.mkdir(parents=True, exist_ok=True)
    with LOG.open("a", encoding="utf-8") as stream:
        stream.write(line + "\n")
