"""The exported network in ONNX Runtime: faces in, calibrated probabilities out, in batches.

The `evaluate` stage measures this class, and everything that users run is built on it. It knows neither picture files
nor TensorFlow.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from emotion.errors import ImageError, ModelError
from emotion.images import FACE_SIZE
from emotion.inference import precision as precisions
from emotion.inference.devices import CPU, Device, check_providers, providers_for
from emotion.inference.onnx_runtime import onnxruntime
from emotion.inference.precision import Precision
from emotion.metadata import KEY, Metadata, parse

SHIPPED: Final = Path(__file__).parents[1] / "shipped" / "emotion.onnx"
"""The network that the package ships."""

HINT: Final = "run: dvc repro export, or make restore"
"""The remedy in an error, for people who run the pipeline."""

FATAL: Final = 4
"""Severity of ONNX Runtime's log from which it is printed."""


class Network:
    """A network with its class names; safe to share between threads. A pickled one loads its file again.

    Attributes:
        metadata: the metadata stored inside the model file.
        classes: class names in the order of the probabilities.
        threshold: a face whose largest probability is below it is uncertain, 0-1.
        device: where it computes, `cpu` or `gpu`.

    Example:
        >>> import numpy as np
        >>> network = Network()
        >>> network.classes
        ('angry', 'disgust', 'fear', 'happy', 'neutral', 'sad', 'surprise')
        >>> faces = np.zeros((10, 48, 48), np.uint8)
        >>> network.probabilities(faces, batch_size=4).shape
        (10, 7)
    """

    def __init__(
        self,
        model: Path | None = None,
        threads: int = 0,
        *,
        spin: bool = True,
        hint: str = HINT,
        device: Device = "cpu",
        precision: Precision = "float32",
    ) -> None:
        """Load a network.

        Args:
            model: an `.onnx` file written by the `export` stage; None for the shipped network.
            threads: CPU threads that one call uses; 0 for all cores.
            spin: whether these threads keep spinning between calls. Spinning makes the next call a third faster, but
                slows down other work on the same cores by about as much.
            hint: the remedy that errors name.
            device: `cpu`, which gives the figures that were measured; `gpu`; or `auto` for a GPU where there is one.
            precision: `float32`, or `int8` for the smaller and faster file that `export` writes beside the `.onnx`
                file. It needs the device `cpu`.

        Raises:
            ModelError: the file is missing, is not an ONNX file, lacks the metadata that `export` writes, or does not
                map uint8 (n, 48, 48) to float32 (n, classes); no GPU can be used; or the file is of another precision,
                or int8 gives other labels than float32 too often.
            EmotionError: the device or the precision is unknown, or they do not go together.
        """
        precisions.check_choice(precision, device)
        path = precisions.file_of(SHIPPED if model is None else model, precision)
        self._again = partial(Network, model, threads, spin=spin, hint=hint, device=device, precision=precision)
        hint = hint if precision == "float32" else f"use float32, or {hint}"
        self._session = _open_session(path, threads, spin, hint, device)
        self.device = "cpu" if self._session.get_providers()[0] == CPU else "gpu"
        properties = self._session.get_modelmeta().custom_metadata_map
        self.metadata: Metadata = parse(properties.get(KEY), str(path))
        precisions.check(properties, precision, path)
        self.classes: tuple[str, ...] = self.metadata.classes
        self.threshold = _threshold(self.metadata, path, hint)
        _check_signature(self._session, len(self.classes), path, hint)

    def __reduce__(self) -> tuple[Callable[[], Network], tuple[Any, ...]]:
        return self._again, ()

    def probabilities(self, faces: NDArray[np.uint8], batch_size: int) -> NDArray[np.float32]:
        """Compute the probability of each expression for each face.

        Args:
            faces: uint8, shape (n, 48, 48), grey, 0-255; n may be 0.
            batch_size: faces that pass through the network at once, at least 1; it limits the memory.

        Returns:
            float32, shape (n, classes), 0-1, in the order of `classes`; rows sum to 1.

        Raises:
            ImageError: the array has another dtype or shape (`wrong_array`).
        """
        if faces.dtype != np.uint8 or faces.ndim != 3 or faces.shape[1:] != (FACE_SIZE, FACE_SIZE):
            expected, received = f"uint8 (n, {FACE_SIZE}, {FACE_SIZE})", f"{faces.dtype} {faces.shape}"
            hint = "make faces with emotion.images.to_face"
            raise ImageError("wrong_array", f"expected {expected}, received {received}; {hint}")
        probabilities = np.empty((len(faces), len(self.classes)), np.float32)
        name = self._session.get_inputs()[0].name
        for start in range(0, len(faces), batch_size):
            batch = slice(start, start + batch_size)
            probabilities[batch] = self._session.run(None, {name: faces[batch]})[0]
        return probabilities


def _open_session(path: Path, threads: int, spin: bool, hint: str, device: Device) -> onnxruntime.InferenceSession:
    if not path.is_file():
        raise ModelError(f"there is no model file {path}; {hint}")
    # Naming the provider makes every machine compute the figures that were measured.
    providers = providers_for(device, onnxruntime.get_available_providers())
    if providers != [CPU]:
        _prepare_gpu()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.use_deterministic_compute = True
    options.add_session_config_entry("session.intra_op.allow_spinning", "1" if spin else "0")
    try:
        session = onnxruntime.InferenceSession(path, options, providers=providers)
    except Exception as error:  # ONNX Runtime's exceptions share no base class
        # The original text, an error code and a byte offset, does not help the reader.
        raise ModelError(f"{path} is not an ONNX file, or it is damaged; {hint}") from error
    check_providers(device, providers, session.get_providers())
    return session


def _prepare_gpu() -> None:
    """Load NVIDIA's libraries where pip put them; in silence, because `check_providers` says it if the GPU fails."""
    onnxruntime.set_default_logger_severity(FATAL)
    if preload := getattr(onnxruntime, "preload_dlls", None):  # since ONNX Runtime 1.21
        with redirect_stdout(io.StringIO()):
            preload()


def _threshold(metadata: Metadata, path: Path, hint: str) -> float:
    if metadata.threshold is None:
        raise ModelError(f"{path} has no threshold for uncertain faces; {hint}")
    return metadata.threshold


def _check_signature(session: onnxruntime.InferenceSession, classes: int, path: Path, hint: str) -> None:
    """Refuse a graph with other inputs or outputs; only the number of faces may vary."""
    expected = [("tensor(uint8)", [FACE_SIZE, FACE_SIZE]), ("tensor(float)", [classes])]
    nodes = [*session.get_inputs(), *session.get_outputs()]
    if [(node.type, node.shape[1:]) for node in nodes] != expected or isinstance(nodes[0].shape[0], int):
        received = ", ".join(f"{node.name} {node.type} {node.shape}" for node in nodes)
        raise ModelError(
            f"{path}: expected uint8 (n, {FACE_SIZE}, {FACE_SIZE}) to float32 (n, {classes}), received {received}; "
            f"{hint}"
        )
