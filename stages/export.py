"""Calibrate on validation and write ONNX, h5 and TFLite, each compared with Keras."""

from __future__ import annotations

from pathlib import Path

from emotion import params
from emotion.errors import run_as_command
from emotion.networks.keras_setup import prepare


def export() -> None:
    """Export `models/emotion.keras`; ends with an error where a format differs from Keras by too much."""
    settings = params.load().export
    prepare("tensorflow", threads=0, seed=0)
    # Keras chooses its backend when it is imported, hence after `prepare`.
    from emotion.export import export_formats

    export_formats(
        Path("models/emotion.keras"),
        Path("data/faces/validation.npz"),
        Path("models"),
        Path("metrics/export.json"),
        settings,
    )


if __name__ == "__main__":
    run_as_command(export)
