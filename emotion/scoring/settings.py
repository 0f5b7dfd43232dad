"""What must be equal for two runs to write into one folder, and how Ray's workers are held to it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Final

import emotion
from emotion.errors import EmotionError
from emotion.files import sha256_of
from emotion.inference import detection
from emotion.inference.network import SHIPPED
from emotion.inference.precision import Precision, file_of
from emotion.inference.predictor import Predictor

FILE: Final = "work/settings.json"
"""Where they lie in the output, with the number of pictures and partitions."""

KEY: Final = b"emotion"
"""Key of the settings in the metadata of a Parquet file."""


@dataclass(frozen=True)
class Settings:
    """What the rows depend on.

    Attributes:
        version: of this package.
        input: as the user wrote it; local paths are absolute.
        column: of a table; None for the one that was found.
        limit: number of pictures; None for all.
        cropped: whether every picture is one cropped face.
        smallest: height of the smallest face in pixels; None for the detector's own.
        largest: whether only the largest face of a picture counts.
        precision: that of the network.
        network: hex SHA-256 of the network's file in this precision.
        detector: its name.
        detector_file: hex SHA-256 of the detector's file.
        device: where the network computes, `cpu` or `gpu`.
    """

    version: str
    input: str
    column: str | None
    limit: int | None
    cropped: bool
    smallest: int | None
    largest: bool
    precision: Precision
    network: str
    detector: str
    detector_file: str
    device: str

    def to_json(self) -> str:
        """Return the text for the metadata of a Parquet file; equal settings give equal text."""
        return json.dumps(asdict(self), sort_keys=True)


def facts_of(predictor: Predictor, model: Path | None, precision: Precision) -> dict[str, str]:
    """Return what a predictor adds to the settings: hashes, names and the version."""
    return {
        "version": emotion.__version__,
        "network": sha256_of(file_of(model or SHIPPED, precision)),
        "detector": predictor.detector.name,
        "detector_file": detection.sha256_of_files(predictor.detector.name),
        "device": predictor.network.device,
    }


def check_worker(facts: Mapping[str, str], settings: Settings) -> None:
    """Refuse to score on a machine that has another network, detector or version than the one that started.

    Raises:
        EmotionError: a fact differs.
    """
    if differing := _differences(facts, asdict(settings)):
        raise EmotionError(f"a worker differs from the machine that started ({differing}); install the same there")


def check_same(url: str, earlier: Mapping[str, Any], settings: Settings) -> None:
    """Refuse to go on with results that were made with other settings.

    Raises:
        EmotionError: a setting differs.
    """
    if differing := _differences({field.name: earlier.get(field.name) for field in fields(Settings)}, asdict(settings)):
        raise EmotionError(
            f"{url} holds results with other settings ({differing}); nothing was changed. "
            "Choose another folder, or the same settings"
        )


def _differences(there: Mapping[str, Any], here: Mapping[str, Any]) -> str:
    """Return `detector haar, not yunet` for each setting that differs; hashes are cut."""
    pairs = [(name, there[name], here[name]) for name in there if there[name] != here[name]]
    return ", ".join(f"{name} {_short(value)}, not {_short(other)}" for name, value, other in pairs)


def _short(value: object) -> str:
    text = "none" if value is None else str(value)
    return text[:12] if len(text) == 64 and " " not in text else text
