"""Calibrate the network on validation and write it as ONNX, h5 and TFLite, each compared with Keras."""

from __future__ import annotations

from pathlib import Path

from emotion import params
from emotion.networks.keras_setup import prepare
from emotion.stage_run import run_as_command


def export() -> None:
    """Export `models/emotion.keras`; end with an error if a format differs too much from Keras."""
    settings = params.load()
    prepare("tensorflow", threads=0, seed=0)
    # Imported after `prepare`, because Keras chooses its backend at import.
    from emotion.export import export_formats

    export_formats(
        Path("models/emotion.keras"),
        Path("data/faces/validation.npz"),
        Path("models"),
        Path("metrics/export.json"),
        settings.export,
        settings.train,
    )


if __name__ == "__main__":
    run_as_command(export)
