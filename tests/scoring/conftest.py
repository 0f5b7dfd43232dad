"""Small drawn pictures and a small network, so that partitions are scored in milliseconds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from small_models import write_model

from emotion.scoring import run
from emotion.scoring.run import Prepared, Request

Drawn = tuple[NDArray[np.uint8], NDArray[np.int8]]


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("model") / "emotion.onnx")


@pytest.fixture
def pictures(tmp_path: Path, faces: Drawn) -> Path:
    """A folder with 40 cropped faces, an empty file, one that is no picture, and one that is left out."""
    folder = tmp_path / "pictures"
    (folder / "more").mkdir(parents=True)
    for number in range(40):
        name = f"{number:02}.png" if number % 4 else f"more/{number:02}.png"
        Image.fromarray(faces[0][number % len(faces[0])]).save(folder / name)
    (folder / "empty.png").touch()
    (folder / "text.png").write_text("hello")
    (folder / "notes.txt").touch()
    return folder


@pytest.fixture
def prepare(pictures: Path, tmp_path: Path, model: Path) -> Callable[..., Prepared]:
    """Prepare a run on the pictures, with changes."""

    def prepared(**changes: object) -> Prepared:
        options = {"source": str(pictures), "out": str(tmp_path / "out"), "model": model, "detector": "haar"}
        return run.prepare(Request(**{**options, **changes}))  # type: ignore[arg-type]

    return prepared
