"""Reads faces from a csv of pixels: FER-2013's own, and what spreadsheets and other programs make of it."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Final, TextIO

import numpy as np
from numpy.typing import NDArray

from emotion.data.class_names import find_class, plain
from emotion.data.public_names import TABLES, find_official, find_split
from emotion.data.records import Fault, Record
from emotion.errors import DataError, some
from emotion.images import FACE_SIZE
from emotion.labels import CSV_CODES, OFFICIAL_SPLITS

COLUMNS: Final = ("emotion", "pixels")
"""Columns that a table must have; `Usage` may be missing."""

_SEPARATORS: Final = ",;\t"
_UTF_16: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_CODES: Final = {str(code): name for code, name in enumerate(CSV_CODES)}
_PIXELS: Final = {str(value): value for value in range(256)}


def choose_table(tables: Mapping[str, bytes]) -> str:
    """Return the name of the table that has the faces.

    Raises:
        DataError: there are several tables, and not exactly one has a name of `public_names.TABLES` or the columns of
            `COLUMNS`.
    """
    known = [name for name in tables if PurePosixPath(name).name.lower() in TABLES]
    candidates = known or list(tables)
    if len(candidates) > 1 and not known:
        candidates = [name for name in candidates if _has_columns(tables[name])] or candidates
    if len(candidates) > 1:
        raise DataError(
            f"found {len(candidates)} tables ({some(candidates)}); leave only one, named {' or '.join(TABLES)}"
        )
    return candidates[0]


def read_table(name: str, content: bytes, class_names: Mapping[str, str]) -> Iterator[Record | Fault]:
    """Yield the face of every row, in order.

    Comma, semicolon or tab separate the columns; the text is UTF-8, or UTF-16 as spreadsheets write it. `emotion` is
    FER-2013's number or the name of a class.

    Args:
        name: of the file.
        content: its bytes.
        class_names: as for `layouts.read_records`.

    Raises:
        DataError: the table has no rows, lacks a column or is not valid csv.
    """
    text, separator = _open(content)
    rows = csv.reader(text, delimiter=separator)
    try:
        columns = _find_columns(name, next(rows, []))
        empty = True
        for row in filter(None, rows):
            empty = False
            yield _read_row(f"{name}:{rows.line_num}", row, columns, class_names)
        if empty:
            raise DataError(f"{name} has no rows below the header; download or export the table again")
    except csv.Error as error:
        place = f"{name}, line {rows.line_num}"
        raise DataError(f"{place}: not valid csv ({error}); correct the line") from error


def _open(content: bytes) -> tuple[TextIO, str]:
    """Return the text of a table and the separator of its columns."""
    text = io.TextIOWrapper(io.BytesIO(content), encoding=_find_encoding(content), errors="replace", newline="")
    header = text.readline()
    text.seek(0)
    return text, max(_SEPARATORS, key=header.count)


def _find_encoding(content: bytes) -> str:
    if content.startswith(_UTF_16):
        return "utf-16"
    return "utf-16-le" if content[1:2] == b"\0" else "utf-8-sig"


def _has_columns(content: bytes) -> bool:
    text, separator = _open(content)
    return not _missing(next(csv.reader(text, delimiter=separator), []))


def _missing(header: list[str]) -> list[str]:
    found = [title.strip().lower() for title in header]
    return [column for column in COLUMNS if column not in found]


def _find_columns(name: str, header: list[str]) -> dict[str, int]:
    if missing := _missing(header):
        raise DataError(
            f"{name}, line 1: expected the columns emotion, pixels and Usage, "
            f"received {', '.join(header)[:200] or 'nothing'}; add {' and '.join(missing)}"
        )
    found = [title.strip().lower() for title in header]
    return {column: found.index(column) for column in (*COLUMNS, "usage") if column in found}


def _read_row(name: str, row: list[str], columns: dict[str, int], class_names: Mapping[str, str]) -> Record | Fault:
    if len(row) <= max(columns.values()):
        return Fault(name, "short_row", f"expected {max(columns.values()) + 1} columns, received {len(row)}")
    fields = {column: row[number].strip() for column, number in columns.items()}
    usage = fields.get("usage")
    if usage is not None and not find_split(usage):
        return Fault(name, "wrong_usage", f"expected Usage {' or '.join(OFFICIAL_SPLITS)}, received {usage[:20]!r}")
    emotion = _read_emotion(fields["emotion"], class_names)
    if emotion is None:
        expected = f"expected emotion 0 to {len(CSV_CODES) - 1} or the name of a class"
        return Fault(name, "wrong_emotion", f"{expected}, received {fields['emotion'][:20]!r}")
    pixels = _read_pixels(name, fields["pixels"].split())
    if isinstance(pixels, Fault):
        return pixels
    return Record(name, emotion, *_read_splits(usage), pixels)


def _read_splits(usage: str | None) -> tuple[str | None, str | None]:
    """Return the split by folder and the official one; Kaggle has PublicTest and PrivateTest in one folder."""
    if usage is None:
        return None, None
    official = find_official(usage)
    return ("test" if official == "validation" else find_split(usage)), official


def _read_emotion(text: str, class_names: Mapping[str, str]) -> str | None:
    """Return the name of a class or another name; None for a number that stands for no class."""
    number = _whole(text)
    name = plain(text if number is None else number)
    found = class_names.get(name) or _CODES.get(name)
    return found or (find_class(name, class_names) if name and number is None else None)


def _read_pixels(name: str, numbers: list[str]) -> NDArray[np.uint8] | Fault:
    if len(numbers) != FACE_SIZE**2:
        reason = "short_row" if len(numbers) < FACE_SIZE**2 else "long_row"
        return Fault(name, reason, f"expected {FACE_SIZE**2} pixels, received {len(numbers)}")
    try:
        values = bytes(_PIXELS[text] if text in _PIXELS else _PIXELS[str(_whole(text))] for text in numbers)
    except KeyError:
        wrong = next(text for text in numbers if str(_whole(text)) not in _PIXELS)
        return Fault(name, "wrong_pixel", f"expected pixels from 0 to 255, received {wrong[:20]!r}")
    return np.frombuffer(values, np.uint8).reshape(FACE_SIZE, FACE_SIZE)


def _whole(text: str) -> int | None:
    """Return a whole number, also one written as `3.0`; None for anything else."""
    try:
        number = float(text)
    except ValueError:
        return None
    return int(number) if number.is_integer() else None
