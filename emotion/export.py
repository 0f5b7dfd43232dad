"""From the trained network to the files that leave the pipeline: calibrated, described inside, compared with Keras.

Knows nothing of the test split. Runs on TensorFlow, whichever backend trained.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import absl.logging
import h5py
import keras
import numpy as np
import onnx
import onnxruntime
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from tensorflow.lite.python import schema_py_generated as tflite_schema
from tensorflow.lite.tools import flatbuffer_utils

from emotion import dataset, metadata
from emotion.dataset import Dataset
from emotion.errors import ModelError
from emotion.files import replacing, write_json
from emotion.metadata import Metadata
from emotion.networks import architectures, keras_file, keras_setup
from emotion.params import Export

Probabilities = NDArray[np.float32]

BATCH: Final = 256
"""Faces in one call; decides speed, not results."""


def export_formats(source: Path, validation: Path, folder: Path, report: Path, settings: Export) -> None:
    """Write the calibrated network as ONNX, h5 and TFLite and say how far each is from Keras.

    Args:
        source: the `.keras` file of the train stage.
        validation: dataset file, for the temperature, the threshold and the comparison.
        folder: where the files go, as `emotion.onnx`, `emotion.h5` and `emotion.tflite`.
        report: the JSON file of parameters (how many numbers the network holds), temperature, differences,
            agreements and sizes.
        settings: the section `export`.

    Raises:
        ModelError: the model file cannot be used, or a format differs by more than the tolerance.
    """
    trained, facts = keras_file.load(source)
    faces = dataset.load(validation)
    _check_classes(facts, faces)
    # Rounded: its last digits depend on the number of threads and mean nothing.
    temperature = round(fit_temperature(logits(trained, faces.pixels), faces.labels), 6)
    network = trained.get_layer(facts.parameters["train"]["architecture"])
    calibrated = architectures.wrap_for_serving(network, facts.face_size, temperature)
    _hold_constants(calibrated)
    expected = calibrated.predict(faces.pixels, batch_size=BATCH, verbose=0)
    threshold = round(fit_threshold(expected, settings.certain), 6)
    facts = replace(facts, temperature=temperature, threshold=threshold)
    numbers: dict[str, float | int] = {"parameters": network.count_params(), "temperature": temperature}
    for suffix, (write, read) in FORMATS.items():
        path = folder / f"emotion.{suffix}"
        write(calibrated, facts, path)
        numbers |= _compare(suffix, read(path, faces.pixels), expected, path, settings.tolerance)
    write_json(report, numbers)


def logits(served: keras.Model, faces: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return what stands before the softmax, at temperature 1: shape (n, classes)."""
    before = keras.Model(served.input, served.get_layer("temperature").output)
    return np.asarray(before.predict(faces, batch_size=BATCH, verbose=0), dtype=np.float64)


def fit_temperature(values: NDArray[np.float64], labels: NDArray[np.int8]) -> float:
    """Return the divisor of the logits that gives the labels the highest likelihood (Guo et al. 2017).

    Args:
        values: logits, shape (n, classes).
        labels: shape (n,), index of the class.

    Returns:
        The temperature, 0.05-20; over 1 where the network was too sure of itself.
    """

    def loss(log_temperature: float) -> float:
        scaled = values / np.exp(log_temperature)
        scaled -= scaled.max(axis=1, keepdims=True)
        likelihood = scaled[np.arange(len(labels)), labels] - np.log(np.exp(scaled).sum(axis=1))
        return -float(likelihood.mean())

    found = minimize_scalar(loss, bounds=(np.log(0.05), np.log(20)), method="bounded")
    return float(np.exp(found.x))


def fit_threshold(probabilities: Probabilities, certain: float) -> float:
    """Return the largest probability that the given share of these faces reaches, so that the rest is uncertain.

    Args:
        probabilities: calibrated, shape (n, classes), 0-1.
        certain: share of the faces, 0-1.
    """
    return float(np.quantile(probabilities.max(axis=1), 1 - certain))


def _hold_constants(model: keras.Model) -> None:
    """Make the constants of input normalisation NumPy arrays: of tensors that a graph captures tf2onnx makes inputs."""
    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.Normalization):
            layer.mean, layer.variance = np.asarray(layer.mean), np.asarray(layer.variance)


def _check_classes(facts: Metadata, faces: Dataset) -> None:
    if facts.classes != faces.classes:
        raise ModelError(
            f"expected a network for the classes {', '.join(faces.classes)}, received one for "
            f"{', '.join(facts.classes)}; run: dvc repro train"
        )


