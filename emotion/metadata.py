"""What travels inside a model file (contract 3 of the design): without it the weights mean nothing.

The same JSON text stands in the ONNX file's metadata and in a member of the `.keras` zip.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any, Final

from emotion.errors import ModelError

KEY: Final = "emotion"
"""Name of the ONNX metadata property, and (with `.json`) of the member of the `.keras` zip."""


@dataclass(frozen=True)
class Metadata:
    """Facts about a trained network.

    Attributes:
        classes: class names in the order of the outputs.
        face_size: edge of the input face in pixels.
        temperature: divisor of the logits, fitted on validation; 1 before `export`.
        data_sha256: SHA-256 of the training dataset file.
        backend: Keras backend that trained it.
        device: kind of device that trained it, `cpu` or `gpu`.
        parameters: the sections of `params.yaml` that made it.
        threshold: a face whose largest calibrated probability lies below it is uncertain; None before `export`.
    """

    classes: tuple[str, ...]
    face_size: int
    temperature: float
    data_sha256: str
    backend: str
    device: str
    parameters: dict[str, Any]
    threshold: float | None = None

    def to_json(self) -> str:
        """Return the text that travels; equal metadata give equal text."""
        return json.dumps({key: value for key, value in asdict(self).items() if value is not None}, sort_keys=True)


def parse(text: str | None, source: str) -> Metadata:
    """Read the text that travelled.

    Args:
        text: the JSON text, or None where the file carried none.
        source: the file's name, for the error.

    Raises:
        ModelError: there is none, or it lacks a field.
    """
    expected = f"expected a model file of this project with class names and image size inside, received {source}"
    hint = "use models/emotion.onnx or emotion/shipped/emotion.onnx"
    if text is None:
        raise ModelError(f"{expected} without metadata; {hint}")
    try:
        content = json.loads(text)
        return Metadata(**{**content, "classes": tuple(content["classes"])})
    except (ValueError, TypeError, KeyError) as error:
        raise ModelError(f"{expected} with other metadata ({error}); {hint}") from error
