"""Write what the page takes from Python into a folder: the two networks, and one JSON file of facts about them.

The numbers of detection, alignment and tracking come from the modules that define them, so the page has no second copy.
Run: `python -m web.prepare FOLDER`.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import onnx

from emotion import images
from emotion.files import sha256_of
from emotion.inference import detection, detector_weights, tracking, yunet, yunet_rows
from emotion.inference.network import SHIPPED
from emotion.inference.predictor import Predictor
from emotion.server import model_description

FACTS: Final = "facts.json"
"""Name of the file of facts."""


def facts(predictor: Predictor) -> dict[str, Any]:
    """Return what the page must know of a network and of the code around it, as what JSON can hold."""
    return {
        **model_description.describe(predictor, SHIPPED.parent),
        "network": sha256_of(SHIPPED),
        "detector": yunet.YuNet.name,
        "smallest_in_webcam": detection.SMALLEST_IN_WEBCAM,
        "face": {
            "face_size": predictor.network.metadata.face_size,
            "landmarks": images.face_landmarks().tolist(),
            "least_resemblance": images.LEAST_RESEMBLANCE,
        },
        "yunet": {**_numbers(yunet), "inside": yunet_rows.INSIDE},
        "tracking": _numbers(tracking),
    }


def write_detector(weights: Path, path: Path) -> None:
    """Write YuNet's network for pictures of any size: the file says 640x640, which OpenCV ignores."""
    model = onnx.load(weights)
    for axis, name in ((2, "height"), (3, "width")):
        model.graph.input[0].type.tensor_type.shape.dim[axis].dim_param = name
    for output in model.graph.output:
        output.type.tensor_type.shape.dim[1].dim_param = f"cells_{output.name}"
    onnx.save(model, path)


def prepare(folder: Path) -> None:
    """Write the networks and the facts into a folder.

    Raises:
        ModelError: YuNet's weights can be had in no way.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_detector(detector_weights.find(), folder / "yunet.onnx")
    shutil.copyfile(SHIPPED, folder / "emotion.onnx")
    (folder / FACTS).write_text(json.dumps(facts(Predictor(threads=1))), encoding="utf-8")


def _numbers(module: ModuleType) -> dict[str, Any]:
    """Return the constants of a module that are numbers or rows of numbers, by their names in small letters."""
    kinds = (int, float, tuple)
    return {name.lower(): value for name, value in vars(module).items() if name.isupper() and isinstance(value, kinds)}


if __name__ == "__main__":
    prepare(Path(sys.argv[1]))