def _compare(
    suffix: str, found: Probabilities, expected: Probabilities, path: Path, tolerance: float
) -> dict[str, float | int]:
    difference = float(np.abs(found - expected).max())
    if not difference <= tolerance:
        raise ModelError(
            f"{path.name}: expected probabilities within {tolerance} of Keras, received a difference of "
            f"{difference:.2e}; raise export.tolerance only if you know why"
        )
    return {
        f"{suffix}_difference": round(difference, 9),
        f"{suffix}_agreement": round(float((found.argmax(axis=1) == expected.argmax(axis=1)).mean()), 6),
        f"{suffix}_bytes": path.stat().st_size,
    }


def _write_onnx(model: keras.Model, facts: Metadata, path: Path) -> None:
    with replacing(path) as temporary:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "In the future `np.object`", FutureWarning)  # Keras 3.15 on numpy 2
            model.export(temporary, format="onnx", verbose=False)
        graph = onnx.load(temporary)
        _rename(graph.graph)
        graph.graph.doc_string = ""  # tf2onnx counts the functions of the process in it
        onnx.helper.set_model_props(graph, {metadata.KEY: facts.to_json()})
        onnx.save(graph, temporary)


def _rename(graph: onnx.GraphProto) -> None:
    """Name constants by content and the rest by order: tf2onnx's own names depend on the order of sets."""
    stored = {tensor.name: tensor for tensor in graph.initializer}
    names: dict[str, str] = {value.name: value.name for value in (*graph.input, *graph.output)} | {"": ""}
    constants: dict[bytes, onnx.TensorProto] = {}

    def name_of(old: str) -> str:
        if old not in names:
            names[old] = _unite(stored[old], constants) if old in stored else f"tensor_{len(names)}"
        return names[old]

    for place, node in enumerate(graph.node):
        node.name = f"{node.op_type}_{place}"
        node.input[:] = [name_of(name) for name in node.input]
        node.output[:] = [name_of(name) for name in node.output]
    del graph.initializer[:], graph.value_info[:]
    graph.initializer.extend(constants.values())


def _unite(tensor: onnx.TensorProto, constants: dict[bytes, onnx.TensorProto]) -> str:
    """Return the name of the constant with this content, which is new where none has it yet."""
    copy = onnx.TensorProto()
    copy.CopyFrom(tensor)
    copy.name = ""
    content = copy.SerializeToString(deterministic=True)
    if content not in constants:
        copy.name = f"constant_{len(constants)}"
        constants[content] = copy
    return str(constants[content].name)


def _write_h5(model: keras.Model, facts: Metadata, path: Path) -> None:
    # Keras warns that h5 is legacy, which is why its users ask for it.
    absl.logging.set_verbosity(absl.logging.ERROR)
    with replacing(path) as temporary:
        model.save(temporary)
        with h5py.File(temporary, "a") as file:
            file.attrs[metadata.KEY] = facts.to_json()


def _write_tflite(model: keras.Model, facts: Metadata, path: Path) -> None:
    with replacing(path) as temporary:
        model.export(temporary, format="litert", verbose=False)
        graph = flatbuffer_utils.read_model(str(temporary))
        content = tflite_schema.BufferT()
        content.data = list(facts.to_json().encode())
        graph.buffers.append(content)
        entry = tflite_schema.MetadataT()
        entry.name, entry.buffer = metadata.KEY, len(graph.buffers) - 1
        graph.metadata = [*(graph.metadata or []), entry]
        flatbuffer_utils.write_model(graph, str(temporary))


def _read_onnx(path: Path, faces: NDArray[np.uint8]) -> Probabilities:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return _in_batches(lambda batch: session.run(None, {name: batch})[0], faces)


def _read_h5(path: Path, faces: NDArray[np.uint8]) -> Probabilities:
    model, _ = keras_file.load(path)
    return np.asarray(model.predict(faces, batch_size=BATCH, verbose=0))


def _read_tflite(path: Path, faces: NDArray[np.uint8]) -> Probabilities:
    interpreter = Interpreter(model_path=str(path))
    entry, result = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]

    def run(batch: NDArray[np.uint8]) -> Any:
        interpreter.resize_tensor_input(entry, batch.shape)
        with keras_setup.quiet():  # it announces the kernels that it chooses
            interpreter.allocate_tensors()
        interpreter.set_tensor(entry, batch)
        interpreter.invoke()
        return interpreter.get_tensor(result)

    return _in_batches(run, faces)


def _in_batches(run: Callable[[NDArray[np.uint8]], Any], faces: NDArray[np.uint8]) -> Probabilities:
    return np.concatenate([run(faces[start : start + BATCH]) for start in range(0, len(faces), BATCH)])


FORMATS: Final = {
    "onnx": (_write_onnx, _read_onnx),
    "h5": (_write_h5, _read_h5),
    "tflite": (_write_tflite, _read_tflite),
}
"""How each format is written, and read back through the runtime that its users have."""
