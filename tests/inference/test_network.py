from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import TensorProto
from small_models import metadata_of, write_model

from emotion.errors import EmotionError, ImageError, ModelError
from emotion.inference.devices import Device
from emotion.inference.network import Network
from emotion.inference.onnx_runtime import onnxruntime
from emotion.labels import NAMES


def random_faces(number: int) -> NDArray[np.uint8]:
    return np.random.default_rng(3).integers(0, 256, (number, 48, 48), np.uint8)


@pytest.fixture
def network(tmp_path: Path) -> Network:
    return Network(write_model(tmp_path / "emotion.onnx"))


def test_model_file_contains_metadata_and_classes(network: Network) -> None:
    assert network.metadata == metadata_of()
    assert network.classes == NAMES


def test_probabilities_are_float32_rows_that_sum_to_one(network: Network) -> None:
    probabilities = network.probabilities(random_faces(10), batch_size=4)
    assert probabilities.dtype == np.float32
    assert probabilities.shape == (10, 7)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)
    assert np.ptp(probabilities, axis=0).max() > 0.1, "different faces got equal probabilities"


@pytest.mark.parametrize("batch_size", [1, 3, 10, 64])
def test_batch_size_does_not_change_the_probabilities(network: Network, batch_size: int) -> None:
    faces = random_faces(10)
    expected = network.probabilities(faces, batch_size=10)
    np.testing.assert_allclose(network.probabilities(faces, batch_size), expected, rtol=1e-5)


def test_no_faces_give_no_rows(network: Network) -> None:
    assert network.probabilities(random_faces(0), batch_size=8).shape == (0, 7)


@pytest.mark.parametrize("threads", [0, 1, 2])
def test_probabilities_are_identical_on_every_run_and_number_of_threads(tmp_path: Path, threads: int) -> None:
    path = write_model(tmp_path / "emotion.onnx")
    first, second = (Network(path, threads=n).probabilities(random_faces(64), 32) for n in (1, threads))
    assert first.tobytes() == second.tobytes()


def test_threads_share_one_network(network: Network) -> None:
    faces = random_faces(16)
    expected = network.probabilities(faces, 4)
    with ThreadPoolExecutor(4) as pool:
        for probabilities in pool.map(lambda _: network.probabilities(faces, 4), range(16)):
            np.testing.assert_array_equal(probabilities, expected)


@pytest.mark.parametrize(
    "faces",
    [
        np.zeros((2, 48, 48), np.float32),
        np.zeros((48, 48), np.uint8),
        np.zeros((2, 48, 48, 1), np.uint8),
        np.zeros((2, 64, 64), np.uint8),
    ],
    ids=["float", "one face", "channel", "larger"],
)
def test_array_of_another_dtype_or_shape_is_refused(network: Network, faces: NDArray[np.uint8]) -> None:
    with pytest.raises(ImageError, match=r"expected uint8 \(n, 48, 48\), received"):
        network.probabilities(faces, batch_size=4)


def test_file_without_metadata_is_refused(tmp_path: Path) -> None:
    path = write_model(tmp_path / "emotion.onnx", text=None)
    with pytest.raises(ModelError, match=r"emotion\.onnx has no metadata"):
        Network(path)


def test_file_with_foreign_metadata_is_refused(tmp_path: Path) -> None:
    path = write_model(tmp_path / "emotion.onnx", text='{"classes": ["cat"]}')
    with pytest.raises(ModelError, match=r"emotion\.onnx has metadata that cannot be read"):
        Network(path)


def test_graph_with_another_size_type_or_fixed_batch_is_refused(tmp_path: Path) -> None:
    others = [
        write_model(tmp_path / "size.onnx", size=64),
        write_model(tmp_path / "type.onnx", kind=TensorProto.FLOAT),
        write_model(tmp_path / "fixed.onnx", faces=1),
        write_model(tmp_path / "classes.onnx", classes=("happy", "sad"), text=metadata_of().to_json()),
    ]
    for path in others:
        with pytest.raises(ModelError, match=r"expected uint8 \(n, 48, 48\) to float32 \(n, 7\), received"):
            Network(path)


