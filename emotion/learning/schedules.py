"""Schedules of a training run: phases, learning rate, early stopping and the epoch to keep.

Pure functions of the settings and of the epochs so far, so a resumed run decides like an uninterrupted one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import keras

from emotion.networks.architectures import APPLICATIONS
from emotion.params import Train

PLATEAU_PATIENCE: Final = 3
"""Epochs without a better validation loss before `plateau` halves the learning rate."""


@dataclass(frozen=True)
class Phase:
    """Consecutive epochs with the same trainable layers and the same peak learning rate.

    Attributes:
        start: index of its first epoch.
        end: index after its last epoch.
        learning_rate: peak.
        trainable: `all` layers, the `head` (not the pretrained base) or the `top` (the head and the end of the base).
    """

    start: int
    end: int
    learning_rate: float
    trainable: Literal["all", "head", "top"]


def is_pretrained(settings: Train) -> bool:
    """Return whether the base of the network starts from the weights that `train.transfer` names."""
    transfer = settings.transfer
    return settings.architecture in APPLICATIONS and transfer.weights != "none" and not settings.start_from


def phases(settings: Train) -> list[Phase]:
    """Divide the epochs into phases: a pretrained network trains its head first, then also the end of its base."""
    if not is_pretrained(settings):
        return [Phase(0, settings.epochs, settings.learning_rate, "all")]
    frozen = min(settings.transfer.freeze_epochs, settings.epochs)
    head = Phase(0, frozen, settings.learning_rate, "head")
    trainable: Literal["all", "top"] = "top" if settings.transfer.unfreeze_layers else "all"
    rest = Phase(frozen, settings.epochs, settings.transfer.learning_rate, trainable)
    return [phase for phase in (head, rest) if phase.end > phase.start]


def learning_rate(settings: Train, phase: Phase, steps: int) -> Any:
    """Return the learning rate of a phase for a Keras optimizer: a number, or a schedule over its steps.

    Args:
        settings: the section `train`.
        phase: the part of the run.
        steps: per epoch.
    """
    if settings.schedule != "cosine":
        return phase.learning_rate
    epochs = phase.end - phase.start
    warmup = round(min(settings.warmup_epochs, epochs / 2) * steps)
    if not warmup:
        return keras.optimizers.schedules.CosineDecay(phase.learning_rate, epochs * steps)
    return keras.optimizers.schedules.CosineDecay(
        0.0, epochs * steps - warmup, warmup_target=phase.learning_rate, warmup_steps=warmup
    )


def plateau(losses: Sequence[float], peak: float) -> float:
    """Return the learning rate after these validation losses: halved whenever the patience runs out."""
    rate, best, waited = peak, math.inf, 0
    for loss in losses:
        waited = 0 if loss < best else waited + 1
        best = min(best, loss)
        if waited == PLATEAU_PATIENCE:
            rate, waited = rate / 2, 0
    return rate


def best_epoch(accuracies: Sequence[float]) -> int:
    """Return the index of the highest validation accuracy; the first one if several are equal."""
    return max(range(len(accuracies)), key=lambda epoch: accuracies[epoch])


def should_stop(accuracies: Sequence[float], patience: int) -> bool:
    """Return whether `patience` epochs have passed since the best one; a patience of 0 never stops."""
    return bool(patience and accuracies) and len(accuracies) - 1 - best_epoch(accuracies) >= patience
