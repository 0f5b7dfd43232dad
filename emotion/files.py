"""Writing files so that a killed process leaves the old file or the new one, never half of one.

Also the two text formats of the pipeline, json and csv, in one form each: sorted or given order, fixed line ends.
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NoReturn, SupportsFloat

from emotion.errors import DataError, one_line

DECIMALS: Final = 6
"""Of every figure that is written to a file."""


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`, moved into place when the block ends well and deleted when it does not."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = partial_of(path)
    try:
        yield temporary
        _flush(temporary)
        temporary.replace(path)
    except OSError as error:
        error.filename = error.filename or str(path)  # a full disk names no file
        raise
    finally:
        temporary.unlink(missing_ok=True)


def partial_of(path: Path) -> Path:
    """Return where a file is built; the suffix stays, because writers such as Keras choose the format by it."""
    return path.with_name(f".{path.stem}.partial{path.suffix}")


def _flush(path: Path) -> None:
    """Wait until the content is on the disk: after a power cut the new name must not stand for an empty file."""
    with path.open("rb") as stream:
        os.fsync(stream.fileno())


def write_bytes(path: Path, content: bytes) -> None:
    """Write a binary file atomically."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 file, line ends as they stand in the text, atomically."""
    write_bytes(path, text.encode())


def write_json(path: Path, content: object) -> None:
    """Write indented JSON in the order given; NaN and infinity are refused."""
    write_text(path, json.dumps(content, indent=2, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON object.

    Raises:
        DataError: the file holds something else, or a key that is asked for later is missing.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"), object_hook=lambda found: _fields_of(path, found))
    except ValueError as error:
        raise _broken(str(path), "a JSON object", one_line(error)) from error
    if not isinstance(content, dict):
        raise _broken(str(path), "a JSON object", f"a {type(content).__name__}")
    return content


def rounded(value: SupportsFloat) -> float:
    """Round a figure as it is written to a file."""
    return round(float(value), DECIMALS)


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a csv with a header line atomically; format floats before the call."""
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def read_csv(path: Path) -> list[dict[str, str]]:
    """Read a csv with a header line as one dictionary of strings a row.

    Raises:
        DataError: the file is no csv, has no row, one of another length than the header, or a column that is asked for
            later is missing.
    """
    (_, header), *rows = _lines_of(path)
    for number, row in rows:
        if len(row) != len(header):
            raise _broken(f"{path}, line {number}", f"{len(header)} values", str(len(row)))
    return [_fields_of(path, zip(header, row, strict=True)) for _, row in rows]


def _lines_of(path: Path) -> list[tuple[int, list[str]]]:
    with path.open(newline="", encoding="utf-8") as stream:
        rows = csv.reader(stream)
        try:
            lines = [(rows.line_num, row) for row in rows if row]
        except (csv.Error, UnicodeDecodeError) as error:
            raise _broken(str(path), "comma-separated text", str(error)) from error
    if len(lines) < 2:
        raise _broken(str(path), "rows below a header", "none")
    return lines


class _Fields(dict[str, Any]):
    """What a file holds; a key that is missing is an error that names the file."""

    path = Path()

    def __missing__(self, key: str) -> NoReturn:
        raise _broken(str(self.path), key, ", ".join(self) or "none")


def _fields_of(path: Path, content: dict[str, Any] | Iterable[tuple[str, Any]]) -> _Fields:
    fields = _Fields(content)
    fields.path = path
    return fields


def _broken(place: str, expected: str, received: str) -> DataError:
    # Of a file that is no longer what a stage wrote, DVC runs that stage again.
    return DataError(f"{place}: expected {expected}, received {received}; run: dvc repro")


def is_same_file(first: Path | str, second: Path | str) -> bool:
    """Return whether two names stand for one file, also by a link, and also where none is there yet."""
    first, second = Path(first), Path(second)
    try:
        return first.resolve() == second.resolve() or first.samefile(second)
    except (OSError, ValueError):  # one of them is not there, out of reach or no name
        return False


def sha256_of(path: Path) -> str:
    """Return the hex SHA-256 of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
