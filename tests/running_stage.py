"""A stage as its command runs it, in the process of the tests: to import TensorFlow in another one takes seconds."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest
import small_networks  # noqa: F401  (sets up TensorFlow, which a process does once)

from emotion.stage_run import run_as_command


def run_here(stage: str, folder: Path, *arguments: str) -> None:
    """Run a stage in a project's folder."""
    module = importlib.import_module(f"stages.{stage}")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(sys, "argv", [stage, *arguments])
        # TensorFlow is set up already.
        patch.setattr(module, "prepare", lambda *_, **__: None, raising=False)
        run_as_command(getattr(module, stage))
