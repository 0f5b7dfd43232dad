"""Fixtures of the tests that train."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import keras
import numpy as np
import pytest
from small_training import Compiled, Weights, learn, small_base, small_cnn

from emotion.learning import training
from emotion.learning.callbacks import Recorder
from emotion.networks import architectures


@pytest.fixture
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Work in the folder of the test, and return to float32 afterwards."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data/weights").mkdir(parents=True)
    yield
    keras.config.set_dtype_policy("float32")


@pytest.fixture
def validated(monkeypatch: pytest.MonkeyPatch) -> list[Weights]:
    """The validated weights of each epoch."""
    weights: list[Weights] = []
    original = Recorder.on_test_end

    def note(self: Recorder, logs: dict[str, float] | None = None) -> None:
        original(self, logs)
        weights.append(self.network.get_weights())

    monkeypatch.setattr(Recorder, "on_test_end", note)
    return weights


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Compiled]:
    """Start a run and return the compiled model before its first step."""

    def stop(model: keras.Model, *_: Any, **options: Any) -> NoReturn:
        raise Compiled(model, options)

    def compile_only(**changes: Any) -> Compiled:
        with pytest.raises(Compiled) as caught:
            learn(**changes)
        return caught.value

    monkeypatch.setattr(keras.Model, "fit", stop)
    return compile_only


@pytest.fixture
def small_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make `three_block_cnn`, which the settings of these tests name, a smaller network."""
    monkeypatch.setitem(architectures.BUILDERS, "three_block_cnn", small_cnn)


@pytest.fixture
def pretrained(own_folder: None, monkeypatch: pytest.MonkeyPatch) -> keras.Model:  # noqa: ARG001
    """The stand-in for MobileNetV2, with its weights in `data/weights/small.weights.h5`."""
    monkeypatch.setattr(keras.applications, "MobileNetV2", small_base)
    base = small_base(False, None, (32, 32, 3), "elsewhere")
    base.set_weights([np.full_like(weight, 0.05) for weight in base.get_weights()])
    base.save_weights(training.WEIGHTS / "small.weights.h5")
    return base
