from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version
from typing import Any

import pytest

import emotion
from emotion.inference import predictor


def test_import_loads_no_heavy_package() -> None:
    heavy = "numpy cv2 onnxruntime PIL tensorflow pandas"
    script = f"import sys, emotion; print(*set({heavy.split()}) & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout.split() == []


def test_public_names_are_those_of_the_predictor_module() -> None:
    assert emotion.Predictor is predictor.Predictor
    assert emotion.predict_emotion is predictor.predict_emotion


def test_star_import_brings_all_public_names() -> None:
    names: dict[str, Any] = {}
    exec("from emotion import *", names)  # noqa: S102
    assert {name: names[name] for name in emotion.__all__} == {
        "Predictor": predictor.Predictor,
        "__version__": version("emotion"),
        "predict_emotion": predictor.predict_emotion,
    }


def test_version_is_that_of_the_installed_package() -> None:
    assert emotion.__version__ == version("emotion")


def test_dir_lists_the_public_names() -> None:
    assert set(emotion.__all__) <= set(dir(emotion))


def test_unknown_attribute_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'emotion' has no attribute 'predict'"):
        emotion.predict  # noqa: B018
