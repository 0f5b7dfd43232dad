"""Remembers the source files as they are when a stage starts, before it imports them.

Imports nothing of the project: a module that is loaded before its file is read may be an older version of it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

FOLDERS: Final = ("emotion", "stages")

CONTENTS: Final[dict[Path, bytes]] = {}
"""What `remember` read, by absolute path; nothing in a process that is no stage."""


def remember() -> None:
    """Read the modules of `FOLDERS` in the working folder."""
    for folder in FOLDERS:
        # Editors mark a file that is being edited by a link that leads nowhere.
        modules = filter(Path.is_file, Path(folder).absolute().rglob("*.py"))
        CONTENTS.update((path, path.read_bytes()) for path in modules)
