"""Where ONNX Runtime computes: the processor, or a GPU where its build and the machine have one.

Knows the names of its execution providers; loads nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, get_args

from emotion.errors import EmotionError, ModelError

Device = Literal["cpu", "gpu", "auto"]
"""`auto` is the GPU where there is one, and otherwise the CPU."""

CPU: Final = "CPUExecutionProvider"

GPU: Final = ("CUDAExecutionProvider", "MIGraphXExecutionProvider", "DmlExecutionProvider", "CoreMLExecutionProvider")
"""The providers of NVIDIA, AMD, Windows and Apple; a build of ONNX Runtime has at most one or two of them."""

ADVICE: Final = "install onnxruntime-gpu (NVIDIA) or onnxruntime-directml (Windows) in its place, or choose cpu"


def providers_for(device: Device, available: Sequence[str]) -> list[str]:
    """Return the execution providers to ask for, in order of preference.

    Args:
        device: what the user chose.
        available: the providers that this build of ONNX Runtime has.

    Raises:
        EmotionError: the device is unknown.
        ModelError: a GPU is demanded, and the build has none of `GPU`.
    """
    if device not in get_args(Device):
        raise EmotionError(f"there is no device {device!r}; use {', '.join(get_args(Device)[:-1])} or auto")
    found = [] if device == "cpu" else [name for name in GPU if name in available]
    if device == "gpu" and not found:
        raise ModelError(f"this ONNX Runtime computes on the CPU only; {ADVICE}")
    return [*found[:1], CPU]


def check_providers(device: Device, wanted: Sequence[str], used: Sequence[str]) -> None:
    """Refuse to fall back to the CPU where a GPU is demanded: ONNX Runtime does so without an error.

    Raises:
        ModelError: the first provider that was asked for is not used.
    """
    if device == "gpu" and wanted[0] not in used:
        raise ModelError(f"ONNX Runtime cannot load its {wanted[0]}; install its driver and libraries, or choose cpu")
