from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from small_models import write_int8, write_model

from emotion.errors import EmotionError, ModelError
from emotion.inference.network import Network
from emotion.inference.precision import Comparison, file_of
from emotion.inference.predictor import Predictor

FACE = np.full((1, 48, 48), 90, np.uint8)


def test_int8_opens_the_file_beside_the_model(tmp_path: Path) -> None:
    model = write_int8(tmp_path)
    assert np.ptp(Network(model).probabilities(FACE, 1)) == 0
    assert np.ptp(Network(model, precision="int8").probabilities(FACE, 1)) > 0.01


def test_int8_file_itself_can_be_named(tmp_path: Path) -> None:
    path = file_of(write_int8(tmp_path), "int8")
    assert np.ptp(Network(path, precision="int8").probabilities(FACE, 1)) > 0.01


def test_predictor_passes_the_precision_on_and_keeps_it_when_pickled(tmp_path: Path) -> None:
    predictor = Predictor(write_int8(tmp_path), threads=1, detection="haar", precision="int8")
    expected = Network(tmp_path / "emotion.onnx", precision="int8").probabilities(FACE, 1)
    for each in (predictor, pickle.loads(pickle.dumps(predictor))):  # noqa: S301
        np.testing.assert_array_equal(each.network.probabilities(FACE, 1), expected)


def test_int8_file_is_not_opened_as_float32(tmp_path: Path) -> None:
    path = file_of(write_int8(tmp_path), "int8")
    with pytest.raises(ModelError, match=r"emotion\.int8\.onnx computes in int8; choose the precision int8, or the fl"):
        Network(path)


def test_file_that_the_stage_did_not_write_is_not_opened_as_int8(tmp_path: Path) -> None:
    write_model(tmp_path / "emotion.int8.onnx")
    with pytest.raises(ModelError, match=r"emotion\.int8\.onnx is not an int8 file that the stage export wrote; use f"):
        Network(tmp_path / "emotion.onnx", precision="int8")


@pytest.mark.parametrize("text", ["{", "[]", '{"accuracy": 0.7}', '{"agreement": 1}'])
def test_figures_that_cannot_be_read_are_refused(tmp_path: Path, text: str) -> None:
    model = write_int8(tmp_path, text)
    with pytest.raises(ModelError, match=r"emotion\.int8\.onnx has int8 figures that cannot be read \(.*\); use flo"):
        Network(model, precision="int8")


def test_missing_int8_file_is_named(tmp_path: Path) -> None:
    model = write_model(tmp_path / "emotion.onnx")
    with pytest.raises(ModelError, match=r"there is no model file .*emotion\.int8\.onnx; use float32, or run: dvc rep"):
        Network(model, precision="int8")


@pytest.mark.parametrize(
    ("int8_accuracy", "agreement", "allowed"),
    [(0.694, 0.97, True), (0.7, 0.97, True), (0.6939, 1.0, False), (0.7001, 1.0, False), (0.697, 0.9699, False)],
)
def test_limits_are_three_tenths_of_a_point_and_97_percent(
    tmp_path: Path, int8_accuracy: float, agreement: float, allowed: bool
) -> None:
    model = write_int8(tmp_path, Comparison(0.697, int8_accuracy, agreement).to_json())
    if allowed:
        Network(model, precision="int8")
        return
    with pytest.raises(ModelError) as caught:
        Network(model, precision="int8")
    assert str(caught.value) == (
        f"{tmp_path}/emotion.int8.onnx cannot stand in for float32: its accuracy on validation is {int8_accuracy:.2%} "
        f"instead of 69.70%, and {agreement:.2%} of its labels are those of float32; allowed are 0.3 points of "
        "difference and at least 97% equal labels; use float32"
    )


def test_unknown_precision_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EmotionError, match="there is no precision 'int4'; use float32 or int8"):
        Network(write_int8(tmp_path), precision="int4")  # type: ignore[arg-type]


@pytest.mark.parametrize("device", ["gpu", "auto"])
def test_int8_is_refused_on_a_gpu_where_it_was_not_measured(tmp_path: Path, device: str) -> None:
    with pytest.raises(EmotionError, match=f"int8 computes on the device cpu alone, received {device}; choose cpu, or"):
        Network(write_int8(tmp_path), precision="int8", device=device)  # type: ignore[arg-type]
