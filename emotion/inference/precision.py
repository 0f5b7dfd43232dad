"""The precision in which a network computes: float32, or int8 from a smaller file of its own.

Knows which file that is, and refuses one that decides too differently from float32. `emotion.quantization` writes it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, get_args

from emotion.errors import EmotionError, ModelError

if TYPE_CHECKING:
    from emotion.inference.devices import Device

Precision = Literal["float32", "int8"]

KEY: Final = "emotion.int8"
"""Name of the ONNX metadata property with the `Comparison` as JSON; only an int8 file has it."""

SUFFIX: Final = ".int8.onnx"

LARGEST_CHANGE: Final = 0.003
"""Largest difference between the accuracies of int8 and of float32 on validation, as a share of the faces."""

LEAST_AGREEMENT: Final = 0.97
"""Smallest share of the validation faces that must get the same label in int8 as in float32."""


@dataclass(frozen=True)
class Comparison:
    """What was measured on validation when a network was converted to int8.

    Attributes:
        accuracy: share of the validation faces that float32 gets right, 0-1.
        int8_accuracy: share of them that int8 gets right, 0-1.
        agreement: share of them to which both give the same label, 0-1.
    """

    accuracy: float
    int8_accuracy: float
    agreement: float

    def fault(self) -> str | None:
        """Say why int8 must not stand in for float32; None if it may."""
        change = round(abs(self.int8_accuracy - self.accuracy), 6)  # 0.697 - 0.694 is a little more than 0.003
        if change <= LARGEST_CHANGE and self.agreement >= LEAST_AGREEMENT:
            return None
        return (
            f"its accuracy on validation is {self.int8_accuracy:.2%} instead of {self.accuracy:.2%}, and "
            f"{self.agreement:.2%} of its labels are those of float32; allowed are {100 * LARGEST_CHANGE:.1f} points "
            f"of difference and at least {LEAST_AGREEMENT:.0%} equal labels"
        )

    def to_json(self) -> str:
        """Return the JSON text for the file; equal figures give equal text."""
        return json.dumps(asdict(self), sort_keys=True)


def check_choice(precision: Precision, device: Device) -> None:
    """Refuse an unknown precision, and int8 where it was not measured.

    Raises:
        EmotionError: the precision is unknown, or it is int8 and the device is not `cpu`.
    """
    if precision not in get_args(Precision):
        raise EmotionError(f"there is no precision {precision!r}; use {' or '.join(get_args(Precision))}")
    if precision == "int8" and device != "cpu":
        raise EmotionError(f"int8 computes on the device cpu alone, received {device}; choose cpu, or float32")


def file_of(model: Path, precision: Precision) -> Path:
    """Return the file of a network in a precision.

    Args:
        model: its float32 file, beside which that of int8 lies; or the int8 file itself.
        precision: that of the file to return.
    """
    if precision == "float32" or model.name.endswith(SUFFIX):
        return model
    return model.with_suffix(SUFFIX)


def check(properties: Mapping[str, str], precision: Precision, path: Path) -> None:
    """Refuse a file of another precision, and an int8 file that decides too differently from float32.

    Args:
        properties: the metadata properties of the ONNX file.
        precision: what the file is opened for.
        path: for the error.

    Raises:
        ModelError: as said.
    """
    text = properties.get(KEY)
    if precision == "float32":
        if text is not None:
            raise ModelError(f"{path} computes in int8; choose the precision int8, or the float32 file beside it")
    elif text is None:
        raise ModelError(f"{path} is not an int8 file that the stage export wrote; use float32")
    elif fault := _parse(text, path).fault():
        raise ModelError(f"{path} cannot stand in for float32: {fault}; use float32")


def _parse(text: str, path: Path) -> Comparison:
    try:
        return Comparison(**json.loads(text))
    except (ValueError, TypeError) as error:
        raise ModelError(f"{path} has int8 figures that cannot be read ({error}); use float32") from error
