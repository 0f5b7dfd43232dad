"""What the tests read from a csv: its rows as text."""

from __future__ import annotations

import csv
from pathlib import Path


def read_csv(path: Path) -> list[dict[str, str]]:
    """Return one dictionary per line below the header."""
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))
