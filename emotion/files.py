"""Atomic writing: a killed process leaves the old file or the new one, never half of a file.

Also JSON and csv as the pipeline writes them: keys and columns in the order given, Unix line ends.
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, SupportsFloat

from emotion.errors import DataError, one_line

DECIMALS: Final = 6
"""Decimal places of every figure that is written to a file."""


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; move it into place when the block succeeds, else delete it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = partial_of(path)
    try:
        yield temporary
        _flush(temporary)
        temporary.replace(path)
    except OSError as error:
        error.filename = error.filename or str(path)  # the error of a full disk names no file
        raise
    finally:
        temporary.unlink(missing_ok=True)


def partial_of(path: Path) -> Path:
    """Return the temporary path of a file; it keeps the suffix, by which writers such as Keras choose the format."""
    return path.with_name(f".{path.stem}.partial{path.suffix}")


def _flush(path: Path) -> None:
    """Wait until the content is on the disk; otherwise a power cut could leave an empty file under the new name."""
    with path.open("rb") as stream:
        os.fsync(stream.fileno())


def write_bytes(path: Path, content: bytes) -> None:
    """Write a binary file atomically."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 file atomically, with the line ends of the text."""
    write_bytes(path, text.encode())


def write_json(path: Path, content: object) -> None:
    """Write indented JSON atomically, keys in the order given; NaN and infinity are refused."""
    write_text(path, json.dumps(content, indent=2, allow_nan=False) + "\n")


def read_json(path: Path, needed: Iterable[str] = ()) -> dict[str, Any]:
    """Read a JSON object.

    Args:
        path: the file.
        needed: keys that it must have; `a.b` stands for the key `b` of the object at `a`.

    Raises:
        DataError: the file holds no JSON object, or lacks a key.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(content, dict):
            raise ValueError(f"expected a JSON object, received a {type(content).__name__}")
        if missing := [key for key in needed if not _has(content, key.split("."))]:
            raise ValueError(f"expected the keys {', '.join(missing)}, received {', '.join(content) or 'none'}")
    except ValueError as error:
        # DVC runs a stage again whose output is no longer what the stage wrote.
        raise DataError(f"{path} cannot be read ({one_line(error)}); run: dvc repro") from error
    return content


def _has(content: object, key: Sequence[str]) -> bool:
    if not key:
        return True
    return isinstance(content, dict) and key[0] in content and _has(content[key[0]], key[1:])


def rounded(value: SupportsFloat) -> float:
    """Round a figure as it is written to files."""
    return round(float(value), DECIMALS)


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a csv with a header line atomically; values appear as `str` writes them."""
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def is_same_file(first: Path | str, second: Path | str) -> bool:
    """Return whether two paths lead to the same file, directly or by a link; the file need not exist yet."""
    first, second = Path(first), Path(second)
    try:
        return first.resolve() == second.resolve() or first.samefile(second)
    except (OSError, ValueError):  # one of them does not exist, is not accessible or is no valid path
        return False


def sha256_of(path: Path) -> str:
    """Return the hex SHA-256 of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
