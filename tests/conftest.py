"""Drawn faces for every test, seeded, a few of each expression; and the weights of YuNet, where they lie."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import numpy as np
import pytest
from absl import logging as absl_logging
from numpy.typing import NDArray

from emotion.data.archives import write_canonical
from emotion.data.sample_faces import draw_face, draw_members
from emotion.errors import ModelError
from emotion.inference import detector_weights as weights
from emotion.labels import NAMES

# Keras reads these when it is first imported, which may be before `small_networks` sets it up.
os.environ["KERAS_BACKEND"] = os.environ.get("LEARNING_TESTS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def pytest_configure() -> None:
    """Keep the stream of pytest open: absl (of TensorFlow) closes that of its handler when uvicorn sets up logging."""
    absl_logging.get_absl_handler().python_handler.stream = sys.__stderr__


@pytest.fixture(autouse=True, scope="session")
def interruptions() -> None:
    """Let what a test starts end by Ctrl-C: a suite in the background of a shell ignores it, which is inherited."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def faces() -> tuple[NDArray[np.uint8], NDArray[np.int8]]:
    """Four faces of each expression, uint8 (28, 48, 48), and their labels, int8 (28,): indices of `labels.NAMES`."""
    labels = np.repeat(np.arange(len(NAMES), dtype=np.int8), 4)
    pixels = np.stack([draw_face(NAMES[label], np.random.default_rng([1, i])) for i, label in enumerate(labels)])
    pixels.flags.writeable = False
    labels.flags.writeable = False
    return pixels, labels


@pytest.fixture(scope="session")
def sample_archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a canonical zip in Kaggle's layout: of each class two faces for training, one for each other split."""
    path = tmp_path_factory.mktemp("sample") / "faces.zip"
    write_canonical(draw_members({"train": 2, "validation": 1, "test": 1}, seed=3), path)
    return path


@pytest.fixture
def dlib_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small network in dlib's format, in place of the published one."""
    from small_dlib import replace_published_weights  # imports Keras, which `small_networks` sets up

    return replace_published_weights(tmp_path / "small.dat", monkeypatch)


@pytest.fixture(scope="session")
def detector_weights() -> Path:
    """Return the weights of YuNet; a test is skipped where they lie nowhere and cannot be fetched."""
    try:
        return weights.find()
    except ModelError as error:
        pytest.skip(str(error))
