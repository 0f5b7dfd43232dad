"""A csv of labelled pictures: reads it, finds the pictures, and collects every fault before any picture is searched.

Knows files and class names, but no network.
"""

from __future__ import annotations

import csv
import io
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from emotion.errors import DataError, one_line, printable

NEEDED: Final = ("file", "expected")
OPTIONAL: Final = ("faces", "accepted", "repository")

RESULTS: Final = ("found", "missed", "false", "label", "confidence", "uncertain", "right", "right_or_accepted")
"""Columns that `picture_results` adds, so that the csv may not have them."""

SEPARATORS: Final = ",;\t"
EXAMPLES: Final = 10
"""Faults that an error quotes; the others are only counted."""


class Fault(NamedTuple):
    """Why a line of the csv cannot be used; faults are counted by their reason."""

    line: int
    reason: str
    message: str


@dataclass(frozen=True)
class LabelledPicture:
    """One line of the csv.

    Attributes:
        line: its number in the csv; the header is line 1.
        path: the picture.
        faces: number of faces that a person sees in it.
        expected: the class of each of them; None if only the detection is judged.
        accepted: the classes that a person accepts, `expected` among them.
        fields: the line as it was read, by column.
    """

    line: int
    path: Path
    faces: int
    expected: str | None
    accepted: frozenset[str]
    fields: dict[str, str]


def read(path: Path, folder: Path | None, classes: Sequence[str]) -> list[LabelledPicture]:
    """Read a csv of labelled pictures.

    It is UTF-8 with a header line; comma, semicolon or tab separate the columns. `file` and `expected` must be there;
    `faces` (1 where it is missing or empty), `accepted` and `repository` may be; others are kept. With a `repository`
    such as `owner/name`, the picture is in `owner+name/` or `owner/name/` below the folder.

    Args:
        path: the csv.
        folder: where the files are; None for the csv's own folder.
        classes: the classes of the network.

    Returns:
        The lines, in order.

    Raises:
        DataError: the csv cannot be used; the message counts all faults and quotes the first.
    """
    header, lines = _parse(path)
    faults = [Fault(1, "header", message) for message in _check_header(header)]
    pictures: list[LabelledPicture] = []
    if not faults:
        reader = _LineReader(folder or path.parent, classes)
        for line, fields in lines:
            if len(fields) == len(header):
                pictures.append(reader.read(line, dict(zip(header, fields, strict=True))))
            else:
                message = f"expected {len(header)} values, received {len(fields)}"
                faults.append(Fault(line, "number of values", message))
        faults += reader.faults
    if not faults and not pictures:
        faults.append(Fault(1, "no picture", "there is no line below the header"))
    check(path, faults)
    return pictures


def check(path: Path, faults: Sequence[Fault]) -> None:
    """Refuse a csv with faults.

    Raises:
        DataError: there is a fault.
    """
    if not faults:
        return
    faults = sorted(faults)
    counts = ", ".join(f"{reason} {count}" for reason, count in Counter(fault.reason for fault in faults).items())
    quoted = [f"line {fault.line}: {printable(fault.message)}" for fault in faults[:EXAMPLES]]
    more = [f"and {len(faults) - EXAMPLES} more"] if len(faults) > EXAMPLES else []
    noun = "fault" if len(faults) == 1 else "faults"
    raise DataError(f"{path} has {len(faults)} {noun} ({counts}): {'; '.join(quoted + more)}; correct the csv")


def _parse(path: Path) -> tuple[list[str], Iterator[tuple[int, list[str]]]]:
    """Return the names of the columns, and the other lines with their numbers."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise DataError(f"cannot read {path} ({error.strerror}); choose a csv") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text ({error.reason}); save it as csv with UTF-8 encoding") from error
    first = text.partition("\n")[0]
    separator = max(SEPARATORS, key=first.count)
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        filled = [(lines.line_num, [field.strip() for field in fields]) for fields in lines if any(fields)]
    except csv.Error as error:
        raise DataError(f"{path}, line {lines.line_num}: {one_line(error)}; correct the csv") from error
    header = [name.lower() for name in filled[0][1]] if filled else []
    return header, iter(filled[1:])


def _check_header(header: Sequence[str]) -> Iterator[str]:
    if missing := [name for name in NEEDED if name not in header]:
        has = f"it has only {_quote(header)}" if header else "it has no header"
        yield f"the columns {_quote(NEEDED)} are needed, and {has}; add {_quote(missing)}"
    if twice := [name for name, count in Counter(header).items() if count > 1]:
        yield f"there is more than one column {_quote(twice)}; rename them"
    if taken := [name for name in dict.fromkeys(header) if name in RESULTS]:
        yield f"the results have a column {_quote(taken)} too; rename yours"


def _quote(names: Iterable[str]) -> str:
    return " and ".join(f'"{name}"' for name in names)


class _LineReader:
    """Turns the lines of one csv into labelled pictures, and collects their faults."""

    def __init__(self, folder: Path, classes: Sequence[str]) -> None:
        self._folder = folder
        self._classes = classes
        self._seen: dict[Path, int] = {}
        self.faults: list[Fault] = []

    def read(self, line: int, fields: dict[str, str]) -> LabelledPicture:
        """Read one line; where it has a fault, the result is of no use."""
        start = len(self.faults)
        expected = self._read_classes(line, fields["expected"])
        accepted = self._read_classes(line, fields.get("accepted", ""))
        faces = self._read_number(line, fields.get("faces", ""))
        path = self._find(line, fields)
        if len(self.faults) == start:
            self._check_meaning(line, faces, expected, accepted)
        return LabelledPicture(
            line, path, faces, expected[0] if expected else None, frozenset(expected + accepted), fields
        )

    def _add(self, line: int, reason: str, message: str) -> None:
        self.faults.append(Fault(line, reason, message))

    def _read_classes(self, line: int, text: str) -> list[str]:
        names = [name for name in re.split(r"[\s|,]+", text.lower()) if name]
        for name in names:
            if name not in self._classes:
                self._add(line, "unknown class", f"expected one of {', '.join(self._classes)}, received {name!r}")
        return names

    def _read_number(self, line: int, text: str) -> int:
        if not text:
            return 1
        if not re.fullmatch(r"[0-9]{1,6}", text):
            self._add(line, "number of faces", f"expected a whole number of faces, received {text!r}")
            return 0
        return int(text)

    def _find(self, line: int, fields: dict[str, str]) -> Path:
        if not fields["file"]:
            self._add(line, "no file", "the field file is empty")
            return self._folder
        repository = fields.get("repository", "")
        folders = [self._folder / repository.replace("/", "+"), self._folder / repository]
        paths = [folder / fields["file"] for folder in folders]
        # Path.is_file raises on names that are too long.
        found = next((path for path in paths if os.path.isfile(path)), None)  # noqa: PTH113
        if not found:
            self._add(line, "no file", f"there is no file {paths[0]}")
            return paths[0]
        first = self._seen.setdefault(found.resolve(), line)
        if first != line:
            self._add(line, "duplicate", f"{found} is already on line {first}")
        return found

    def _check_meaning(self, line: int, faces: int, expected: list[str], accepted: list[str]) -> None:
        if len(expected) > 1:
            self._add(line, "several classes", f"expected one class, received {', '.join(expected)}; use accepted")
        elif accepted and not expected:
            self._add(line, "accepted alone", f"accepted is {', '.join(accepted)}, but expected is empty")
        elif expected and not faces:
            self._add(line, "class without a face", f"expected is {expected[0]}, but faces is 0")
