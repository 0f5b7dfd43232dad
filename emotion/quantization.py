"""Quantisation: the exported network once more in int8, and how its labels compare with those of float32.

ONNX Runtime's static quantisation. Never reads the test split. Knows nothing of Keras, and of a network only its file.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray

from emotion import dataset
from emotion.files import read_json, replacing, rounded, write_json
from emotion.inference import precision
from emotion.inference.onnx_runtime import onnxruntime
from emotion.inference.precision import Comparison

CALIBRATION_FACES: Final = 512
"""Training faces that give the ranges of the feature maps."""

BATCH: Final = 64
"""Faces per call; affects speed, not results."""

PREPARED: Final = {"onnx.quant.pre_process": "onnxruntime.quant"}
"""Mark of a graph that ONNX Runtime need not prepare; without it, it logs a warning. tf2onnx did the same work."""


class _Batches:
    """Calibration faces as ONNX Runtime takes them: one batch a call, at the end None."""

    def __init__(self, faces: NDArray[np.uint8], name: str) -> None:
        self._batches = ({name: batch} for batch in _batches_of(faces))

    def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
        return next(self._batches, None)


def quantize(source: Path, train: Path, validation: Path, report: Path) -> str | None:
    """Write the int8 file beside the float32 one, compare both on validation, and add the figures to the report.

    Args:
        source: the ONNX file of the export.
        train: dataset file, for the ranges of the feature maps.
        validation: dataset file, for the comparison.
        report: JSON file of the export; gets the accuracy of both files, and agreement and size of the new one.

    Returns:
        Why nothing will open the new file, in one line; None if it may be opened.
    """
    calibration, faces = choose(dataset.load(train).pixels), dataset.load(validation)
    path = precision.file_of(source, "int8")
    with replacing(path) as temporary:
        graph = convert(source, calibration, temporary)
        before, after = (_predict(file, faces.pixels) for file in (source, temporary))
        found = compare(before, after, faces.labels)
        _add_property(graph, precision.KEY, found.to_json())
        onnx.save(graph, temporary)
    figures = {
        "accuracy": found.accuracy,
        "int8_accuracy": found.int8_accuracy,
        "int8_agreement": found.agreement,
        "int8_bytes": path.stat().st_size,
    }
    write_json(report, read_json(report) | figures)
    fault = found.fault()
    return f"{path.name} cannot stand in for float32: {fault}; it is not used" if fault else None


def choose(faces: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return `CALIBRATION_FACES` of these faces, evenly spaced; all if there are fewer."""
    count = min(CALIBRATION_FACES, len(faces))
    return faces[np.arange(count) * len(faces) // max(count, 1)]


def convert(source: Path, calibration: NDArray[np.uint8], target: Path) -> onnx.ModelProto:
    """Quantise a graph: weights to -64...64 with a scale for each output channel, feature maps to 0-255.

    Larger weights could overflow: x86 processors without VNNI add two products in 16 bits (2 * 255 * 64 = 32,640).

    Args:
        source: the float32 file.
        calibration: uint8, shape (n, 48, 48), 0-255; the lowest and highest values that they cause are the ranges.
        target: file to write.

    Returns:
        The graph in the file, with the metadata of the float32 file.
    """
    # Imported here, after `emotion.inference.onnx_runtime` has set what ONNX Runtime reads when it is loaded.
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static

    graph = onnx.load(source)
    properties = {entry.key: entry.value for entry in graph.metadata_props}
    onnx.helper.set_model_props(graph, PREPARED)
    quantize_static(
        graph,
        target,
        _Batches(calibration, graph.graph.input[0].name),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        reduce_range=True,
        calibrate_method=CalibrationMethod.MinMax,
    )
    quantized = onnx.load(target)
    onnx.helper.set_model_props(quantized, properties)
    return quantized


def compare(before: NDArray[np.float32], after: NDArray[np.float32], labels: NDArray[np.int8]) -> Comparison:
    """Compare the labels of two networks for the same faces.

    Args:
        before: probabilities in float32, shape (n, classes).
        after: those in int8.
        labels: shape (n,), class indices.
    """
    float32, int8 = before.argmax(axis=1), after.argmax(axis=1)
    return Comparison(
        accuracy=rounded((float32 == labels).mean()),
        int8_accuracy=rounded((int8 == labels).mean()),
        agreement=rounded((float32 == int8).mean()),
    )


def _add_property(graph: onnx.ModelProto, key: str, value: str) -> None:
    entry = graph.metadata_props.add()
    entry.key, entry.value = key, value


def _predict(path: Path, faces: NDArray[np.uint8]) -> NDArray[np.float32]:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    probabilities: list[Any] = [session.run(None, {name: batch})[0] for batch in _batches_of(faces)]
    return np.concatenate(probabilities)


def _batches_of(faces: NDArray[np.uint8]) -> Iterator[NDArray[np.uint8]]:
    return (faces[start : start + BATCH] for start in range(0, len(faces), BATCH))
