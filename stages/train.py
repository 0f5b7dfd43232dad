"""Train the network and keep its best epoch by validation accuracy."""

from __future__ import annotations

from pathlib import Path

from emotion import params
from emotion.errors import run_as_command
from emotion.networks.keras_setup import prepare

FACES = (Path("data/faces/train.npz"), Path("data/faces/validation.npz"))
MODEL = Path("models/emotion.keras")
HISTORY = Path("plots/training/history.csv")


def train() -> None:
    """Train with the section `train` of the settings; a killed run resumes after its last finished epoch."""
    settings = params.load().train
    prepare(settings.backend, settings.threads, settings.seed)
    # Imported after `prepare`, because Keras chooses its backend at import.
    from emotion.learning import training

    training.run(settings, FACES, MODEL, HISTORY)


if __name__ == "__main__":
    run_as_command(train)
