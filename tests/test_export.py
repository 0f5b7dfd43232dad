from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest
from numpy.typing import NDArray
from packages import lowest_of_pyproject
from small_networks import drawn, facts_of, files_below, one_line, run_stage, settings
from small_runs import write_section
from tensorflow.lite.tools import flatbuffer_utils

from emotion import dataset, export, metadata
from emotion.errors import ModelError
from emotion.inference.network import Network
from emotion.inference.onnx_runtime import onnxruntime
from emotion.learning import batch_norm, training
from emotion.metadata import Metadata
from emotion.networks import architectures, keras_file
from emotion.params import Export
from emotion.quantization import quantize
from emotion.votes import EXPRESSIONS

FACES = drawn(seed=4)
VALIDATION = "data/faces/validation.npz"
SETTINGS = Export(views=1, logit_adjustment=0, tolerance=1e-4, certain=0.8)
COARSE = SETTINGS.model_copy(update={"tolerance": 0.001})
TRAINED_WITH = settings(architecture="gap_cnn", augmentation={"crop": 40})
SUFFIXES = ("onnx", "h5", "tflite")


@dataclass(frozen=True)
class Exported:
    """A network, the folder of its exported files, the content of `export.json`, and what was said about int8."""

    network: keras.Model
    folder: Path
    numbers: dict[str, float]
    said: str | None

    def file(self, suffix: str) -> Path:
        return self.folder / f"emotion.{suffix}"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[keras.Model, Path, Path]:
    """An untrained, overconfident network, its file, and the file of validation faces."""
    folder = tmp_path_factory.mktemp("trained")
    keras.utils.set_random_seed(0)
    network = architectures.build("gap_cnn", 40, len(FACES.classes), architectures.Transfer("none", 32))
    for weights in network.layers[-1].weights:
        weights.assign(weights * 300)
    facts = facts_of(TRAINED_WITH)
    keras_file.save(architectures.wrap_for_serving(network, 48, temperature=1.0), facts, folder / "emotion.keras")
    dataset.save(FACES, folder / "validation.npz")
    return network, folder / "emotion.keras", folder / "validation.npz"


