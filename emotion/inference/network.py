"""The shipped network behind ONNX Runtime: faces in, calibrated probabilities out, in batches.

`evaluate` measures this class, and all that users run is built on it. Knows nothing of pictures or TensorFlow.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from emotion.errors import ImageError, ModelError
from emotion.images import FACE_SIZE
from emotion.metadata import KEY, Metadata, parse

SHIPPED: Final = Path(__file__).parents[1] / "shipped" / "emotion.onnx"
"""The network that travels inside the package."""

HINT: Final = "run: dvc repro export, or make restore"
"""For those who run the pipeline."""


class Network:
    """A network with its class names; safe to share between threads.

    Attributes:
        metadata: the facts that travelled inside the model file.
        classes: class names in the order of the probabilities.
        threshold: an answer whose largest probability lies below it is uncertain, 0-1.
    """

    def __init__(
        self, model: Path | None = None, threads: int = 0, *, yielding: bool = False, hint: str = HINT
    ) -> None:
        """Load a network.

        Args:
            model: an `.onnx` file that `export` wrote; None for the one that the package ships.
            threads: of the CPU that one call uses; 0 for all cores.
            yielding: whether these threads sleep between two calls, for programs that do other work there; awake they
                make the next call faster by a third and cost whoever else wants the cores as much.
            hint: what an error tells the reader to do.

        Raises:
            ModelError: the file is missing or no ONNX file, carries no metadata or none of `export`, or takes something
                else than uint8 (n, 48, 48) or gives something else than float32 (n, classes).
        """
        path = SHIPPED if model is None else model
        self._session = _open_session(path, threads, yielding, hint)
        self.metadata: Metadata = parse(self._session.get_modelmeta().custom_metadata_map.get(KEY), str(path))
        self.classes: tuple[str, ...] = self.metadata.classes
        self.threshold = _threshold(self.metadata, path, hint)
        _check_signature(self._session, len(self.classes), path, hint)

    def probabilities(self, faces: NDArray[np.uint8], batch_size: int) -> NDArray[np.float32]:
        """Compute the probability of each expression for each face.

        Args:
            faces: uint8, shape (n, 48, 48), grey, 0-255; n may be 0.
            batch_size: faces that pass through the network at once, at least 1; bounds the memory.

        Returns:
            float32, shape (n, classes), 0-1; rows sum to 1, order of `classes`.

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


def _open_session(path: Path, threads: int, yielding: bool, hint: str) -> onnxruntime.InferenceSession:
    if not path.is_file():
        raise ModelError(f"expected a model file at {path}, received none; {hint}")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.use_deterministic_compute = True
    options.add_session_config_entry("session.intra_op.allow_spinning", "0" if yielding else "1")
    try:
        # Named, so that a machine with other providers gives the figures that were measured.
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's exceptions share no base class
        # Its text is a code and a place in the file's bytes, which help nobody.
        raise ModelError(f"expected an ONNX file at {path}, received another kind or a damaged one; {hint}") from error


def _threshold(facts: Metadata, path: Path, hint: str) -> float:
    if facts.threshold is None:
        raise ModelError(f"{path}: expected a model with a threshold of certainty, received one without; {hint}")
    return facts.threshold


def _check_signature(session: onnxruntime.InferenceSession, classes: int, path: Path, hint: str) -> None:
    """Refuse a graph of other inputs and outputs; only the number of faces may be free."""
    expected = [("tensor(uint8)", [FACE_SIZE, FACE_SIZE]), ("tensor(float)", [classes])]
    nodes = [*session.get_inputs(), *session.get_outputs()]
    if [(node.type, node.shape[1:]) for node in nodes] != expected or isinstance(nodes[0].shape[0], int):
        received = ", ".join(f"{node.name} {node.type} {node.shape}" for node in nodes)
        raise ModelError(
            f"{path}: expected uint8 (n, {FACE_SIZE}, {FACE_SIZE}) to float32 (n, {classes}), received {received}; "
            f"{hint}"
        )
