"""ONNX Runtime, loaded so that it sends nothing: import `onnxruntime` from here.

Its official builds report device and usage to Microsoft unless this variable is set before they are loaded.
"""

from __future__ import annotations

import os

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import onnxruntime

__all__ = ["onnxruntime"]
