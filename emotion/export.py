"""Export: the trained network as calibrated ONNX, h5 and TFLite files with metadata, each compared with Keras.

Never reads the test split. Runs on TensorFlow, also for a network that JAX trained.
"""

from __future__ import annotations

import json
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
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray
from tensorflow.lite.python import schema_py_generated as tflite_schema
from tensorflow.lite.tools import flatbuffer_utils

from emotion import dataset, metadata
from emotion.calibrators import fit_adjustment, fit_temperature, fit_threshold
from emotion.dataset import Dataset
from emotion.dvc_lock import flatten
from emotion.errors import ModelError
from emotion.files import replacing, write_json
from emotion.inference.onnx_runtime import onnxruntime
from emotion.metadata import Metadata
from emotion.networks import architectures, keras_file, keras_setup
from emotion.params import Export, Train
from emotion.votes import targets

Probabilities = NDArray[np.float32]

OUTPUT: Final = "probabilities"
"""Name of the output of the ONNX file; its input is `faces`."""

OLDEST_KERAS: Final = (3, 12)
"""The oldest Keras that is supported, as in `pyproject.toml`. Version 3.6 writes a folder in place of an ONNX file."""

BATCH: Final = 256
"""Faces per call; affects speed, not results."""


def export_formats(
    source: Path, validation: Path, folder: Path, report: Path, settings: Export, trained_with: Train
) -> None:
    """Write the calibrated network as ONNX, h5 and TFLite, and report how far each differs from Keras.

    Args:
        source: the `.keras` file of the train stage.
        validation: dataset file, for the temperature, the threshold and the comparison.
        folder: folder of the new files `emotion.onnx`, `emotion.h5` and `emotion.tflite`.
        report: JSON file to write: number of parameters, temperature, and the difference, agreement and size of each
            format.
        settings: the section `export`.
        trained_with: the section `train`, with which the network must have been trained.

    Raises:
        ModelError: Keras is older than `OLDEST_KERAS`, the model file cannot be used, the network was trained with
            other settings or classes, or a format differs by more than the tolerance.
    """
    _check_keras()
    trained, facts = keras_file.load(source)
    faces = dataset.load(validation)
    _check_settings(facts, trained_with, source)
    _check_classes(facts, faces)
    network = trained.get_layer(facts.parameters["train"]["architecture"])
    uncalibrated = architectures.wrap_for_serving(network, facts.face_size, 1.0, settings.views)
    values = logits(uncalibrated, faces.pixels)
    adjustment = fit_adjustment(values, settings.logit_adjustment)
    bias = network.get_layer("logits").bias
    bias.assign(bias + adjustment)
    # The last digits depend on the number of threads and mean nothing, so they are rounded away.
    taught = targets(faces.labels, faces.votes, faces.classes, trained_with.votes)
    temperature = round(fit_temperature(values + adjustment, taught), 6)
    calibrated = architectures.wrap_for_serving(network, facts.face_size, temperature, settings.views)
    _convert_constants(calibrated)
    expected = _predict(calibrated, faces.pixels)
    threshold = round(fit_threshold(expected, settings.certain), 6)
    chosen = {"views": settings.views, "logit_adjustment": settings.logit_adjustment}
    parameters = facts.parameters | {"export": chosen}
    facts = replace(facts, temperature=temperature, threshold=threshold, parameters=parameters)
    numbers: dict[str, float | int] = {"parameters": network.count_params(), "temperature": temperature}
    for suffix, (write, read) in FORMATS.items():
        path = folder / f"emotion.{suffix}"
        write(calibrated, facts, path)
        numbers |= _compare(suffix, read(path, faces.pixels), expected, path, settings.tolerance)
    write_json(report, numbers)


