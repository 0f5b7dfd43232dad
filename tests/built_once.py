"""Folders that take long to make and that several processes of pytest-xdist share: the first one makes them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock


def built_once(factory: pytest.TempPathFactory, name: str, build: Callable[[Path], None]) -> Path:
    """Return a folder of this test run by its name, built by whichever process comes first.

    The folder is only to be read: copy it to change it.
    """
    base = factory.getbasetemp()
    # A process of xdist has a folder of its own below that of the run.
    folder = (base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base) / name
    done = folder.with_suffix(".done")
    with FileLock(folder.with_suffix(".lock")):
        if not done.exists():
            folder.mkdir()
            build(folder)
            done.touch()
    return folder
