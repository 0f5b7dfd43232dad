"""Folders that may not be listed; also for the user root, whom no permission stops."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest


def make_shut_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a folder that this process may not list."""
    folder.mkdir()
    scan = os.scandir

    def refusing(path: Any = ".") -> Any:
        if Path(path) == folder:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refusing)
    return folder
