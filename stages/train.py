"""Train the network and keep its best epoch by validation accuracy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from emotion import params
from emotion.networks.keras_setup import prepare
from emotion.stage_run import run_as_command

FACES = (Path("data/faces/train.npz"), Path("data/faces/validation.npz"))
MODEL = Path("models/emotion.keras")
HISTORY = Path("plots/training/history.csv")


def train() -> Callable[[], None]:
    """Train with the section `train` of the settings; a killed run resumes after its last finished epoch.

    Returns:
        A function that deletes the checkpoint, to be called when the run counts.
    """
    settings = params.load().train
    prepare(settings.backend, settings.threads, settings.seed)
    # Imported after `prepare`, because Keras chooses its backend at import.
    from emotion.learning import training

    return training.run(settings, FACES, MODEL, HISTORY)


if __name__ == "__main__":
    run_as_command(train)