@pytest.fixture(scope="module")
def exported(trained: tuple[keras.Model, Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Exported:
    network, source, validation = trained
    folder = tmp_path_factory.mktemp("exported")
    keras.utils.clear_session()  # layer names count from 1, as in a new process
    export.export_formats(source, validation, folder, folder / "export.json", SETTINGS, TRAINED_WITH)
    said = quantize(folder / "emotion.onnx", validation, validation, folder / "export.json")
    return Exported(network, folder, json.loads((folder / "export.json").read_text()), said)


def softmax(logits: NDArray[Any]) -> NDArray[Any]:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def metadata_in(path: Path) -> Metadata:
    if path.suffix == ".onnx":
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        text = session.get_modelmeta().custom_metadata_map[metadata.KEY]
    elif path.suffix == ".h5":
        return keras_file.load(path)[1]
    else:
        graph = flatbuffer_utils.read_model(str(path))
        entry = next(entry for entry in graph.metadata if entry.name == metadata.KEY.encode())
        text = bytes(graph.buffers[entry.buffer].data).decode()
    return metadata.parse(text, path.name)


def test_four_files_and_a_report_are_written_and_nothing_else(exported: Exported) -> None:
    assert files_below(exported.folder) == {"emotion.int8.onnx", "export.json"} | {
        f"emotion.{suffix}" for suffix in SUFFIXES
    }
    parts = [f"{suffix}_{what}" for suffix in SUFFIXES for what in ("difference", "agreement", "bytes")]
    int8 = ["accuracy", "int8_accuracy", "int8_agreement", "int8_bytes"]
    assert list(exported.numbers) == ["parameters", "temperature", *parts, *int8]
    for suffix in SUFFIXES:
        assert exported.numbers[f"{suffix}_bytes"] == exported.file(suffix).stat().st_size


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_file_carries_classes_parameters_and_the_fitted_temperature(exported: Exported, suffix: str) -> None:
    facts = metadata_in(exported.file(suffix))
    assert facts.temperature == pytest.approx(exported.numbers["temperature"], abs=1e-6)
    trained_as = facts_of(settings(architecture="gap_cnn", augmentation={"crop": 40}))
    assert replace(facts, temperature=1.0, threshold=None, parameters=trained_as.parameters) == trained_as
    assert facts.parameters == trained_as.parameters | {"export": {"views": 1, "logit_adjustment": 0}}


def test_threshold_in_the_file_makes_the_chosen_share_of_validation_certain(exported: Exported) -> None:
    network = Network(exported.file("onnx"))
    largest = network.probabilities(FACES.pixels, batch_size=8).max(axis=1)
    assert (largest >= network.threshold).sum() == 19  # of 24


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_file_gives_the_calibrated_probabilities_of_keras(exported: Exported, suffix: str) -> None:
    centre = FACES.pixels[:, 4:44, 4:44, None] / np.float32(255)
    logits = np.asarray(exported.network(centre), np.float64)
    expected = softmax(logits / metadata_in(exported.file(suffix)).temperature)
    found = export.FORMATS[suffix][1](exported.file(suffix), FACES.pixels)
    assert found.dtype == np.float32
    assert found.shape == (24, 3)
    np.testing.assert_allclose(found, expected, atol=2e-6)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-6)
    assert exported.numbers[f"{suffix}_difference"] < 1e-5
    assert exported.numbers[f"{suffix}_agreement"] == 1


def test_stage_writes_the_same_bytes_in_another_process(
    trained: tuple[keras.Model, Path, Path], exported: Exported, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_section(tmp_path, "train", TRAINED_WITH.model_dump())
    write_section(tmp_path, "export", SETTINGS.model_dump())
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "2")  # as people set it, to see errors and nothing else
    inputs = {"models/emotion.keras": trained[1], "data/faces/train.npz": trained[2], VALIDATION: trained[2]}
    for name, source in inputs.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, tmp_path / name)
    before = files_below(tmp_path)
    result = run_stage(tmp_path, "export")
    assert result.returncode == 0, result.stderr
    assert exported.said is not None  # an untrained network
    assert result.stderr == f"export: {exported.said}\n"
    files = (*SUFFIXES, "int8.onnx")
    assert files_below(tmp_path) - before == {f"models/emotion.{s}" for s in files} | {"metrics/export.json"}
    for suffix in files:
        assert (tmp_path / f"models/emotion.{suffix}").read_bytes() == exported.file(suffix).read_bytes(), suffix
    assert (tmp_path / "metrics/export.json").read_bytes() == (exported.folder / "export.json").read_bytes()


def test_onnx_file_names_its_input_and_output(exported: Exported) -> None:
    session = onnxruntime.InferenceSession(exported.file("onnx"), providers=["CPUExecutionProvider"])
    assert [value.name for value in session.get_inputs()] == ["faces"]
    assert [value.name for value in session.get_outputs()] == ["probabilities"]


def test_h5_file_has_no_setting_that_only_new_versions_of_keras_know(exported: Exported) -> None:
    with h5py.File(exported.file("h5")) as file:
        assert not [name for name in keras_file.NEWER if f'"{name}"' in file.attrs["model_config"]]


def test_second_export_of_a_process_writes_the_same_bytes(
    trained: tuple[keras.Model, Path, Path], exported: Exported, tmp_path: Path
) -> None:
    keras.utils.clear_session()
    export.export_formats(trained[1], trained[2], tmp_path, tmp_path / "export.json", SETTINGS, TRAINED_WITH)
    assert (tmp_path / "emotion.onnx").read_bytes() == exported.file("onnx").read_bytes()


