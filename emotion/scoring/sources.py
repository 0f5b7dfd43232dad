"""What to score: the pictures of a folder, a pattern, a table or a prefix, one by one and in a fixed order.

Names are never all in memory: at most those of one folder, or of one block of a table.
"""

from __future__ import annotations

import os
import posixpath
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from emotion.errors import EmotionError
from emotion.inference.pictures import find_pictures
from emotion.picture_formats import SUFFIXES
from emotion.scoring import tables
from emotion.scoring.places import Place, explaining, is_address
from emotion.system_files import is_system_file


class Source(NamedTuple):
    """A picture to score.

    Attributes:
        name: its path, address, or table and row; as it appears in the results.
        size: of its file in bytes; None if that is not known.
    """

    name: str
    size: int | None = None


@dataclass(frozen=True)
class Sources:
    """Where the pictures lie.

    Attributes:
        kind: `paths`, or `bytes` for a table whose column holds the pictures themselves.
        base: the folder or prefix to which relative names belong; of `bytes`, the table.
        column: of the table; None without one.
    """

    kind: Literal["paths", "bytes"]
    base: str
    column: str | None = None


def resolve(text: str) -> str:
    """Return an input by which runs from different folders can be compared: local paths become absolute."""
    return text if is_address(text) else os.path.abspath(text)  # noqa: PTH100  `..` may follow a link


def describe(text: str, column: str | None) -> Sources:
    """Say where the pictures of an input lie.

    Args:
        text: a folder, a file, a pattern, a prefix, or a table that ends in `.csv` or `.parquet`.
        column: of a table; None for the only column of bytes, else the first of `tables.PATH_COLUMNS`.

    Raises:
        EmotionError: there is nothing of that name, or a table has no such column.
    """
    if not text.lower().endswith((".csv", ".parquet")):
        if column:
            raise EmotionError(f"--column {column} is for a table, and {text} is neither .csv nor .parquet")
        return Sources("paths", text if is_address(text) else str(Path.cwd()))
    if "*" in text or (not is_address(text) and Path(text).is_dir()):
        raise EmotionError(f"{text} is more than one table; give one .csv or .parquet file, and score each on its own")
    with explaining(text):
        columns = tables.columns_of(text)
    chosen = tables.choose(text, columns, column)
    return Sources("bytes", resolve(text), chosen) if columns[chosen] else Sources("paths", folder_of(text), chosen)


def folder_of(table: str) -> str:
    """Return the folder or prefix to which the paths in a table belong."""
    return posixpath.dirname(table) if is_address(table) else str(Path(table).resolve().parent)


def find(text: str, sources: Sources, left_out: Counter[str], *, sized: bool = False) -> Iterator[Source]:
    """Yield the pictures of an input in its own order: names sorted in each folder, rows as they stand in a table.

    Args:
        text: the input.
        sources: as `describe` returns it.
        left_out: gets the number of other files in a folder, by suffix.
        sized: whether to look up the sizes of local files; an object store tells them anyway.

    Raises:
        EmotionError: the input does not exist or cannot be read.
    """
    with explaining(text):
        if sources.column is not None:
            yield from _find_in_table(text, sources)
        elif is_address(text):
            yield from _find_behind(Place(text), left_out)
        else:
            yield from _find_here(text, left_out, sized=sized)


def locate(name: str, base: str) -> str:
    """Return where a picture lies: an address, or an absolute path."""
    if is_address(name):
        return name
    return posixpath.join(base, name) if is_address(base) else str(Path(base, name))


def _find_here(text: str, left_out: Counter[str], *, sized: bool) -> Iterator[Source]:
    if os.path.isdir(text):  # noqa: PTH112  Path.is_dir raises on names too long
        os.scandir(text).close()  # raises where the folder cannot be read; a subfolder becomes a row with an error
    for name in find_pictures(text, left_out):
        if name == text and not os.path.lexists(text):
            raise EmotionError(f"there is no file or folder {text}, and nothing matches it; check the name")
        yield Source(name, _size_of(name) if sized else None)


def _size_of(name: str) -> int | None:
    try:
        return Path(name).stat().st_size
    except OSError:  # the row of this picture will say why
        return None


def _find_behind(place: Place, left_out: Counter[str]) -> Iterator[Source]:
    """Yield the pictures below a prefix, or those that match a pattern."""
    place.files.invalidate_cache()
    if any(sign in place.path for sign in "*?["):
        matches = place.files.glob(place.path, detail=True)
        yield from (_behind(place, matches[path]) for path in sorted(matches) if matches[path]["type"] == "file")
    elif (entry := place.files.info(place.path))["type"] == "file":
        yield _behind(place, entry)
    else:
        yield from _walk(place, left_out)


def _walk(place: Place, left_out: Counter[str]) -> Iterator[Source]:
    for _, folders, files in place.files.walk(place.path, detail=True, on_error="raise"):
        # `walk` goes on with what is left in this dictionary, in its order.
        kept = {name: folders[name] for name in sorted(folders) if not is_system_file(name)}
        folders.clear()
        folders.update(kept)
        for name in sorted(name for name in files if name and not is_system_file(name)):
            suffix = posixpath.splitext(name)[1].lower()
            if suffix in SUFFIXES:
                yield _behind(place, files[name])
            else:
                left_out[suffix] += 1


def _behind(place: Place, entry: dict[str, object]) -> Source:
    size = entry.get("size")
    return Source(str(place.files.unstrip_protocol(str(entry["name"]))), int(str(size)) if size is not None else None)


def _find_in_table(text: str, sources: Sources) -> Iterator[Source]:
    if sources.kind == "paths":
        yield from map(Source, tables.paths_in(text, str(sources.column)))
    else:
        sizes = tables.sizes_in(text, str(sources.column))
        yield from (Source(f"{text}#{number}", size) for number, size in enumerate(sizes))
