"""A small ONNX model with the inputs, outputs and metadata of an exported one, for the tests that run a model."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from emotion.inference import precision
from emotion.labels import NAMES
from emotion.metadata import KEY, Metadata

INT8: Final = precision.Comparison(accuracy=0.697, int8_accuracy=0.6965, agreement=0.985)
"""Figures of an int8 file that may be used."""

SETTINGS: dict[str, Any] = {"train": {"architecture": "resnet", "epochs": 4, "keep": "best"}}


def metadata_of(classes: tuple[str, ...] = NAMES) -> Metadata:
    return Metadata(classes, 48, 1.25, "0" * 64, "tensorflow", "cpu", SETTINGS, threshold=0.5)


def write_model(
    path: Path,
    classes: tuple[str, ...] = NAMES,
    *,
    text: str | None = "",
    size: int = 48,
    kind: int = TensorProto.UINT8,
    faces: str | int = "faces",
    weights: NDArray[np.float32] | None = None,
) -> Path:
    """Write pixels -> linear -> softmax.

    `text` is the metadata: "" for correct ones, None for no metadata. `weights` have shape (pixels, classes); if they
    are None, they are random.
    """
    if weights is None:
        weights = np.random.default_rng(0).normal(scale=1 / 2000, size=(size * size, len(classes))).astype(np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["faces"], ["grey"], to=TensorProto.FLOAT),
            helper.make_node("Flatten", ["grey"], ["pixels"]),
            helper.make_node("MatMul", ["pixels", "weights"], ["logits"]),
            helper.make_node("Softmax", ["logits"], ["probabilities"]),
        ],
        "linear",
        [helper.make_tensor_value_info("faces", kind, [faces, size, size])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [faces, len(classes)])],
        [numpy_helper.from_array(weights, "weights")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    if text is not None:
        helper.set_model_props(model, {KEY: text or metadata_of(classes).to_json()})
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, str(path))
    return path


def write_int8(folder: Path, text: str | None = None) -> Path:
    """Write a pair of files that compute the same; `text` are the figures in the int8 file. Return the float32 one."""
    path = precision.file_of(folder / "emotion.onnx", "int8")
    graph = onnx.load(write_model(path))
    entry = graph.metadata_props.add()
    entry.key, entry.value = precision.KEY, text or INT8.to_json()
    onnx.save(graph, path)
    return write_model(folder / "emotion.onnx", weights=np.zeros((48 * 48, 7), np.float32))