def test_temperature_lowers_the_confidence_of_an_overconfident_network(exported: Exported) -> None:
    assert exported.numbers["temperature"] > 1.5


def test_temperature_is_fitted_to_what_the_network_was_taught(
    trained: tuple[keras.Model, Path, Path], exported: Exported, tmp_path: Path
) -> None:
    by_votes = settings(architecture="gap_cnn", augmentation={"crop": 40}, votes=1.0)
    served = architectures.wrap_for_serving(trained[0], 48, temperature=1.0)
    keras_file.save(served, facts_of(by_votes), tmp_path / "emotion.keras")
    columns = np.array([EXPRESSIONS.index(name) for name in FACES.classes])
    votes = dataset.no_votes(len(FACES))
    votes[np.arange(len(FACES)), columns[served.predict(FACES.pixels, verbose=0).argmax(axis=1)]] = 10
    dataset.save(replace(FACES, votes=votes), tmp_path / "validation.npz")
    paths = tmp_path / "emotion.keras", tmp_path / "validation.npz", tmp_path, tmp_path / "export.json"
    export.export_formats(*paths, COARSE, by_votes)
    assert json.loads(paths[-1].read_text())["temperature"] < 1 < exported.numbers["temperature"]


def normalising_base(include_top: bool, weights: None, input_shape: tuple[int, ...], name: str) -> keras.Model:
    """Stand in for EfficientNetB0, which takes half a minute: it too normalises its input."""
    assert (include_top, weights) == (False, None)
    pixels = keras.Input(input_shape)
    maps = keras.layers.Normalization(axis=3)(pixels)
    return keras.Model(pixels, keras.layers.Conv2D(4, 3, strides=2)(maps), name=name)


def test_adjusted_logits_are_exported_to_all_formats(trained: tuple[keras.Model, Path, Path], tmp_path: Path) -> None:
    report = tmp_path / "export.json"
    settings = SETTINGS.model_copy(update={"logit_adjustment": 0.5})
    export.export_formats(*trained[1:], tmp_path, report, settings, TRAINED_WITH)
    logits = np.asarray(trained[0](FACES.pixels[:, 4:44, 4:44, None] / np.float32(255)), np.float64)
    adjusted = logits - 0.5 * np.log(softmax(logits).mean(axis=0))
    for suffix in SUFFIXES:
        facts = metadata_in(tmp_path / f"emotion.{suffix}")
        assert facts.parameters["export"] == {"views": 1, "logit_adjustment": 0.5}
        found = export.FORMATS[suffix][1](tmp_path / f"emotion.{suffix}", FACES.pixels)
        np.testing.assert_allclose(found, softmax(adjusted / facts.temperature), atol=2e-5)
    assert np.abs(softmax(adjusted) - softmax(logits)).max() > 0.01


@pytest.mark.parametrize("views", [2, 10])
def test_averaged_views_are_exported_to_all_formats(
    trained: tuple[keras.Model, Path, Path], tmp_path: Path, views: int
) -> None:
    report = tmp_path / "export.json"
    export.export_formats(*trained[1:], tmp_path, report, SETTINGS.model_copy(update={"views": views}), TRAINED_WITH)
    network = Network(tmp_path / "emotion.onnx")
    assert network.metadata.parameters["export"]["views"] == views
    one_by_one = [network.probabilities(face[None], batch_size=1)[0] for face in FACES.pixels[:3]]
    np.testing.assert_allclose(network.probabilities(FACES.pixels, batch_size=24)[:3], one_by_one, atol=1e-6)
    mirrored = network.probabilities(FACES.pixels[:, :, ::-1].copy(), batch_size=24)
    np.testing.assert_allclose(mirrored, network.probabilities(FACES.pixels, batch_size=24), atol=1e-5)
    numbers = json.loads(report.read_text())
    assert all(numbers[f"{suffix}_agreement"] == 1 for suffix in SUFFIXES)
    assert all(numbers[f"{suffix}_bytes"] < 1.1 * numbers["h5_bytes"] for suffix in SUFFIXES), (
        "weights are stored twice"
    )


