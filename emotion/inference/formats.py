"""What is written of recognised pictures: lines for people, JSON and csv for programs, annotated copies.

Each writer takes one picture after the other and keeps none. Finding and judging faces is done below.
"""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final, TextIO

from PIL import Image

from emotion.errors import printable
from emotion.files import partial_of, write_bytes
from emotion.images import read_image
from emotion.inference.drawing import draw, to_rgb
from emotion.inference.results import Face, Picture

Row = dict[str, object]

LONGEST_STEM: Final = 200
"""Bytes of a name that an annotated copy keeps: disks allow 255, of which its own additions take some."""


def lines(picture: Picture, top: int = 1) -> list[str]:
    """Return a line for each face, or one that says why there is none.

    Args:
        picture: what was found.
        top: how many of its most probable classes a face shows.
    """
    name = printable(picture.source)
    if picture.error is not None:
        return [f"{name}  cannot be read: {printable(picture.error)}"]
    found = [f"{name}  {face.describe(top)}  ({face.box or 'whole picture'})" for face in picture.faces]
    return found or [f"{name}  no face found"]


def count(number: int, noun: str) -> str:
    """Return a number with its noun, `1 face` or `2 faces`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def face_as_json(face: Face) -> dict[str, Any]:
    """Return a face as what JSON can hold: box (or null), label, confidence, uncertain, probabilities."""
    return {
        "box": asdict(face.box) if face.box else None,
        "label": face.label,
        "confidence": _shorten(face.confidence),
        "uncertain": face.uncertain,
        "probabilities": {name: _shorten(share) for name, share in face.probabilities.items()},
    }


def picture_as_json(picture: Picture) -> dict[str, Any]:
    """Return a picture as what JSON can hold: source, width, height, faces, error (or null)."""
    faces = [face_as_json(face) for face in picture.faces]
    size = {"width": picture.width, "height": picture.height}
    return {"source": picture.source, **size, "faces": faces, "error": picture.error}


def csv_text(pictures: Iterable[Picture], classes: Sequence[str]) -> str:
    """Return pictures as csv with a header line: the rows of `Picture.rows`."""
    stream = io.StringIO()
    write = row_writer(stream)
    for picture in pictures:
        write(picture.rows(classes))
    return stream.getvalue()


def row_writer(stream: TextIO) -> Callable[[Sequence[Row]], None]:
    """Return what writes rows as csv and hands them to the disk at once: a run that is killed leaves whole lines.

    The keys of the first row become the header.
    """
    writer: csv.DictWriter[str] | None = None

    def write(rows: Sequence[Row]) -> None:
        nonlocal writer
        if writer is None:
            writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
            writer.writeheader()
        writer.writerows({key: _shorten(value) for key, value in row.items()} for row in rows)
        stream.flush()

    return write


def print_json_line(picture: Picture) -> None:
    """Print a picture as one line of JSON."""
    print(json.dumps(picture_as_json(picture)), flush=True)


class JsonArray:
    """Prints pictures as one JSON array; to be entered with `with`, which closes the brackets."""

    def __init__(self) -> None:
        self._before = ""

    def __enter__(self) -> JsonArray:
        print("[", end="")
        return self

    def __exit__(self, *_: object) -> None:
        print("\n]", flush=True)

    def add(self, picture: Picture) -> None:
        """Print one more picture."""
        print(f"{self._before}\n{json.dumps(picture_as_json(picture))}", end="", flush=True)
        self._before = ","


class Album:
    """A folder of annotated copies, each under a name of its own."""

    def __init__(self, folder: Path, originals: Iterable[str | Path]) -> None:
        """Choose the folder, made when the first copy is written.

        Args:
            folder: where to write.
            originals: files that no copy may replace.
        """
        self._folder = folder
        self._taken = {_key(Path(original)) for original in originals}

    def add(self, picture: Picture, source: str | bytes) -> Path:
        """Write a picture with its faces drawn in, as JPEG.

        Args:
            picture: what was found; one that could be read.
            source: its file, or the file's content.

        Returns:
            The new file: the source's name with `_faces`, and a number where that name is taken.
        """
        pixels = to_rgb(read_image(source if isinstance(source, bytes) else Path(source)))
        path = self._free_path(Path(picture.source).stem)
        # In memory first: of a full disk Pillow says nothing.
        stream = io.BytesIO()
        Image.fromarray(draw(pixels, picture.faces)).save(stream, "JPEG", quality=92)
        write_bytes(path, stream.getvalue())
        return path

    def _free_path(self, stem: str) -> Path:
        # A stem may be as long as disks allow before anything is added.
        if len(os.fsencode(stem)) > LONGEST_STEM:
            stem = os.fsencode(stem)[:LONGEST_STEM].decode(errors="ignore")
        number = 1
        path = self._folder / f"{stem}_faces.jpg"
        while self._taken & {_key(path), _key(partial_of(path))}:
            number += 1
            path = self._folder / f"{stem}_faces-{number}.jpg"
        self._taken.add(_key(path))
        return path


def _key(path: Path) -> str:
    """Return what is equal for two names of one file; some disks do not tell capitals apart."""
    return str(path.resolve()).casefold()


def _shorten(value: Any) -> Any:
    """Leave the seven digits that a float32 holds."""
    return float(f"{value:.7g}") if isinstance(value, float) else value
