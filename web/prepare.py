"""Write what the page takes from Python into a folder: the two networks, and one JSON file of facts about them.

The numbers of detection, alignment and tracking come from the modules that define them, so the page has no second copy.
Run: `python -m web.prepare FOLDER`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray

from emotion import images
from emotion.errors import EmotionError, one_line
from emotion.files import sha256_of
from emotion.inference import detection, detector_weights, tracking, yunet, yunet_rows
from emotion.inference.network import SHIPPED
from emotion.inference.predictor import Predictor
from emotion.server import model_description

FACTS: Final = "facts.json"
"""Name of the file of facts."""

SIGNIFICANT_BITS: Final = 14
"""Of 24 that a float32 has."""


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


def write_network(shipped: Path, path: Path) -> None:
    """Write the network with weights of `SIGNIFICANT_BITS`: the rest is noise, which does not pack."""
    model = onnx.load(shipped)
    for tensor in model.graph.initializer:
        values = onnx.numpy_helper.to_array(tensor)
        if values.dtype == np.float32:
            tensor.CopyFrom(onnx.numpy_helper.from_array(shorten(values), tensor.name))
    onnx.save(model, path)


def shorten(weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """Round to `SIGNIFICANT_BITS`, which changes each weight by at most one part in 16,384.

    Args:
        weights: any shape, finite.

    Returns:
        The same shape.
    """
    fraction, exponent = np.frexp(weights)
    steps = 2.0**SIGNIFICANT_BITS
    return np.asarray(np.ldexp(np.round(fraction * steps) / steps, exponent), np.float32)


def prepare(folder: Path) -> None:
    """Write the networks and the facts into a folder.

    Raises:
        ModelError: YuNet's weights can be had in no way.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_detector(detector_weights.find(), folder / "yunet.onnx")
    write_network(SHIPPED, folder / "emotion.onnx")
    (folder / FACTS).write_text(json.dumps(facts(Predictor(threads=1))), encoding="utf-8")


def _numbers(module: ModuleType) -> dict[str, Any]:
    """Return the constants of a module that are numbers or rows of numbers, by their names in small letters."""
    kinds = (int, float, tuple)
    return {name.lower(): value for name, value in vars(module).items() if name.isupper() and isinstance(value, kinds)}


if __name__ == "__main__":
    try:
        prepare(Path(sys.argv[1]))
    except EmotionError as error:
        sys.exit(f"make site: {one_line(error)}")
