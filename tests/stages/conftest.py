"""What the tests of the stages share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from running_stage import run_here


@pytest.fixture
def refused(capfd: pytest.CaptureFixture[str]) -> Callable[[str, Path], str]:
    """Run a stage in a project's folder, in this process; it must end with one line, which is returned."""

    def run(stage: str, folder: Path) -> str:
        with pytest.raises(SystemExit) as ended:
            run_here(stage, folder)
        # Python prints a text on standard error and ends with 1.
        assert isinstance(ended.value.code, str)
        assert len(ended.value.code.splitlines()) == 1
        assert capfd.readouterr().err == ""
        return ended.value.code

    return run
