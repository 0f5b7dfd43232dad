"""What is remembered of each epoch: its numbers, the weights worth keeping, and the state to resume from."""

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
"""Where durations go: into no artifact, since they differ from run to run."""

COLUMNS: Final = ("epoch", "accuracy", "loss", "val_accuracy", "val_loss", "learning_rate")


class Recorder(keras.callbacks.Callback):
    """Keep history, best weights and checkpoint; set the plateau's learning rate; stop early; refuse NaN.

    Attributes:
        network: the part of the model whose weights are kept.
        history: one row of `COLUMNS` an epoch.
        best: weights of the epoch to keep so far.
    """

    def __init__(self, settings: Train, network: keras.Model, checkpoint: Checkpoint) -> None:
        super().__init__()
        self._settings, self._checkpoint = settings, checkpoint
        self._last_phase = schedules.phases(settings)[-1].start
        self.network = network
        self._stored = checkpoint.load()
        self.history = list(self._stored.history) if self._stored else []
        self.best: Arrays = self._stored.best if self._stored else []
        self._candidate: Arrays = []
        self._begun = 0.0

    @property
    def stopped(self) -> bool:
        """Whether early stopping has ended the run; a head that has learned all it can still waits for the thaw."""
        accuracies = self._column("val_accuracy")[self._last_phase :]
        return schedules.should_stop(accuracies, self._settings.early_stopping)

    def begin(self, model: keras.Model, phase: Phase) -> None:
        """Set a compiled model to where the run stands: a second phase begins with the best weights of the first."""
        self._phase = phase
        model.optimizer.build(model.trainable_variables)
        if self._stored:
            print(f"resuming after epoch {len(self.history)}")
            running = len(self.history) > phase.start
            targets = model.variables + (model.optimizer.variables if running else [])
            for variable, value in zip(targets, self._stored.variables, strict=False):
                variable.assign(value)
            self._stored = None
        if len(self.history) == phase.start > 0:
            self.network.set_weights(self.best)

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Start the clock and set the plateau's learning rate."""
        self._begun = time.perf_counter()
        if self._settings.schedule == "plateau":
            losses = self._column("val_loss")[self._phase.start :]
            self.model.optimizer.learning_rate = schedules.plateau(losses, self._phase.learning_rate)

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """End a run that has diverged."""
        self._check((logs or {})["loss"], f"step {batch + 1}")

    def on_test_end(self, logs: dict[str, float] | None = None) -> None:
        """Note the weights just validated, which are the averaged ones where an average is kept."""
        self._candidate = self.network.get_weights()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Record the epoch, keep its weights if they are the best, and store the state to resume from."""
        self._check((logs or {})["val_loss"], "validation")
        numbers = {
            **(logs or {}),
            "epoch": epoch + 1,
            "learning_rate": float(np.asarray(self.model.optimizer.learning_rate)),
        }
        self.history.append({name: round(numbers[name], 6) for name in COLUMNS})
        if self._settings.keep == "last" or schedules.best_epoch(self._column("val_accuracy")) == epoch:
            self.best = self._candidate
        variables = [np.asarray(variable) for variable in self.model.variables + self.model.optimizer.variables]
        if parallel.is_main_process():
            self._checkpoint.save(State(self.history, variables, self.best))
            _log(f"epoch {epoch + 1}: {time.perf_counter() - self._begun:.1f} s")
        self.model.stop_training = self.stopped

    def _check(self, loss: float, where: str) -> None:
        if not math.isfinite(loss):
            raise ModelError(
                f"expected a finite loss, received {loss} in epoch {len(self.history) + 1}, {where}; "
                "lower train.learning_rate or set train.precision to float32"
            )

    def _column(self, name: str) -> list[float]:
        return [row[name] for row in self.history]


def _log(line: str) -> None:
    LOG.parent.mkdir(parents=True, exist_ok=True)
    with LOG.open("a", encoding="utf-8") as stream:
        stream.write(line + "\n")
