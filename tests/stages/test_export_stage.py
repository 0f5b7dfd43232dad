"""The stage `export` as DVC runs it; `test_export.py` tests its files, and `test_stages.py` what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_networks import drawn, facts_of, files_below, run_stage
from small_runs import write_settings

from emotion import dataset, params
from emotion.networks import architectures, keras_file


@pytest.mark.slow
def test_tolerance_of_the_settings_is_used(tmp_path: Path) -> None:
    faces = drawn(seed=4)
    dataset.save(faces, tmp_path / "data/faces/validation.npz")
    write_settings(tmp_path, "export", "tolerance", 1e-30)
    train = params.load(tmp_path / "params.yaml").train
    start = architectures.Transfer("none", train.transfer.image_size)
    network = architectures.build(train.architecture, train.augmentation.crop or 48, len(faces.classes), start)
    served = architectures.wrap_for_serving(network, 48, temperature=1.0)
    keras_file.save(served, facts_of(train), tmp_path / "models/emotion.keras")
    result = run_stage(tmp_path, "export")
    assert result.returncode == 1
    # TensorFlow may print notes before or after the line.
    lines = [line for line in result.stderr.splitlines() if line.startswith("export: ")]
    assert len(lines) == 1
    assert lines[0].startswith("export: emotion.onnx: expected probabilities within 1e-30 of Keras, received ")
    assert "Traceback" not in result.stderr
    assert "metrics/export.json" not in files_below(tmp_path)
