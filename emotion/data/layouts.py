"""The public layouts of FER-2013 and of one's own faces, told apart by names: what each archive member claims to be.

Knows file names and the csv form; decodes no picture and chooses neither classes nor splits.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emotion.errors import DataError
from emotion.images import FACE_SIZE
from emotion.labels import CSV_CODES, NAMES, OFFICIAL_SPLITS

SPLIT_FOLDERS: Final = {"train": "train", "training": "train", "test": "test", "testing": "test"}
"""The two halves of an archive by the folder names in use, in lower case."""

SPELLINGS: Final = {
    "anger": "angry",
    "disgusted": "disgust",
    "fearful": "fear",
    "happiness": "happy",
    "sadness": "sad",
    "suprise": "surprise",
    "surprised": "surprise",
} | {name: name for name in NAMES}
"""Our class by the folder names that public copies of the dataset use, in lower case."""

TABLES: Final = ("fer2013.csv", "icml_face_data.csv")
"""Names under which the competition's table is published, beside tables that are none of ours."""

COLUMNS: Final = ("emotion", "pixels", "Usage")

SHOWN: Final = 3
"""How many names an error line quotes."""

_SORT: Final = "sort them into train/<class>/ and test/<class>/ and use -S preprocess.split=folders"
_OFFICIAL_NAME: Final = re.compile(rf"({'|'.join(OFFICIAL_SPLITS)})_")
_PICTURES: Final = {".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}
_DESKTOP_FILES: Final = {"desktop.ini", "thumbs.db"}
_PIXELS: Final = {str(value): value for value in range(256)}


@dataclass(frozen=True)
class Record:
    """What an archive says about one face.

    Attributes:
        name: archive member, or table and line such as `fer2013.csv:2`.
        emotion: one of `labels.NAMES`, or the folder's name in lower case where it is none of them.
        folder: `train` or `test`, the half of the archive that it lies in; None where no folder says so.
        official: `train`, `validation` or `test` by file name or `Usage`; None where neither says so.
        content: the picture file's bytes, or uint8 of shape (48, 48), grey, 0-255.
    """

    name: str
    emotion: str
    folder: str | None
    official: str | None
    content: bytes | NDArray[np.uint8]


@dataclass(frozen=True)
class Fault:
    """Why one face cannot be used.

    Attributes:
        name: as in `Record`.
        reason: short code for counting, such as `truncated` or `wrong_pixel`.
        message: what was expected and what was received.
    """

    name: str
    reason: str
    message: str


def read_records(members: Iterable[tuple[str, bytes]]) -> Iterator[Record | Fault]:
    """Yield every face of an archive in the order of its members, in any of the layouts.

    Pictures lie in `<train or test folder>/<class>/`, below any other folders. A table is read only where there is no
    picture of a known class, because a table beside pictures repeats or describes them.

    Args:
        members: name and content of each archive member.

    Raises:
        DataError: no table among several is `fer2013.csv` or `icml_face_data.csv`, or the table lacks a
            column or has no row.
    """
    tables: dict[str, bytes] = {}
    pictures = False
    for name, content in members:
        path = PurePosixPath(name)
        if path.suffix.lower() == ".csv":
            tables[name] = content
        elif _is_picture(path):
            record = _read_picture(path, content)
            pictures = pictures or record.emotion in NAMES
            yield record
    if tables and not pictures:
        name = _choose_table(tables)
        yield from _read_table(PurePosixPath(name).name, tables[name])


def describe_faults(faults: Sequence[Fault]) -> str:
    """Say how many faces cannot be used, by reason, and what is wrong with the first; all stand above, one a line."""
    reasons = Counter(fault.reason for fault in faults)
    counts = ", ".join(f"{reason} {count}" for reason, count in sorted(reasons.items()))
    return (
        f"expected pictures that can be decoded, received {len(faults)} that cannot ({counts}), all listed above, "
        f"first {faults[0].name}: {faults[0].message}; replace them, or use -S preprocess.on_bad_image=drop "
        "where others remain"
    )


def describe_missing(classes: Sequence[str], left_out: Mapping[str, int]) -> str:
    """Say that an archive has no picture of some classes, which names it has instead and which are understood.

    Args:
        classes: those without a picture.
        left_out: number of pictures by folder or class that is none of the chosen ones.
    """
    others = ", ".join(f"{name or 'no folder'} ({count})" for name, count in sorted(left_out.items()))
    return (
        "expected pictures of every class in folders named after it, below train and test, "
        f"received none of {', '.join(classes)}{' but ' if others else ''}{others}; "
        f"rename folders (understood: {', '.join(sorted(SPELLINGS))}) or choose classes with -S preprocess.classes"
    )


def describe_unassigned(names: Sequence[str], split: str, other: str | None) -> str:
    """Say that faces have no place in a split.

    Args:
        names: of those faces.
        split: value of the setting `preprocess.split`.
        other: another value of it that has a place for every face; None where there is none.
    """
    expected = {
        "official": "the official split in file names such as Training_123.jpg",
        "folders": f"pictures below folders named {', '.join(SPLIT_FOLDERS)}",
    }
    advice = f"use -S preprocess.split={other}" if other else _SORT
    examples = ", ".join(names[:SHOWN])
    return f"expected {expected[split]}, received others ({len(names)}, such as {examples}); {advice}"


def _is_picture(path: PurePosixPath) -> bool:
    # In a class folder everything counts, so that a picture which cannot be decoded is a fault and not overlooked.
    listed = path.suffix.lower() in _PICTURES or path.parent.name.lower() in SPELLINGS
    return listed and path.name.lower() not in _DESKTOP_FILES


def _read_picture(path: PurePosixPath, content: bytes) -> Record:
    parents = [part.lower() for part in path.parts[:-1]]
    emotion = parents[-1] if parents else ""
    halves = [SPLIT_FOLDERS[part] for part in parents if part in SPLIT_FOLDERS]
    official = _OFFICIAL_NAME.match(path.name)
    return Record(
        name=str(path),
        emotion=SPELLINGS.get(emotion, emotion),
        folder=halves[-1] if halves else None,
        official=OFFICIAL_SPLITS[official[1]] if official else None,
        content=content,
    )


def _choose_table(tables: Mapping[str, bytes]) -> str:
    known = [name for name in tables if PurePosixPath(name).name.lower() in TABLES]
    candidates = known or list(tables)
    if len(candidates) > 1:
        raise DataError(
            f"expected one table, {' or '.join(TABLES)}, received {', '.join(candidates)}; leave one of them"
        )
    return candidates[0]


def _read_table(name: str, content: bytes) -> Iterator[Record | Fault]:
    text = io.TextIOWrapper(io.BytesIO(content), encoding="utf-8-sig", errors="replace", newline="")
    rows = csv.reader(text)
    try:
        columns = _find_columns(name, next(rows, []))
        empty = True
        for row in filter(None, rows):
            empty = False
            yield _read_row(f"{name}:{rows.line_num}", row, columns)
        if empty:
            raise DataError(f"{name}: expected rows below the header, received none; fetch or export the table again")
    except csv.Error as error:
        place = f"{name}, line {rows.line_num}"
        raise DataError(f"{place}: expected comma-separated values, received {error}; mend the line") from error


def _find_columns(name: str, header: list[str]) -> list[int]:
    found = [title.strip().lower() for title in header]
    missing = [column for column in COLUMNS if column.lower() not in found]
    if missing:
        raise DataError(
            f"{name}, line 1: expected the columns emotion, pixels and Usage, "
            f"received {', '.join(header)[:200] or 'nothing'}; add {' and '.join(missing)}"
        )
    return [found.index(column.lower()) for column in COLUMNS]


def _read_row(name: str, row: list[str], columns: list[int]) -> Record | Fault:
    if len(row) <= max(columns):
        return Fault(name, "short_row", f"expected {max(columns) + 1} columns, received {len(row)}")
    emotion, numbers, usage = (row[column].strip() for column in columns)
    if usage not in OFFICIAL_SPLITS:
        return Fault(name, "wrong_usage", f"expected Usage to be {', '.join(OFFICIAL_SPLITS)}, received {usage[:20]!r}")
    if emotion not in _PIXELS or _PIXELS[emotion] >= len(CSV_CODES):
        return Fault(name, "wrong_emotion", f"expected emotion 0 to {len(CSV_CODES) - 1}, received {emotion[:20]!r}")
    pixels = _read_pixels(name, numbers.split())
    if isinstance(pixels, Fault):
        return pixels
    official = OFFICIAL_SPLITS[usage]
    return Record(name, CSV_CODES[_PIXELS[emotion]], "train" if official == "train" else "test", official, pixels)


def _read_pixels(name: str, numbers: list[str]) -> NDArray[np.uint8] | Fault:
    if len(numbers) != FACE_SIZE**2:
        reason = "short_row" if len(numbers) < FACE_SIZE**2 else "long_row"
        return Fault(name, reason, f"expected {FACE_SIZE**2} pixels, received {len(numbers)}")
    try:
        values = bytes(map(_PIXELS.__getitem__, numbers))
    except KeyError as error:
        return Fault(name, "wrong_pixel", f"expected pixels from 0 to 255, received {str(error.args[0])[:20]!r}")
    return np.frombuffer(values, np.uint8).reshape(FACE_SIZE, FACE_SIZE)
