"""Names that public copies of the dataset give to folders of a split and to tables."""

from __future__ import annotations

import re
from typing import Final

from emotion.labels import OFFICIAL_SPLITS

SPLIT_FOLDERS: Final = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "dev": "validation",
    "eval": "validation",
    "test": "test",
    "testing": "test",
}
"""The split by the folder names in use, in lower case."""

TABLES: Final = ("fer2013.csv", "icml_face_data.csv")
"""Names under which the table of the competition is published, sometimes with tables of another form beside it."""

_OFFICIAL: Final = {name.lower(): split for name, split in OFFICIAL_SPLITS.items()}
_SET: Final = re.compile(r"[ _-]?set$")


def find_split(name: str) -> str | None:
    """Return the split that a folder or a value of `Usage` names, such as validation for `val` or `PublicTest`."""
    plain = name.strip().lower()
    return _OFFICIAL.get(plain) or SPLIT_FOLDERS.get(_SET.sub("", plain))


def find_official(name: str) -> str | None:
    """Return the split that a folder or a value of `Usage` names as the competition does, such as `PublicTest`."""
    return _OFFICIAL.get(name.strip().lower())
