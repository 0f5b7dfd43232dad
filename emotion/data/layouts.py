"""Reads the class and split of each face from the names in an archive, in any public layout of FER-2013, or from a csv.

Knows file names and csv columns. Decodes no pictures and chooses neither classes nor splits.
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
from emotion.labels import ALL_NAMES, CSV_CODES, NAMES, OFFICIAL_SPLITS
from emotion.picture_formats import SUFFIXES

SPLIT_FOLDERS: Final = {"train": "train", "training": "train", "test": "test", "testing": "test"}
"""The half of an archive, `train` or `test`, by the folder names in use, in lower case."""

SPELLINGS: Final = {
    "anger": "angry",
    "disgusted": "disgust",
    "fearful": "fear",
    "happiness": "happy",
    "sadness": "sad",
    "suprise": "surprise",
    "surprised": "surprise",
} | {name: name for name in ALL_NAMES}
"""The class by the folder names that public copies of the dataset use, in lower case."""

TABLES: Final = ("fer2013.csv", "icml_face_data.csv")
"""Names under which the table of the competition is published, sometimes with tables of another form beside it."""

COLUMNS: Final = ("emotion", "pixels", "Usage")

SHOWN: Final = 3
"""Number of names that an error message quotes as examples."""

_SORT: Final = "sort them into train/<class>/ and test/<class>/ and use -S preprocess.split=folders"
_OFFICIAL_NAME: Final = re.compile(rf"({'|'.join(OFFICIAL_SPLITS)})_")
_DESKTOP_FILES: Final = {"desktop.ini", "thumbs.db"}
_PIXELS: Final = {str(value): value for value in range(256)}


@dataclass(frozen=True)
class Record:
    """A face and what the archive says about it.

    Attributes:
        name: archive member, or table and line such as `fer2013.csv:2`.
        emotion: one of `labels.ALL_NAMES`, or the name of another folder in lower case.
        folder: `train` or `test`, the half of the archive; None if no folder tells.
        official: `train`, `validation` or `test`, from file name or `Usage`; None if neither tells.
        content: the bytes of the picture file, or uint8 of shape (48, 48), grey, 0-255.
        votes: uint8, shape (10,), how many raters made each choice of `votes.CHOICES`; None where nobody voted.
    """

    name: str
    emotion: str
    folder: str | None
    official: str | None
    content: bytes | NDArray[np.uint8]
    votes: NDArray[np.uint8] | None = None


@dataclass(frozen=True)
class Fault:
    """A face that cannot be used, and why.

    Attributes:
        name: as in `Record`.
        reason: short code by which faults are counted, such as `truncated` or `wrong_pixel`.
        message: what is wrong.
    """

    name: str
    reason: str
    message: str


def read_records(members: Iterable[tuple[str, bytes]]) -> Iterator[Record | Fault]:
    """Yield every face of an archive, in the order of its members.

    Pictures are in `<train or test folder>/<class>/`, below any other folders. A table is read only if there are no
    pictures of a known class, because a table beside pictures repeats or describes them.

    Args:
        members: name and content of each archive member.

    Raises:
        DataError: there are several tables and not exactly one is `fer2013.csv` or `icml_face_data.csv`, or the table
            has no rows, lacks a column or is not valid csv.
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
    """Return an error message with the number of faults by reason, and the first; the caller has logged them all."""
    reasons = Counter(fault.reason for fault in faults)
    counts = ", ".join(f"{reason} {count}" for reason, count in sorted(reasons.items()))
    return (
        f"cannot use {_count(len(faults), 'face')} ({counts}; all are listed above), "
        f"the first is {faults[0].name}: {faults[0].message}; "
        "replace them, or leave them out with -S preprocess.on_bad_image=drop if other faces remain"
    )


def describe_missing(classes: Sequence[str], left_out: Mapping[str, int]) -> str:
    """Return an error message for classes without a face, with the other names found and the names that are known.

    Args:
        classes: those without a face.
        left_out: number of faces by folder or class that is not among the chosen classes.
    """
    others = ", ".join(f"{name or 'no class folder'} ({count})" for name, count in sorted(left_out.items()))
    return (
        f"no faces of {', '.join(classes)}{'; found instead: ' if others else ''}{others}; "
        f"name the folders below train/ and test/ after the classes ({', '.join(sorted(SPELLINGS))}), "
        "or choose classes with -S preprocess.classes"
    )


def describe_unassigned(names: Sequence[str], split: str, other: str | None) -> str:
    """Return an error message for faces that belong to no split.

    Args:
        names: of those faces.
        split: value of the setting `preprocess.split`.
        other: the other value of it, if that gives every face a split.
    """
    facts = {
        "official": f"no official split (as in Training_123.jpg) in {_count(len(names), 'file name')}",
        "folders": f"no folder named {', '.join(SPLIT_FOLDERS)} above {_count(len(names), 'picture')}",
    }
    advice = f"use -S preprocess.split={other}" if other else _SORT
    return f"{facts[split]}, such as {', '.join(names[:SHOWN])}; {advice}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _is_picture(path: PurePosixPath) -> bool:
    # Every file in a class folder counts, so that a picture with another suffix is reported and not overlooked.
    listed = path.suffix.lower() in SUFFIXES or path.parent.name.lower() in SPELLINGS
    return listed and path.name.lower() not in _DESKTOP_FILES


def _read_picture(path: PurePosixPath, content: bytes) -> Record:
    parents = [part.lower() for part in path.parts[:-1]]
    emotion = parents[-1] if parents else ""
    # The innermost folder decides: an archive named after one half may hold both.
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
            f"found {len(candidates)} tables ({', '.join(candidates)}); leave only one, named {' or '.join(TABLES)}"
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
            raise DataError(f"{name} has no rows below the header; download or export the table again")
    except csv.Error as error:
        place = f"{name}, line {rows.line_num}"
        raise DataError(f"{place}: not valid csv ({error}); correct the line") from error


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
        return Fault(name, "wrong_usage", f"expected Usage {' or '.join(OFFICIAL_SPLITS)}, received {usage[:20]!r}")
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
