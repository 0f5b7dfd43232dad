"""Files and folders that operating systems put beside those of a person."""

from __future__ import annotations

from typing import Final

NAMES: Final = ("__macosx", "desktop.ini", "thumbs.db", "$recycle.bin", "system volume information")
"""Names in lower case; hidden ones such as `.DS_Store` need not be listed."""


def is_system_file(name: str) -> bool:
    """Return whether the name of a file or folder, without its path, is hidden or one of `NAMES`."""
    return name.startswith(".") or name.lower() in NAMES