def logits(served: keras.Model, faces: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the input of the softmax, at temperature 1: shape (n, classes)."""
    scaled = keras.Model(served.input, served.get_layer("temperature").output)
    return np.asarray(_predict(scaled, faces), dtype=np.float64)


def _convert_constants(model: keras.Model) -> None:
    """Convert the constants of input normalisation to NumPy arrays: tf2onnx turns captured tensors into inputs."""
    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.Normalization):
            layer.mean, layer.variance = np.asarray(layer.mean), np.asarray(layer.variance)


def _check_keras() -> None:
    if tuple(map(int, keras.__version__.split(".")[:2])) < OLDEST_KERAS:
        oldest = ".".join(map(str, OLDEST_KERAS))
        raise ModelError(
            f"export needs Keras {oldest} or newer, and this is Keras {keras.__version__}; "
            f"run: pip install 'keras>={oldest}'"
        )


def _check_settings(facts: Metadata, expected: Train, source: Path) -> None:
    """Refuse a network of other settings; a setting that did not exist when it was trained does not count."""
    stored, present = flatten(facts.parameters["train"]), flatten(expected.model_dump())
    different = [name for name in present if name in stored and stored[name] != present[name]]
    if different:
        found = ", ".join(f"train.{name} {stored[name]}" for name in different)
        wanted = ", ".join(f"{present[name]}" for name in different)
        raise ModelError(
            f"{source} was trained with {found}, but params.yaml has {wanted}; "
            "run: dvc repro --single-item --force train"
        )


def _check_classes(facts: Metadata, faces: Dataset) -> None:
    if facts.classes != faces.classes:
        raise ModelError(
            f"the network was trained for the classes {', '.join(facts.classes)}, but the validation faces have "
            f"{', '.join(faces.classes)}; run: dvc repro train"
        )


def _compare(
    suffix: str, found: Probabilities, expected: Probabilities, path: Path, tolerance: float
) -> dict[str, float | int]:
    difference = float(np.abs(found - expected).max())
    if not difference <= tolerance:
        raise ModelError(
            f"{path.name}: expected probabilities within {tolerance} of Keras, received a difference of "
            f"{difference:.2e}; find the cause before you raise export.tolerance"
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
        graph.graph.doc_string = ""  # tf2onnx numbers the functions of the process in it
        onnx.helper.set_model_props(graph, {metadata.KEY: facts.to_json()})
        onnx.save(graph, temporary)


def _rename(graph: onnx.GraphProto) -> None:
    """Name the output, and rename what tf2onnx names by the order of sets and by a global count."""
    stored = {tensor.name: tensor for tensor in graph.initializer}
    (output,) = graph.output
    names: dict[str, str] = {value.name: value.name for value in graph.input} | {output.name: OUTPUT, "": ""}
    output.name = OUTPUT
    constants: dict[bytes, onnx.TensorProto] = {}

    def name_of(old: str) -> str:
        if old not in names:
            names[old] = _name_constant(stored[old], constants) if old in stored else f"tensor_{len(names)}"
        return names[old]

    for value in (*graph.input, *graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "faces"
    for index, node in enumerate(graph.node):
        node.name = f"{node.op_type}_{index}"
        node.input[:] = [name_of(name) for name in node.input]
        node.output[:] = [name_of(name) for name in node.output]
    del graph.initializer[:], graph.value_info[:]
    graph.initializer.extend(constants.values())


def _name_constant(tensor: onnx.TensorProto, constants: dict[bytes, onnx.TensorProto]) -> str:
    """Return the name of the constant with this content; add the constant if it is new."""
    copy = onnx.TensorProto()
    copy.CopyFrom(tensor)
    copy.name = ""
    content = copy.SerializeToString(deterministic=True)
    if content not in constants:
        copy.name = f"constant_{len(constants)}"
        constants[content] = copy
    return str(constants[content].name)


def _write_h5(model: keras.Model, facts: Metadata, path: Path) -> None:
    # Silence Keras' warning that h5 is a legacy format: this file is for people who need that format.
    absl.logging.set_verbosity(absl.logging.ERROR)
    with replacing(path) as temporary:
        model.save(temporary)
        with h5py.File(temporary, "a") as file:
            configuration = json.loads(file.attrs["model_config"])
            keras_file.drop_newer_settings(configuration)
            file.attrs["model_config"] = json.dumps(configuration)
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
    return _predict(keras_file.load(path)[0], faces)


def _read_tflite(path: Path, faces: NDArray[np.uint8]) -> Probabilities:
    interpreter = Interpreter(model_path=str(path))
    entry, result = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]

    def run(batch: NDArray[np.uint8]) -> Any:
        interpreter.resize_tensor_input(entry, batch.shape)
        with keras_setup.quiet():  # it prints which kernels it chooses
            interpreter.allocate_tensors()
        interpreter.set_tensor(entry, batch)
        interpreter.invoke()
        return interpreter.get_tensor(result)

    return _in_batches(run, faces)


def _predict(model: keras.Model, faces: NDArray[np.uint8]) -> Probabilities:
    # Keras would put an array through a parallel map, for which TensorFlow logs an error when determinism is on.
    batches = tf.data.Dataset.from_tensor_slices(faces).batch(BATCH)
    return np.asarray(model.predict(batches, verbose=0))


def _in_batches(run: Callable[[NDArray[np.uint8]], Any], faces: NDArray[np.uint8]) -> Probabilities:
    return np.concatenate([run(faces[start : start + BATCH]) for start in range(0, len(faces), BATCH)])


FORMATS: Final = {
    "onnx": (_write_onnx, _read_onnx),
    "h5": (_write_h5, _read_h5),
    "tflite": (_write_tflite, _read_tflite),
}
"""How each format is written, and how it is read back with the runtime of its users."""