def test_missing_file_and_file_of_another_kind_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"there is no model file .*none\.onnx; run: dvc repro export"):
        Network(tmp_path / "none.onnx")
    (tmp_path / "text.onnx").write_text("hello")
    with pytest.raises(ModelError, match=r"text\.onnx is not an ONNX file, or it is damaged; run: dvc repro export"):
        Network(tmp_path / "text.onnx")


def test_import_loads_neither_tensorflow_nor_other_heavy_packages() -> None:
    heavy = "tensorflow keras matplotlib sklearn pandas cv2 yaml"
    script = f"import sys, emotion.inference.network; print(*set({heavy.split()}) & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout.split() == []


def test_file_without_a_threshold_is_refused(tmp_path: Path) -> None:
    text = replace(metadata_of(), threshold=None).to_json()
    with pytest.raises(ModelError, match="has no threshold for uncertain faces; run: dvc repro export"):
        Network(write_model(tmp_path / "emotion.onnx", text=text))


def test_network_leaves_no_trace_of_telemetry(tmp_path: Path) -> None:
    program = (
        "import numpy as np; from emotion.inference.network import Network; "
        "Network().probabilities(np.zeros((1, 48, 48), np.uint8), 1)"
    )
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("ORT_", "XDG_"))}
    subprocess.run([sys.executable, "-c", program], env={**environment, "HOME": str(tmp_path)}, check=True)
    assert list(tmp_path.rglob("*")) == []


def test_pickled_network_gives_the_same_probabilities(tmp_path: Path) -> None:
    network = Network(write_model(tmp_path / "emotion.onnx"), threads=1)
    again = pickle.loads(pickle.dumps(network))  # noqa: S301
    assert again.classes == network.classes
    np.testing.assert_array_equal(again.probabilities(random_faces(3), 3), network.probabilities(random_faces(3), 3))


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], None]:
    """Return what pretends that ONNX Runtime was built for NVIDIA, and that a graphics card works or does not."""
    real = onnxruntime.InferenceSession

    def pretend(works: bool) -> None:
        def start(path: Path, options: onnxruntime.SessionOptions, providers: list[str]) -> object:
            session = real(path, options, providers=["CPUExecutionProvider"])
            monkeypatch.setattr(session, "get_providers", lambda: providers if works else providers[-1:])
            return session

        available = ["TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"]
        monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: available)
        monkeypatch.setattr(onnxruntime, "InferenceSession", start)
        monkeypatch.setattr(onnxruntime, "preload_dlls", lambda: print("no libraries"))
        monkeypatch.setattr(onnxruntime, "set_default_logger_severity", lambda _: None)

    return pretend


@pytest.mark.parametrize(
    ("works", "device", "used"),
    [(True, "gpu", "gpu"), (True, "auto", "gpu"), (True, "cpu", "cpu"), (False, "auto", "cpu")],
)
def test_device_is_chosen_and_nothing_is_printed(
    tmp_path: Path,
    gpu: Callable[[bool], None],
    capfd: pytest.CaptureFixture[str],
    works: bool,
    device: Device,
    used: str,
) -> None:
    gpu(works)
    assert Network(write_model(tmp_path / "emotion.onnx"), device=device).device == used
    assert capfd.readouterr() == ("", "")


def test_gpu_that_does_not_work_is_an_error(tmp_path: Path, gpu: Callable[[bool], None]) -> None:
    gpu(False)
    with pytest.raises(ModelError, match="ONNX Runtime cannot load its CUDAExecutionProvider; install its driver"):
        Network(write_model(tmp_path / "emotion.onnx"), device="gpu")


def test_build_without_a_gpu_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    model = write_model(tmp_path / "emotion.onnx")
    with pytest.raises(ModelError, match=r"computes on the CPU only; install onnxruntime-gpu .* or choose cpu"):
        Network(model, device="gpu")
    assert Network(model, device="auto").device == "cpu"


def test_unknown_device_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EmotionError, match="there is no device 'tpu'; use cpu, gpu or auto"):
        Network(write_model(tmp_path / "emotion.onnx"), device="tpu")  # type: ignore[arg-type]
