"""What the page takes from Python."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from small_models import write_model

from emotion.inference import detector_weights
from emotion.inference.network import Network
from web.prepare import SIGNIFICANT_BITS, shorten, write_network

ROOT = Path(__file__).parents[2]

WEIGHTS = np.random.default_rng(0).normal(scale=0.05, size=(64, 3, 3, 32)).astype(np.float32)


def test_weights_keep_their_significant_bits() -> None:
    assert np.abs(shorten(WEIGHTS) / WEIGHTS - 1).max() <= 2.0**-SIGNIFICANT_BITS
    assert (shorten(WEIGHTS) == WEIGHTS).mean() < 0.01


def test_weights_of_every_size_keep_sign_zero_and_type() -> None:
    values = np.array([0, -1e-30, 1e-30, 1e30, -1e30, 1, -1], np.float32)
    assert shorten(values).dtype == np.float32
    np.testing.assert_allclose(shorten(values), values, rtol=2.0**-SIGNIFICANT_BITS)


def test_network_of_the_page_has_rounded_weights_and_the_same_answers(tmp_path: Path) -> None:
    weights = np.random.default_rng(1).normal(scale=1 / 2000, size=(48 * 48, 7)).astype(np.float32)
    shipped = write_model(tmp_path / "emotion.onnx", weights=weights)
    write_network(shipped, tmp_path / "page.onnx")
    rounded = write_model(tmp_path / "rounded.onnx", weights=shorten(weights))
    faces = np.random.default_rng(2).integers(0, 256, (9, 48, 48), np.uint8)
    found, expected, before = (
        Network(path).probabilities(faces, 9) for path in (tmp_path / "page.onnx", rounded, shipped)
    )
    np.testing.assert_allclose(found, expected, atol=1e-6)
    np.testing.assert_allclose(found, before, atol=1e-3)


def test_missing_detector_ends_the_build_with_one_line(tmp_path: Path) -> None:
    missing = {**os.environ, detector_weights.VARIABLE: str(tmp_path / "nowhere.onnx")}
    result = subprocess.run(
        [sys.executable, "-m", "web.prepare", str(tmp_path)],
        cwd=ROOT, env=missing, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert result.returncode == 1
    assert result.stderr.startswith("make site: ")
    assert result.stderr.count("\n") == 1
