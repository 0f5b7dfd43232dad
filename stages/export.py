"""Calibrate the network on validation and write it as ONNX, h5, TFLite and int8, each compared."""

from __future__ import annotations

import sys
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
    from emotion.quantization import quantize

    train, validation = Path("data/faces/train.npz"), Path("data/faces/validation.npz")
    models, report = Path("models"), Path("metrics/export.json")
    export_formats(models / "emotion.keras", validation, models, report, settings.export, settings.train)
    if fault := quantize(models / "emotion.onnx", train, validation, report):
        print(f"export: {fault}", file=sys.stderr)


if __name__ == "__main__":
    run_as_command(export)
