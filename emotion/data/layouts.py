"""Reads the class and split of each face from the names in an archive, in any public layout of FER-2013, or from a csv.

Knows file names. Decodes no pictures and chooses neither classes nor splits.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Final

from emotion.data.class_names import find_class, find_order, plain
from emotion.data.public_names import TABLES, find_official, find_split
from emotion.data.records import Fault, Record
from emotion.data.tables import choose_table, read_table
from emotion.errors import DataError
from emotion.labels import ALL_NAMES, OFFICIAL_SPLITS
from emotion.picture_formats import SUFFIXES

NOTHING_CHOSEN: Final[Mapping[str, str]] = MappingProxyType({})

LABEL_FILES: Final = {
    re.compile(r"list_par?tition_label\.txt"): "RAF-DB",
    re.compile(r"\d+_exp\.npy"): "AffectNet",
    re.compile(r"fer2013(train|valid|test)/(label\.csv|fer\d+\.png)"): "FER+",
    re.compile(r"^labels/.+\.txt$"): "the YOLO form of AffectNet",
}
"""Datasets whose classes are in files beside the pictures, by names in lower case; `docs/data.md` tells what to do."""

_OFFICIAL_NAME: Final = re.compile(rf"({'|'.join(OFFICIAL_SPLITS)})_")


def read_class_names(names: Iterable[str], settings: Mapping[str | int, str]) -> dict[str, str]:
    """Return what the class folders of an archive mean where their names alone do not say it.

    Args:
        names: of all members.
        settings: the setting `preprocess.class_names`, which goes before.

    Returns:
        The class by folder name; numbers are among them if they are those of FER-2013 or of RAF-DB.
    """
    folders = {path.parent.name for path in map(PurePosixPath, names) if path.suffix.lower() in SUFFIXES}
    return find_order(folders) | {plain(name): emotion for name, emotion in settings.items()}


def read_records(
    members: Iterable[tuple[str, bytes]], class_names: Mapping[str, str] = NOTHING_CHOSEN
) -> Iterator[Record | Fault]:
    """Yield every face of an archive, in the order of its members.

    Pictures are in `<folder of a split>/<class>/`, below any other folders. A table is read only if there are no
    pictures of a known class, because a table beside pictures repeats or describes them.

    Args:
        members: name and content of each archive member.
        class_names: as `read_class_names` returns them.

    Raises:
        DataError: as for `tables.choose_table` and `tables.read_table`, or the archive is one of `LABEL_FILES`.
    """
    tables: dict[str, bytes] = {}
    pictures, dataset = False, ""
    for name, content in members:
        path = PurePosixPath(name)
        dataset = dataset or _find_dataset(path)
        if path.suffix.lower() == ".csv":
            tables[name] = content
        elif _is_picture(path, class_names):
            record = _read_picture(path, content, class_names)
            pictures = pictures or record.emotion in ALL_NAMES
            yield record
    if pictures:
        return
    if dataset and not any(PurePosixPath(name).name.lower() in TABLES for name in tables):
        raise _other_layout(dataset)
    if tables:
        name = choose_table(tables)
        yield from read_table(PurePosixPath(name).name, tables[name], class_names)


def _find_dataset(path: PurePosixPath) -> str:
    name = "/".join(path.parts[-2:]).lower()
    return next((dataset for pattern, dataset in LABEL_FILES.items() if pattern.search(name)), "")


def _other_layout(dataset: str) -> DataError:
    return DataError(
        f"this looks like {dataset}, which keeps the classes in files beside the pictures; "
        f'convert it first: see "Other datasets" in docs/data.md'
    )


def _is_picture(path: PurePosixPath, class_names: Mapping[str, str]) -> bool:
    # Every file in a class folder counts, so that a picture with another suffix is reported and not overlooked.
    return path.suffix.lower() in SUFFIXES or find_class(path.parent.name, class_names) in ALL_NAMES


def _read_picture(path: PurePosixPath, content: bytes, class_names: Mapping[str, str]) -> Record:
    # The innermost folder decides: an archive named after one half may hold both.
    folder = next(filter(find_split, reversed(path.parts[:-1])), "")
    official = _OFFICIAL_NAME.match(path.name)
    return Record(
        name=str(path),
        emotion=find_class(path.parent.name, class_names),
        folder=find_split(folder),
        official=OFFICIAL_SPLITS[official[1]] if official else find_official(folder),
        content=content,
    )
