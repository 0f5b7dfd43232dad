"""A stage that refuses its input, run in the process of the tests: importing TensorFlow anew takes seconds."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import small_networks  # noqa: F401  (sets up TensorFlow, which a process does once)

from emotion.errors import run_as_command


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Callable[[str, Path], str]:
    """Run a stage in a project's folder as its command does; it must end with one line, which is returned."""

    def run(stage: str, folder: Path) -> str:
        module = importlib.import_module(f"stages.{stage}")
        monkeypatch.chdir(folder)
        monkeypatch.setattr(sys, "argv", [stage])
        # TensorFlow is set up already.
        monkeypatch.setattr(module, "prepare", lambda *_, **__: None, raising=False)
        with pytest.raises(SystemExit) as ended:
            run_as_command(getattr(module, stage))
        # Python prints a text on standard error and ends with 1.
        assert isinstance(ended.value.code, str)
        assert len(ended.value.code.splitlines()) == 1
        assert capfd.readouterr().err == ""
        return ended.value.code

    return run
