"""The command line, run in this process."""

from __future__ import annotations

import sys

import pytest

from emotion.cli import main


def answer(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int | str | None:
    """Run the command line in this process and return its exit code or message."""
    monkeypatch.setattr(sys, "argv", ["emotion", *arguments])
    with pytest.raises(SystemExit) as ended:
        main.main()
    return ended.value.code