def test_constants_of_input_normalisation_do_not_become_inputs_of_the_graph(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "FORMATS", {"onnx": export.FORMATS["onnx"]})
    monkeypatch.setattr(keras.applications, "EfficientNetB0", normalising_base)
    network = architectures.build("efficientnetb0", 40, len(FACES.classes), architectures.Transfer("none", 32))
    chosen = settings(architecture="efficientnetb0", augmentation={"crop": 40})
    served = architectures.wrap_for_serving(network, 48, temperature=1.0)
    keras_file.save(served, facts_of(chosen), tmp_path / "emotion.keras")
    dataset.save(FACES, tmp_path / "validation.npz")
    export.export_formats(
        tmp_path / "emotion.keras", tmp_path / "validation.npz", tmp_path, tmp_path / "export.json", SETTINGS, chosen
    )
    assert Network(tmp_path / "emotion.onnx").classes == FACES.classes


def test_network_that_starts_from_faces_is_exported_and_loaded_again(dlib_weights: Path, tmp_path: Path) -> None:
    assert dlib_weights.is_file()
    keras.utils.set_random_seed(0)
    chosen = settings(
        architecture="face_resnet", augmentation={"crop": 40}, transfer={"weights": "faces", "image_size": 63}
    )
    network = training.build(chosen, FACES)
    batch_norm.adopt_statistics(network, [FACES.pixels[:, 4:44, 4:44, None] / np.float32(255)])
    served = architectures.wrap_for_serving(network, 48, temperature=1.0)
    expected = np.asarray(served(FACES.pixels))
    assert np.ptp(expected, axis=0).min() > 0.01
    keras_file.save(served, facts_of(chosen), tmp_path / "emotion.keras")
    np.testing.assert_array_equal(keras_file.load(tmp_path / "emotion.keras")[0](FACES.pixels), expected)
    dataset.save(FACES, tmp_path / "validation.npz")
    report = tmp_path / "export.json"
    export.export_formats(tmp_path / "emotion.keras", tmp_path / "validation.npz", tmp_path, report, SETTINGS, chosen)
    numbers = json.loads(report.read_text())
    for suffix in SUFFIXES:
        assert numbers[f"{suffix}_difference"] < 1e-5
        assert numbers[f"{suffix}_agreement"] == 1


