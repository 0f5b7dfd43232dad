from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import numpy_helper
from small_models import write_model
from small_networks import drawn, facts_of, files_below, one_line, settings

from emotion import dataset, export, metadata, quantization
from emotion.dataset import Dataset
from emotion.errors import ModelError
from emotion.files import read_json, write_json
from emotion.inference import precision
from emotion.inference.network import Network
from emotion.labels import NAMES
from emotion.networks import architectures

FACES = drawn(per_class=12, classes=NAMES, seed=6)

# Two kinds of faces that even a network tells apart of which only the last layer has learned: light and dark ones.
DARK = FACES.labels % np.int8(2)
SHADED = replace(FACES, pixels=FACES.pixels // np.where(DARK, 4, 1).astype(np.uint8)[:, None, None], labels=DARK)


def fit(features: NDArray[np.float64], labels: NDArray[np.int8]) -> NDArray[np.float32]:
    """Return weights, shape (features, classes), of a linear classifier that decides clearly: ridge regression."""
    targets = np.eye(len(NAMES))[labels] - 1 / len(NAMES)
    products = features @ features.T
    ridge = products + 0.01 * np.trace(products) / len(products) * np.eye(len(products))
    weights = features.T @ np.linalg.solve(ridge, targets)
    return (20 * weights).astype(np.float32)


def build(architecture: str, views: int) -> keras.Model:
    """Return a network that tells the faces of `SHADED` apart, as users call it."""
    keras.utils.set_random_seed(0)
    network = architectures.build(architecture, 40, len(NAMES), architectures.Transfer("none", 55))
    inner = keras.Model(network.input, network.get_layer("logits").input)
    grey = SHADED.pixels[:, 4:44, 4:44, None] / np.float32(255)
    features = np.asarray(inner.predict(grey, verbose=0), np.float64)
    kernel = fit(features - features.mean(axis=0), SHADED.labels)
    network.get_layer("logits").set_weights([kernel, -(features.mean(axis=0) @ kernel).astype(np.float32)])
    served = architectures.wrap_for_serving(network, 48, 1.0, views)
    served.predict(SHADED.pixels[:1], verbose=0)  # Keras exports only what was called
    return served


def quantize(model: Path, faces: Dataset = FACES) -> str | None:
    """Quantise a model beside which its report will lie."""
    folder = model.parent
    write_json(folder / "export.json", {"parameters": 5})
    for split in ("train", "validation"):
        dataset.save(faces, folder / f"{split}.npz")
    return quantization.quantize(model, folder / "train.npz", folder / "validation.npz", folder / "export.json")


def properties_of(path: Path) -> dict[str, str]:
    return {entry.key: entry.value for entry in onnx.load(path).metadata_props}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A linear network that tells drawn faces apart, quantised."""
    weights = fit(FACES.pixels.reshape(len(FACES), -1).astype(np.float64), FACES.labels)
    path = write_model(tmp_path_factory.mktemp("linear") / "emotion.onnx", weights=weights)
    assert quantize(path) is None
    return path


def test_int8_file_lies_beside_the_float32_file_and_is_a_quarter_as_large(model: Path) -> None:
    written = {"emotion.onnx", "emotion.int8.onnx", "export.json", "train.npz", "validation.npz"}
    assert files_below(model.parent) == written
    assert model.with_name("emotion.int8.onnx").stat().st_size < 0.35 * model.stat().st_size


def test_weights_have_a_scale_for_each_output_channel_and_are_too_small_to_overflow(model: Path) -> None:
    graph = onnx.load(model.with_name("emotion.int8.onnx")).graph
    stored = {tensor.name: tensor for tensor in graph.initializer}
    (product,) = [node for node in graph.node if node.op_type == "MatMul"]
    (scaled,) = [node for node in graph.node if product.input[1] in node.output]
    weights = numpy_helper.to_array(stored[scaled.input[0]])
    assert scaled.op_type == "DequantizeLinear"
    assert weights.dtype == np.int8
    assert list(stored[scaled.input[1]].dims) == [len(NAMES)]
    assert 60 <= np.abs(weights.astype(int)).max() <= 64


def test_labels_are_those_of_float32_and_the_report_says_how_many(model: Path) -> None:
    labels = [
        Network(model, precision=kind).probabilities(FACES.pixels, 16).argmax(axis=1) for kind in ("float32", "int8")
    ]
    report = read_json(model.parent / "export.json")
    assert report == {
        "parameters": 5,
        "accuracy": pytest.approx((labels[0] == FACES.labels).mean(), abs=1e-6),
        "int8_accuracy": pytest.approx((labels[1] == FACES.labels).mean(), abs=1e-6),
        "int8_agreement": pytest.approx((labels[0] == labels[1]).mean(), abs=1e-6),
        "int8_bytes": model.with_name("emotion.int8.onnx").stat().st_size,
    }
    assert report["accuracy"] > 0.8
    assert report["int8_agreement"] >= 0.97


def test_int8_file_carries_the_metadata_of_float32_and_the_comparison(model: Path) -> None:
    found = properties_of(model.with_name("emotion.int8.onnx"))
    report = read_json(model.parent / "export.json")
    assert found.pop(metadata.KEY) == properties_of(model)[metadata.KEY]
    assert json.loads(found.pop(precision.KEY)) == {
        "accuracy": report["accuracy"],
        "int8_accuracy": report["int8_accuracy"],
        "agreement": report["int8_agreement"],
    }
    assert found == {}


def test_quantising_again_writes_the_same_bytes(model: Path, tmp_path: Path) -> None:
    again = tmp_path / "emotion.onnx"
    again.write_bytes(model.read_bytes())
    quantize(again)
    for name in ("emotion.int8.onnx", "export.json"):
        assert (tmp_path / name).read_bytes() == (model.parent / name).read_bytes()


def test_nothing_is_printed_or_logged(
    model: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    quantization.convert(model, FACES.pixels, tmp_path / "int8.onnx")
    assert capfd.readouterr() == ("", "")
    assert caplog.records == []


@pytest.mark.parametrize(("count", "expected"), [(3, [0, 1, 2]), (10, [0, 2, 5, 7])])
def test_calibration_faces_are_spread_evenly(monkeypatch: pytest.MonkeyPatch, count: int, expected: list[int]) -> None:
    monkeypatch.setattr(quantization, "CALIBRATION_FACES", 4)
    faces = np.arange(count, dtype=np.uint8)[:, None, None] * np.ones((1, 48, 48), np.uint8)
    assert quantization.choose(faces)[:, 0, 0].tolist() == expected


def test_network_that_int8_changes_too_much_is_named_and_not_opened(tmp_path: Path) -> None:
    # One white corner decides, by differences far smaller than a step of the range that the other pixels cause.
    weights = np.zeros((48 * 48, len(NAMES)), np.float32)
    weights[:, 0] = 1e-3
    weights[:, 1] = 1e-3
    weights[0, 1] += 1e-4
    weights[1, 0] += 1e-4
    path = write_model(tmp_path / "emotion.onnx", weights=weights)
    said = quantize(path)
    assert said is not None
    assert "\n" not in said
    agreement = read_json(tmp_path / "export.json")["int8_agreement"]
    assert agreement < 0.97
    assert said.startswith("emotion.int8.onnx cannot stand in for float32: its accuracy on validation is ")
    assert f"and {agreement:.2%} of its labels are those of float32; allowed are 0.3 points" in said
    with pytest.raises(ModelError, match=r"emotion\.int8\.onnx cannot stand in for float32: its accuracy") as caught:
        Network(path, precision="int8")
    assert one_line(caught.value).endswith("at least 97% equal labels; use float32")


@pytest.mark.parametrize(
    ("architecture", "views"),
    [
        ("three_block_cnn", 10),
        ("batchnorm_cnn", 2),
        ("gap_cnn", 1),
        ("resnet", 1),
        pytest.param("face_resnet_small", 2, marks=pytest.mark.slow),
        pytest.param("face_resnet", 1, marks=pytest.mark.slow),
        pytest.param("mobilenetv2", 1, marks=pytest.mark.slow),
    ],
)
def test_every_kind_of_network_keeps_its_labels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, architecture: str, views: int
) -> None:
    monkeypatch.setattr(precision, "LARGEST_CHANGE", 0.03)  # two of these few faces
    path = tmp_path / "emotion.onnx"
    facts = replace(facts_of(settings(), NAMES), threshold=0.5)
    export.FORMATS["onnx"][0](build(architecture, views), facts, path)
    assert quantize(path, SHADED) is None
    report = read_json(tmp_path / "export.json")
    assert report["accuracy"] > 0.95
    assert report["int8_bytes"] < 0.4 * path.stat().st_size
    assert Network(path, precision="int8").probabilities(SHADED.pixels, 16).shape == (len(SHADED), len(NAMES))
