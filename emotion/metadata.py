"""The metadata inside a model file, without which its weights cannot be used.

An ONNX file holds it as a metadata property, a `.keras` zip as one of its members; the JSON text is the same.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any, Final

from emotion.errors import ModelError

KEY: Final = "emotion"
"""Name of the ONNX metadata property and, with `.json`, of the member of the `.keras` zip."""


@dataclass(frozen=True)
class Metadata:
    """Facts about a trained network.

    Attributes:
        classes: class names in the order of the outputs.
        face_size: width and height of the input face in pixels.
        temperature: divisor of the logits, fitted on validation; 1 before `export`.
        data_sha256: SHA-256 of the training dataset file.
        backend: Keras backend that trained it.
        device: kind of device that trained it, `cpu` or `gpu`.
        parameters: the sections of `params.yaml` with which it was made.
        threshold: a prediction whose largest calibrated probability is below it is uncertain; None before `export`.
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
        """Return the JSON text for a model file; equal metadata give equal text."""
        return json.dumps({key: value for key, value in asdict(self).items() if value is not None}, sort_keys=True)


def parse(text: str | None, source: str) -> Metadata:
    """Read the JSON text of a model file.

    Args:
        text: None if the file has no such text.
        source: name of the file, for the error.

    Raises:
        ModelError: there is no text, or its fields are not those of `Metadata`.
    """
    hint = "use models/emotion.onnx or emotion/shipped/emotion.onnx"
    if text is None:
        raise ModelError(f"{source} has no metadata, so this project did not write it; {hint}")
    try:
        content = json.loads(text)
        return Metadata(**{**content, "classes": tuple(content["classes"])})
    except (ValueError, TypeError, KeyError) as error:
        raise ModelError(f"{source} has metadata that cannot be read ({error}); {hint}") from error