def test_exported_file_runs_in_the_inference_code(exported: Exported) -> None:
    network = Network(exported.file("onnx"))
    assert network.classes == FACES.classes
    found = network.probabilities(FACES.pixels, batch_size=5)
    np.testing.assert_allclose(found, export.FORMATS["onnx"][1](exported.file("onnx"), FACES.pixels), atol=1e-6)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_several_calls_give_the_probabilities_of_one_call(
    exported: Exported, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = export.FORMATS[suffix][1](exported.file(suffix), FACES.pixels)
    monkeypatch.setattr(export, "BATCH", 7)
    parts = export.FORMATS[suffix][1](exported.file(suffix), FACES.pixels)
    np.testing.assert_allclose(parts, whole, atol=1e-6)


@pytest.fixture
def inexact(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A format whose first probability is wrong by `off`."""
    change: dict[str, Any] = {"off": 0.0}

    def write(model: keras.Model, _: Metadata, path: Path) -> None:
        path.write_bytes(b"file")
        change["model"] = model

    def read(_: Path, faces: NDArray[np.uint8]) -> NDArray[np.float32]:
        found = np.array(change["model"].predict(faces, verbose=0))
        found[0, 0] += change["off"]
        return found

    monkeypatch.setattr(export, "FORMATS", {"onnx": (write, read)})
    return change


@pytest.mark.parametrize("off", [-0.002, np.nan])
def test_format_that_differs_by_more_than_the_tolerance_is_refused(
    trained: tuple[keras.Model, Path, Path], inexact: dict[str, Any], tmp_path: Path, off: float
) -> None:
    inexact["off"] = off
    with pytest.raises(ModelError, match=r"emotion\.onnx: expected probabilities within 0\.001 of Keras") as caught:
        export.export_formats(
            *trained[1:],
            tmp_path,
            tmp_path / "export.json",
            SETTINGS.model_copy(update={"tolerance": 0.001}),
            TRAINED_WITH,
        )
    assert "received a difference of " in one_line(caught.value)
    assert not (tmp_path / "export.json").exists()


def test_difference_within_the_tolerance_is_reported(
    trained: tuple[keras.Model, Path, Path], inexact: dict[str, Any], tmp_path: Path
) -> None:
    inexact["off"] = 0.0005
    export.export_formats(*trained[1:], tmp_path, tmp_path / "export.json", COARSE, TRAINED_WITH)
    assert json.loads((tmp_path / "export.json").read_text())["onnx_difference"] == pytest.approx(0.0005, abs=1e-6)


@pytest.mark.parametrize("classes", [FACES.classes[::-1], (*FACES.classes, "sad")], ids=["order", "number"])
def test_network_of_other_classes_is_refused(
    trained: tuple[keras.Model, Path, Path], tmp_path: Path, classes: tuple[str, ...]
) -> None:
    dataset.save(replace(FACES, classes=classes), tmp_path / "validation.npz")
    with pytest.raises(ModelError, match="trained for the classes angry, disgust, fear, but the validation") as caught:
        export.export_formats(
            trained[1], tmp_path / "validation.npz", tmp_path, tmp_path / "export.json", SETTINGS, TRAINED_WITH
        )
    assert one_line(caught.value).endswith(f"faces have {', '.join(classes)}; run: dvc repro train")
    assert files_below(tmp_path) == {"validation.npz"}


def test_keras_that_cannot_write_onnx_is_refused_before_anything_is_written(
    trained: tuple[keras.Model, Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keras, "__version__", "3.6.0")
    with pytest.raises(ModelError) as caught:
        export.export_formats(*trained[1:], tmp_path, tmp_path / "export.json", SETTINGS, TRAINED_WITH)
    oldest = lowest_of_pyproject("keras")
    assert one_line(caught.value) == (
        f"export needs Keras {oldest} or newer, and this is Keras 3.6.0; run: pip install 'keras>={oldest}'"
    )
    assert files_below(tmp_path) == set()


def test_network_of_other_settings_is_refused(trained: tuple[keras.Model, Path, Path], tmp_path: Path) -> None:
    other = settings(architecture="gap_cnn", augmentation={"crop": 40, "flip": 0.25}, learning_rate=0.5)
    with pytest.raises(ModelError, match="was trained with train") as caught:
        export.export_formats(*trained[1:], tmp_path, tmp_path / "export.json", SETTINGS, other)
    assert one_line(caught.value).endswith(
        "emotion.keras was trained with train.learning_rate 0.001, train.augmentation.flip 0.0, "
        "but params.yaml has 0.5, 0.25; run: dvc repro --single-item --force train"
    )
    assert files_below(tmp_path) == set()


def test_setting_that_is_newer_than_the_network_does_not_refuse_it(
    trained: tuple[keras.Model, Path, Path], inexact: dict[str, Any], tmp_path: Path
) -> None:
    assert inexact["off"] == 0
    model, facts = keras_file.load(trained[1])
    older = {name: value for name, value in facts.parameters["train"].items() if name not in {"votes", "ema"}}
    keras_file.save(model, replace(facts, parameters={"train": older}), tmp_path / "emotion.keras")
    report = tmp_path / "export.json"
    export.export_formats(
        tmp_path / "emotion.keras", trained[2], tmp_path, report, SETTINGS, TRAINED_WITH.model_copy(update={"ema": 0.5})
    )
    assert report.exists()
